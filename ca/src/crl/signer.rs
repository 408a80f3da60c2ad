//! Who signed a list: its issuer's certificate, and the certificates from there to a root.
//!
//! webpki verifies no path that ends in a signing certificate, so the few steps of this one are
//! here; the paths of leaves are webpki's alone (see [`crate::chain`]), which asks for a list's
//! signature once more at every use. No clock is asked: what an expired issuer says of its leaves
//! can do no harm, for they have expired with it.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;
use webpki::ring::ECDSA_P256_SHA256;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::prelude::FromDer;

use super::list::{Crl, InvalidCrl};
use crate::bundle::Bundle;
use crate::chain::MAX_CHAIN;
use crate::svid::MAX_CERTIFICATE;

/// Something signed, and by whom it says it is.
struct Signed<'a> {
    by: &'a [u8],
    content: &'a [u8],
    signature: &'a [u8],
}

impl Crl {
    /// Whether the issuer that the list names signed it, and a root of the bundle vouches for that
    /// issuer. `signers` leads there: the issuer's certificate, then what stands between it and a
    /// root. The root is left out, so that for a list of its own there is no certificate at all.
    ///
    /// # Errors
    /// When a certificate on the way may not sign what it signed, or nobody of that name did.
    pub fn verify(
        &self,
        signers: &[CertificateDer<'_>],
        bundle: &Bundle,
    ) -> Result<(), InvalidCrl> {
        if signers.len() >= MAX_CHAIN {
            return Err(InvalidCrl::Signer("too many certificates"));
        }
        let forged = || InvalidCrl::Forged(self.issuer().to_owned());
        let certificates = signers
            .iter()
            .map(|der| read(der))
            .collect::<Result<Vec<_>, _>>()?;
        let mut signed = Signed {
            by: self.issuer_name(),
            content: self.signed(),
            signature: self.signature(),
        };
        for (below, (der, certificate)) in signers.iter().zip(&certificates).enumerate() {
            may_sign(certificate, below)?;
            if !is_signed(&signed, der, certificate) {
                return Err(forged());
            }
            signed = Signed {
                by: certificate.issuer().as_raw(),
                content: certificate.tbs_certificate.as_ref(),
                signature: &certificate.signature_value.data,
            };
        }
        let signs = |root: &CertificateDer<'_>| {
            read(root).is_ok_and(|certificate| is_signed(&signed, root, &certificate))
        };
        if bundle.roots.iter().any(signs) {
            Ok(())
        } else {
            Err(forged())
        }
    }
}

/// Raw DER of the issuer's name of any certificate, and the identifier of its key; nothing if it is
/// unreadable.
pub(super) fn issuer_and_key(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let tbs = &certificate.tbs_certificate;
    Some((
        tbs.issuer.as_raw().to_vec(),
        key_identifier(tbs.extensions()),
    ))
}

/// The identifier of the signer's key in the extensions of a certificate or a list; empty if there
/// is none.
pub(super) fn key_identifier(extensions: &[X509Extension<'_>]) -> Vec<u8> {
    let key = extensions
        .iter()
        .find_map(|it| match it.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(by) => by.key_identifier.as_ref(),
            _ => None,
        });
    key.map(|key| key.0.to_vec()).unwrap_or_default()
}

fn read<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, InvalidCrl> {
    if der.len() > MAX_CERTIFICATE {
        return Err(InvalidCrl::Signer("its certificate is too long"));
    }
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(InvalidCrl::Signer("its certificate is not X.509 in DER")),
    }
}

/// Whether a certificate may sign the list, or the certificate with `below` others under it.
fn may_sign(certificate: &X509Certificate<'_>, below: usize) -> Result<(), InvalidCrl> {
    let twice = |_| InvalidCrl::Signer("an extension stands twice");
    let constraints = certificate.basic_constraints().map_err(twice)?;
    let Some(constraints) = constraints.filter(|basic| basic.value.ca) else {
        return Err(InvalidCrl::Signer("its certificate is no CA's"));
    };
    // Of a list's own issuer nothing is below; of the next, that issuer is, and counts.
    let depth = constraints.value.path_len_constraint;
    if depth.is_some_and(|depth| usize::try_from(depth).is_ok_and(|depth| below > depth)) {
        return Err(InvalidCrl::Signer("its certificate stands too deep"));
    }
    let usage = certificate.key_usage().map_err(twice)?;
    let may = match (usage, below) {
        (None, _) => false,
        (Some(usage), 0) => usage.value.crl_sign(),
        (Some(usage), _) => usage.value.key_cert_sign(),
    };
    if !may {
        return Err(InvalidCrl::Signer("its key may not sign this"));
    }
    Ok(())
}

/// Whether it names that certificate's subject, and that certificate's key signed it.
fn is_signed(
    signed: &Signed<'_>,
    der: &CertificateDer<'_>,
    certificate: &X509Certificate<'_>,
) -> bool {
    certificate.subject().as_raw() == signed.by
        && EndEntityCert::try_from(der)
            .and_then(|key| {
                key.verify_signature(ECDSA_P256_SHA256, signed.content, signed.signature)
            })
            .is_ok()
}
