//! Keys that can be written in the form a target reads.
//!
//! No RSA, which ring cannot make, and no Ed25519, which BoringSSL refuses in certificates.
//! Invariant: what is written as `sec1` and as `pkcs8` is the same key.

use std::sync::Arc;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::AuthorityError;

/// The curve of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// P-256: everybody reads it.
    P256,
    /// P-384.
    P384,
}

impl Curve {
    /// The curve's object identifier, with its tag and length.
    const fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
            Self::P384 => &[6, 5, 0x2b, 0x81, 4, 0, 0x22],
        }
    }

    /// Bytes of a private key.
    const fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }
}

/// A key pair; copies are the same key.
#[derive(Clone, Debug)]
pub struct Key {
    pair: Arc<KeyPair>,
    curve: Curve,
}

impl Key {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new(curve: Curve) -> Result<Self, AuthorityError> {
        let algorithm = match curve {
            Curve::P256 => &PKCS_ECDSA_P256_SHA256,
            Curve::P384 => &PKCS_ECDSA_P384_SHA384,
        };
        let pair = KeyPair::generate_for(algorithm).map_err(|_| AuthorityError::NoRandomness)?;
        Ok(Self {
            pair: Arc::new(pair),
            curve,
        })
    }

    /// The pair, for signing.
    pub(super) fn pair(&self) -> &KeyPair {
        &self.pair
    }

    /// Its curve.
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// The public half: an uncompressed point.
    pub fn public(&self) -> &[u8] {
        self.pair.public_key_raw()
    }

    /// The private half for rustls.
    pub fn der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pair.serialize_der()))
    }

    /// The private half as PKCS#8.
    pub fn pkcs8(&self) -> &[u8] {
        self.pair.serialized_der()
    }

    /// The private half as SEC 1 has it (RFC 5915), with the name of its curve, without which
    /// nobody could read it alone.
    ///
    /// # Errors
    /// When the library's PKCS#8 is not laid out as it was.
    pub fn sec1(&self) -> Result<Zeroizing<Vec<u8>>, AuthorityError> {
        let laid_out = || AuthorityError::Wish("this key cannot be written as `sec1`".to_owned());
        let scalar = scalar(self.pkcs8(), self.curve.size()).ok_or_else(laid_out)?;
        let mut point = vec![0];
        point.extend_from_slice(self.public());
        let mut body = Zeroizing::new(vec![2, 1, 1]);
        body.extend(tagged(0x04, scalar));
        body.extend(tagged(0xa0, self.curve.oid()));
        body.extend(tagged(0xa1, &tagged(0x03, &point)));
        Ok(Zeroizing::new(tagged(0x30, &body)))
    }
}

/// The private number in a PKCS#8 key: sequence of version, algorithm and, in a string of bytes,
/// a sequence of version 1 and the number.
fn scalar(pkcs8: &[u8], size: usize) -> Option<&[u8]> {
    let (_, body, _) = piece(pkcs8)?;
    let (_, _version, rest) = piece(body)?;
    let (_, _algorithm, rest) = piece(rest)?;
    let (4, inner, _) = piece(rest)? else {
        return None;
    };
    let (_, body, _) = piece(inner)?;
    let (2, [1], rest) = piece(body)? else {
        return None;
    };
    let (4, scalar, _) = piece(rest)? else {
        return None;
    };
    (scalar.len() == size).then_some(scalar)
}

/// The tag and the body of the first DER value, and what comes after it.
fn piece(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        _ => return None,
    };
    Some((*tag, rest.get(..length)?, &rest[length..]))
}

/// A DER value of less than 256 bytes.
fn tagged(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut value = vec![tag];
    if body.len() >= 0x80 {
        value.push(0x81);
    }
    value.push(u8::try_from(body.len()).unwrap_or(u8::MAX));
    value.extend_from_slice(body);
    value
}
