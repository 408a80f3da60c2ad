//! A node's own credential: key, chain and bundle, fit to be published together or not at all.
//!
//! It is kept as one file, replaced as a whole, so that a crash never leaves a key beside another
//! key's certificate. Invariant: a [`Credential`] was valid when it was assembled: key and leaf
//! belong together, the name is the expected one, and the chain ends in its bundle.

use std::fmt;
use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::bundle::{Bundle, Bundles};
pub use crate::chain::{InvalidChain, MAX_CHAIN, verify_chain};
use crate::clock::Time;
use crate::disk::Disk;
use crate::identity::{LeafFacts, SpiffeId, TrustDomain};
use crate::keys::Pkcs8;
use crate::p256::P256;
use crate::svid;

/// Largest credential file that is read, in bytes.
pub const MAX_FILE: usize = 256 * 1024;
/// Most roots that a stored bundle may have.
pub const MAX_ROOTS: usize = 16;

const FORMAT: u32 = 1;

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

/// Why a stored credential was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum CredentialFileError {
    /// The disk failed.
    #[error("credential file `{file}`: {cause}")]
    Disk {
        /// Which file.
        file: String,
        /// What the disk said.
        cause: io::Error,
    },
    /// The file is not one that [`Credential::persist`] wrote.
    #[error("credential file `{file}` is broken: {reason}")]
    Broken {
        /// Which file.
        file: String,
        /// What is wrong, without its content.
        reason: String,
    },
    /// The file is whole, but what it holds is no credential now.
    #[error("credential file `{file}`: {cause}")]
    Unfit {
        /// Which file.
        file: String,
        /// Why not.
        cause: UnfitCredential,
    },
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
    /// The roots of the node's own trust domain.
    pub bundle: Bundle,
}

impl Credential {
    /// Puts the parts together after verifying that they fit, as of `now`.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn assemble(
        generation: u64,
        key: Pkcs8,
        chain: Vec<CertificateDer<'static>>,
        bundle: Bundle,
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
            return Err(UnfitCredential::OtherBundle(bundle.trust_domain));
        }
        verify_chain(&chain, &Bundles::from(bundle.clone()), now, tolerance)?;
        Ok(Self {
            generation,
            chain,
            key,
            facts,
            bundle,
        })
    }

    /// Puts the credential in the place of the last one: all of it or none, durable on return,
    /// readable by its owner alone.
    ///
    /// # Errors
    /// When the disk fails; what was there before stays.
    pub fn persist(&self, disk: &dyn Disk, file: &str) -> io::Result<()> {
        let stored = Stored {
            format: FORMAT,
            generation: self.generation,
            key: BASE64.encode(&*self.key),
            chain: self.chain.iter().map(|der| BASE64.encode(der)).collect(),
            trust_domain: self.bundle.trust_domain.clone(),
            bundle_generation: self.bundle.generation,
            roots: self
                .bundle
                .roots
                .iter()
                .map(|der| BASE64.encode(der))
                .collect(),
        };
        let text = Zeroizing::new(serde_json::to_vec_pretty(&stored)?);
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
        expected: &SpiffeId,
        now: Time,
        tolerance: Duration,
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
        let parts = Stored::parse(&text).map_err(broken)?;
        Self::assemble(
            parts.generation,
            parts.key,
            parts.chain,
            parts.bundle,
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    generation: u64,
    key: String,
    chain: Vec<String>,
    trust_domain: TrustDomain,
    bundle_generation: u64,
    roots: Vec<String>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

struct Parts {
    generation: u64,
    key: Pkcs8,
    chain: Vec<CertificateDer<'static>>,
    bundle: Bundle,
}

impl Stored {
    fn parse(text: &[u8]) -> Result<Parts, String> {
        if text.len() > MAX_FILE {
            return Err(format!("{} bytes are too many", text.len()));
        }
        // Line and column only: serde's own words may quote the content.
        let stored: Self = serde_json::from_slice(text)
            .map_err(|error| format!("line {} column {}", error.line(), error.column()))?;
        if stored.format != FORMAT {
            return Err(format!("format {} is unknown", stored.format));
        }
        if stored.chain.len() > MAX_CHAIN || stored.roots.len() > MAX_ROOTS {
            return Err("too many certificates".to_owned());
        }
        let key = BASE64
            .decode(&stored.key)
            .map_err(|_| "key is not base64".to_owned())?;
        Ok(Parts {
            generation: stored.generation,
            key: Zeroizing::new(key),
            chain: certificates(&stored.chain)?,
            bundle: Bundle {
                trust_domain: stored.trust_domain.clone(),
                generation: stored.bundle_generation,
                roots: certificates(&stored.roots)?,
            },
        })
    }
}

fn certificates(stored: &[String]) -> Result<Vec<CertificateDer<'static>>, String> {
    let decode = |text: &String| BASE64.decode(text).map(CertificateDer::from);
    stored
        .iter()
        .map(decode)
        .collect::<Result<_, _>>()
        .map_err(|_| "a certificate is not base64".to_owned())
}
