//! The file that a credential is kept in: one JSON object, certificates and key in base64.
//!
//! `{"format":2,"generation":3,"key":"..","chain":["..",".."]}`. It says nothing about
//! whether the parts fit: that is [`Credential::assemble`]'s. Invariant: no more is read than the
//! bounds below allow.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::chain::MAX_CHAIN;
use crate::credential::{Credential, UnfitCredential};
use crate::keys::Pkcs8;

/// Largest credential file that is read, in bytes.
pub const MAX_FILE: usize = 256 * 1024;

const FORMAT: u32 = 2;

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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    generation: u64,
    key: String,
    chain: Vec<String>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// What a file holds: well-formed, and not verified at all.
pub(crate) struct Parts {
    pub(crate) generation: u64,
    pub(crate) key: Pkcs8,
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

/// The file's content.
pub(crate) fn write(credential: &Credential) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
    let encoded = |der: &CertificateDer<'_>| BASE64.encode(der);
    let stored = Stored {
        format: FORMAT,
        generation: credential.generation,
        key: BASE64.encode(&*credential.key),
        chain: credential.chain.iter().map(encoded).collect(),
    };
    serde_json::to_vec_pretty(&stored).map(Zeroizing::new)
}

/// Reads a file. The reason it is refused for quotes nothing of it: it may hold a key.
pub(crate) fn parse(text: &[u8]) -> Result<Parts, String> {
    if text.len() > MAX_FILE {
        return Err(format!("{} bytes are too many", text.len()));
    }
    // Line and column only: serde's own words may quote the content.
    let stored: Stored = serde_json::from_slice(text)
        .map_err(|error| format!("line {} column {}", error.line(), error.column()))?;
    if stored.format != FORMAT {
        return Err(format!("format {} is unknown", stored.format));
    }
    if stored.chain.len() > MAX_CHAIN {
        return Err("too many certificates".to_owned());
    }
    let key = BASE64
        .decode(&stored.key)
        .map_err(|_| "key is not base64".to_owned())?;
    Ok(Parts {
        generation: stored.generation,
        key: Zeroizing::new(key),
        chain: certificates(&stored.chain)?,
    })
}

fn certificates(stored: &[String]) -> Result<Vec<CertificateDer<'static>>, String> {
    let decode = |text: &String| BASE64.decode(text).map(CertificateDer::from);
    stored
        .iter()
        .map(decode)
        .collect::<Result<_, _>>()
        .map_err(|_| "a certificate is not base64".to_owned())
}
