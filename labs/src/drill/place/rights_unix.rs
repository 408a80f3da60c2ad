//! Modes, owners and links, as Unix has them.
//!
//! Rights are given to what is open, never by a name: between two looks at a name, whoever may
//! write in the folder can make it another file's.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown, symlink,
};
use std::path::Path;

use rustix::fs::OFlags;

use super::journal::{Rights, Wanted};

/// The rights of a file.
pub(super) fn of(metadata: &Metadata) -> Option<Rights> {
    Some(Rights {
        mode: metadata.mode() & 0o777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    })
}

/// How many names a file has.
pub(super) fn names(metadata: &Metadata) -> u64 {
    metadata.nlink()
}

/// Why what is here may be somebody else's, if it may. What the drill made itself is nobody's to
/// read; what it found may be read, and no more.
pub(super) fn doubt(metadata: &Metadata, is_own: bool) -> Option<String> {
    let (user, mode) = (
        rustix::process::geteuid().as_raw(),
        metadata.mode() & 0o7777,
    );
    if metadata.uid() != user {
        return Some(format!(
            "it belongs to user {}, and the drill runs as {user}: run it as the one it belongs \
             to, or take it away",
            metadata.uid()
        ));
    }
    let (wide, narrow) = if is_own {
        (0o077, "go-rwx")
    } else {
        (0o002, "o-w")
    };
    (mode & wide != 0).then(|| {
        format!(
            "others may use it (mode {mode:04o}), so they may have put it there; if they did \
             not, `chmod {narrow}` it"
        )
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

/// Follows no link, and waits for nobody at the other end of a pipe.
pub(super) fn straight(options: &mut OpenOptions) {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.custom_flags(flags.bits().cast_signed());
}

/// Gives a file its rights: the owner first, since whoever gives a file away loses its mode.
pub(super) fn set(file: &File, wanted: Wanted) -> io::Result<()> {
    if let Some((uid, gid)) = wanted.owner {
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (uid, gid) {
            fchown(file, Some(uid), Some(gid))?;
        }
    }
    match wanted.mode {
        Some(mode) => file.set_permissions(Permissions::from_mode(mode)),
        None => Ok(()),
    }
}

/// Makes a folder as open as another; only root can give it to the other's owner.
pub(super) fn alike(folder: &Path, other: &Path) -> io::Result<()> {
    let other = std::fs::metadata(other)?;
    let mut options = OpenOptions::new();
    straight(options.read(true));
    let folder = options.open(folder)?;
    // Whose folder it is does not matter to those who may look into it.
    let _ = fchown(&folder, Some(other.uid()), Some(other.gid()));
    folder.set_permissions(Permissions::from_mode(other.mode() & 0o7777))
}

/// A symbolic link at `at` that says `to`.
pub(super) fn link(to: &Path, at: &Path) -> io::Result<()> {
    symlink(to, at)
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A folder, open so that it can be locked.
pub(super) fn open_folder(folder: &Path) -> Option<File> {
    File::open(folder).ok()
}
