//! Every way that a token is known to have been got past somebody.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::issue::{Issuer, jwks};
use super::super::specimen::{self, BORN, DEMAND, LEAF, TTL, issuer, keys, token};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

const HEADER: &str = r#"{"alg":"ES256","kid":"k1","typ":"schism-access+jwt"}"#;

fn claims() -> Value {
    json!({
        "iss": "clinic.example", "sub": "spiffe://clinic.example/user/alice", "aud": "records",
        "exp": 1_767_225_660, "nbf": 1_767_225_600, "iat": 1_767_225_600, "jti": "t",
        "cnf": { "x5t#S256": URL_SAFE_NO_PAD.encode(LEAF) },
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// What is said of claims that are properly signed.
fn said(claims: &Value, demand: &Demand<'_>, now: Time) -> Result<Verified, Refusal> {
    let issuer = issuer();
    let token = issuer.sign_text(HEADER, &claims.to_string());
    verify(&token, &keys(&issuer), demand, now)
}

fn refused(claims: &Value) -> Refusal {
    said(claims, &DEMAND, BORN).unwrap_err()
}

fn encode(value: &str) -> String {
    URL_SAFE_NO_PAD.encode(value)
}

/// A good token's claims and signature under another header.
fn under(header: &str, issuer: &Issuer) -> Refusal {
    let good = token(issuer, "t");
    let (_, rest) = good.split_once('.').unwrap();
    let forged = format!("{}.{rest}", encode(header));
    verify(&forged, &keys(issuer), &DEMAND, BORN).unwrap_err()
}

#[test]
fn a_good_token_is_verified() {
    let verified = said(&claims(), &DEMAND, BORN).unwrap();
    let expected = Verified {
        subject: specimen::alice(),
        audience: "records".to_owned(),
        expires: BORN + TTL,
        not_before: BORN,
        issued_at: BORN,
        jti: "t".to_owned(),
        key_id: "k1".to_owned(),
    };
    assert_eq!(verified, expected);
    let listed = said(&with("aud", json!(["records"])), &DEMAND, BORN);
    assert_eq!(listed, Ok(expected));
}

#[test]
fn an_issued_token_is_verified_by_its_published_key() {
    let issuer = issuer();
    let judged = verify(&token(&issuer, "x"), &keys(&issuer), &DEMAND, BORN);
    assert_eq!(judged.unwrap().jti, "x");
}

#[test]
fn a_token_of_openssl_is_verified_with_the_algorithm_of_its_key_alone() {
    let jwks = |alg: &str| {
        let n = specimen::PS_N;
        let text = json!({"keys": [{"kty": "RSA", "kid": "ps", "alg": alg, "n": n, "e": "AQAB"}]});
        KeySet::parse(text.to_string().as_bytes()).unwrap()
    };
    let demand = Demand {
        leaf_sha256: None,
        require_binding: false,
        ..DEMAND
    };
    let judge = |alg| verify(specimen::PS_TOKEN, &jwks(alg), &demand, BORN);
    assert_eq!(judge("PS256").unwrap().jti, "ps-1");
    assert_eq!(judge("RS256"), Err(Refusal::TokenForged));
}

#[test]
fn the_algorithm_is_never_the_tokens_to_choose() {
    let issuer = issuer();
    for alg in [
        "none", "None", "HS256", "RS256", "PS256", "ES384", "EdDSA", "",
    ] {
        let header = format!(r#"{{"alg":"{alg}","kid":"k1","typ":"{TYPE}"}}"#);
        assert_eq!(under(&header, &issuer), Refusal::TokenForged, "{alg}");
    }
    // Signed by the right key, under an algorithm that is not that key's.
    let header = HEADER.replace("ES256", "RS256");
    let token = issuer.sign_text(&header, &claims().to_string());
    let judged = verify(&token, &keys(&issuer), &DEMAND, BORN);
    assert_eq!(judged, Err(Refusal::TokenForged));
    let header = format!(r#"{{"alg":"none","typ":"{TYPE}"}}"#);
    let bare = format!("{}.{}.", encode(&header), encode(&claims().to_string()));
    let judged = verify(&bare, &keys(&issuer), &DEMAND, BORN);
    assert_eq!(judged, Err(Refusal::TokenForged));
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let issuer = issuer();
    let header = format!(r#"{{"alg":"HS256","kid":"k1","typ":"{TYPE}"}}"#);
    let signed = format!("{}.{}", encode(&header), encode(&claims().to_string()));
    // CVE-2015-9235: the attacker signs with the bytes that everyone may know.
    let published = jwks([&issuer]);
    let parsed: Value = serde_json::from_str(&published).unwrap();
    let coordinate = |name: &str| {
        let text = parsed["keys"][0][name].as_str().unwrap();
        URL_SAFE_NO_PAD.decode(text).unwrap()
    };
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    for secret in [published.as_bytes(), &point] {
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        let mac = ring::hmac::sign(&secret, signed.as_bytes());
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac));
        let judged = verify(&forged, &keys(&issuer), &DEMAND, BORN);
        assert_eq!(judged, Err(Refusal::TokenForged));
    }
}

#[test]
fn only_known_keys_are_heard() {
    let issuer = issuer();
    for kid in ["k2", "", "../../dev/null", "k1' OR '1'='1", "K1", "k1 "] {
        let header = format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"{TYPE}"}}"#);
        assert_eq!(under(&header, &issuer), Refusal::TokenKeyUnknown, "{kid}");
    }
}

#[test]
fn another_key_of_the_same_name_forges() {
    let (ours, theirs) = (issuer(), issuer());
    let judged = verify(&token(&theirs, "t"), &keys(&ours), &DEMAND, BORN);
    assert_eq!(judged, Err(Refusal::TokenForged));
}

#[test]
fn headers_that_bring_keys_or_wrong_types_are_malformed() {
    let issuer = issuer();
    for more in [
        r#""jwk":{"kty":"EC"}"#,
        r#""jku":"https://a.example""#,
        r#""x5u":"https://a.example""#,
        r#""x5c":[]"#,
        r#""crit":["exp"]"#,
        r#""b64":false"#,
        r#""alg":"ES256""#,
        r#""other":1"#,
    ] {
        let header = format!(r#"{{"alg":"ES256","kid":"k1","typ":"{TYPE}",{more}}}"#);
        assert_eq!(under(&header, &issuer), Refusal::TokenMalformed, "{more}");
    }
    for header in [
        r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#,
        r#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}"#,
        r#"{"alg":"ES256","kid":"k1"}"#,
        r#"{"alg":"ES256","typ":"schism-access+jwt"}"#,
        r#"{"alg":"ES256","kid":7,"typ":"schism-access+jwt"}"#,
        r#"{"kid":"k1","typ":"schism-access+jwt"}"#,
        r#"{"alg":"ES256","kid":"k1","typ":"schism-access+jwt"}{}"#,
        "[]",
        "",
    ] {
        assert_eq!(under(header, &issuer), Refusal::TokenMalformed, "{header}");
    }
}

#[test]
fn what_was_honestly_signed_as_something_else_does_not_pass() {
    let issuer = issuer();
    for typ in ["JWT", "at+jwt", "SCHISM-ACCESS+JWT", ""] {
        let header = json!({ "alg": "ES256", "kid": "k1", "typ": typ }).to_string();
        let token = issuer.sign_text(&header, &claims().to_string());
        let judged = verify(&token, &keys(&issuer), &DEMAND, BORN);
        assert_eq!(judged, Err(Refusal::TokenMalformed), "{typ}");
    }
}

#[test]
fn a_claim_of_the_wrong_kind_is_malformed_and_never_absent() {
    let kinds = [
        json!("1767225660"),
        json!(1_767_225_660.0),
        json!(1_767_225_660.5),
        json!(-1),
        json!(1e30),
        json!(u64::MAX),
        json!(super::super::claims::LATEST + 1),
        json!(null),
        json!([]),
        json!({}),
        json!(true),
    ];
    for (name, kind) in ["exp", "nbf", "iat"]
        .iter()
        .flat_map(|name| kinds.iter().map(move |kind| (*name, kind)))
    {
        let refusal = refused(&with(name, kind.clone()));
        assert_eq!(refusal, Refusal::TokenMalformed, "{name} = {kind}");
    }
    for name in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"] {
        assert_eq!(
            refused(&without(name)),
            Refusal::TokenMalformed,
            "no {name}"
        );
        let refusal = refused(&with(name, json!({})));
        assert_eq!(refusal, Refusal::TokenMalformed, "{name}");
    }
    for sub in [
        "",
        "alice",
        "spiffe://clinic.example",
        "spiffe://clinic.example/a/../b",
    ] {
        assert_eq!(
            refused(&with("sub", json!(sub))),
            Refusal::TokenMalformed,
            "{sub}"
        );
    }
    assert_eq!(refused(&json!([])), Refusal::TokenMalformed);
}

#[test]
fn a_claim_said_twice_is_malformed() {
    let issuer = issuer();
    let text = claims().to_string();
    let twice = text.replacen('{', r#"{"exp":4000000000,"#, 1);
    let token = issuer.sign_text(HEADER, &twice);
    let judged = verify(&token, &keys(&issuer), &DEMAND, BORN);
    assert_eq!(judged, Err(Refusal::TokenMalformed));
}

#[test]
fn the_end_is_at_exp_plus_leeway_to_the_microsecond() {
    let end = BORN + TTL + DEMAND.leeway;
    let just_before = end - Duration::from_micros(1);
    assert!(said(&claims(), &DEMAND, just_before).is_ok());
    let judged = said(&claims(), &DEMAND, end);
    assert_eq!(judged, Err(Refusal::TokenExpired));
    let strict = Demand {
        leeway: Duration::ZERO,
        ..DEMAND
    };
    assert!(said(&claims(), &strict, BORN + TTL - SECOND).is_ok());
    let judged = said(&claims(), &strict, BORN + TTL);
    assert_eq!(judged, Err(Refusal::TokenExpired));
}

#[test]
fn the_beginning_is_at_nbf_minus_leeway_to_the_microsecond() {
    let start = BORN - DEMAND.leeway;
    assert!(said(&claims(), &DEMAND, start).is_ok());
    let judged = said(&claims(), &DEMAND, start - Duration::from_micros(1));
    assert_eq!(judged, Err(Refusal::TokenNotYetValid));
}

#[test]
fn leeway_without_end_does_not_overflow() {
    let patient = Demand {
        leeway: Duration::MAX,
        ..DEMAND
    };
    assert!(said(&claims(), &patient, Time::from_micros(u64::MAX - 1)).is_ok());
    assert!(said(&claims(), &patient, Time::from_micros(0)).is_ok());
}

#[test]
fn a_token_for_another_or_for_several_is_refused() {
    for aud in [json!("billing"), json!(["billing"]), json!([]), json!("")] {
        assert_eq!(refused(&with("aud", aud)), Refusal::TokenAudience);
    }
    let several = with("aud", json!(["records", "billing"]));
    assert_eq!(refused(&several), Refusal::TokenAudience);
    let anyone = Demand {
        audience: None,
        ..DEMAND
    };
    assert!(said(&with("aud", json!("billing")), &anyone, BORN).is_ok());
    let judged = said(&several, &anyone, BORN);
    assert_eq!(judged, Err(Refusal::TokenAudience));
}

#[test]
fn a_token_by_another_issuer_is_refused() {
    let stranger = with("iss", json!("clinic.example.evil"));
    assert_eq!(refused(&stranger), Refusal::TokenIssuer);
    let anyone = Demand {
        issuer: None,
        ..DEMAND
    };
    assert!(said(&stranger, &anyone, BORN).is_ok());
}

#[test]
fn a_token_on_another_leaf_is_not_bound() {
    let digest = URL_SAFE_NO_PAD.encode([8; 32]);
    let other = with("cnf", json!({ "x5t#S256": digest }));
    let method = with("cnf", json!({ "jwk": { "kty": "EC" } }));
    for claims in [&other, &method, &without("cnf")] {
        assert_eq!(refused(claims), Refusal::TokenNotBound);
    }
    let nowhere = Demand {
        leaf_sha256: None,
        ..DEMAND
    };
    let judged = said(&claims(), &nowhere, BORN);
    assert_eq!(judged, Err(Refusal::TokenNotBound));
    for cnf in [
        json!("x"),
        json!({"x5t#S256": 7}),
        json!({"x5t#S256": "BwcH"}),
    ] {
        assert_eq!(refused(&with("cnf", cnf)), Refusal::TokenMalformed);
    }
}

#[test]
fn without_the_requirement_an_unbound_token_passes_and_a_wrongly_bound_one_does_not() {
    let easy = Demand {
        require_binding: false,
        ..DEMAND
    };
    assert!(said(&without("cnf"), &easy, BORN).is_ok());
    let other = with(
        "cnf",
        json!({ "x5t#S256": URL_SAFE_NO_PAD.encode([8; 32]) }),
    );
    assert_eq!(said(&other, &easy, BORN), Err(Refusal::TokenNotBound));
    let bearer = Demand {
        leaf_sha256: None,
        ..easy
    };
    assert!(said(&other, &bearer, BORN).is_ok());
}

#[test]
fn what_is_wrong_first_is_named_first() {
    let mut claims = claims();
    let late = BORN + 2 * TTL;
    claims["cnf"] = json!({ "x5t#S256": URL_SAFE_NO_PAD.encode([8; 32]) });
    assert_eq!(said(&claims, &DEMAND, late), Err(Refusal::TokenExpired));
    claims["aud"] = json!("billing");
    assert_eq!(said(&claims, &DEMAND, late), Err(Refusal::TokenAudience));
    claims["iss"] = json!("stranger");
    assert_eq!(said(&claims, &DEMAND, late), Err(Refusal::TokenIssuer));
    claims["iat"] = json!("now");
    assert_eq!(said(&claims, &DEMAND, late), Err(Refusal::TokenMalformed));
}

#[test]
fn no_part_can_be_cut_changed_or_added_to() {
    let issuer = issuer();
    let (keys, good) = (keys(&issuer), token(&issuer, "t"));
    let judge = |token: &str| verify(token, &keys, &DEMAND, BORN).unwrap_err();
    for cut in 1..=86 {
        assert_eq!(
            judge(&good[..good.len() - cut]),
            Refusal::TokenForged,
            "{cut}"
        );
    }
    for more in [".", ".a", " ", "\n", "=", "\0", "é"] {
        assert_eq!(
            judge(&format!("{good}{more}")),
            Refusal::TokenMalformed,
            "{more:?}"
        );
        assert_eq!(
            judge(&format!("{more}{good}")),
            Refusal::TokenMalformed,
            "{more:?}"
        );
    }
    assert_eq!(judge(&format!("{good}AAAA")), Refusal::TokenForged);
    for noise in ["", ".", "..", "...", "a", "a.b", "a.b.c", "e30.e30.e30"] {
        assert_eq!(judge(noise), Refusal::TokenMalformed, "{noise}");
    }
    let (claims, _) = good.rsplit_once('.').unwrap();
    assert_eq!(judge(claims), Refusal::TokenMalformed);
}

#[test]
fn a_token_over_the_size_is_not_looked_at() {
    let issuer = issuer();
    let keys = keys(&issuer);
    let sized = |len: usize| {
        let mut claims = with("note", json!(""));
        let bare = issuer.sign_text(HEADER, &claims.to_string()).len();
        claims["note"] = json!("x".repeat((len - bare) * 3 / 4));
        issuer.sign_text(HEADER, &claims.to_string())
    };
    let fits = sized(MAX_TOKEN - 8);
    assert!(fits.len() <= MAX_TOKEN);
    assert!(verify(&fits, &keys, &DEMAND, BORN).is_ok());
    let large = sized(MAX_TOKEN + 8);
    assert!(large.len() > MAX_TOKEN);
    let judged = verify(&large, &keys, &DEMAND, BORN);
    assert_eq!(judged, Err(Refusal::TokenMalformed));
}

proptest! {
    #[test]
    fn no_text_panics_or_passes(text in ".{0,200}") {
        let keys = KeySet::parse(br#"{"keys":[]}"#).unwrap();
        prop_assert!(verify(&text, &keys, &DEMAND, BORN).is_err());
    }

    #[test]
    fn no_three_parts_panic_or_pass(
        header in "[{}\":,a-z0-9\\[\\]]{0,60}",
        claims in "[{}\":,a-z0-9\\[\\]]{0,60}",
        signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let issuer = issuer();
        let signature = URL_SAFE_NO_PAD.encode(signature);
        let header = if header.len() % 2 == 0 {
            format!(r#"{{"alg":"ES256","kid":"k1","typ":"{TYPE}"}}"#)
        } else {
            header
        };
        let text = format!("{}.{}.{signature}", encode(&header), encode(&claims));
        prop_assert!(verify(&text, &keys(&issuer), &DEMAND, BORN).is_err());
    }

    #[test]
    fn no_signed_claims_panic(claims in "[{}\":,a-z0-9\\[\\].-]{0,80}") {
        let issuer = issuer();
        let token = issuer.sign_text(HEADER, &claims);
        prop_assert!(verify(&token, &keys(&issuer), &DEMAND, BORN).is_err());
    }
}
