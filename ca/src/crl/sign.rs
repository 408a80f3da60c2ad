//! Making a revocation list: what it says, in what order, and that its readers will take it.
//!
//! It keeps no record of what is revoked and counts no numbers. Invariant: the same number, times
//! and certificates make the same content, in whatever order they came; only the signature differs.

use std::collections::BTreeMap;

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};

use super::list::{MAX_CRL, Serial};
use crate::clock::Time;
use crate::error::CaError;
use crate::nonce::hex;
use crate::p256::P256;
use crate::profile;

/// A certificate that its issuer takes back: a leaf, or an issuer in the list of its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedLeaf {
    /// Its serial number, big endian.
    pub serial: Vec<u8>,
    /// When it was revoked; lists hold whole seconds.
    pub at: Time,
    /// Why.
    pub reason: RevocationReason,
}

/// Why a certificate was revoked: those of RFC 5280, section 5.3.1, that a leaf or an issuer of
/// ours can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RevocationReason {
    /// Nobody said. In a list, no reason at all stands for it.
    Unspecified,
    /// Somebody else has the key, or may have it.
    KeyCompromise,
    /// Who holds it is now called otherwise, or belongs elsewhere.
    AffiliationChanged,
    /// Another certificate has taken its place.
    Superseded,
    /// What it was for is over.
    CessationOfOperation,
    /// Who holds it may no longer do what it allowed.
    PrivilegeWithdrawn,
}

impl RevocationReason {
    /// Every reason, in the order of the RFC.
    pub const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// The RFC's name for it, in words with hyphens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
        }
    }

    /// The reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    const fn code(self) -> rcgen::RevocationReason {
        use rcgen::RevocationReason as R;
        match self {
            Self::Unspecified => R::Unspecified,
            Self::KeyCompromise => R::KeyCompromise,
            Self::AffiliationChanged => R::AffiliationChanged,
            Self::Superseded => R::Superseded,
            Self::CessationOfOperation => R::CessationOfOperation,
            Self::PrivilegeWithdrawn => R::PrivilegeWithdrawn,
        }
    }
}

/// A list of `revoked`, in DER: version 2, with its number and its signer's key identifier.
///
/// # Errors
/// When it would end before it begins, a serial is none or stands twice, a time is out of range,
/// or the whole is too large for a reader.
pub(crate) fn sign(
    signer: &rcgen::Issuer<'_, P256>,
    number: u64,
    revoked: &[RevokedLeaf],
    this_update: Time,
    next_update: Time,
) -> Result<Vec<u8>, CaError> {
    if next_update.as_secs() <= this_update.as_secs() {
        return Err(CaError::Settings("a revocation list ends after it begins"));
    }
    let mut entries = BTreeMap::new();
    for leaf in revoked {
        let named = || hex(&leaf.serial);
        let serial = Serial::new(&leaf.serial)
            .ok_or_else(|| CaError::damaged(format_args!("`{}` is no serial", named())))?;
        let entry = RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial.digits()),
            revocation_time: profile::date(leaf.at)?,
            reason_code: Some(leaf.reason.code()),
            invalidity_date: None,
        };
        if entries.insert(serial, entry).is_some() {
            let twice = format_args!("serial `{}` is revoked twice", named());
            return Err(CaError::damaged(twice));
        }
    }
    let list = CertificateRevocationListParams {
        this_update: profile::date(this_update)?,
        next_update: profile::date(next_update)?,
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: entries.into_values().collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let der = list
        .signed_by(signer)
        .map_err(CaError::encoding)?
        .der()
        .to_vec();
    if der.len() > MAX_CRL {
        let size = der.len();
        return Err(CaError::damaged(format_args!(
            "a revocation list of {size} bytes"
        )));
    }
    Ok(der)
}
