//! What files need from Unix: owner-only modes, and durable names. On other systems the folder's
//! own access list guards the files, and a rename is as durable as the system makes it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// New files are their owner's alone.
pub(super) fn private(options: &mut OpenOptions) {
    options.mode(0o600);
}

/// Makes a name durable: it lives in the folder, not in the file.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        None => Ok(()),
        Some(folder) if folder.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(folder) => File::open(folder)?.sync_all(),
    }
}
