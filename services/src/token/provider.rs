//! jsonwebtoken's cryptography over ring: ES256 both ways, RS256 and PS256 for verifying alone.
//!
//! jsonwebtoken 11 ships no backend that uses ring, and panics where none is installed. It refuses
//! every other algorithm, HMAC above all: a public key must never be able to serve as a secret.
//! [`install`] is the one thing in Schism that is set process-wide; whoever makes a key set or an
//! issuer goes through it, so a token is never verified by somebody else's provider.

use std::sync::OnceLock;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::jwk::{EllipticCurve, ThumbprintHash};
use jsonwebtoken::signature::{Error, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

/// Another provider was installed in this process first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another provider of token cryptography is installed in this process")]
pub struct ForeignProvider;

static RING: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(unsupported()),
        rsa_pub_components_from_public_key: |_| Err(unsupported()),
        ec_pub_components_from_private_key: ec_public,
        ed_pub_components_from_private_key: |_, _| Err(unsupported()),
        compute_digest,
    },
};

/// Makes ring the provider for this process. Asking again is harmless.
///
/// # Errors
/// When another provider is already there.
pub fn install() -> std::result::Result<(), ForeignProvider> {
    static OURS: OnceLock<bool> = OnceLock::new();
    match OURS.get_or_init(|| RING.install_default().is_ok()) {
        true => Ok(()),
        false => Err(ForeignProvider),
    }
}

fn unsupported() -> jsonwebtoken::errors::Error {
    ErrorKind::UnsupportedAlgorithm.into()
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    match (algorithm, key.family()) {
        (Algorithm::ES256, AlgorithmFamily::Ec) => {
            Ok(Box::new(Es256Signer(ec_pair(key.as_bytes())?)))
        }
        (Algorithm::ES256, _) => Err(ErrorKind::InvalidKeyFormat.into()),
        _ => Err(unsupported()),
    }
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let rsa = |parameters| match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } if key.family() == AlgorithmFamily::Rsa => {
            let key = RsaPublicKeyComponents {
                n: n.clone(),
                e: e.clone(),
            };
            Ok(Box::new(RsaVerifier(*algorithm, parameters, key)) as Box<dyn JwtVerifier>)
        }
        _ => Err(ErrorKind::InvalidKeyFormat.into()),
    };
    match algorithm {
        Algorithm::ES256 if key.family() == AlgorithmFamily::Ec => {
            let point = key.try_get_as_bytes()?.to_vec();
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            Ok(Box::new(Es256Verifier(key)))
        }
        Algorithm::ES256 => Err(ErrorKind::InvalidKeyFormat.into()),
        Algorithm::RS256 => rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::PS256 => rsa(&RSA_PSS_2048_8192_SHA256),
        _ => Err(unsupported()),
    }
}

fn ec_pair(pkcs8: &[u8]) -> Result<EcdsaKeyPair> {
    let parameters = &ECDSA_P256_SHA256_FIXED_SIGNING;
    EcdsaKeyPair::from_pkcs8(parameters, pkcs8, &SystemRandom::new())
        .map_err(|_| ErrorKind::InvalidEcdsaKey.into())
}

fn ec_public(pkcs8: &[u8], algorithm: Algorithm) -> Result<(EllipticCurve, Vec<u8>, Vec<u8>)> {
    if algorithm != Algorithm::ES256 {
        return Err(unsupported());
    }
    let pair = ec_pair(pkcs8)?;
    match pair.public_key().as_ref() {
        [4, point @ ..] if point.len() == 64 => {
            let (x, y) = point.split_at(32);
            Ok((EllipticCurve::P256, x.to_vec(), y.to_vec()))
        }
        _ => Err(ErrorKind::InvalidEcdsaKey.into()),
    }
}

fn compute_digest(data: &[u8], hash: ThumbprintHash) -> Result<Vec<u8>> {
    let algorithm = match hash {
        ThumbprintHash::SHA256 => &digest::SHA256,
        ThumbprintHash::SHA384 => &digest::SHA384,
        ThumbprintHash::SHA512 => &digest::SHA512,
        _ => return Err(unsupported()),
    };
    Ok(digest::digest(algorithm, data).as_ref().to_vec())
}

struct Es256Signer(EcdsaKeyPair);

impl Signer<Vec<u8>> for Es256Signer {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        let signature = self.0.sign(&SystemRandom::new(), message);
        Ok(signature.map_err(|_| Error::new())?.as_ref().to_vec())
    }
}

impl JwtSigner for Es256Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

struct Es256Verifier(UnparsedPublicKey<Vec<u8>>);

impl Verifier<Vec<u8>> for Es256Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let checked = self.0.verify(message, signature);
        checked.map_err(|_| Error::new())
    }
}

impl JwtVerifier for Es256Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

struct RsaVerifier(
    Algorithm,
    &'static RsaParameters,
    RsaPublicKeyComponents<Vec<u8>>,
);

impl Verifier<Vec<u8>> for RsaVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let checked = self.2.verify(self.1, message, signature);
        checked.map_err(|_| Error::new())
    }
}

impl JwtVerifier for RsaVerifier {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::specimen;
    use super::*;
    use jsonwebtoken::crypto::{sign, verify};

    fn checks(token: &str, key: &DecodingKey, algorithm: Algorithm) -> bool {
        install().unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        verify(signature, message.as_bytes(), key, algorithm).unwrap()
    }

    #[test]
    fn installing_twice_is_harmless() {
        assert_eq!(install(), Ok(()));
        assert_eq!(install(), Ok(()));
    }

    #[test]
    fn the_es256_example_of_rfc_7515_verifies() {
        let key = DecodingKey::from_ec_components(specimen::A3_X, specimen::A3_Y).unwrap();
        assert!(checks(specimen::A3_TOKEN, &key, Algorithm::ES256));
        let other = specimen::A3_TOKEN.replacen("eyJpc3Mi", "eyJpc3Mj", 1);
        assert!(!checks(&other, &key, Algorithm::ES256));
    }

    #[test]
    fn the_rs256_example_of_rfc_7515_verifies_and_not_as_ps256() {
        let key = DecodingKey::from_rsa_components(specimen::A2_N, "AQAB").unwrap();
        assert!(checks(specimen::A2_TOKEN, &key, Algorithm::RS256));
        assert!(!checks(specimen::A2_TOKEN, &key, Algorithm::PS256));
    }

    #[test]
    fn ps256_verifies_and_not_as_rs256() {
        let key = DecodingKey::from_rsa_components(specimen::PS_N, "AQAB").unwrap();
        assert!(checks(specimen::PS_TOKEN, &key, Algorithm::PS256));
        assert!(!checks(specimen::PS_TOKEN, &key, Algorithm::RS256));
    }

    #[test]
    fn no_key_serves_another_family_and_hmac_serves_none() {
        install().unwrap();
        let ec = DecodingKey::from_ec_components(specimen::A3_X, specimen::A3_Y).unwrap();
        let rsa = DecodingKey::from_rsa_components(specimen::A2_N, "AQAB").unwrap();
        let secret = DecodingKey::from_secret(b"secret");
        assert!(verify("AAAA", b"m", &ec, Algorithm::RS256).is_err());
        assert!(verify("AAAA", b"m", &rsa, Algorithm::ES256).is_err());
        assert!(verify("AAAA", b"m", &secret, Algorithm::HS256).is_err());
        let secret = EncodingKey::from_secret(b"secret");
        assert!(sign(b"m", &secret, Algorithm::HS256).is_err());
        assert!(sign(b"m", &secret, Algorithm::ES256).is_err());
    }
}
