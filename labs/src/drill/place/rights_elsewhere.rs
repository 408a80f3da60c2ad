//! Where there are no Unix modes, owners and links: what a file may leave out is left out, and
//! what it asks for by name is refused by name.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use super::journal::{Rights, Wanted};

/// None that could be put back.
pub(super) const fn of(_: &Metadata) -> Option<Rights> {
    None
}

/// One name, as far as anybody tells.
pub(super) const fn names(_: &Metadata) -> u64 {
    1
}

/// Nobody tells whose it is.
pub(super) const fn doubt(_: &Metadata, _: bool) -> Option<String> {
    None
}

/// The folder is as private as the one it is in.
pub(super) const fn private_folder(_: &mut DirBuilder) {}

/// The file is as private as its folder.
pub(super) const fn private_file(_: &mut OpenOptions) {}

/// Links are followed; making one takes a right that few have.
pub(super) const fn straight(_: &mut OpenOptions) {}

/// The folder has the rights of the one it is in.
pub(super) const fn alike(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

/// A folder cannot be opened to be locked here.
pub(super) const fn open_folder(_: &Path) -> Option<File> {
    None
}

/// Refuses what was asked for.
pub(super) fn set(_: &File, wanted: Wanted) -> io::Result<()> {
    if wanted == Wanted::default() {
        return Ok(());
    }
    let why = "`mode` and `owner` are Unix's, and this system has none: leave them out";
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

/// Refuses.
pub(super) fn link(_: &Path, _: &Path) -> io::Result<()> {
    let why = "`swap = \"symlink\"` is Unix's, and this system has no such links: use `rename`";
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

/// A folder cannot be opened to be synced here.
pub(super) const fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
