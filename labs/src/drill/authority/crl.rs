//! Revocation lists, the old and the expired included.
//!
//! It counts no numbers: the case says which, since going back is a case. Invariant: a list has
//! its number and its signer's key identifier, and no list of entries if it has none.

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use time::OffsetDateTime;

use super::signer::Issuer;
use super::{AuthorityError, Life};

/// What a list should say.
#[derive(Clone, Debug)]
pub struct CrlWish {
    /// Its number.
    pub number: u64,
    /// When it was made, and when the next one is due.
    pub life: Life,
    /// Serial numbers that are taken back.
    pub revoked: Vec<Vec<u8>>,
}

/// A list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crl {
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub this_update: OffsetDateTime,
    /// When the next one is due.
    pub next_update: OffsetDateTime,
    /// The list itself.
    pub der: Vec<u8>,
}

/// Signs a list.
pub(super) fn sign(issuer: &Issuer, wish: &CrlWish) -> Result<Crl, AuthorityError> {
    let (this_update, next_update) = (wish.life.not_before(), wish.life.not_after());
    if next_update <= this_update {
        let why = "a revocation list is due for the next after it is made";
        return Err(AuthorityError::Wish(why.to_owned()));
    }
    let entry = |serial: &Vec<u8>| RevokedCertParams {
        serial_number: SerialNumber::from_slice(serial),
        revocation_time: this_update,
        reason_code: Some(rcgen::RevocationReason::KeyCompromise),
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update,
        next_update,
        crl_number: SerialNumber::from(wish.number),
        issuing_distribution_point: None,
        revoked_certs: wish.revoked.iter().map(entry).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(Crl {
        number: wish.number,
        this_update,
        next_update,
        der: list.signed_by(&issuer.signer())?.der().to_vec(),
    })
}
