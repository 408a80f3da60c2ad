//! Token keys: what the trust domain's tokens are signed with, and the set that verifies them.
//!
//! A key is P-256 and is called by the thumbprint of its public half (RFC 7638), so that no two
//! keys share a name, in this CA or in the next. It signs nothing here: that is the token
//! service's work. Invariant: a private key is neither printed nor published.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::error::CaError;
use crate::keys::Pkcs8;
use crate::p256::P256;
use crate::rotation::{AuthorityKind, Phase, Slots};
use crate::svid::sha256;

/// Path of the one SPIFFE ID that a CA gives its token keys to, where it gives them to anybody.
pub const SIGNER: &str = "/token";

/// The public half of a key, as a JWK (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    kty: &'static str,
    crv: &'static str,
    kid: String,
    alg: &'static str,
    #[serde(rename = "use")]
    purpose: &'static str,
    x: String,
    y: String,
}

impl PublicJwk {
    /// An uncompressed P-256 point under a name; nothing if it is no such point.
    pub fn new(kid: &str, point: &[u8]) -> Option<Self> {
        let (mark, coordinates) = point.split_first()?;
        if *mark != 4 || coordinates.len() != 64 {
            return None;
        }
        let (x, y) = coordinates.split_at(32);
        Some(Self {
            kty: "EC",
            crv: "P-256",
            kid: kid.to_owned(),
            alg: "ES256",
            purpose: "sig",
            x: URL_SAFE_NO_PAD.encode(x),
            y: URL_SAFE_NO_PAD.encode(y),
        })
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its two coordinates, base64url.
    pub fn coordinates(&self) -> (&str, &str) {
        (&self.x, &self.y)
    }

    /// RFC 7638: the digest of the members that make the key, in the order of their names.
    fn thumbprint(&self) -> String {
        let Self { kty, crv, x, y, .. } = self;
        let made = format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}","y":"{y}"}}"#);
        URL_SAFE_NO_PAD.encode(sha256(made.as_bytes()))
    }
}

/// The key set of these keys, as JSON, in the order given.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a PublicJwk>) -> String {
    let keys: Vec<&PublicJwk> = keys.into_iter().collect();
    serde_json::json!({ "keys": keys }).to_string()
}

/// A key that tokens are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey {
    public: PublicJwk,
    pkcs8: Pkcs8,
}

impl TokenKey {
    /// A private key under the name that is its own.
    ///
    /// # Errors
    /// When it is not P-256 in PKCS#8 DER.
    pub fn new(pkcs8: Pkcs8) -> Result<Self, CaError> {
        let pair = P256::from_pkcs8(&pkcs8)?;
        let broken = || CaError::damaged("a token key has no public half");
        let mut public = PublicJwk::new("", pair.public()).ok_or_else(broken)?;
        public.kid = public.thumbprint();
        Ok(Self { public, pkcs8 })
    }

    /// Its name: `kid` in the tokens that it signs.
    pub fn kid(&self) -> &str {
        &self.public.kid
    }

    /// Its public half.
    pub const fn public(&self) -> &PublicJwk {
        &self.public
    }

    /// The private key.
    pub const fn pkcs8(&self) -> &Pkcs8 {
        &self.pkcs8
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenKey").field(&self.kid()).finish()
    }
}

/// Every token key of a CA, by its authority's number.
#[derive(Debug, Default)]
pub(crate) struct TokenKeys(BTreeMap<u64, TokenKey>);

impl TokenKeys {
    pub(crate) fn put(&mut self, id: u64, key: TokenKey) {
        self.0.insert(id, key);
    }

    /// The key that signs.
    pub(crate) fn signing(&self, slots: &Slots) -> Option<&TokenKey> {
        self.0.get(&slots.signer(AuthorityKind::Jwt)?.id)
    }

    /// The number of the key of that name.
    pub(crate) fn number(&self, kid: &str) -> Option<u64> {
        let mut keys = self.0.iter();
        keys.find(|(_, key)| key.kid() == kid).map(|(id, _)| *id)
    }

    /// The names of those that are tainted.
    pub(crate) fn tainted(&self, slots: &Slots) -> BTreeSet<String> {
        let tainted = slots.jwt_keys().filter(|slot| slot.phase == Phase::Tainted);
        let keys = tainted.filter_map(|slot| self.0.get(&slot.id));
        keys.map(|key| key.kid().to_owned()).collect()
    }

    /// What verifies tokens: all keys but revoked ones, prepared ones included.
    pub(crate) fn jwks(&self, slots: &Slots) -> String {
        let verifying = slots.jwt_keys().filter_map(|slot| self.0.get(&slot.id));
        jwks(verifying.map(TokenKey::public))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Keys as _, RingKeys};

    #[test]
    fn a_key_is_named_by_its_thumbprint() {
        // RFC 7515, appendix A.3; the thumbprint is by `jwcrypto` 1.5.
        let x = URL_SAFE_NO_PAD.decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        let y = URL_SAFE_NO_PAD.decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        let point = [vec![4], x.unwrap(), y.unwrap()].concat();
        let jwk = PublicJwk::new("k", &point).unwrap();
        assert_eq!(
            jwk.thumbprint(),
            "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"
        );
    }

    #[test]
    fn what_is_no_point_has_no_jwk() {
        for point in [&[][..], &[4; 64], &[2; 65], &[4; 66]] {
            assert_eq!(PublicJwk::new("k", point), None);
        }
        let ed25519 = RingKeys.ed25519().unwrap();
        assert!(TokenKey::new(ed25519).is_err());
    }

    #[test]
    fn the_private_key_is_neither_printed_nor_published() {
        let key = TokenKey::new(RingKeys.p256().unwrap()).unwrap();
        assert_eq!(format!("{key:?}"), format!("TokenKey({:?})", key.kid()));
        let set: serde_json::Value = serde_json::from_str(&jwks([key.public()])).unwrap();
        let members: BTreeSet<&str> = {
            let key = set["keys"][0].as_object().unwrap();
            key.keys().map(String::as_str).collect()
        };
        assert!(
            members
                .into_iter()
                .eq(["alg", "crv", "kid", "kty", "use", "x", "y"])
        );
    }
}
