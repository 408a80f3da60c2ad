//! What a leaf certificate says of itself, by the validator's rules of the X.509-SVID standard.
//!
//! It verifies no signature and no path (see [`crate::credential::verify_chain`]): facts from here
//! are claims until a chain to the right bundle backs them. Invariant: [`LeafFacts`] exist only
//! for a certificate that could be a workload's, never a signing one.

use ring::digest::{SHA256, digest};
use x509_parser::certificate::{TbsCertificate, X509Certificate};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Version};
use x509_parser::time::ASN1Time;

use crate::clock::Time;
use crate::identity::{InvalidSpiffeId, SpiffeId};

/// Largest certificate that is looked at, in bytes.
pub const MAX_CERTIFICATE: usize = 8 * 1024;

/// Why a certificate is no leaf of a workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSvid {
    /// Not one X.509 v3 certificate in DER, or over [`MAX_CERTIFICATE`] bytes.
    #[error("certificate is malformed: {0}")]
    Malformed(&'static str),
    /// Not exactly one URI among its names.
    #[error("certificate has {0} URI names instead of one")]
    UriNames(usize),
    /// Its name is no SPIFFE ID.
    #[error("certificate's name is no SPIFFE ID: {0}")]
    SpiffeId(#[from] InvalidSpiffeId),
    /// Its name is a trust domain's, not a workload's.
    #[error("certificate names the trust domain itself")]
    RootId,
    /// It says `CA:TRUE`.
    #[error("certificate is a CA's")]
    Ca,
    /// Its key usage is absent, not critical, or lacks digitalSignature.
    #[error("certificate's key usage must be critical and include digitalSignature")]
    KeyUsage,
    /// Its key may sign certificates or revocation lists.
    #[error("certificate's key may sign certificates or revocation lists")]
    SigningUsage,
    /// It names extended key usages, but not both of serverAuth and clientAuth.
    #[error("certificate's extended key usage lacks serverAuth or clientAuth")]
    ExtendedKeyUsage,
}

/// A certificate outside its validity, on the reader's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untimely {
    /// Its end has passed by more than the tolerance.
    #[error("certificate expired at {not_after}")]
    Expired {
        /// Its last moment.
        not_after: Time,
    },
    /// Its start is ahead by more than the tolerance.
    #[error("certificate is not valid before {not_before}")]
    NotYetValid {
        /// Its first moment.
        not_before: Time,
    },
}

/// What a leaf says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafFacts {
    /// Whose it is.
    pub spiffe_id: SpiffeId,
    /// Raw DER of its issuer's name: with the serial, what a revocation list goes by.
    pub issuer: Vec<u8>,
    /// Its serial number, big endian, without leading zeros.
    pub serial: Vec<u8>,
    /// First moment of its validity, a whole second.
    pub not_before: Time,
    /// Last moment of its validity, a whole second.
    pub not_after: Time,
    /// SHA-256 of its DER: what a bound token carries.
    pub leaf_sha256: [u8; 32],
}

impl LeafFacts {
    /// Its serial as logs and commands say it: lower-case hexadecimal.
    pub fn serial_hex(&self) -> String {
        crate::nonce::hex(&self.serial)
    }

    /// SHA-256 of its DER, lower-case hexadecimal: what the issuance log knows it by.
    pub fn leaf_sha256_hex(&self) -> String {
        crate::nonce::hex(&self.leaf_sha256)
    }

    /// Reads a leaf.
    ///
    /// # Errors
    /// Names the rule that the certificate breaks.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidSvid> {
        Ok(read(der)?.0)
    }

    /// Whether the leaf is valid at `now`, give or take `tolerance`. Both ends belong to it.
    ///
    /// # Errors
    /// Which end was passed.
    pub fn timely(&self, now: Time, tolerance: std::time::Duration) -> Result<(), Untimely> {
        if now > self.not_after + tolerance {
            let not_after = self.not_after;
            return Err(Untimely::Expired { not_after });
        }
        if now + tolerance < self.not_before {
            let not_before = self.not_before;
            return Err(Untimely::NotYetValid { not_before });
        }
        Ok(())
    }
}

/// The facts and the subject's public key, as the bit string holds it.
pub(crate) fn read(der: &[u8]) -> Result<(LeafFacts, Vec<u8>), InvalidSvid> {
    if der.len() > MAX_CERTIFICATE {
        return Err(InvalidSvid::Malformed("too long"));
    }
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|_| InvalidSvid::Malformed("not X.509 in DER"))?;
    if !rest.is_empty() {
        return Err(InvalidSvid::Malformed("bytes after its end"));
    }
    let tbs = &certificate.tbs_certificate;
    if tbs.version != X509Version::V3 {
        return Err(InvalidSvid::Malformed("not version 3"));
    }
    check_usage(tbs)?;
    let facts = LeafFacts {
        spiffe_id: name(tbs)?,
        issuer: tbs.issuer.as_raw().to_vec(),
        serial: serial(tbs),
        not_before: time(tbs.validity.not_before)?,
        not_after: time(tbs.validity.not_after)?,
        leaf_sha256: sha256(der),
    };
    Ok((facts, tbs.subject_pki.subject_public_key.data.to_vec()))
}

fn check_usage(tbs: &TbsCertificate<'_>) -> Result<(), InvalidSvid> {
    let twice = |_| InvalidSvid::Malformed("an extension stands twice");
    if tbs
        .basic_constraints()
        .map_err(twice)?
        .is_some_and(|basic| basic.value.ca)
    {
        return Err(InvalidSvid::Ca);
    }
    let usage = tbs
        .key_usage()
        .map_err(twice)?
        .ok_or(InvalidSvid::KeyUsage)?;
    if usage.value.key_cert_sign() || usage.value.crl_sign() {
        return Err(InvalidSvid::SigningUsage);
    }
    if !usage.critical || !usage.value.digital_signature() {
        return Err(InvalidSvid::KeyUsage);
    }
    match tbs.extended_key_usage().map_err(twice)? {
        Some(extended) if !(extended.value.server_auth && extended.value.client_auth) => {
            Err(InvalidSvid::ExtendedKeyUsage)
        }
        _ => Ok(()),
    }
}

fn name(tbs: &TbsCertificate<'_>) -> Result<SpiffeId, InvalidSvid> {
    let names = tbs
        .subject_alternative_name()
        .map_err(|_| InvalidSvid::Malformed("an extension stands twice"))?
        .ok_or(InvalidSvid::UriNames(0))?;
    let mut uris = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
    let first = uris.next().ok_or(InvalidSvid::UriNames(0))?;
    let more = uris.count();
    if more > 0 {
        return Err(InvalidSvid::UriNames(more + 1));
    }
    let id = SpiffeId::parse(first)?;
    if id.is_root() {
        return Err(InvalidSvid::RootId);
    }
    Ok(id)
}

fn serial(tbs: &TbsCertificate<'_>) -> Vec<u8> {
    let raw = tbs.raw_serial();
    let zeros = raw.iter().take_while(|byte| **byte == 0).count();
    raw[zeros..].to_vec()
}

fn time(at: ASN1Time) -> Result<Time, InvalidSvid> {
    u64::try_from(at.timestamp())
        .map(Time::from_secs)
        .map_err(|_| InvalidSvid::Malformed("a time before 1970"))
}

/// The public key of any certificate, as the bit string holds it; nothing if it is unreadable.
pub(crate) fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let spki = certificate.tbs_certificate.subject_pki;
    Some(spki.subject_public_key.data.to_vec())
}

/// Raw DER of the issuer's name of any certificate, and its serial; nothing if it is unreadable.
pub(crate) fn issuer_and_serial(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let tbs = &certificate.tbs_certificate;
    Some((tbs.issuer.as_raw().to_vec(), serial(tbs)))
}

/// The last second of a certificate's validity.
pub(crate) fn not_after(der: &[u8]) -> Option<Time> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let secs = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(Time::from_secs(secs))
}

/// Raw DER of any certificate's own name; nothing if it is unreadable.
pub(crate) fn subject(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.tbs_certificate.subject.as_raw().to_vec())
}

/// SHA-256, as an array.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use rcgen::string::Ia5String;
    use rcgen::{
        BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa,
        KeyUsagePurpose, SanType,
    };
    use std::time::Duration;

    use super::*;
    use crate::dns::DnsNames;
    use crate::keys::{Keys, RingKeys};
    use crate::p256::P256;
    use crate::profile::{self, Validity};

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let id = SpiffeId::parse("spiffe://clinic.example/north/sts").unwrap();
        let validity = Validity::new(Time::from_secs(1_000), Time::from_secs(1_100));
        let mut params = profile::leaf(&id, &DnsNames::default(), &validity).unwrap();
        change(&mut params);
        let key = P256::from_pkcs8(&RingKeys.p256().unwrap()).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(Ia5String::try_from(text).unwrap())
    }

    #[test]
    fn a_leaf_says_what_the_profile_put_into_it() {
        let der = certificate(|_| {});
        let facts = LeafFacts::from_der(&der).unwrap();
        assert_eq!(
            facts.spiffe_id.to_string(),
            "spiffe://clinic.example/north/sts"
        );
        assert_eq!(facts.not_before, Time::from_secs(1_000));
        assert_eq!(facts.not_after, Time::from_secs(1_100));
        assert_eq!(facts.serial.len(), 16);
        assert_eq!(facts.leaf_sha256, sha256(&der));
        let (_, parsed) = X509Certificate::from_der(&der).unwrap();
        let names = parsed.subject_alternative_name().unwrap().unwrap();
        assert!(
            names.critical,
            "with an empty subject the name must be critical"
        );
        assert_eq!(parsed.subject().iter().count(), 0);
    }

    #[test]
    fn every_rule_of_the_standard_refuses_by_name() {
        use InvalidSvid as I;
        type Change = fn(&mut CertificateParams);
        let other = |error: InvalidSpiffeId| I::SpiffeId(error);
        let table: [(Change, InvalidSvid); 10] = [
            (|p| p.subject_alt_names.clear(), I::UriNames(0)),
            (
                |p| p.subject_alt_names.push(uri("spiffe://clinic.example/b")),
                I::UriNames(2),
            ),
            (
                |p| p.subject_alt_names = vec![uri("https://clinic.example/a")],
                other(InvalidSpiffeId::Scheme(
                    "https://clinic.example/a".to_owned(),
                )),
            ),
            (
                |p| p.subject_alt_names = vec![uri("spiffe://clinic.example")],
                I::RootId,
            ),
            (
                |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
                I::Ca,
            ),
            (|p| p.key_usages.clear(), I::KeyUsage),
            (
                |p| p.key_usages = vec![KeyUsagePurpose::KeyAgreement],
                I::KeyUsage,
            ),
            (
                |p| p.key_usages.push(KeyUsagePurpose::KeyCertSign),
                I::SigningUsage,
            ),
            (
                |p| p.key_usages.push(KeyUsagePurpose::CrlSign),
                I::SigningUsage,
            ),
            (
                |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
                I::ExtendedKeyUsage,
            ),
        ];
        for (change, refusal) in table {
            assert_eq!(LeafFacts::from_der(&certificate(change)), Err(refusal));
        }
    }

    #[test]
    fn key_usage_must_be_critical() {
        let loose = certificate(|params| {
            params.key_usages.clear();
            // BIT STRING, 7 unused bits, digitalSignature.
            let usage = CustomExtension::from_oid_content(&[2, 5, 29, 15], vec![3, 2, 7, 0x80]);
            params.custom_extensions.push(usage);
        });
        assert_eq!(LeafFacts::from_der(&loose), Err(InvalidSvid::KeyUsage));
    }

    #[test]
    fn host_names_and_no_extended_usage_are_allowed() {
        let der = certificate(|params| {
            params.extended_key_usages.clear();
            let host = Ia5String::try_from("sts.north").unwrap();
            params.subject_alt_names.push(SanType::DnsName(host));
        });
        assert!(LeafFacts::from_der(&der).is_ok());
    }

    #[test]
    fn bytes_that_are_no_certificate_are_refused_and_never_panic() {
        let der = certificate(|_| {});
        let mut longer = der.clone();
        longer.push(0);
        for broken in [&longer[..], &[], &[0x30; 10_000], &der[..der.len() - 1]] {
            assert!(matches!(
                LeafFacts::from_der(broken),
                Err(InvalidSvid::Malformed(_))
            ));
        }
        for place in 0..der.len() {
            let mut changed = der.clone();
            changed[place] ^= 0xff;
            let _ = LeafFacts::from_der(&changed);
        }
    }

    #[test]
    fn both_ends_of_the_validity_belong_to_it() {
        let facts = LeafFacts::from_der(&certificate(|_| {})).unwrap();
        let (slack, tick) = (Duration::from_millis(500), Duration::from_micros(1));
        let (first, last) = (facts.not_before, facts.not_after);
        for at in [first, last, first - slack, last + slack] {
            assert_eq!(facts.timely(at, slack), Ok(()));
        }
        let late = facts.timely(last + slack + tick, slack);
        assert_eq!(late, Err(Untimely::Expired { not_after: last }));
        let early = facts.timely(first - slack - tick, slack);
        assert_eq!(early, Err(Untimely::NotYetValid { not_before: first }));
    }
}
