//! A key that signs tokens: P-256, made anew, under a name that the caller chooses.
//!
//! Two keys may have one name (`kid`): that is one of the cases. The private half leaves this type
//! only as signatures.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::Flaw;

/// A key that signs tokens.
pub struct TokenKey {
    kid: String,
    pair: EcdsaKeyPair,
}

impl TokenKey {
    /// A new key under this name.
    ///
    /// # Errors
    ///
    /// If the system has no random bytes.
    pub fn new(kid: &str) -> Result<Self, Flaw> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| Flaw::Key)?;
        let pair =
            EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).map_err(|_| Flaw::Key)?;
        Ok(Self {
            kid: kid.to_owned(),
            pair,
        })
    }

    /// The key's name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, as a key list writes it (RFC 7517).
    pub fn jwk(&self) -> Value {
        // An uncompressed point: 4, and two coordinates of 32 bytes.
        let point = self.pair.public_key().as_ref();
        let (x, y) = point.get(1..).unwrap_or_default().split_at(32);
        json!({
            "kty": "EC",
            "crv": "P-256",
            "alg": "ES256",
            "use": "sig",
            "kid": self.kid,
            "x": BASE64_URL_SAFE_NO_PAD.encode(x),
            "y": BASE64_URL_SAFE_NO_PAD.encode(y),
        })
    }

    /// The public half, as ring verifies with it.
    pub fn public_point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// ES256 over these bytes.
    pub(super) fn sign(&self, over: &[u8]) -> Result<Vec<u8>, Flaw> {
        let signature = self.pair.sign(&SystemRandom::new(), over);
        Ok(signature.map_err(|_| Flaw::Sign)?.as_ref().to_vec())
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKey({})", self.kid)
    }
}
