//! A node's own credential: key and chain, fit to be published together or not at all.
//!
//! It is kept as one file, replaced as a whole, so that a crash never leaves a key beside another
//! key's certificate. Invariant: a [`Credential`] was valid when it was assembled: key and leaf
//! belong together, the name is the expected one, and the chain ended in the node's own bundle.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::bundle::{Bundle, Bundles};
pub use crate::chain::{InvalidChain, MAX_CHAIN, verify_chain};
use crate::clock::Time;
use crate::credential_file;
pub use crate::credential_file::{CredentialFileError, MAX_FILE};
use crate::disk::Disk;
use crate::identity::{LeafFacts, SpiffeId, TrustDomain};
use crate::keys::Pkcs8;
use crate::p256::P256;
use crate::revocation::Revocation;
use crate::svid;

/// Why key, chain and bundle make no credential.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UnfitCredential {
    /// The key is no P-256 private key.
    #[error("private key is not P-256 in PKCS#8")]
    Key,
    /// The leaf is another key's: certificate and key were swapped.
    #[error("private key does not belong to the certificate of `{0}`")]
    KeyMismatch(SpiffeId),
    /// The leaf is somebody else's.
    #[error("certificate is of `{found}`, not of `{expected}`")]
    OtherName {
        /// Whose leaf it is.
        found: SpiffeId,
        /// Whose it should be.
        expected: SpiffeId,
    },
    /// The bundle is of another trust domain than the leaf.
    #[error("bundle is of trust domain `{0}`, not of the certificate's")]
    OtherBundle(TrustDomain),
    /// The chain does not verify.
    #[error(transparent)]
    Chain(#[from] InvalidChain),
}

/// Everything that a node needs to be someone.
#[derive(Clone)]
pub struct Credential {
    /// Rises with every credential of this node.
    pub generation: u64,
    /// The leaf, then its issuers; the root is left out.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's private key.
    pub key: Pkcs8,
    /// What the leaf says.
    pub facts: LeafFacts,
}

impl Credential {
    /// Puts the parts together after verifying that they fit, as of `now`. `bundle` is that of the
    /// node's own trust domain. Revocation lists have no say: a list of the newest issuer may still
    /// be under way.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn assemble(
        generation: u64,
        key: Pkcs8,
        chain: Vec<CertificateDer<'static>>,
        bundle: &Bundle,
        expected: &SpiffeId,
        now: Time,
        tolerance: Duration,
    ) -> Result<Self, UnfitCredential> {
        let leaf = chain.first().ok_or(InvalidChain::Empty)?;
        let (facts, public) = svid::read(leaf).map_err(InvalidChain::Svid)?;
        if facts.spiffe_id != *expected {
            return Err(UnfitCredential::OtherName {
                found: facts.spiffe_id,
                expected: expected.clone(),
            });
        }
        let pair = P256::from_pkcs8(&key).map_err(|_| UnfitCredential::Key)?;
        if pair.public() != public {
            return Err(UnfitCredential::KeyMismatch(facts.spiffe_id));
        }
        if bundle.trust_domain != *facts.spiffe_id.trust_domain() {
            return Err(UnfitCredential::OtherBundle(bundle.trust_domain.clone()));
        }
        let bundles = Bundles::from(bundle.clone());
        verify_chain(&chain, &bundles, &Revocation::ignore(), now, tolerance)?;
        Ok(Self {
            generation,
            chain,
            key,
            facts,
        })
    }

    /// Puts the credential in the place of the last one: all of it or none, durable on return,
    /// readable by its owner alone.
    ///
    /// # Errors
    /// When the disk fails; what was there before stays.
    pub fn persist(&self, disk: &dyn Disk, file: &str) -> io::Result<()> {
        let text = credential_file::write(self)?;
        disk.replace(file, &text)
    }

    /// Loads what [`Self::persist`] left, verified as by [`Self::assemble`]; nothing if there is
    /// no such file.
    ///
    /// # Errors
    /// When the disk fails, the file is broken, or it holds no valid credential of `expected`.
    pub fn load(
        disk: &dyn Disk,
        file: &str,
        bundle: &Bundle,
        expected: &SpiffeId,
        now: Time,
        tolerance: Duration,
    ) -> Result<Option<Self>, CredentialFileError> {
        Self::load_as_of(disk, file, bundle, expected, |_| (now, tolerance))
    }

    /// As [`Self::load`], for a credential whose leaf may be over: it is verified as of its last
    /// moment. It proves who was here last, and makes nobody anybody.
    ///
    /// # Errors
    /// As [`Self::load`], but that it may have expired.
    pub fn load_last(
        disk: &dyn Disk,
        file: &str,
        bundle: &Bundle,
        expected: &SpiffeId,
    ) -> Result<Option<Self>, CredentialFileError> {
        Self::load_as_of(disk, file, bundle, expected, |leaf| {
            (svid::not_after(leaf).unwrap_or_default(), Duration::ZERO)
        })
    }

    fn load_as_of(
        disk: &dyn Disk,
        file: &str,
        bundle: &Bundle,
        expected: &SpiffeId,
        as_of: impl FnOnce(&[u8]) -> (Time, Duration),
    ) -> Result<Option<Self>, CredentialFileError> {
        let read = disk.read(file).map_err(|cause| CredentialFileError::Disk {
            file: file.to_owned(),
            cause,
        })?;
        let Some(text) = read.map(Zeroizing::new) else {
            return Ok(None);
        };
        let broken = |reason: String| CredentialFileError::Broken {
            file: file.to_owned(),
            reason,
        };
        let parts = credential_file::parse(&text).map_err(broken)?;
        let (now, tolerance) = as_of(parts.chain.first().map_or(&[], |leaf| leaf));
        Self::assemble(
            parts.generation,
            parts.key,
            parts.chain,
            bundle,
            expected,
            now,
            tolerance,
        )
        .map(Some)
        .map_err(|cause| CredentialFileError::Unfit {
            file: file.to_owned(),
            cause,
        })
    }
}

// By hand, since the key would print itself.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("generation", &self.generation)
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Issuer, Root};
    use crate::csr;
    use crate::disk::MemDisk;
    use crate::keys::{Keys, RingKeys};
    use crate::profile::Validity;
    use crate::rng::SeededRng;

    const NOW: Time = Time::from_secs(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);
    const FILE: &str = "identity/credential.json";

    struct Clinic {
        bundle: Bundle,
        issuer: Issuer,
    }

    impl Clinic {
        fn new() -> Self {
            let trust_domain = TrustDomain::new("clinic.example").unwrap();
            let validity = Validity::lasting(NOW - HOUR, HOUR * 24);
            let root = Root::create(&RingKeys, &trust_domain, 1, validity).unwrap();
            let issuer = root.sign_issuer(&RingKeys, 1, validity).unwrap();
            let roots = vec![root.certificate().clone()];
            let bundle = Bundle {
                trust_domain,
                generation: 1,
                roots,
            };
            Self { bundle, issuer }
        }

        fn parts(&self, id: &SpiffeId) -> (Pkcs8, Vec<CertificateDer<'static>>) {
            let key = RingKeys.p256().unwrap();
            let request = csr::request(&key).unwrap();
            let validity = Validity::lasting(NOW, Duration::from_secs(100));
            (
                key,
                self.issuer
                    .issue(&request, id, validity, NOW)
                    .unwrap()
                    .chain,
            )
        }

        fn assemble(
            &self,
            key: &Pkcs8,
            chain: &[CertificateDer<'static>],
            at: Time,
        ) -> Result<Credential, UnfitCredential> {
            let (key, chain) = (key.clone(), chain.to_vec());
            Credential::assemble(1, key, chain, &self.bundle, &sts(), at, Duration::ZERO)
        }
    }

    fn sts() -> SpiffeId {
        SpiffeId::parse("spiffe://clinic.example/north/sts").unwrap()
    }

    impl Clinic {
        fn load(
            &self,
            disk: &MemDisk,
            at: Time,
        ) -> Result<Option<Credential>, CredentialFileError> {
            Credential::load(disk, FILE, &self.bundle, &sts(), at, Duration::ZERO)
        }
    }

    #[test]
    fn parts_that_fit_make_a_credential_that_comes_back_from_disk() {
        let clinic = Clinic::new();
        let (key, chain) = clinic.parts(&sts());
        let credential = clinic.assemble(&key, &chain, NOW).unwrap();
        let disk = MemDisk::new();
        assert!(clinic.load(&disk, NOW).unwrap().is_none());
        credential.persist(&disk, FILE).unwrap();
        let back = clinic.load(&disk, NOW).unwrap().unwrap();
        assert_eq!(&back.facts, &credential.facts);
        assert_eq!((&back.chain, &*back.key), (&chain, &*key));
        assert!(
            !format!("{back:?}").contains("key"),
            "a key must not print itself"
        );
    }

    #[test]
    fn certificate_and_key_swapped_are_refused() {
        let clinic = Clinic::new();
        let (key, chain) = clinic.parts(&sts());
        let (other_key, other_chain) = clinic.parts(&sts());
        for (key, chain) in [(&key, &other_chain), (&other_key, &chain)] {
            let refused = clinic.assemble(key, chain, NOW).unwrap_err();
            assert_eq!(refused, UnfitCredential::KeyMismatch(sts()));
        }
        let garbage = Zeroizing::new(vec![7; 100]);
        let refused = clinic.assemble(&garbage, &chain, NOW).unwrap_err();
        assert_eq!(refused, UnfitCredential::Key);
    }

    #[test]
    fn another_name_another_bundle_and_another_time_are_refused() {
        let clinic = Clinic::new();
        let found = SpiffeId::parse("spiffe://clinic.example/north/gateway").unwrap();
        let (key, chain) = clinic.parts(&found);
        let refused = clinic.assemble(&key, &chain, NOW).unwrap_err();
        let expected = sts();
        assert_eq!(refused, UnfitCredential::OtherName { found, expected });

        let (key, chain) = clinic.parts(&sts());
        let refused = Clinic::new().assemble(&key, &chain, NOW).unwrap_err();
        assert!(matches!(
            refused,
            UnfitCredential::Chain(InvalidChain::Untrusted(_))
        ));
        let refused = clinic.assemble(&key, &chain, NOW + HOUR).unwrap_err();
        assert!(matches!(
            refused,
            UnfitCredential::Chain(InvalidChain::Untimely(_))
        ));
        let refused = clinic.assemble(&key, &[], NOW).unwrap_err();
        assert_eq!(refused, UnfitCredential::Chain(InvalidChain::Empty));
        let mut foreign = clinic;
        foreign.bundle.trust_domain = TrustDomain::new("lab.example").unwrap();
        let refused = foreign.assemble(&key, &chain, NOW).unwrap_err();
        assert!(matches!(refused, UnfitCredential::OtherBundle(_)));
    }

    #[test]
    fn a_broken_file_is_refused_by_name_and_an_old_one_too() {
        let clinic = Clinic::new();
        let (key, chain) = clinic.parts(&sts());
        let disk = MemDisk::new();
        let credential = clinic.assemble(&key, &chain, NOW).unwrap();
        credential.persist(&disk, FILE).unwrap();
        let whole = disk.read(FILE).unwrap().unwrap();
        assert!(matches!(
            clinic.load(&disk, NOW + HOUR),
            Err(CredentialFileError::Unfit { .. })
        ));
        let text = String::from_utf8(whole.clone()).unwrap();
        let later_format = text.replace("\"format\": 2", "\"format\": 3").into_bytes();
        assert_ne!(later_format, whole);
        for broken in [
            &whole[..whole.len() / 2],
            b"",
            b"{}",
            &[b' '; MAX_FILE + 1],
            &later_format,
        ] {
            disk.replace(FILE, broken).unwrap();
            let refused = clinic.load(&disk, NOW).unwrap_err();
            assert!(
                matches!(refused, CredentialFileError::Broken { .. }),
                "{refused}"
            );
        }
        disk.fail(true);
        assert!(credential.persist(&disk, FILE).is_err());
    }

    #[test]
    fn a_power_cut_leaves_the_old_credential_or_the_new_one() {
        let clinic = Clinic::new();
        let [old, new] = [1, 2].map(|generation| {
            let (key, chain) = clinic.parts(&sts());
            let mut credential = clinic.assemble(&key, &chain, NOW).unwrap();
            credential.generation = generation;
            credential
        });
        for seed in 0..20 {
            let disk = MemDisk::new();
            old.persist(&disk, FILE).unwrap();
            disk.cut_power_after(seed % 2);
            let written = new.persist(&disk, FILE).is_ok();
            disk.cut_power();
            disk.restore(&SeededRng::new(seed));
            let found = clinic.load(&disk, NOW).unwrap().unwrap().generation;
            assert_eq!(found, if written { 2 } else { 1 });
        }
    }
}
