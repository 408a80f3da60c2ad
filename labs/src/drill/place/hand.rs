//! The only code that changes files: each change is a step, and each step can be the last.
//!
//! It decides nothing. Invariant: a file that is made is durable before it has its name; where a
//! test says that the drill dies at step n, neither that step nor any later one happens.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::journal::Wanted;
use super::rights;

/// What changes files.
#[derive(Debug)]
pub(super) struct Hand {
    /// Steps until it dies.
    left: AtomicUsize,
}

impl Hand {
    pub(super) const fn steady() -> Self {
        Self {
            left: AtomicUsize::new(usize::MAX),
        }
    }

    #[cfg(test)]
    pub(super) const fn dying_after(steps: usize) -> Self {
        Self {
            left: AtomicUsize::new(steps),
        }
    }

    /// Goes one step further, if it is still alive.
    fn step(&self) -> io::Result<()> {
        let less = |left: usize| (left > 0).then(|| left - usize::from(left != usize::MAX));
        let alive = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        alive
            .map(|_| ())
            .map_err(|_| io::Error::other("interrupted"))
    }

    /// Makes a folder of the drill's own, private, and those above it.
    pub(super) fn private_folder(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        rights::private_folder(&mut builder);
        builder.create(path)
    }

    /// Makes one folder for the target.
    pub(super) fn folder(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        match fs::create_dir(path) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        }
    }

    /// Makes one folder that is as open as another.
    pub(super) fn folder_like(&self, path: &Path, other: &Path) -> io::Result<()> {
        self.folder(path)?;
        self.step()?;
        rights::alike(path, other)
    }

    /// Makes a file that is not there, with these rights; what is left of an earlier one goes.
    pub(super) fn create(&self, path: &Path, bytes: &[u8], wanted: Wanted) -> io::Result<()> {
        self.remove(path)?;
        self.step()?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        rights::private_file(&mut options);
        let mut file = options.open(path)?;
        self.fill(&mut file, bytes)?;
        self.give(&file, wanted)?;
        self.step()?;
        file.sync_all()
    }

    /// Cuts a file to nothing and writes it again; it stays the same file. If its rights change,
    /// nobody but its new owner reads it until it has them.
    pub(super) fn overwrite(&self, path: &Path, bytes: &[u8], wanted: Wanted) -> io::Result<()> {
        self.step()?;
        let mut options = OpenOptions::new();
        let (mut file, metadata) = ordinary(options.write(true), path)?;
        let now = rights::of(&metadata);
        let changes = now.is_some_and(|now| wanted.changes(now));
        if changes {
            let private = Wanted {
                mode: Some(0o600),
                ..wanted
            };
            self.give(&file, private)?;
        }
        self.step()?;
        file.set_len(0)?;
        self.fill(&mut file, bytes)?;
        if changes || now.is_none() {
            let mode = wanted.mode.or(now.map(|now| now.mode));
            self.give(&file, Wanted { mode, ..wanted })?;
        }
        self.step()?;
        file.sync_all()
    }

    fn give(&self, file: &File, wanted: Wanted) -> io::Result<()> {
        if wanted == Wanted::default() {
            return Ok(());
        }
        self.step()?;
        rights::set(file, wanted)
    }

    /// Writes in two halves, so that a test can die between them.
    fn fill(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let (one, two) = bytes.split_at(bytes.len() / 2);
        self.step()?;
        file.write_all(one)?;
        self.step()?;
        file.write_all(two)
    }

    /// Adds a line to a file, durably.
    pub(super) fn append(&self, path: &Path, line: &str) -> io::Result<()> {
        self.step()?;
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        rights::private_file(&mut options);
        let mut file = options.open(path)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()
    }

    /// Gives a file the name of another, at once.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        fs::rename(from, to)?;
        sync_above(to)
    }

    /// Makes a link at `at` that says `to`, in place of whatever is there, at once.
    pub(super) fn link(&self, to: &Path, at: &Path) -> io::Result<()> {
        let beside = beside(at);
        self.remove(&beside)?;
        self.step()?;
        rights::link(to, &beside)?;
        self.rename(&beside, at)
    }

    /// Gives a file rights.
    pub(super) fn set(&self, path: &Path, wanted: Wanted) -> io::Result<()> {
        self.step()?;
        let mut options = OpenOptions::new();
        let (file, _) = ordinary(options.read(true), path)?;
        rights::set(&file, wanted)
    }

    /// Takes a file or a link away, if it is there.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path).is_err() {
            return Ok(());
        }
        self.step()?;
        fs::remove_file(path)?;
        sync_above(path)
    }

    /// Takes a folder of the drill's own away with all that is in it, if it is there.
    pub(super) fn remove_all(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        match fs::remove_dir_all(path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        }
    }

    /// Takes a folder away if nothing is in it.
    pub(super) fn remove_empty(&self, path: &Path) -> io::Result<bool> {
        self.step()?;
        match fs::remove_dir(path) {
            Ok(()) => Ok(true),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(why) if why.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(why) => Err(why),
        }
    }
}

/// Opens an ordinary file, and nothing that a link leads to.
pub(super) fn ordinary(options: &mut OpenOptions, path: &Path) -> io::Result<(File, fs::Metadata)> {
    rights::straight(options);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata)),
        false => Err(io::Error::other("it is no ordinary file any more")),
    }
}

/// The name under which a file is made before it has its own.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".schism-drill");
    path.with_file_name(name)
}

fn sync_above(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), rights::sync_folder)
}
