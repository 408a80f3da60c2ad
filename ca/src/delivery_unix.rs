//! What a delivery needs of Unix: modes, and a link that is replaced at once.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::Path;

/// Nobody but the owner looks into the folder.
pub(crate) fn private_folder(builder: &mut DirBuilder) {
    builder.mode(0o700);
}

/// Nobody but the owner reads the file.
pub(crate) fn private_file(options: &mut OpenOptions) {
    options.mode(0o600);
}

/// A symbolic link `link` to `name`, which lies beside it.
pub(crate) fn link(name: &str, link: &Path) -> io::Result<()> {
    symlink(name, link)
}
