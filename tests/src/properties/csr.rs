//! Signing requests: what is accepted proves possession of the very key that is in it.
//!
//! The proof is checked here in another way: over a walk through the DER that knows nothing of
//! X.509.

use std::sync::LazyLock;

use ca::csr::{MAX_REQUEST, Request};
use ca::error::IssueRefusal;
use ca::identity::SpiffeId;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use super::der::value;

/// Whom the accepted request is for.
pub static ALICE: LazyLock<SpiffeId> = LazyLock::new(|| id("alice"));

static MALLORY: LazyLock<SpiffeId> = LazyLock::new(|| id("mallory"));

/// `SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING of 65 bytes }`, up to these.
const P256_KEY: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
    \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

fn id(user: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://clinic.example/user/{user}")).expect("it is one")
}

/// Whether the request is signed with the key that is in it.
fn proves_possession(der: &[u8]) -> Option<bool> {
    let (_, parts, after) = value(der)?;
    let (info, fields, rest) = value(parts)?;
    let (_, _, rest) = value(rest)?;
    let (_, signature, _) = value(rest)?;
    let (_, _, fields) = value(fields)?;
    let (_, _, fields) = value(fields)?;
    let (key, ..) = value(fields)?;
    let point = key.strip_prefix(P256_KEY)?;
    let (unused, signature) = signature.split_first()?;
    let verified = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(info, signature);
    Some(after.is_empty() && *unused == 0 && verified.is_ok())
}

/// A request, for its own user and for another.
pub fn csr(data: &[u8]) {
    let (own, other) = (
        Request::verify(data, &ALICE),
        Request::verify(data, &MALLORY),
    );
    if own.is_ok() {
        assert!(data.len() <= MAX_REQUEST);
        assert_eq!(
            proves_possession(data),
            Some(true),
            "accepted without proof"
        );
    }
    match (own, other) {
        (Ok(own), Ok(other)) => assert_eq!(own, other),
        (Ok(_), Err(refusal)) | (Err(refusal), Ok(_)) => {
            let foreign = matches!(refusal, IssueRefusal::CsrAsksForForeignName(_));
            assert!(foreign, "only a name can make the difference: {refusal}");
        }
        (Err(_), Err(_)) => {}
    }
}
