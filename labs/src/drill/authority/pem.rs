//! Keys, certificates and lists as text (RFC 7468): 64 letters a line, and a line end after each.
//!
//! It reads nothing. Invariant: a text of several is the texts of each, one after the other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::{AuthorityError, Key};

/// Letters on a line.
const WIDTH: usize = 64;

/// Certificates, in that order.
pub fn certificates<'a>(chain: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> String {
    let each = chain.into_iter().map(|der| block("CERTIFICATE", der));
    each.collect()
}

/// Revocation lists, in that order.
pub fn crls<'a>(lists: impl IntoIterator<Item = &'a [u8]>) -> String {
    let each = lists.into_iter().map(|der| block("X509 CRL", der));
    each.collect()
}

/// A key as PKCS#8.
pub fn pkcs8(key: &Key) -> Zeroizing<String> {
    Zeroizing::new(block("PRIVATE KEY", key.pkcs8()))
}

/// A key as SEC 1.
///
/// # Errors
/// When the key cannot be written so.
pub fn sec1(key: &Key) -> Result<Zeroizing<String>, AuthorityError> {
    Ok(Zeroizing::new(block("EC PRIVATE KEY", &key.sec1()?)))
}

fn block(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let letters = STANDARD.encode(der);
    let (mut line, mut rest) = letters.split_at(letters.len().min(WIDTH));
    while !line.is_empty() {
        text.push_str(line);
        text.push('\n');
        (line, rest) = rest.split_at(rest.len().min(WIDTH));
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
