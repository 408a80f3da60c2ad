//! Signing requests: made by workloads, read by the CA.
//!
//! A request contributes its public key and the proof that its maker holds the private half. What
//! else it asks for is refused by name when it is not what the CA would give anyway; its subject
//! is ignored. Invariant: a [`Request`] is proof of possession of a P-256 key.

pub mod danger;

use rcgen::{CertificateParams, DistinguishedName};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::der_parser::asn1_rs::Oid;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ECDSA_WITH_SHA256,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::error::{CaError, IssueRefusal};
use crate::identity::SpiffeId;
use crate::p256::{InvalidKey, P256, PublicPoint};
use crate::svid::sha256;

/// Largest request that is looked at, in bytes; the longest SPIFFE ID fits twice.
pub const MAX_REQUEST: usize = 6 * 1024;

/// Makes a request that asks for nothing: the CA knows the caller's name.
///
/// # Errors
/// When `pkcs8` is no P-256 key.
pub fn request(pkcs8: &[u8]) -> Result<Vec<u8>, InvalidKey> {
    let key = P256::from_pkcs8(pkcs8)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let csr = params.serialize_request(&key).map_err(|_| InvalidKey)?;
    Ok(csr.der().to_vec())
}

/// A request whose proof of possession was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    der: Vec<u8>,
    /// The key to be certified.
    pub(crate) key: PublicPoint,
    /// SHA-256 of the request's DER.
    pub(crate) sha256: [u8; 32],
}

impl Request {
    /// Reads a request for a leaf of `id`.
    ///
    /// # Errors
    /// What is wrong with it, or what it asks for beyond that leaf.
    pub fn verify(der: &[u8], id: &SpiffeId) -> Result<Self, IssueRefusal> {
        let request = Self::read(der)?;
        request.fits(id)?;
        Ok(request)
    }

    /// Reads a request, and verifies that its maker holds its key: most of the work, and none of it
    /// takes a CA. What it asks for is looked at by [`Self::fits`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(der: &[u8]) -> Result<Self, IssueRefusal> {
        if der.len() > MAX_REQUEST {
            return Err(IssueRefusal::CsrTooLarge(der.len()));
        }
        let csr = parsed(der)?;
        let info = &csr.certification_request_info;
        let key = point(&info.subject_pki)?;
        if csr.signature_algorithm.algorithm != OID_SIG_ECDSA_WITH_SHA256 {
            return Err(IssueRefusal::CsrKey);
        }
        if !key.signed(info.raw, &csr.signature_value.data) {
            return Err(IssueRefusal::CsrForged);
        }
        Ok(Self {
            key,
            sha256: sha256(der),
            der: der.to_vec(),
        })
    }

    /// Whether it asks for nothing beyond a leaf of `id`.
    ///
    /// # Errors
    /// What it asks for beyond that.
    pub fn fits(&self, id: &SpiffeId) -> Result<(), IssueRefusal> {
        let csr = parsed(&self.der)?;
        for attribute in csr.certification_request_info.attributes() {
            if let ParsedCriAttribute::ExtensionRequest(asked) = attribute.parsed_attribute() {
                for extension in &asked.extensions {
                    check_asked(extension, id)?;
                }
            }
        }
        Ok(())
    }
}

fn parsed(der: &[u8]) -> Result<X509CertificationRequest<'_>, IssueRefusal> {
    match X509CertificationRequest::from_der(der) {
        Ok(([], csr)) => Ok(csr),
        Ok(_) => Err(IssueRefusal::CsrMalformed("bytes after its end")),
        Err(_) => Err(IssueRefusal::CsrMalformed("not PKCS#10 in DER")),
    }
}

fn point(spki: &SubjectPublicKeyInfo<'_>) -> Result<PublicPoint, IssueRefusal> {
    let curve = spki.algorithm.parameters.as_ref();
    let curve = curve.and_then(|any| Oid::try_from(any.clone()).ok());
    if spki.algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY || curve != Some(OID_EC_P256) {
        return Err(IssueRefusal::CsrKey);
    }
    PublicPoint::new(&spki.subject_public_key.data).map_err(|_| IssueRefusal::CsrKey)
}

fn check_asked(extension: &X509Extension<'_>, id: &SpiffeId) -> Result<(), IssueRefusal> {
    match extension.parsed_extension() {
        ParsedExtension::BasicConstraints(basic) if basic.ca => Err(IssueRefusal::CsrAsksForCa),
        ParsedExtension::BasicConstraints(_) => Ok(()),
        ParsedExtension::KeyUsage(usage) if usage.key_cert_sign() || usage.crl_sign() => {
            Err(IssueRefusal::CsrAsksForCa)
        }
        // Bit 0, the first of the bit string, is digitalSignature.
        ParsedExtension::KeyUsage(usage) if usage.flags & !1 != 0 => {
            Err(IssueRefusal::CsrAsksForMore("a key usage"))
        }
        ParsedExtension::KeyUsage(_) => Ok(()),
        ParsedExtension::ExtendedKeyUsage(usage) => {
            let more = usage.any
                || usage.code_signing
                || usage.email_protection
                || usage.time_stamping
                || usage.ocsp_signing
                || !usage.other.is_empty();
            if more {
                return Err(IssueRefusal::CsrAsksForMore("an extended key usage"));
            }
            Ok(())
        }
        ParsedExtension::SubjectAlternativeName(names) => names
            .general_names
            .iter()
            .try_for_each(|name| check_name(name, id)),
        ParsedExtension::ParseError { .. } => {
            Err(IssueRefusal::CsrMalformed("an extension cannot be read"))
        }
        _ => Err(IssueRefusal::CsrAsksForMore("an extension")),
    }
}

fn check_name(name: &GeneralName<'_>, id: &SpiffeId) -> Result<(), IssueRefusal> {
    match name {
        GeneralName::URI(uri) if SpiffeId::parse(uri).as_ref() == Ok(id) => Ok(()),
        GeneralName::URI(other) | GeneralName::DNSName(other) | GeneralName::RFC822Name(other) => {
            Err(IssueRefusal::CsrAsksForForeignName((*other).to_owned()))
        }
        _ => Err(IssueRefusal::CsrAsksForForeignName("not a URI".to_owned())),
    }
}

impl From<InvalidKey> for CaError {
    fn from(error: InvalidKey) -> Self {
        Self::damaged(error)
    }
}
