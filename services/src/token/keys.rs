//! The keys that tokens are verified with: one generation of a JWKS (RFC 7517).
//!
//! A key brings its algorithm with it: P-256 means ES256, RSA means what its `alg` says, RS256 or
//! PS256. A symmetric key is never one of them. Keys of kinds, curves, algorithms or uses that are
//! not known here are passed over, as the RFC advises; a known key that is broken is an error.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::provider::{self, ForeignProvider};
use crate::refusal::Refusal;

/// The largest JWKS that is read, in bytes.
pub const MAX_JWKS: usize = 64 * 1024;

/// The most keys in one JWKS, the unknown ones counted.
pub const MAX_KEYS: usize = 64;

/// The bytes of an RSA modulus that ring verifies with: 2048 to 8192 bits.
const RSA_MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// Why a key set was not taken. Positions count from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeySet {
    /// Larger than [`MAX_JWKS`].
    #[error("the key set is larger than {MAX_JWKS} bytes")]
    TooLarge,
    /// More keys than [`MAX_KEYS`].
    #[error("the key set has more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// Not the JSON of a key set.
    #[error("not a JWKS: {0}")]
    NotJwks(String),
    /// Two keys of one name.
    #[error("two keys are called `{0}`")]
    DuplicateKeyId(String),
    /// A key that cannot be used, and why.
    #[error("key {at}: {why}")]
    BrokenKey {
        /// Position in `keys`.
        at: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Somebody else's cryptography would verify.
    #[error(transparent)]
    ForeignProvider(#[from] ForeignProvider),
}

/// A key with the one algorithm that it verifies.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// One generation of keys, by name. By default it holds none.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: BTreeMap<String, Key>,
    /// Names that earlier generations held and this one does not.
    withdrawn: BTreeSet<String>,
    digest: [u8; 32],
}

impl KeySet {
    /// Reads a JWKS.
    ///
    /// # Errors
    /// When it is too large, not a JWKS, names two keys alike, or holds a broken key; or when
    /// another crypto provider is installed.
    pub fn parse(jwks: &[u8]) -> Result<Self, InvalidKeySet> {
        provider::install()?;
        if jwks.len() > MAX_JWKS {
            return Err(InvalidKeySet::TooLarge);
        }
        let set: Jwks = serde_json::from_slice(jwks)
            .map_err(|error| InvalidKeySet::NotJwks(error.to_string()))?;
        if set.keys.len() > MAX_KEYS {
            return Err(InvalidKeySet::TooManyKeys);
        }
        let mut keys = BTreeMap::new();
        for (at, jwk) in set.keys.iter().enumerate() {
            let broken = |why| InvalidKeySet::BrokenKey { at, why };
            let Some(key) = jwk.read().map_err(broken)? else {
                continue;
            };
            let name = jwk.kid.clone().ok_or(broken("it has no `kid`"))?;
            if keys.insert(name.clone(), key).is_some() {
                return Err(InvalidKeySet::DuplicateKeyId(name));
            }
        }
        Ok(Self {
            keys,
            withdrawn: BTreeSet::new(),
            digest: super::cache::sha256(jwks),
        })
    }

    /// The same set, as the one that follows `before`: what is missing here was withdrawn. At most
    /// [`MAX_KEYS`] names are remembered.
    #[must_use]
    pub fn following(mut self, before: &Self) -> Self {
        let names = before.keys.keys().chain(&before.withdrawn);
        let gone = names.filter(|name| !self.keys.contains_key(*name));
        self.withdrawn = gone.take(MAX_KEYS).cloned().collect();
        self
    }

    /// What a token whose key is not in this set is refused as.
    pub(crate) fn without(&self, name: &str) -> Refusal {
        if self.withdrawn.contains(name) {
            Refusal::TokenKeyRetired
        } else {
            Refusal::TokenKeyUnknown
        }
    }

    /// True if it holds a key of that name.
    pub fn holds(&self, name: &str) -> bool {
        self.keys.contains_key(name)
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True if it holds none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// SHA-256 of the JWKS that it was read from: what tells one key set from another.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(super) fn get(&self, key_id: &str) -> Option<&Key> {
        self.keys.get(key_id)
    }
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Jwk {
    /// The key, or nothing if it is not one for us.
    fn read(&self) -> Result<Option<Key>, &'static str> {
        // SPIFFE bundles mark their token keys `jwt-svid`, everyone else's are for `sig`.
        if !matches!(self.purpose.as_deref(), None | Some("sig" | "jwt-svid")) {
            return Ok(None);
        }
        match self.kty.as_str() {
            "EC" => self.read_ec(),
            "RSA" => self.read_rsa(),
            _ => Ok(None),
        }
    }

    fn read_ec(&self) -> Result<Option<Key>, &'static str> {
        if self.crv.as_deref() != Some("P-256") {
            return Ok(None);
        }
        if !matches!(self.alg.as_deref(), None | Some("ES256")) {
            return Err("a P-256 key verifies ES256 and nothing else");
        }
        let (x, y) = (bytes(self.x.as_ref()), bytes(self.y.as_ref()));
        let (Some(x), Some(y)) = (x, y) else {
            return Err("`x` and `y` must be base64url without padding");
        };
        if x.len() != 32 || y.len() != 32 {
            return Err("`x` and `y` must have 32 bytes each");
        }
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        Ok(Some(Key {
            algorithm: Algorithm::ES256,
            key: DecodingKey::from_ec_der(&point),
        }))
    }

    fn read_rsa(&self) -> Result<Option<Key>, &'static str> {
        let algorithm = match self.alg.as_deref() {
            Some("RS256") => Algorithm::RS256,
            Some("PS256") => Algorithm::PS256,
            Some(_) => return Ok(None),
            None => return Err("an RSA key must say in `alg` whether it is for RS256 or PS256"),
        };
        let (n, e) = (bytes(self.n.as_ref()), bytes(self.e.as_ref()));
        let (Some(n), Some(e)) = (n, e) else {
            return Err("`n` and `e` must be base64url without padding");
        };
        if !RSA_MODULUS.contains(&n.len()) || n.first() == Some(&0) {
            return Err("`n` must have 2048 to 8192 bits and no leading zeros");
        }
        Ok(Some(Key {
            algorithm,
            key: DecodingKey::from_rsa_raw_components(&n, &e),
        }))
    }
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::specimen;
    use super::*;

    fn set(keys: &[&str]) -> Result<KeySet, InvalidKeySet> {
        KeySet::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
    }

    fn ec(kid: &str) -> String {
        let (x, y) = (specimen::A3_X, specimen::A3_Y);
        format!(r#"{{"kty":"EC","crv":"P-256","kid":"{kid}","x":"{x}","y":"{y}"}}"#)
    }

    fn rsa(more: &str) -> String {
        let n = specimen::A2_N;
        format!(r#"{{"kty":"RSA","kid":"r","n":"{n}","e":"AQAB"{more}}}"#)
    }

    fn broken(keys: &[&str]) -> &'static str {
        match set(keys) {
            Err(InvalidKeySet::BrokenKey { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_brings_its_algorithm() {
        let set = set(&[&ec("e"), &rsa(r#","alg":"PS256""#)]).unwrap();
        assert_eq!(set.get("e").unwrap().algorithm, Algorithm::ES256);
        assert_eq!(set.get("r").unwrap().algorithm, Algorithm::PS256);
        assert_eq!(set.len(), 2);
        assert!(broken(&[&rsa("")]).contains("must say in `alg`"));
    }

    #[test]
    fn symmetric_and_unknown_keys_are_passed_over() {
        let secret = r#"{"kty":"oct","kid":"s","k":"c2VjcmV0","alg":"HS256"}"#;
        let okp = r#"{"kty":"OKP","crv":"Ed25519","kid":"o","x":"AAAA"}"#;
        let p384 = r#"{"kty":"EC","crv":"P-384","kid":"p","x":"AAAA","y":"AAAA"}"#;
        let enc = rsa(r#","alg":"RS256","use":"enc""#);
        let none = set(&[secret, okp, p384, &enc, &rsa(r#","alg":"RS512""#)]).unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn two_keys_of_one_name_are_refused() {
        let error = set(&[&ec("e"), &ec("e")]).unwrap_err();
        assert_eq!(error, InvalidKeySet::DuplicateKeyId("e".to_owned()));
    }

    #[test]
    fn a_key_that_an_earlier_generation_held_is_retired_and_not_unknown() {
        let first = set(&[&ec("a"), &ec("b")]).unwrap();
        let second = set(&[&ec("b")]).unwrap().following(&first);
        assert_eq!(second.without("a"), Refusal::TokenKeyRetired);
        assert_eq!(second.without("c"), Refusal::TokenKeyUnknown);
        let third = set(&[&ec("a")]).unwrap().following(&second);
        assert!(third.holds("a") && !third.holds("b"));
        assert_eq!(third.without("b"), Refusal::TokenKeyRetired);
    }

    #[test]
    fn broken_keys_are_named() {
        let nameless = ec("e").replace(r#""kid":"e","#, "");
        assert_eq!(broken(&[&nameless]), "it has no `kid`");
        assert!(broken(&[&ec("e").replace(specimen::A3_Y, "AAAA")]).contains("32 bytes"));
        assert!(broken(&[&ec("e").replace(specimen::A3_Y, "?")]).contains("base64url"));
        let weak = rsa(r#","alg":"RS256""#).replace(specimen::A2_N, "AQAB");
        assert!(broken(&[&weak]).contains("2048"));
        let confused = ec("e").replace("{", r#"{"alg":"ES384","#);
        assert!(broken(&[&confused]).contains("ES256 and nothing else"));
    }

    #[test]
    fn size_and_number_are_bounded() {
        let many: Vec<String> = (0..=MAX_KEYS).map(|n| ec(&n.to_string())).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(set(&many[1..]).unwrap().len(), MAX_KEYS);
        assert_eq!(set(&many).unwrap_err(), InvalidKeySet::TooManyKeys);
        let large = KeySet::parse(&vec![b' '; MAX_JWKS + 1]).unwrap_err();
        assert_eq!(large, InvalidKeySet::TooLarge);
        let junk = KeySet::parse(b"[]").unwrap_err();
        assert!(junk.to_string().starts_with("not a JWKS: "), "{junk}");
    }
}
