//! The disk seam: files whose writes are lost in a power cut unless they were synced.
//!
//! redb (through [`RedbFile`]) and the logs of `tlog` write only here. [`FsDisk`] is the machine's;
//! [`MemDisk`] is the simulated one, which can lose power, fill up and fail. Names are relative,
//! with `/` between parts.

use std::fmt;
use std::io;
use std::sync::Arc;

mod fs;
#[cfg(unix)]
mod fs_unix;
mod mem;

pub use fs::FsDisk;
pub use mem::{MemDisk, PowerLost};

/// One open file. Offsets and lengths in bytes.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Its length.
    fn len(&self) -> io::Result<u64>;

    /// True if it holds nothing.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `out` from `offset`; an end of file before that is an error.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `data` at `offset`, growing the file if need be. Not durable until `sync`.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Cuts or grows with zeros. Not durable until `sync`.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes everything written so far durable.
    fn sync(&self) -> io::Result<()>;

    /// The whole content.
    fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut out = vec![0; usize::try_from(self.len()?).map_err(io::Error::other)?];
        self.read_at(0, &mut out)?;
        Ok(out)
    }
}

/// A node's files.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens for reading and writing, made empty and private to its owner if it is not there.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// The whole content, or nothing if there is no such file.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Puts `content` in the place of what was there: all of it or none, durable on return,
    /// readable by its owner alone.
    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()>;
}

/// A disk file as redb's storage.
#[derive(Debug)]
pub struct RedbFile(pub Arc<dyn DiskFile>);

impl redb::StorageBackend for RedbFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}

/// Opens (or makes) the redb database `name` on a disk. A new one appears whole or not at all:
/// redb itself, cut off while it lays out a new file, leaves one that it never opens again.
///
/// # Errors
/// When the disk fails, or what is there is not a database.
pub fn database(disk: &dyn Disk, name: &str) -> Result<redb::Database, redb::Error> {
    // A small cache: a laboratory holds dozens of these in one process.
    let mut builder = redb::Builder::new();
    builder.set_cache_size(1 << 20);
    if disk.open(name)?.is_empty()? {
        let scratch = MemDisk::new();
        drop(builder.create_with_backend(RedbFile(scratch.open(name)?))?);
        disk.replace(name, &scratch.read(name)?.unwrap_or_default())?;
    }
    Ok(builder.create_with_backend(RedbFile(disk.open(name)?))?)
}
