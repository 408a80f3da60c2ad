//! The token service's pen: a known peer in, a short-lived ES256 token out.
//!
//! It signs what it is given and decides nothing: who may have a token for whom is the caller's
//! to judge, from the peer's identity. Every token carries one audience and is bound to one leaf.

use std::fmt;
use std::time::Duration;

use ca::clock::Time;
use ca::identity::SpiffeId;
use ca::token_keys::PublicJwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde::Serialize;

use super::TYPE;
use super::claims::{Audience, Claims, Confirmation};
use super::provider::{self, ForeignProvider};

/// Why there is no issuer, or no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The key is not one.
    #[error("the token key is not an ECDSA P-256 key in PKCS#8")]
    InvalidKey,
    /// Somebody else's cryptography would sign.
    #[error(transparent)]
    ForeignProvider(#[from] ForeignProvider),
    /// ring did not sign: the machine gave it no randomness.
    #[error("the token could not be signed")]
    NotSigned,
}

/// One key of the token service, and in whose name it signs.
pub struct Issuer {
    issuer: String,
    key_id: String,
    key: EncodingKey,
    public: PublicJwk,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("issuer", &self.issuer)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// An issuer called `issuer` (`iss`), whose key (PKCS#8, P-256) is called `key_id` (`kid`).
    ///
    /// # Errors
    /// When the key is not a P-256 key, or another crypto provider is installed.
    pub fn new(issuer: &str, key_id: &str, pkcs8: &[u8]) -> Result<Self, IssueError> {
        provider::install()?;
        let parameters = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(parameters, pkcs8, &SystemRandom::new())
            .map_err(|_| IssueError::InvalidKey)?;
        let public = PublicJwk::new(key_id, pair.public_key().as_ref());
        Ok(Self {
            issuer: issuer.to_owned(),
            key_id: key_id.to_owned(),
            key: EncodingKey::from_ec_der(pkcs8),
            public: public.ok_or(IssueError::InvalidKey)?,
        })
    }

    /// The name in `iss`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The name in `kid`.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// A token for `subject`, good at `audience` from `now` for `ttl`, over the connection of the
    /// leaf with this digest. Times are whole seconds, rounded down.
    ///
    /// # Errors
    /// When the machine gives no randomness to sign with.
    pub fn issue(
        &self,
        subject: &SpiffeId,
        audience: &str,
        leaf_sha256: &[u8; 32],
        now: Time,
        ttl: Duration,
        jti: &str,
    ) -> Result<String, IssueError> {
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: subject.clone(),
            aud: Audience::One(audience.to_owned()),
            exp: (now + ttl).as_secs(),
            nbf: now.as_secs(),
            iat: now.as_secs(),
            jti: jti.to_owned(),
            cnf: Some(Confirmation::of_leaf(leaf_sha256)),
        };
        self.sign(&claims)
    }

    fn sign<C: Serialize>(&self, claims: &C) -> Result<String, IssueError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_| IssueError::NotSigned)
    }

    /// Signs whatever it is given, as a careless issuer would.
    #[cfg(test)]
    pub(super) fn sign_text(&self, header: &str, claims: &str) -> String {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;

        let encode = |text| URL_SAFE_NO_PAD.encode::<&str>(text);
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, Algorithm::ES256).unwrap();
        format!("{signed}.{signature}")
    }
}

/// The key set that publishes the keys of these issuers, as JSON (RFC 7517), in the order given.
pub fn jwks<'a>(issuers: impl IntoIterator<Item = &'a Issuer>) -> String {
    ca::token_keys::jwks(issuers.into_iter().map(|issuer| &issuer.public))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::super::specimen;
    use super::*;

    #[test]
    fn a_token_says_what_it_was_asked_to_say() {
        let issuer = specimen::issuer();
        let now = Time::from_micros(1_767_225_600_900_000);
        let ttl = Duration::from_secs(60);
        let token = issuer
            .issue(&specimen::alice(), "records", &[7; 32], now, ttl, "t-1")
            .unwrap();
        let mut parts = token.split('.').map(|p| URL_SAFE_NO_PAD.decode(p).unwrap());
        let mut json = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
        let (header, claims): (serde_json::Value, serde_json::Value) = (json(), json());
        assert_eq!(
            header,
            serde_json::json!({ "alg": "ES256", "kid": "k1", "typ": "schism-access+jwt" })
        );
        assert_eq!(
            claims,
            serde_json::json!({
                "iss": "clinic.example", "sub": "spiffe://clinic.example/user/alice",
                "aud": "records",
                "exp": 1_767_225_660, "nbf": 1_767_225_600, "iat": 1_767_225_600, "jti": "t-1",
                "cnf": { "x5t#S256": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc" },
            })
        );
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        use ca::keys::Keys as _;
        let ed25519 = ca::keys::RingKeys.ed25519().unwrap();
        let error = Issuer::new("a", "k1", &ed25519).unwrap_err();
        assert_eq!(error, IssueError::InvalidKey);
        assert_eq!(
            Issuer::new("a", "k1", b"junk").unwrap_err(),
            IssueError::InvalidKey
        );
    }

    #[test]
    fn the_private_key_is_neither_published_nor_printed() {
        let issuer = specimen::issuer();
        let jwks: serde_json::Value = serde_json::from_str(&jwks([&issuer])).unwrap();
        let key = jwks["keys"][0].as_object().unwrap();
        let members: std::collections::BTreeSet<&str> = key.keys().map(String::as_str).collect();
        assert!(
            members
                .into_iter()
                .eq(["alg", "crv", "kid", "kty", "use", "x", "y"])
        );
        assert_eq!(
            format!("{issuer:?}"),
            r#"Issuer { issuer: "clinic.example", key_id: "k1", .. }"#
        );
    }
}
