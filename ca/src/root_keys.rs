//! Roots' private keys as files of their own, one a root, which may be carried away.
//!
//! Nothing reads them but the making and the revoking of an issuer. Invariant: a key is durable
//! before anything speaks of its root.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::disk::Disk;
use crate::error::CaError;
use crate::keys::Pkcs8;

/// Where roots' private keys are: apart from everything else, and perhaps not at hand.
pub trait RootKeys: Send + Sync + std::fmt::Debug {
    /// Puts away the key of a new root. Durable on return.
    ///
    /// # Errors
    /// When there is no place for it.
    fn keep(&self, id: u64, key: &Pkcs8) -> Result<(), CaError>;

    /// The key of a root.
    ///
    /// # Errors
    /// [`CaError::RootKeyAbsent`] when it is not at hand.
    fn key(&self, id: u64) -> Result<Pkcs8, CaError>;
}

/// Key files on the CA's own disk, in the clear: for a laboratory, and for whoever takes them away.
#[derive(Debug)]
pub(crate) struct RootKeyFiles(Arc<dyn Disk>);

impl RootKeyFiles {
    /// Files on that disk.
    pub(crate) fn new(disk: &Arc<dyn Disk>) -> Self {
        Self(Arc::clone(disk))
    }

    /// The file of one root's key.
    pub(crate) fn file(id: u64) -> String {
        format!("ca/root-{id}.key")
    }
}

impl RootKeys for RootKeyFiles {
    fn keep(&self, id: u64, key: &Pkcs8) -> Result<(), CaError> {
        Ok(self.0.replace(&Self::file(id), key)?)
    }

    fn key(&self, id: u64) -> Result<Pkcs8, CaError> {
        let key = self.0.read(&Self::file(id))?.map(Zeroizing::new);
        key.filter(|key| !key.is_empty())
            .ok_or(CaError::RootKeyAbsent(id))
    }
}
