//! P-256 keys as certificates use them: a parsed pair that signs, and public points.
//!
//! It makes no keys (see [`crate::keys`]) and knows no other curve. Invariant: a [`PublicPoint`]
//! is 65 bytes, uncompressed.

use std::fmt;

use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};

/// Bytes of an uncompressed point: the mark 4, then x and y.
const POINT: usize = 65;

/// The bytes are no P-256 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a P-256 key")]
pub struct InvalidKey;

/// A key pair that signs.
pub struct P256(EcdsaKeyPair);

impl P256 {
    /// Reads a private key.
    ///
    /// # Errors
    /// When it is not P-256 in PKCS#8 DER.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, InvalidKey> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &SystemRandom::new())
            .map(Self)
            .map_err(|_| InvalidKey)
    }

    /// Its public half, uncompressed.
    pub fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }
}

impl fmt::Debug for P256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P256(..)")
    }
}

impl PublicKeyData for P256 {
    fn der_bytes(&self) -> &[u8] {
        self.public()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for P256 {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0
            .sign(&SystemRandom::new(), message)
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| rcgen::Error::RingUnspecified)
    }
}

/// Somebody's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicPoint([u8; POINT]);

impl PublicPoint {
    /// Takes an uncompressed point. Whether it is on the curve shows at the first verification.
    ///
    /// # Errors
    /// When it has another length or form.
    pub fn new(bytes: &[u8]) -> Result<Self, InvalidKey> {
        match <[u8; POINT]>::try_from(bytes) {
            Ok(point) if point[0] == 4 => Ok(Self(point)),
            _ => Err(InvalidKey),
        }
    }

    /// Whether `signature` (ASN.1) over `message` is by this key.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0)
            .verify(message, signature)
            .is_ok()
    }

    /// The point's bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PublicKeyData for PublicPoint {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}
