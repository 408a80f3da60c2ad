//! Where a drill keeps what it must not forget: below the nearest `.schism/`, one folder a
//! drill.toml.
//!
//! One drill at a time works in it; the lock goes with the process, however that ends. It is
//! believed only if nobody else can have put it there: what it says is done, commands too.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::hand::{Hand, ordinary};
use super::journal::{Wanted, digest};
use super::{PlaceError, disk, rights};

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

/// A lock on an open file or folder; it ends with this value.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Takes it, unless somebody has it.
    fn take(file: File) -> Result<Self, TryLockError> {
        file.try_lock().map(|()| Self(file))
    }

    /// Locks a folder of the target's against other drills, whichever drill.toml they go by.
    /// Nothing where folders cannot be locked.
    pub(super) fn folder(path: &Path) -> Result<Option<Self>, PlaceError> {
        match rights::open_folder(path).map(Self::take) {
            Some(Err(TryLockError::WouldBlock)) => Err(PlaceError::Busy(path.to_owned())),
            taken => Ok(taken.and_then(Result::ok)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would not do: a command that is being started at this moment elsewhere in
        // the process has a copy of the file until it runs.
        let _ = self.0.unlock();
    }
}

/// The right to work in a home; it ends with this value.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) path: PathBuf,
    _lock: Lock,
}

impl Home {
    /// Takes the home, and makes it if it is not there.
    pub(super) fn take(path: PathBuf, hand: &Hand) -> Result<Self, PlaceError> {
        believe(&path)?;
        let workspace = path.ancestors().nth(2).unwrap_or(&path).to_owned();
        let is_new = !workspace.exists();
        hand.private_folder(&path).map_err(disk(&path))?;
        if is_new {
            // What is kept is keys: they are not to be committed by mistake.
            let ignore = workspace.join(".gitignore");
            let made = hand.create(&ignore, b"*\n", Wanted::default());
            made.map_err(disk(&ignore))?;
        }
        Self::lock(path)
    }

    /// Takes a home that is there, if it is believed.
    pub(super) fn lock(path: PathBuf) -> Result<Self, PlaceError> {
        believe(&path)?;
        let at = path.join("lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        rights::private_file(&mut options);
        let (lock, metadata) = ordinary(&mut options, &at).map_err(disk(&at))?;
        if let Some(why) = rights::doubt(&metadata, true) {
            return Err(PlaceError::Doubted { path: at, why });
        }
        match Lock::take(lock) {
            Ok(lock) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(PlaceError::Busy(path)),
            Err(TryLockError::Error(why)) => Err(disk(&at)(why)),
        }
    }

    /// Takes a home if it is there.
    pub(super) fn find(path: &Path) -> Result<Option<Self>, PlaceError> {
        match fs::symlink_metadata(path) {
            Ok(_) => Self::lock(path.to_owned()).map(Some),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(disk(path)(why)),
        }
    }
}

/// Refuses a home that somebody else can have put there. The workspace above it may be anybody's
/// to read; the drill's own folders never were.
fn believe(home: &Path) -> Result<(), PlaceError> {
    for (path, is_own) in home.ancestors().zip([true, true, false]) {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
            Err(why) => return Err(disk(path)(why)),
        };
        let why = match metadata.is_dir() {
            true => rights::doubt(&metadata, is_own),
            false => Some("it is no folder; take it away".to_owned()),
        };
        if let Some(why) = why {
            let path = path.to_owned();
            return Err(PlaceError::Doubted { path, why });
        }
    }
    Ok(())
}
