//! Whether a token is good now: a function of the token, the keys, the caller and the time.
//!
//! The algorithm is the key's (ES256) and never the token's own word; the signature is checked
//! before anything that it covers is believed. A refusal says nothing to the caller but that it is
//! one. Nothing is cached, so a key taken away or a second gone by counts at once.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::Deserialize;

use super::caller::Caller;
use super::fault::{Fault, Faults};
use super::jwks::Keys;

/// Which leaves each caller ever showed: only a bad twin looks here.
pub(super) type Shown = BTreeMap<String, BTreeSet<Vec<u8>>>;

/// What a token must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// Where the keys are.
    pub jwks: Jwks,
    /// Who issued it.
    pub issuer: String,
    /// For whom it is.
    pub audience: String,
    /// The request header that carries it.
    pub header: String,
}

/// Where keys that sign tokens are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jwks {
    /// In a file.
    File(std::path::PathBuf),
    /// At an `http://` address on loopback.
    Url(String),
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    cnf: Option<Confirmation>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    leaf: Option<String>,
}

/// The id of the key that a token says it is signed with; nothing if it is no token.
pub(super) fn kid(token: &str) -> Option<Option<String>> {
    let header = token.split('.').next()?;
    let header: Header = decoded(header)?;
    Some(header.kid)
}

/// Judges a token.
pub(super) fn judge(
    faults: Faults,
    rules: &TokenRules,
    token: &str,
    keys: &Keys,
    (caller, shown, now): (&Caller, &Shown, i64),
) -> Result<(), &'static str> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return Err("it is no token");
    };
    let read: Header = decoded(header).ok_or("a header nobody can read")?;
    let unsigned = faults.has(Fault::UnsignedToken) && read.alg.eq_ignore_ascii_case("none");
    if !unsigned {
        let signed = &token[..header.len() + 1 + claims.len()];
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| "a broken signature")?;
        let by = |point: &[u8]| {
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            key.verify(signed.as_bytes(), &signature).is_ok()
        };
        if read.alg != "ES256" || !keys.points(read.kid.as_deref()).any(by) {
            return Err("no key of today signed it");
        }
    }
    let claims: Claims = decoded(claims).ok_or("claims nobody can read")?;
    let now = now as f64;
    if claims.exp.is_none_or(|exp| exp <= now) && !faults.has(Fault::ExpiredToken) {
        return Err("it is past its end");
    }
    if claims.nbf.is_some_and(|nbf| nbf > now + 1.0) {
        return Err("it is not valid yet");
    }
    if claims.iss.as_deref() != Some(&rules.issuer) {
        return Err("another issuer's");
    }
    let meant = match &claims.aud {
        Some(Audience::One(one)) => *one == rules.audience,
        Some(Audience::Many(many)) => many.contains(&rules.audience),
        None => false,
    };
    if !meant && !faults.has(Fault::WrongAudience) {
        return Err("for another audience");
    }
    bound(faults, claims.cnf.and_then(|cnf| cnf.leaf), caller, shown)
}

/// Whether the token is bound to the leaf of this connection, if it is bound at all.
fn bound(
    faults: Faults,
    to: Option<String>,
    caller: &Caller,
    shown: &Shown,
) -> Result<(), &'static str> {
    let Some(to) = to else {
        return Ok(());
    };
    let to = URL_SAFE_NO_PAD
        .decode(to)
        .map_err(|_| "bound to nobody knows what")?;
    let earlier = shown
        .get(&caller.name)
        .is_some_and(|leaves| leaves.contains(&to));
    let good = to == caller.leaf
        || faults.has(Fault::TokenOfAnotherLeaf)
        || (faults.has(Fault::TokenAfterRotation) && earlier);
    good.then_some(()).ok_or("bound to another leaf")
}

fn decoded<T: for<'a> Deserialize<'a>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
