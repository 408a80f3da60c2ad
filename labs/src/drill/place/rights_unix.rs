//! Modes, owners and links, as Unix has them.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, symlink,
};
use std::path::Path;

use super::journal::Rights;

/// The rights of a file.
pub(super) fn of(metadata: &Metadata) -> Option<Rights> {
    Some(Rights {
        mode: metadata.mode() & 0o777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    })
}

/// Nobody but the owner looks into the folder.
pub(super) fn private_folder(builder: &mut DirBuilder) {
    builder.mode(0o700);
}

/// Nobody but the owner reads the file, until it is given other rights.
pub(super) fn private_file(options: &mut OpenOptions) {
    options.mode(0o600);
}

/// Gives a file its rights: the owner first, since whoever gives a file away loses its mode.
pub(super) fn set(path: &Path, mode: Option<u32>, owner: Option<(u32, u32)>) -> io::Result<()> {
    if let Some((uid, gid)) = owner {
        let now = std::fs::symlink_metadata(path)?;
        if (now.uid(), now.gid()) != (uid, gid) {
            chown(path, Some(uid), Some(gid))?;
        }
    }
    match mode {
        Some(mode) => std::fs::set_permissions(path, Permissions::from_mode(mode)),
        None => Ok(()),
    }
}

/// A symbolic link at `at` that says `to`.
pub(super) fn link(to: &Path, at: &Path) -> io::Result<()> {
    symlink(to, at)
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
