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

#[cfg(test)]
mod tests {
    use std::fs::metadata;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::delivery::Delivery;
    use crate::delivery::tests::published;

    #[test]
    fn the_key_is_its_owners_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let delivery = Delivery::to(scratch.path().join("out"));
        let folder = delivery.deliver(&published()).unwrap();
        let mode = |path: &Path| metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.join("key.pem")), 0o600);
        assert_eq!(mode(&folder), 0o700);
    }
}
