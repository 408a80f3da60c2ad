//! The authority that the drill plays: roots, issuers, leaves and revocation lists of every kind
//! that a case needs, the wrong ones included.
//!
//! It keeps no store and no order of things: a case says what it wishes, field by field, and gets
//! just that. It is no CA for anything but a drill: its keys live in memory and in the target's
//! files, and nothing it signs should be trusted a minute longer than the drill lasts.
//! Invariants: every certificate has a serial and dates of its own (rcgen's would be a hash of the
//! key, and the years 1975 to 4096); nothing is taken from a signing request; dates are whole
//! seconds.

mod crl;
mod key;
mod leaf;
mod life;
pub mod pem;
mod signer;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyIdMethod,
    KeyUsagePurpose, SerialNumber,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use time::OffsetDateTime;

pub use crl::{Crl, CrlWish};
pub use key::{Curve, Key};
pub use leaf::{Leaf, LeafWish, Role};
pub use life::Life;
pub use signer::{Issuer, IssuerWish, Root};

/// What stands in every subject, so that a file of the drill's can be told at sight.
pub const ORGANISATION: &str = "Schism drill";

/// Bytes of a serial number.
const SERIAL: usize = 16;

/// Why something was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The one who wishes is to blame: the wish cannot be met.
    #[error("{0}")]
    Wish(String),
    /// The certificate library declined.
    #[error("a certificate or list could not be made: {0}")]
    Encoding(#[from] rcgen::Error),
    /// The machine gives no random numbers.
    #[error("the system gives no random numbers, so no key and no serial can be made")]
    NoRandomness,
}

/// The one who makes roots.
#[derive(Clone, Debug)]
pub struct Authority {
    now: OffsetDateTime,
}

impl Authority {
    /// An authority whose roots and issuers are valid from an hour before `now`, for a month.
    pub const fn new(now: OffsetDateTime) -> Self {
        Self { now }
    }

    /// How long its roots and issuers live if nobody says otherwise.
    pub fn life(&self) -> Life {
        let hour = time::Duration::hours(1);
        Life::new(self.now - hour, self.now + time::Duration::days(30))
    }

    /// A new root of that name. Two of one name are two roots, with a key each.
    ///
    /// # Errors
    /// When a key or the certificate cannot be made.
    pub fn new_root(&self, name: &str) -> Result<Root, AuthorityError> {
        self.root_living(name, self.life())
    }

    /// A new root of that name and with that life, which may be over.
    ///
    /// # Errors
    /// When a key or the certificate cannot be made.
    pub fn root_living(&self, name: &str, life: Life) -> Result<Root, AuthorityError> {
        Root::new(name, life)
    }
}

/// Every field, since rcgen's own defaults are dangerous. The struct is open-ended, so it can only
/// be filled in after the fact.
fn blank(name: &str, life: Life) -> Result<CertificateParams, AuthorityError> {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, ORGANISATION);
    subject.push(DnType::CommonName, name);
    let mut params = CertificateParams::default();
    params.not_before = life.not_before();
    params.not_after = life.not_after();
    params.serial_number = Some(SerialNumber::from_slice(&serial()?));
    params.subject_alt_names = Vec::new();
    params.distinguished_name = subject;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = Vec::new();
    params.name_constraints = None;
    params.crl_distribution_points = Vec::new();
    params.custom_extensions = Vec::new();
    params.use_authority_key_identifier_extension = true;
    params.key_identifier_method = KeyIdMethod::Sha256;
    Ok(params)
}

/// Makes the certificate that `params` are for one that may sign others.
fn make_signing(params: &mut CertificateParams, depth: BasicConstraints) {
    params.is_ca = IsCa::Ca(depth);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
}

/// A random serial that is positive and has no zero in front, so that it reads the same in a
/// certificate, in a list and in `openssl`.
fn serial() -> Result<Vec<u8>, AuthorityError> {
    let mut serial = vec![0; SERIAL];
    let filled = SystemRandom::new().fill(&mut serial);
    filled.map_err(|_| AuthorityError::NoRandomness)?;
    serial[0] = (serial[0] & 0x3f) | 0x40;
    Ok(serial)
}

#[cfg(test)]
mod openssl_tests;
#[cfg(test)]
mod tests;
