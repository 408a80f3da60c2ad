//! Tokens and the keys that verify them: what is valid was issued here, and to be good there.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ca::clock::Time;
use ca::identity::SpiffeId;
use services::refusal::Refusal;
use services::token::issue::{Issuer, jwks as published};
use services::token::keys::{KeySet, MAX_KEYS};
use services::token::lines::judge_lines;
use services::token::verify::{Demand, verify};

/// A throw-away P-256 key in PKCS#8. It is public, so that the kept tokens go on verifying.
const KEY: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgozZP5eJkNAL/UetZo1/Om4/1dda4NVBP45Smm96iaBKh\
    RANCAASUVfCawYsl+uJck5JStPYxFLeXZ804vC7vJ0M/wI3/5ge7Yau9AJePOMQ748fsrJMP9IBgWT2vS30683eSw631";

/// When the tokens were issued.
const BORN: Time = Time::from_secs(1_767_225_600);

/// For how long.
const TTL: Duration = Duration::from_secs(60);

/// The digest of the leaf that they are bound to.
const LEAF: [u8; 32] = [7; 32];

/// What `schism token verify` asks for.
const DEMAND: Demand<'static> = Demand {
    issuer: Some("clinic.example"),
    audience: Some("records"),
    leeway: Duration::from_secs(2),
    leaf_sha256: None,
    require_binding: false,
};

/// What a hardened service asks for.
const BOUND: Demand<'static> = Demand {
    leaf_sha256: Some(LEAF),
    require_binding: true,
    ..DEMAND
};

static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
    let pkcs8 = STANDARD.decode(KEY).expect("it is base64");
    Issuer::new("clinic.example", "k1", &pkcs8).expect("it is a key")
});

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let keys = KeySet::parse(key_set().as_bytes());
    keys.expect("what an issuer publishes is a key set")
});

/// The issuer's key set, as it publishes it.
pub fn key_set() -> String {
    published([&*ISSUER])
}

/// Every token that was issued: two that are good, one for someone else's ears.
pub fn issued() -> Vec<String> {
    let alice = SpiffeId::parse("spiffe://clinic.example/user/alice").expect("it is one");
    let issue = |audience: &str, jti: &str| {
        let token = ISSUER.issue(&alice, audience, &LEAF, BORN, TTL, jti);
        token.expect("there is randomness")
    };
    vec![
        issue("records", "t-1"),
        issue("records", "t-2"),
        issue("tokens", "t-3"),
    ]
}

/// What of the good ones is signed. The rest, the signature, may differ from one to the next.
static SIGNED: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let good = issued().into_iter().take(2);
    good.filter_map(|token| Some(token.rsplit_once('.')?.0.to_owned()))
        .collect()
});

/// The lines of an input, as `token verify` counts them.
fn lines(data: &[u8]) -> Vec<&[u8]> {
    let data = data.strip_suffix(b"\n").map_or(data, |lines| lines);
    let mut lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    if let Some(first) = lines.first_mut() {
        *first = first.strip_prefix("\u{feff}".as_bytes()).unwrap_or(first);
    }
    lines
}

fn answers(data: &[u8], demand: &Demand<'_>, now: Time) -> Vec<String> {
    let mut out = Vec::new();
    let tally = judge_lines(data, &KEYS, demand, now, &mut out).expect("memory can be read");
    let out = String::from_utf8(out).expect("answers are words");
    let answers: Vec<String> = out.lines().map(str::to_owned).collect();
    assert_eq!(tally.valid + tally.refused, answers.len() as u64);
    answers
}

/// Token lines: one answer a line, and `valid` only for what was issued for here and now.
pub fn token(data: &[u8]) {
    let (loose, bound) = (answers(data, &DEMAND, BORN), answers(data, &BOUND, BORN));
    let lines = if data.is_empty() {
        Vec::new()
    } else {
        lines(data)
    };
    assert_eq!((loose.len(), bound.len()), (lines.len(), lines.len()));
    for ((line, loose), bound) in lines.iter().zip(&loose).zip(&bound) {
        let known = loose == "valid" || Refusal::from_name(loose).is_some();
        assert!(known, "{loose}");
        assert!(
            bound == loose || bound == "token-not-bound",
            "{loose}, then {bound}"
        );
        if loose == "valid" {
            let token = str::from_utf8(line).expect("a token is text");
            let (signed, _) = token.rsplit_once('.').expect("a token has dots");
            assert!(SIGNED.contains(signed), "never issued: {signed}");
        }
    }
    let elsewhere = Demand {
        audience: Some("nowhere"),
        ..DEMAND
    };
    for (demand, now) in [
        (DEMAND, BORN + TTL + DEMAND.leeway),
        (DEMAND, Time::from_secs(BORN.as_secs() - 3)),
        (elsewhere, BORN),
    ] {
        assert!(
            !answers(data, &demand, now)
                .iter()
                .any(|said| said == "valid")
        );
    }
}

/// A key set: bounded, and a token of ours is valid only under our own key, by its own name.
pub fn jwks(data: &[u8]) {
    let Ok(keys) = KeySet::parse(data) else {
        return;
    };
    assert!(keys.len() <= MAX_KEYS);
    let ours: serde_json::Value = serde_json::from_str(&key_set()).expect("it is JSON");
    // What is passed over in a key set may hold half a surrogate pair, which no text can.
    let Ok(theirs) = serde_json::from_slice::<serde_json::Value>(data) else {
        return;
    };
    let ours = &ours["keys"][0];
    let is_ours = |key: &serde_json::Value| {
        let same = |field: &str| key[field] == ours[field];
        same("x") && same("y") && same("kid")
    };
    let theirs = theirs["keys"].as_array();
    let has_ours = theirs.is_some_and(|keys| keys.iter().any(is_ours));
    for token in &GOOD[..] {
        let verified = verify(token, &keys, &BOUND, BORN).is_ok();
        assert!(!verified || has_ours, "valid under a key that is not ours");
    }
}

static GOOD: LazyLock<Vec<String>> = LazyLock::new(|| issued().into_iter().take(2).collect());
