//! Is this a token, by whom, and is it good here and now?
//!
//! The order is fixed: size and shape, header, key, signature, claims; then issuer, audience,
//! time, binding. What is wrong first is what is named. The algorithm is the key's, times are
//! compared with the caller's clock alone, and no claim that is absent or malformed ever passes
//! for one that was not asked for.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ca::clock::Time;
use ca::identity::SpiffeId;
use jsonwebtoken::Algorithm;

use super::claims::{Claims, Header};
use super::keys::KeySet;
use super::{MAX_TOKEN, TYPE};
use crate::refusal::Refusal;

/// What a token must be, to be good here. Nothing is defaulted: each field is a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand<'a> {
    /// Who must have issued it; nothing means anyone whose key is in the set.
    pub issuer: Option<&'a str>,
    /// For whom it must be; nothing means for anyone.
    pub audience: Option<&'a str>,
    /// How far clocks may differ, at both ends of its life.
    pub leeway: Duration,
    /// SHA-256 of the connection's leaf. If given, a token that is bound must be bound to it.
    pub leaf_sha256: Option<[u8; 32]>,
    /// Whether the token must be bound at all; then a leaf must be given, too.
    pub require_binding: bool,
}

/// A token that is good here and now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whom it speaks of.
    pub subject: SpiffeId,
    /// For whom it is.
    pub audience: String,
    /// Its end, leeway not counted.
    pub expires: Time,
    /// Its beginning.
    pub not_before: Time,
    /// When it was issued.
    pub issued_at: Time,
    /// Its own name.
    pub jti: String,
    /// The key that signed it.
    pub key_id: String,
}

/// A token that is what it says it is, whether or not it is good here and now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentic {
    claims: Claims,
    key_id: String,
    leaf_sha256: Option<[u8; 32]>,
}

/// Verifies a token from end to end.
///
/// # Errors
/// The first refusal, in the order that this module states.
pub fn verify(
    token: &str,
    keys: &KeySet,
    demand: &Demand<'_>,
    now: Time,
) -> Result<Verified, Refusal> {
    authenticate(token, keys)?.admit(demand, now)
}

/// Everything that does not depend on place or time: shape, header, key, signature, claims.
///
/// # Errors
/// `token-malformed`, `token-forged`, `token-key-retired` or `token-key-unknown`.
pub fn authenticate(token: &str, keys: &KeySet) -> Result<Authentic, Refusal> {
    let (parts, key_id) = open(token, keys, |typ| typ == Some(TYPE))?;
    let claims: Claims = parts.json(parts.claims)?;
    if !claims.in_range() {
        return Err(Refusal::TokenMalformed);
    }
    let leaf_sha256 = match &claims.cnf {
        Some(cnf) => cnf.leaf().map_err(|_| Refusal::TokenMalformed)?,
        None => None,
    };
    Ok(Authentic {
        claims,
        key_id,
        leaf_sha256,
    })
}

/// Shape, header, key and signature of a token of a type that fits. Gives its parts, and the name
/// of the key.
pub(super) fn open<'a>(
    token: &'a str,
    keys: &KeySet,
    fits: impl Fn(Option<&str>) -> bool,
) -> Result<(Parts<'a>, String), Refusal> {
    let parts = Parts::split(token)?;
    let header: Header = parts.json(parts.header)?;
    if !fits(header.typ.as_deref()) {
        return Err(Refusal::TokenMalformed);
    }
    // No key has any other algorithm: this needs no key to be said.
    let algorithm = algorithm(&header.alg).ok_or(Refusal::TokenForged)?;
    let key_id = header.kid.ok_or(Refusal::TokenMalformed)?;
    let key = keys.get(&key_id).ok_or_else(|| keys.without(&key_id))?;
    if algorithm != key.algorithm {
        return Err(Refusal::TokenForged);
    }
    let signed = parts.signed.as_bytes();
    match jsonwebtoken::crypto::verify(parts.signature, signed, &key.key, key.algorithm) {
        Ok(true) => Ok((parts, key_id)),
        Ok(false) | Err(_) => Err(Refusal::TokenForged),
    }
}

impl Authentic {
    /// When it ends, leeway not counted.
    pub const fn expires(&self) -> Time {
        Time::from_secs(self.claims.exp)
    }

    /// Everything that depends on place and time: issuer, audience, time, binding.
    ///
    /// # Errors
    /// `token-issuer`, `token-audience`, `token-expired`, `token-not-yet-valid` or
    /// `token-not-bound`.
    pub fn admit(&self, demand: &Demand<'_>, now: Time) -> Result<Verified, Refusal> {
        let claims = &self.claims;
        if demand.issuer.is_some_and(|issuer| issuer != claims.iss) {
            return Err(Refusal::TokenIssuer);
        }
        let audience = claims.aud.only().ok_or(Refusal::TokenAudience)?;
        if demand.audience.is_some_and(|wanted| wanted != audience) {
            return Err(Refusal::TokenAudience);
        }
        let not_before = Time::from_secs(claims.nbf);
        if now >= self.expires() + demand.leeway {
            return Err(Refusal::TokenExpired);
        }
        if now + demand.leeway < not_before {
            return Err(Refusal::TokenNotYetValid);
        }
        if !self.bound(demand) {
            return Err(Refusal::TokenNotBound);
        }
        Ok(Verified {
            subject: claims.sub.clone(),
            audience: audience.to_owned(),
            expires: self.expires(),
            not_before,
            issued_at: Time::from_secs(claims.iat),
            jti: claims.jti.clone(),
            key_id: self.key_id.clone(),
        })
    }

    fn bound(&self, demand: &Demand<'_>) -> bool {
        match (self.leaf_sha256, demand.leaf_sha256) {
            (Some(said), Some(seen)) => said == seen,
            (Some(_), None) | (None, _) => !demand.require_binding,
        }
    }
}

fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "ES256" => Some(Algorithm::ES256),
        "RS256" => Some(Algorithm::RS256),
        "PS256" => Some(Algorithm::PS256),
        _ => None,
    }
}

/// The three parts of a compact JWS, still encoded.
pub(super) struct Parts<'a> {
    header: &'a str,
    pub(super) claims: &'a str,
    signature: &'a str,
    /// The first two with the dot between them.
    signed: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Self, Refusal> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if token.len() > MAX_TOKEN || !token.bytes().all(known) {
            return Err(Refusal::TokenMalformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::TokenMalformed)?;
        match signed.split_once('.') {
            Some((header, claims)) if !claims.contains('.') => Ok(Self {
                header,
                claims,
                signature,
                signed,
            }),
            _ => Err(Refusal::TokenMalformed),
        }
    }

    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, part: &str) -> Result<T, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(part);
        let bytes = bytes.map_err(|_| Refusal::TokenMalformed)?;
        serde_json::from_slice(&bytes).map_err(|_| Refusal::TokenMalformed)
    }
}

#[cfg(test)]
mod tests;
