//! Claims about bundles as documents: what comes back, what is passed over, and what is refused.

use std::collections::BTreeSet;

use super::*;
use crate::authority::Root;
use crate::clock::Time;
use crate::keys::{Keys as _, RingKeys};
use crate::profile::Validity;
use crate::token_keys::TokenKey;

const NOW: Time = Time::from_secs(1_800_000_000);

fn root(number: u64) -> CertificateDer<'static> {
    let domain = TrustDomain::new("clinic.example").unwrap();
    let validity = Validity::lasting(NOW, Duration::from_secs(3600));
    let root = Root::create(&RingKeys, &domain, number, validity).unwrap();
    root.certificate().clone()
}

fn document() -> Document {
    let mut roots = [root(1), root(2)];
    roots.sort_by(|one, other| one.as_ref().cmp(other.as_ref()));
    let key = TokenKey::new(RingKeys.p256().unwrap()).unwrap();
    Document {
        sequence: 7,
        refresh_hint: Some(Duration::from_secs(60)),
        roots: roots.to_vec(),
        token_keys: vec![key.public().clone()],
    }
}

/// The document with a change to its JSON.
fn with(change: impl FnOnce(&mut Value)) -> Result<Document, InvalidDocument> {
    let mut json: Value = serde_json::from_str(&document().to_json()).unwrap();
    change(&mut json);
    Document::parse(json.to_string().as_bytes())
}

#[track_caller]
fn broken(change: impl FnOnce(&mut Value)) -> String {
    match with(change) {
        Err(refused @ InvalidDocument::BrokenKey { .. }) => refused.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_document_comes_back_as_it_was_written() {
    let written = document();
    let json: Value = serde_json::from_str(&written.to_json()).unwrap();
    assert_eq!(json["spiffe_sequence"], 7);
    assert_eq!(json["spiffe_refresh_hint"], 60);
    // In which order is a matter of what else is built.
    let of = |at: usize| -> BTreeSet<&str> {
        let key = json["keys"][at].as_object().unwrap();
        key.keys().map(String::as_str).collect()
    };
    assert_eq!(
        of(0),
        ["crv", "kty", "use", "x", "x5c", "y"].into(),
        "no `kid`"
    );
    assert_eq!(of(2), ["crv", "kid", "kty", "use", "x", "y"].into());
    let read = Document::parse(written.to_json().as_bytes()).unwrap();
    assert!(read.says_the_same(&written));
    assert_eq!(read.roots, written.roots);
    let again = Document::parse(read.to_json().as_bytes());
    assert_eq!(again, Ok(read));
}

#[test]
fn the_order_of_roots_says_nothing() {
    let (mut one, other) = (document(), document());
    let turned = Document {
        roots: one.roots.iter().rev().cloned().collect(),
        ..one.clone()
    };
    assert!(one.says_the_same(&turned) && !one.says_the_same(&other));
    one.token_keys.clear();
    assert!(!one.says_the_same(&turned));
}

#[test]
fn keys_of_unknown_kinds_and_uses_are_passed_over() {
    let read = with(|json| {
        let more = json!([
            { "kty": "OKP", "use": "x509-svid" },
            { "kty": "EC", "use": "wit-svid", "x5c": [] },
            { "kty": "EC" },
            { "kty": "RSA", "use": "jwt-svid", "kid": "r", "n": "AQAB" },
            { "kty": "EC", "crv": "P-384", "use": "jwt-svid", "kid": "p" },
        ]);
        let keys = json["keys"].as_array_mut().unwrap();
        keys.extend(more.as_array().unwrap().clone());
        json["nonsense"] = json!({ "more": [1, 2] });
    });
    let read = read.unwrap();
    assert_eq!((read.roots.len(), read.token_keys.len()), (2, 1));
    let nothing = with(|json| json["keys"] = json!([])).unwrap();
    assert!(nothing.roots.is_empty(), "empty is a bundle: of nothing");
}

#[test]
fn a_broken_key_is_named() {
    assert!(broken(|it| it["keys"][0]["x5c"] = json!([])).contains("key 0"));
    let two = broken(|it| it["keys"][1]["x5c"] = json!(["AA", "AA"]));
    assert!(two.contains("key 1") && two.contains("no more"), "{two}");
    assert!(broken(|it| it["keys"][0]["x5c"][0] = "?".into()).contains("base64"));
    assert!(broken(|it| it["keys"][0]["x5c"][0] = "AAAA".into()).contains("X.509"));
    let swapped = broken(|it| it["keys"][0]["x5c"] = it["keys"][1]["x5c"].clone());
    assert!(swapped.contains("another key"), "{swapped}");
    let long = STANDARD.encode(vec![0x30; MAX_CERTIFICATE + 1]);
    assert!(broken(|it| it["keys"][0]["x5c"][0] = long.into()).contains("too long"));
    assert!(broken(|it| it["keys"][2]["kid"] = "".into()).contains("`kid`"));
    let kid = "k".repeat(MAX_KID + 1);
    assert!(broken(|it| it["keys"][2]["kid"] = kid.into()).contains("`kid`"));
    assert!(broken(|it| it["keys"][2]["x"] = "AAAA".into()).contains("32 bytes"));
    assert!(broken(|it| it["keys"][2]["y"] = "?".into()).contains("base64url"));
    let twice = broken(|json| {
        let key = json["keys"][2].clone();
        json["keys"].as_array_mut().unwrap().push(key);
    });
    assert!(twice.contains("key 3") && twice.contains("same"), "{twice}");
}

#[test]
fn what_nothing_could_order_is_refused() {
    let none = |json: &mut Value| {
        json.as_object_mut().unwrap().remove("spiffe_sequence");
    };
    assert_eq!(with(none), Err(InvalidDocument::NoSequence));
    for wrong in [json!(-1), json!(1.5), json!("7")] {
        let refused = with(|json| json["spiffe_sequence"] = wrong.clone());
        assert!(matches!(refused, Err(InvalidDocument::NotJson(_))));
    }
    let high = MAX_SEQUENCE + 1;
    let refused = with(|json| json["spiffe_sequence"] = high.into());
    assert_eq!(refused, Err(InvalidDocument::SequenceTooHigh(high)));
}

#[test]
fn size_and_number_are_bounded_and_so_is_the_hint() {
    let large = vec![b' '; MAX_DOCUMENT + 1];
    assert_eq!(Document::parse(&large), Err(InvalidDocument::TooLarge));
    let key = json!({ "kty": "none" });
    let most = with(|json| json["keys"] = vec![key.clone(); MAX_KEYS].into());
    assert!(most.is_ok());
    let more = with(|json| json["keys"] = vec![key; MAX_KEYS + 1].into());
    assert_eq!(more, Err(InvalidDocument::TooMany));
    let roots = Document {
        roots: (0..=MAX_ROOTS as u64).map(root).collect(),
        ..document()
    };
    let more = Document::parse(roots.to_json().as_bytes());
    assert_eq!(more, Err(InvalidDocument::TooMany));
    for (hint, asked) in [(json!(0), 1), (json!(90), 90), (json!(u64::MAX), 86_400)] {
        let read = with(|json| json["spiffe_refresh_hint"] = hint).unwrap();
        assert_eq!(read.ask_again(), Duration::from_secs(asked));
    }
    let read = with(|json| json["spiffe_refresh_hint"] = Value::Null).unwrap();
    assert_eq!(read.ask_again(), USUAL_HINT);
}
