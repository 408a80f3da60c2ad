//! The key seam: who hands out key pairs.
//!
//! ring's own randomness cannot be replaced, so the simulated world uses the same source as the
//! real one, and nothing that a run records may contain key bytes. Certificates and tokens use
//! P-256 (BoringSSL refuses Ed25519 certificates); logs and notes use Ed25519.

use std::fmt;

use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use zeroize::Zeroizing;

/// The machine would not give us randomness.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no randomness from the operating system: cannot make a key")]
pub struct NoRandomness;

/// A private key as PKCS#8 DER, wiped when dropped.
pub type Pkcs8 = Zeroizing<Vec<u8>>;

/// Where a node gets its key pairs from.
pub trait Keys: Send + Sync + fmt::Debug {
    /// A new ECDSA P-256 key.
    fn p256(&self) -> Result<Pkcs8, NoRandomness>;

    /// A new Ed25519 key.
    fn ed25519(&self) -> Result<Pkcs8, NoRandomness>;

    /// A new secret of 32 bytes, for AES-256 or HMAC-SHA256. It has no public half.
    fn secret(&self) -> Result<Zeroizing<Vec<u8>>, NoRandomness>;
}

/// How long a secret is, in bytes.
pub const SECRET_BYTES: usize = 32;

/// Keys from ring and the operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct RingKeys;

impl Keys for RingKeys {
    fn p256(&self) -> Result<Pkcs8, NoRandomness> {
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .map(|document| Zeroizing::new(document.as_ref().to_vec()))
            .map_err(|_| NoRandomness)
    }

    fn ed25519(&self) -> Result<Pkcs8, NoRandomness> {
        Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map(|document| Zeroizing::new(document.as_ref().to_vec()))
            .map_err(|_| NoRandomness)
    }

    fn secret(&self) -> Result<Zeroizing<Vec<u8>>, NoRandomness> {
        let mut bytes = Zeroizing::new(vec![0; SECRET_BYTES]);
        let filled = SystemRandom::new().fill(&mut bytes);
        filled.map(|()| bytes).map_err(|_| NoRandomness)
    }
}
