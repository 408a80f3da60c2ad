//! Secrets that are no certificates: symmetric keys under a name, each in versions, and who may
//! hold them.
//!
//! Two sorts are here: a data key, which what lies on a disk is under, and a shared secret, which
//! two sides sign and verify with. The versions of a secret go through the phases of
//! [`crate::rotation`] by the same rules and gates: a *prepared* one is held by everyone who may
//! hold it and makes nothing; the *active* one makes what is new, and its predecessor, *retired*,
//! still opens what it made; a *revoked* one is erased here, and opens nothing. A data key is
//! revoked once its holders say that nothing is under it; a shared secret once its users say that
//! they use another, and what they made before counts no more. It never leaves the CA but for its
//! holders. Invariant: a key is neither printed nor logged, and is gone from the store with the
//! entry that revokes it.

mod kept;
mod motion;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub(crate) use kept::Secrets;
pub use motion::Said;

use crate::keys::SECRET_BYTES;

/// The longest name of a secret, in bytes.
pub const MAX_NAME: usize = 64;

/// What a secret is called: `webhook`, `records-at-rest/south`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// A name that no secret has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret's name has 1 to {MAX_NAME} characters of `a-z0-9.-/`")]
pub struct InvalidSecretName;

impl SecretName {
    /// Takes a name.
    ///
    /// # Errors
    /// When it is empty, too long, or has a character outside `a-z0-9.-/`.
    pub fn new(name: &str) -> Result<Self, InvalidSecretName> {
        let fits = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'/')
        };
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(fits) {
            return Err(InvalidSecretName);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SecretName {
    type Error = InvalidSecretName;

    fn try_from(name: String) -> Result<Self, InvalidSecretName> {
        Self::new(&name)
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

/// One secret of a CA's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretConfig {
    /// What it is called.
    pub name: SecretName,
    /// Paths of the SPIFFE IDs that are given it.
    pub holders: Vec<String>,
    /// Those of them that make something with it, and say with which versions.
    pub users: Vec<String>,
    /// How long what is made with it counts. Zero: for as long as it lies there, and a user that
    /// is gone may have left something under it.
    pub counts_for: Duration,
}

impl SecretConfig {
    /// A data key of one holder.
    pub fn at_rest(name: SecretName, holder: &str) -> Self {
        let holder = vec![holder.to_owned()];
        Self {
            name,
            users: holder.clone(),
            holders: holder,
            counts_for: Duration::ZERO,
        }
    }

    /// A secret that senders sign with, for so long, and receivers verify with.
    pub fn shared(
        name: SecretName,
        senders: Vec<String>,
        receivers: Vec<String>,
        counts_for: Duration,
    ) -> Self {
        Self {
            name,
            holders: senders.iter().cloned().chain(receivers).collect(),
            users: senders,
            counts_for,
        }
    }
}

/// One version of a secret. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(Zeroizing<Vec<u8>>);

impl SecretKey {
    /// Takes a key; nothing if it has another length.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        (bytes.len() == SECRET_BYTES).then_some(Self(bytes))
    }

    /// The key.
    pub const fn bytes(&self) -> &Zeroizing<Vec<u8>> {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A secret as its holders have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Rises with every change of what holders must hold.
    pub generation: u64,
    /// The version that makes what is new.
    pub active: Option<u64>,
    /// Every version that opens anything, prepared ones included.
    pub versions: BTreeMap<u64, SecretKey>,
}

#[cfg(test)]
mod tests;
