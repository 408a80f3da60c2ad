//! A folder's lock: one process at a time works in it. It goes with the process, however that ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::stop::Stop;

/// The right to work in a folder; it ends with this value.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, and let go of when dropped")] File);

impl Lock {
    /// Takes the lock of a folder that is there; nothing if somebody else has it.
    pub(super) fn take(folder: &Path) -> Result<Option<Self>, Stop> {
        let path = folder.join("lock");
        let failed = |error| Stop::file(&path, error);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_lock_and_it_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::take(folder.path()).unwrap();
        assert!(first.is_some());
        assert!(Lock::take(folder.path()).unwrap().is_none());
        drop(first);
        assert!(Lock::take(folder.path()).unwrap().is_some());
        assert!(Lock::take(&folder.path().join("none")).is_err());
    }
}
