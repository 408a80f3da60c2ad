//! Trust bundles of strangers: what is read is within bounds, reads back as the same, and makes
//! verifiers of nothing but certificates that were in it.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ca::bundle_json::{Document, HINTS_S, MAX_DOCUMENT, MAX_KEYS, MAX_SEQUENCE};
use ca::identity::TrustDomain;
use ca::trusted::MAX_ROOTS;

use super::der::value;

static ELSEWHERE: LazyLock<TrustDomain> =
    LazyLock::new(|| TrustDomain::new("other.example").expect("it is one"));

/// A bundle as it is served; what is accepted has every bound that verifiers rely on.
pub fn bundle(data: &[u8]) {
    let read = match Document::parse(data) {
        Ok(read) => read,
        Err(refused) => {
            assert!(!refused.to_string().contains(char::is_control));
            return;
        }
    };
    assert!(data.len() <= MAX_DOCUMENT && read.sequence <= MAX_SEQUENCE);
    assert!(read.roots.len() <= MAX_ROOTS && read.token_keys.len() <= MAX_KEYS);
    let hints = HINTS_S.start()..=HINTS_S.end();
    assert!(hints.contains(&&read.ask_again().as_secs()));
    let written = read.to_json();
    let again = Document::parse(written.as_bytes()).expect("what is written is a bundle");
    assert_eq!(again, read);
    assert!(again.says_the_same(&read));
    assert_eq!(again.to_json(), written);
    for root in &read.roots {
        let (_, _, after) = value(root).expect("a root is DER");
        assert!(after.is_empty(), "bytes after a root");
        let stands = STANDARD.encode(root);
        assert!(written.contains(&stands));
    }
    let bundle = read.bundle(ELSEWHERE.clone(), read.sequence);
    assert_eq!(bundle.roots, read.roots);
    let sooner = Document {
        refresh_hint: Some(Duration::from_secs(1)),
        ..read.clone()
    };
    assert!(sooner.says_the_same(&read), "a hint is no content");
}
