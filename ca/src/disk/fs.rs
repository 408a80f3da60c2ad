//! Files of the machine below one folder, private to their owner.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
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
            std::fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(fresh);
        #[cfg(unix)]
        super::fs_unix::private(&mut options);
        options.open(path)
    }
}

impl Disk for FsDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(FsFile(Mutex::new(self.open_file(name, false)?))))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.root.join(name)) {
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
        #[cfg(unix)]
        super::fs_unix::sync_folder(&path)?;
        Ok(())
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
