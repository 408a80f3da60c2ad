//! Roots' private keys sealed under a passphrase, one file a root.
//!
//! A file is a standard `ENCRYPTED PRIVATE KEY` (RFC 5958, PBES2 of RFC 8018 with scrypt and
//! AES-256), so that it can be kept, tried and opened by other tools. Without the passphrase a CA
//! issues leaves all the same: a root's key is needed to make and to revoke issuers alone.

use std::fmt;
use std::sync::Arc;

use pkcs8::der::pem::PemLabel as _;
use pkcs8::{EncryptedPrivateKeyInfo, LineEnding, PrivateKeyInfo, SecretDocument};
use zeroize::Zeroizing;

use crate::disk::Disk;
use crate::error::CaError;
use crate::keys::Pkcs8;
use crate::nonce;
use crate::root_keys::RootKeys;

/// Fewest characters of a passphrase: the file may be carried away and guessed at.
pub const MIN_PASSPHRASE: usize = 12;

/// Key files on a disk, and perhaps what opens them.
pub struct SealedRootKeys {
    disk: Arc<dyn Disk>,
    passphrase: Option<Zeroizing<String>>,
}

impl SealedRootKeys {
    /// Files on that disk. Without a passphrase none can be made or opened.
    ///
    /// # Errors
    /// When the passphrase is too short.
    pub fn new(
        disk: Arc<dyn Disk>,
        passphrase: Option<Zeroizing<String>>,
    ) -> Result<Self, CaError> {
        let long = |it: &Zeroizing<String>| it.chars().count() >= MIN_PASSPHRASE;
        if !passphrase.as_ref().is_none_or(long) {
            return Err(CaError::PassphraseShort);
        }
        Ok(Self { disk, passphrase })
    }

    /// The file of one root's key.
    pub fn file(id: u64) -> String {
        format!("root-{id}.key.pem")
    }

    fn passphrase(&self, id: u64) -> Result<&str, CaError> {
        let passphrase = self.passphrase.as_ref();
        passphrase
            .map(|it| it.as_str())
            .ok_or(CaError::RootKeySealed(id))
    }
}

impl RootKeys for SealedRootKeys {
    fn keep(&self, id: u64, key: &Pkcs8) -> Result<(), CaError> {
        let (salt, iv) = (nonce::fresh::<16>()?, nonce::fresh::<16>()?);
        let scheme = pkcs8::pkcs5::pbes2::Parameters::scrypt_aes256cbc(
            pkcs8::pkcs5::scrypt::Params::recommended(),
            &salt,
            &iv,
        );
        let sealed = scheme.map_err(CaError::encoding).and_then(|scheme| {
            let info = PrivateKeyInfo::try_from(key.as_slice()).map_err(CaError::encoding)?;
            let passphrase = self.passphrase(id)?;
            info.encrypt_with_params(scheme, passphrase)
                .map_err(CaError::encoding)
        })?;
        let pem = sealed
            .to_pem(EncryptedPrivateKeyInfo::PEM_LABEL, LineEnding::LF)
            .map_err(CaError::encoding)?;
        Ok(self.disk.replace(&Self::file(id), pem.as_bytes())?)
    }

    fn key(&self, id: u64) -> Result<Pkcs8, CaError> {
        let pem = self.disk.read(&Self::file(id))?;
        let pem = pem.ok_or(CaError::RootKeyAbsent(id))?;
        let passphrase = self.passphrase(id)?;
        let damaged = || CaError::Damaged(format!("{} is no sealed key", Self::file(id)));
        let pem = String::from_utf8(pem).map_err(|_| damaged())?;
        let (label, sealed) = SecretDocument::from_pem(&pem).map_err(|_| damaged())?;
        if label != EncryptedPrivateKeyInfo::PEM_LABEL {
            return Err(damaged());
        }
        let sealed = EncryptedPrivateKeyInfo::try_from(sealed.as_bytes()).map_err(|_| damaged())?;
        let key = sealed
            .decrypt(passphrase)
            .map_err(|_| CaError::PassphraseWrong(id))?;
        Ok(Zeroizing::new(key.as_bytes().to_vec()))
    }
}

impl fmt::Debug for SealedRootKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedRootKeys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemDisk;
    use crate::keys::{Keys, RingKeys};

    fn keys(disk: &MemDisk, passphrase: Option<&str>) -> SealedRootKeys {
        let passphrase = passphrase.map(|it| Zeroizing::new(it.to_owned()));
        SealedRootKeys::new(Arc::new(disk.clone()), passphrase).unwrap()
    }

    #[test]
    fn a_key_opens_with_its_passphrase_and_with_nothing_else() {
        let (disk, key) = (MemDisk::new(), RingKeys.p256().unwrap());
        let good = Some("correct horse battery");
        keys(&disk, good).keep(1, &key).unwrap();
        let file = disk.read(&SealedRootKeys::file(1)).unwrap().unwrap();
        let text = String::from_utf8(file.clone()).unwrap();
        assert!(
            text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"),
            "{text}"
        );
        assert_eq!(&*keys(&disk, good).key(1).unwrap(), &*key);
        let wrong = keys(&disk, Some("correct horse batterx")).key(1);
        assert!(
            matches!(wrong, Err(CaError::PassphraseWrong(1))),
            "{wrong:?}"
        );
        let shut = keys(&disk, None).key(1);
        assert!(matches!(shut, Err(CaError::RootKeySealed(1))), "{shut:?}");
        assert!(matches!(
            keys(&disk, None).keep(2, &key),
            Err(CaError::RootKeySealed(2))
        ));
        let gone = keys(&disk, good).key(2);
        assert!(matches!(gone, Err(CaError::RootKeyAbsent(2))), "{gone:?}");
        for len in [0, 1, file.len() / 2, file.len() - 30] {
            disk.replace(&SealedRootKeys::file(3), &file[..len])
                .unwrap();
            let cut = keys(&disk, good).key(3);
            assert!(matches!(cut, Err(CaError::Damaged(_))), "{len}: {cut:?}");
        }
    }

    #[test]
    fn a_short_passphrase_is_refused() {
        let short = Some(Zeroizing::new("eleven char".to_owned()));
        let disk = Arc::new(MemDisk::new());
        let refused = SealedRootKeys::new(disk, short);
        assert!(
            matches!(refused, Err(CaError::PassphraseShort)),
            "{refused:?}"
        );
    }
}
