//! Files of the machine below one folder, private to their owner.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

/// A folder of the machine's file system.
#[derive(Debug)]
pub struct FsDisk {
    root: PathBuf,
}

impl FsDisk {
    /// Files below `root`; the folder is made at the first write.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn open_file(&self, name: &str, fresh: bool) -> io::Result<File> {
        let path = self.root.join(name);
        if let Some(folder) = path.parent() {
            make(folder)?;
        }
        let is_new = !path.exists();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(fresh);
        #[cfg(unix)]
        super::fs_unix::private(&mut options);
        let file = options.open(&path)?;
        if is_new {
            keep_name(&path)?;
        }
        Ok(file)
    }
}

/// Makes a folder and those above it. A folder whose own name is not durable takes everything in it
/// along when the power goes, however well that was synced.
fn make(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make(above)?;
    }
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    keep_name(folder)
}

/// Makes the name of a file or folder durable.
fn keep_name(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    tests::KEPT.with_borrow_mut(|kept| kept.push(path.to_owned()));
    #[cfg(unix)]
    super::fs_unix::sync_folder(path)?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

impl Disk for FsDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(FsFile(Mutex::new(self.open_file(name, false)?))))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.root.join(name);
        // Whoever reads a pipe waits for whoever writes it.
        let ordinary = |it: std::fs::Metadata| {
            if it.is_file() {
                return std::fs::read(&path);
            }
            Err(io::Error::other("it is no ordinary file"))
        };
        match std::fs::metadata(&path).and_then(ordinary) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let beside = format!("{name}.new");
        let mut file = self.open_file(&beside, true)?;
        file.write_all(content)?;
        file.sync_all()?;
        let path = self.root.join(name);
        std::fs::rename(self.root.join(beside), &path)?;
        keep_name(&path)
    }
}

#[derive(Debug)]
struct FsFile(Mutex<File>);

impl FsFile {
    fn at(&self, offset: u64) -> io::Result<MutexGuard<'_, File>> {
        let mut file = self.lock();
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    }

    fn lock(&self) -> MutexGuard<'_, File> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskFile for FsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().metadata()?.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.at(offset)?.read_exact(out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.at(offset)?.write_all(data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.lock().set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.lock().sync_data()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        /// Names that were made durable on this thread, in order: no test can take the power away
        /// from a real disk.
        pub(super) static KEPT: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
    }

    fn kept(root: &Path) -> Vec<String> {
        let kept = KEPT.take().into_iter();
        let below = kept.map(|path| path.strip_prefix(root).unwrap().to_owned());
        below.map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn every_new_name_is_durable_before_anything_relies_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let disk = FsDisk::new(root.join("run"));
        disk.open("a/b/log").unwrap().sync().unwrap();
        assert_eq!(kept(root), ["run", "run/a", "run/a/b", "run/a/b/log"]);
        disk.open("a/b/log").unwrap().sync().unwrap();
        assert_eq!(kept(root), [""; 0], "nothing is new");
        disk.replace("a/c/key", b"secret").unwrap();
        assert_eq!(kept(root), ["run/a/c", "run/a/c/key.new", "run/a/c/key"]);
        assert_eq!(disk.read("a/c/key").unwrap().unwrap(), b"secret");
    }
}
