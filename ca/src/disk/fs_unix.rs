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

/// Makes a rename durable: the name lives in the folder, not in the file.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
