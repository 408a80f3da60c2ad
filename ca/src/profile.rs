//! What certificates contain: root, issuer and leaf, every field decided here.
//!
//! It takes nothing from a signing request. Invariants: every generation of a signing certificate
//! has a subject of its own (revocation lists are found by that name); every serial is random;
//! lifetimes are whole seconds; P-256 throughout.

use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyIdMethod, KeyUsagePurpose, SanType, SerialNumber,
};
use time::OffsetDateTime;

use crate::clock::Time;
use crate::dns::DnsNames;
use crate::error::CaError;
use crate::identity::{SpiffeId, TrustDomain};
use crate::nonce;

/// From when until when, both ends included, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    not_before: Time,
    not_after: Time,
}

impl Validity {
    /// Rounds both ends down to whole seconds, as certificates hold them.
    pub const fn new(not_before: Time, not_after: Time) -> Self {
        Self {
            not_before: Time::from_secs(not_before.as_secs()),
            not_after: Time::from_secs(not_after.as_secs()),
        }
    }

    /// `lifetime` from `not_before` on.
    pub fn lasting(not_before: Time, lifetime: Duration) -> Self {
        let start = Time::from_secs(not_before.as_secs());
        Self::new(start, start + lifetime)
    }

    /// First moment.
    pub const fn not_before(&self) -> Time {
        self.not_before
    }

    /// Last moment.
    pub const fn not_after(&self) -> Time {
        self.not_after
    }

    /// From the first moment to the last; zero if they are the wrong way round.
    pub const fn lifetime(&self) -> Duration {
        self.not_after.since(self.not_before)
    }

    /// As much of it as lies inside `outer`.
    pub fn inside(&self, outer: &Self) -> Self {
        Self {
            not_before: self.not_before.max(outer.not_before),
            not_after: self.not_after.min(outer.not_after),
        }
    }
}

/// A root: signs issuers, and the root that comes after it.
pub(crate) fn root(
    domain: &TrustDomain,
    generation: u64,
    validity: &Validity,
) -> Result<CertificateParams, CaError> {
    let subject = root_name(domain, generation);
    signing(domain, subject, BasicConstraints::Constrained(2), validity)
}

/// A root as the root before it vouches for it: under its own name, and one step lower.
pub(crate) fn cross(
    domain: &TrustDomain,
    generation: u64,
    validity: &Validity,
) -> Result<CertificateParams, CaError> {
    let subject = root_name(domain, generation);
    signing(domain, subject, BasicConstraints::Constrained(1), validity)
}

/// An issuer: signs leaves and revocation lists, no further issuers.
pub(crate) fn issuer(
    domain: &TrustDomain,
    generation: u64,
    validity: &Validity,
) -> Result<CertificateParams, CaError> {
    let subject = named(format!("{domain} issuer generation {generation}"));
    signing(domain, subject, BasicConstraints::Constrained(0), validity)
}

/// A workload's leaf. Its subject is empty and its names critical: there is nothing else to mistake
/// for a name. One of them is its SPIFFE ID, and the others are DNS names.
pub(crate) fn leaf(
    id: &SpiffeId,
    dns_names: &DnsNames,
    validity: &Validity,
) -> Result<CertificateParams, CaError> {
    let mut params = common(id, DistinguishedName::new(), validity)?;
    for name in dns_names.iter() {
        let name = Ia5String::try_from(name.to_string()).map_err(CaError::encoding)?;
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    Ok(params)
}

fn signing(
    domain: &TrustDomain,
    subject: DistinguishedName,
    depth: BasicConstraints,
    validity: &Validity,
) -> Result<CertificateParams, CaError> {
    let mut params = common(&domain.root_id(), subject, validity)?;
    params.is_ca = IsCa::Ca(depth);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = Vec::new();
    Ok(params)
}

/// Every field, since rcgen's own defaults are valid from 1975 to 4096 and derive the serial
/// from the key. The struct is open-ended, so it can only be filled in after the fact.
fn common(
    id: &SpiffeId,
    subject: DistinguishedName,
    validity: &Validity,
) -> Result<CertificateParams, CaError> {
    let uri = Ia5String::try_from(id.to_string()).map_err(CaError::encoding)?;
    let mut params = CertificateParams::default();
    params.not_before = date(validity.not_before)?;
    params.not_after = date(validity.not_after)?;
    params.serial_number = Some(SerialNumber::from_slice(&nonce::serial()?));
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.distinguished_name = subject;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = Vec::new();
    params.extended_key_usages = Vec::new();
    // Neither webpki nor rustls understands a URI constraint: the trust domain is checked instead.
    params.name_constraints = None;
    params.crl_distribution_points = Vec::new();
    params.custom_extensions = Vec::new();
    params.use_authority_key_identifier_extension = true;
    params.key_identifier_method = KeyIdMethod::Sha256;
    Ok(params)
}

fn root_name(domain: &TrustDomain, generation: u64) -> DistinguishedName {
    named(format!("{domain} root generation {generation}"))
}

fn named(common_name: String) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    subject
}

/// A time as certificates and revocation lists are given it, in whole seconds.
pub(crate) fn date(at: Time) -> Result<OffsetDateTime, CaError> {
    i64::try_from(at.as_secs())
        .ok()
        .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok())
        .ok_or(CaError::TimeOutOfRange(at))
}
