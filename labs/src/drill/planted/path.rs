//! The path from a caller's certificate to a root: found by the book, or by a bad twin's own.
//!
//! By the book is rustls-webpki. The lax walk exists for the bad twins alone: it is how a
//! verifier of one's own looks that checks signatures and forgets the rest, and it lets through
//! exactly what its fault says.

use rustls::pki_types::{
    CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, TrustAnchor, UnixTime,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring as algorithms};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::fault::{Fault, Faults};

/// What certificates may be signed with.
pub(super) const ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 8] = [
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ED25519,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
];

/// One certificate of a path, and the key that signed it.
#[derive(Debug)]
pub(super) struct Link {
    /// The certificate.
    pub(super) cert: CertificateDer<'static>,
    /// Its issuer's key.
    pub(super) key: SubjectPublicKeyInfoDer<'static>,
}

/// The longest path that is walked.
const DEEPEST: usize = 8;

/// Finds a path from the first certificate to one of the roots, valid at a time.
pub(super) fn find(
    faults: Faults,
    chain: &[CertificateDer<'_>],
    roots: &[CertificateDer<'static>],
    at: UnixTime,
) -> Result<Vec<Link>, &'static str> {
    const LAX: [Fault; 3] = [
        Fault::IssuerAsCaller,
        Fault::LeafSignsLeaf,
        Fault::UnknownCriticalExtension,
    ];
    let mut found = by_the_book(chain, roots, at, KeyUsage::client_auth());
    if found.is_err() && faults.has(Fault::ServerCertificateAsCaller) {
        found = by_the_book(chain, roots, at, KeyUsage::server_auth());
    }
    if found.is_err() && LAX.into_iter().any(|fault| faults.has(fault)) {
        found = walk(faults, chain, roots, at);
    }
    found
}

/// Finds a path as RFC 5280 says.
pub(super) fn by_the_book(
    chain: &[CertificateDer<'_>],
    roots: &[CertificateDer<'static>],
    at: UnixTime,
    usage: KeyUsage,
) -> Result<Vec<Link>, &'static str> {
    let (leaf, between) = chain.split_first().ok_or("no certificate")?;
    let leaf = EndEntityCert::try_from(leaf).map_err(|_| "a certificate nobody can read")?;
    let anchors: Vec<TrustAnchor<'_>> = roots
        .iter()
        .filter_map(|root| anchor_from_trusted_cert(root).ok())
        .collect();
    let path = leaf
        .verify_for_usage(&ALGORITHMS, &anchors, between, at, usage, None, None)
        .map_err(|_| "no path to a root that it trusts")?;
    let mut certs = vec![path.end_entity().der().into_owned()];
    let mut keys = Vec::new();
    for cert in path.intermediate_certificates() {
        keys.push(cert.subject_public_key_info());
        certs.push(cert.der().into_owned());
    }
    keys.push(webpki::spki_for_anchor(path.anchor()));
    let links = certs.into_iter().zip(keys);
    Ok(links.map(|(cert, key)| Link { cert, key }).collect())
}

/// Follows names and signatures, and asks only what its fault leaves to be asked.
fn walk(
    faults: Faults,
    chain: &[CertificateDer<'_>],
    roots: &[CertificateDer<'static>],
    at: UnixTime,
) -> Result<Vec<Link>, &'static str> {
    let mut links = Vec::new();
    let mut der = chain.first().ok_or("no certificate")?;
    for depth in 0..DEEPEST {
        let cert = read(der)?;
        admits(faults, &cert, depth, at)?;
        let signed = |by: &CertificateDer<'_>| {
            read(by).is_ok_and(|by| {
                let key = by.public_key();
                by.subject().as_raw() == cert.issuer().as_raw()
                    && signed_by(
                        key,
                        cert.tbs_certificate.as_ref(),
                        &cert.signature_value.data,
                    )
            })
        };
        if let Some(root) = roots.iter().find(|root| signed(root)) {
            links.push(link(der, root)?);
            return Ok(links);
        }
        let by = chain
            .iter()
            .skip(1)
            .find(|by| signed(by))
            .ok_or("no path to a root that it trusts")?;
        links.push(link(der, by)?);
        der = by;
    }
    Err("a chain without an end")
}

/// What the lax walk still asks of a certificate.
fn admits(
    faults: Faults,
    cert: &X509Certificate<'_>,
    depth: usize,
    at: UnixTime,
) -> Result<(), &'static str> {
    let now = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let validity = cert.validity();
    if now < validity.not_before.timestamp() || now > validity.not_after.timestamp() {
        return Err("a certificate outside its dates");
    }
    if depth == 0 && cert.is_ca() && !faults.has(Fault::IssuerAsCaller) {
        return Err("an issuer is no caller");
    }
    if depth > 0 && !cert.is_ca() && !faults.has(Fault::LeafSignsLeaf) {
        return Err("a certificate that may sign none");
    }
    let unknown = cert
        .extensions()
        .iter()
        .any(|extension| extension.critical && extension.parsed_extension().unsupported());
    if unknown && !faults.has(Fault::UnknownCriticalExtension) {
        return Err("a critical extension that nobody knows");
    }
    Ok(())
}

fn link(cert: &CertificateDer<'_>, by: &CertificateDer<'_>) -> Result<Link, &'static str> {
    let key = read(by)?.public_key().raw.to_vec();
    Ok(Link {
        cert: cert.clone().into_owned(),
        key: SubjectPublicKeyInfoDer::from(key),
    })
}

/// Reads a certificate.
pub(super) fn read<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, &'static str> {
    let read = X509Certificate::from_der(der);
    read.map(|(_, cert)| cert)
        .map_err(|_| "a certificate nobody can read")
}

/// Whether a key signed something, by any of the [`ALGORITHMS`] that fit it.
pub(super) fn signed_by(key: &SubjectPublicKeyInfo<'_>, what: &[u8], signature: &[u8]) -> bool {
    let key = key.subject_public_key.data.as_ref();
    ALGORITHMS
        .iter()
        .any(|algorithm| algorithm.verify_signature(key, what, signature).is_ok())
}
