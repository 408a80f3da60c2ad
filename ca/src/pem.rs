//! Certificates, lists and keys as other tools read them: PEM, RFC 7468.

use pkcs8::LineEnding;
use pkcs8::der::pem::{decode_vec, encode_string};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

/// Certificates one after another.
pub fn certificates<'a>(ders: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> String {
    let blocks = ders.into_iter().map(|der| block("CERTIFICATE", der));
    blocks.map(|block| block.to_string()).collect()
}

/// A revocation list.
pub fn crl(der: &[u8]) -> String {
    block("X509 CRL", der).to_string()
}

/// A private key in PKCS#8.
pub fn key(der: &[u8]) -> Zeroizing<String> {
    block("PRIVATE KEY", der)
}

/// The DER of a signing request in PEM or DER; nothing if it is neither.
pub fn request(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.first() == Some(&0x30) {
        return Some(bytes.to_vec());
    }
    let (label, der) = decode_vec(bytes).ok()?;
    matches!(label, "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST").then_some(der)
}

fn block(label: &str, der: &[u8]) -> Zeroizing<String> {
    let text = encode_string(label, LineEnding::LF, der);
    Zeroizing::new(text.expect("each label is capitals, and memory holds the text"))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn lines_have_at_most_64_characters_and_say_what_they_are() {
        for len in [1, 47, 48, 49, 96, 500] {
            let der = vec![7; len];
            let text = crl(&der);
            assert!(
                text.lines().all(|line| (1..=64).contains(&line.len())),
                "{text}"
            );
            let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
            assert_eq!(BASE64_STANDARD.decode(body).unwrap(), der);
        }
        for label in ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"] {
            assert_eq!(
                request(block(label, &[48, 0]).as_bytes()),
                Some(vec![48, 0])
            );
        }
        assert_eq!(request(&[48, 0]), Some(vec![48, 0]));
        assert_eq!(request(key(&[48, 0]).as_bytes()), None);
        assert_eq!(request(b""), None);
        assert!(key(&[1]).starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let two = [vec![1].into(), vec![2].into()];
        assert_eq!(certificates(&two).matches("BEGIN CERTIFICATE").count(), 2);
    }
}
