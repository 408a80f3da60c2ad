//! Where a drill keeps what it must not forget: below the nearest `.schism/`, one folder a
//! drill.toml.
//!
//! One drill at a time works in it; the lock goes with the process, however that ends.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::hand::Hand;
use super::journal::digest;
use super::{PlaceError, disk};

/// The folder of everything that runs write.
const WORKSPACE: &str = ".schism";

/// The home of the drill that this drill.toml describes, whether or not the file is there.
pub fn home(drill_toml: &Path) -> PathBuf {
    let whole = std::path::absolute(drill_toml).unwrap_or_else(|_| drill_toml.to_owned());
    let folder = whole.parent().unwrap_or(Path::new("."));
    // By whichever link it is reached, it is one home.
    let folder = &fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let whole = folder.join(whole.file_name().unwrap_or_default());
    let found = folder.ancestors().map(|above| above.join(WORKSPACE));
    let workspace = found.into_iter().find(|it| it.is_dir());
    let workspace = workspace.unwrap_or_else(|| folder.join(WORKSPACE));
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let digest = digest(whole.as_os_str().as_encoded_bytes());
    workspace
        .join("drill")
        .join(format!("{name}-{}", &digest[..8]))
}

/// The right to work in a home; it ends with this value.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) path: PathBuf,
    lock: File,
}

impl Home {
    /// Takes the home, and makes it if it is not there.
    pub(super) fn take(path: PathBuf, hand: &Hand) -> Result<Self, PlaceError> {
        hand.private_folder(&path).map_err(disk(&path))?;
        Self::lock(path)
    }

    /// Takes a home that is there.
    pub(super) fn lock(path: PathBuf) -> Result<Self, PlaceError> {
        let at = path.join("lock");
        let mut options = fs::OpenOptions::new();
        options.create(true).truncate(false).write(true);
        super::rights::private_file(&mut options);
        let lock = options.open(&at).map_err(disk(&at))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, lock }),
            Err(TryLockError::WouldBlock) => Err(PlaceError::Busy(path)),
            Err(TryLockError::Error(why)) => Err(disk(&at)(why)),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Closing alone would not do: a command that is being started at this moment elsewhere in
        // the process has a copy of the file until it runs.
        let _ = self.lock.unlock();
    }
}
