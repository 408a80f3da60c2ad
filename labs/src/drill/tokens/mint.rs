//! Tokens as they are wished for, the good ones and those that a target must refuse.
//!
//! A wish begins good, and each method makes it differ in one thing, so that a refusal can have
//! one reason only. Nothing is added that was not wished: no `iat`, no `jti` unless claimed.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::{Flaw, TokenKey};

/// What a token is to say.
#[derive(Clone, Debug)]
pub struct Wish {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Wish {
    /// A good token: from this issuer, for this audience, from one second of 1970 to another.
    pub fn new(issuer: &str, audience: &str, from: i64, until: i64) -> Self {
        let mut wish = Self {
            header: Map::new(),
            claims: Map::new(),
        };
        wish.header.insert("typ".to_owned(), json!("JWT"));
        wish.claim("iss", json!(issuer))
            .claim("aud", json!(audience))
            .claim("nbf", json!(from))
            .claim("iat", json!(from))
            .claim("exp", json!(until))
    }

    /// With this claim, in place of one of that name.
    #[must_use]
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims.insert(name.to_owned(), value);
        self
    }

    /// With these claims besides.
    #[must_use]
    pub fn claims(mut self, more: &Map<String, Value>) -> Self {
        self.claims.extend(more.clone());
        self
    }

    /// Without this claim.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// For another audience.
    #[must_use]
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", json!(audience))
    }

    /// Over at this second of 1970.
    #[must_use]
    pub fn until(self, seconds: i64) -> Self {
        self.claim("exp", json!(seconds))
    }

    /// Of another type, in the header.
    #[must_use]
    pub fn typ(mut self, typ: &str) -> Self {
        self.header.insert("typ".to_owned(), json!(typ));
        self
    }

    /// Bound to the certificate with this DER (RFC 8705, section 3.1).
    #[must_use]
    pub fn bound_to(self, certificate: &[u8]) -> Self {
        self.claim("cnf", json!({ "x5t#S256": thumbprint(certificate) }))
    }

    /// Signed by this key, under its name.
    ///
    /// # Errors
    ///
    /// If the library does not sign.
    pub fn signed(&self, key: &TokenKey) -> Result<String, Flaw> {
        self.signed_as(key, key.kid())
    }

    /// Signed by this key, under another name: one that the target does not know, or another's.
    ///
    /// # Errors
    ///
    /// If the library does not sign.
    pub fn signed_as(&self, key: &TokenKey, kid: &str) -> Result<String, Flaw> {
        let signed = self.body("ES256", Some(kid));
        let signature = key.sign(signed.as_bytes())?;
        Ok(format!(
            "{signed}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(signature)
        ))
    }

    /// Not signed at all, and saying so: `alg` is `none` (RFC 8725, section 2.1).
    pub fn unsigned(&self) -> String {
        format!("{}.", self.body("none", None))
    }

    fn body(&self, alg: &str, kid: Option<&str>) -> String {
        let mut header = self.header.clone();
        header.insert("alg".to_owned(), json!(alg));
        if let Some(kid) = kid {
            header.insert("kid".to_owned(), json!(kid));
        }
        let coded = |part: &Map<String, Value>| {
            BASE64_URL_SAFE_NO_PAD.encode(Value::Object(part.clone()).to_string())
        };
        format!("{}.{}", coded(&header), coded(&self.claims))
    }
}

/// The SHA-256 of a certificate, as a bound token writes it, or of anything else.
pub fn thumbprint(certificate: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    BASE64_URL_SAFE_NO_PAD.encode(digest)
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn parts(token: &str) -> (Value, Value, String, Vec<u8>) {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let read = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
        (
            serde_json::from_slice(&read(header)).unwrap(),
            serde_json::from_slice(&read(claims)).unwrap(),
            signed.to_owned(),
            read(signature),
        )
    }

    fn good() -> Wish {
        Wish::new("https://drill", "orders", 1_000, 1_300).claim("sub", json!("cart"))
    }

    #[test]
    fn a_good_token_verifies_with_its_key_and_with_no_other() {
        let (key, other) = (TokenKey::new("a").unwrap(), TokenKey::new("a").unwrap());
        let (header, claims, signed, signature) = parts(&good().signed(&key).unwrap());
        assert_eq!(header, json!({"alg": "ES256", "kid": "a", "typ": "JWT"}));
        assert_eq!(claims["iss"], "https://drill");
        assert_eq!(claims["aud"], "orders");
        assert_eq!(
            (&claims["nbf"], &claims["exp"]),
            (&json!(1_000), &json!(1_300))
        );
        assert_eq!(claims["sub"], "cart");
        let verifies = |key: &TokenKey| {
            let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_point());
            public.verify(signed.as_bytes(), &signature).is_ok()
        };
        assert!(verifies(&key));
        assert!(!verifies(&other));
    }

    #[test]
    fn each_broken_token_differs_in_one_thing() {
        let key = TokenKey::new("a").unwrap();
        let (header, sound, ..) = parts(&good().signed(&key).unwrap());
        let (_, claims, ..) = parts(&good().audience("other").signed(&key).unwrap());
        assert_eq!(claims["aud"], "other");
        assert_eq!(claims["exp"], sound["exp"]);
        let (_, claims, ..) = parts(&good().until(900).signed(&key).unwrap());
        assert_eq!(claims["exp"], 900);
        let (unknown, claims, ..) = parts(&good().signed_as(&key, "b").unwrap());
        assert_eq!(unknown["kid"], "b");
        assert_eq!(claims, sound);
        let (none, claims, _, signature) = parts(&good().unsigned());
        assert_eq!(none, json!({"alg": "none", "typ": "JWT"}));
        assert!(signature.is_empty());
        assert_eq!(claims, sound);
        let (typed, ..) = parts(&good().typ("at+jwt").signed(&key).unwrap());
        assert_eq!(typed["typ"], "at+jwt");
        assert_eq!(typed["kid"], header["kid"]);
    }

    #[test]
    fn a_token_is_bound_to_the_hash_of_a_certificate() {
        // The SHA-256 of nothing is a known one.
        let empty = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        assert_eq!(thumbprint(b""), empty);
        let token = good().bound_to(b"").signed(&TokenKey::new("a").unwrap());
        let (_, claims, ..) = parts(&token.unwrap());
        assert_eq!(claims["cnf"]["x5t#S256"], empty);
    }
}
