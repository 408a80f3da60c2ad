//! Putting everything back, at the end of a drill or after one that was killed.
//!
//! It needs the journal and nothing else. What it finds that is neither from before nor written by
//! the drill it keeps aside, since somebody else put it there meanwhile. Invariant: interrupted
//! anywhere and done again, it ends the same; the journal goes last.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::hand::{Hand, beside};
use super::home::Home;
use super::journal::{Before, Entry, Journal, Rights, backups, digest, wrote};
use super::swap::GENERATION;
use super::{PATIENCE, PlaceError, disk, rights};
use crate::drill::process::{self, Left};

/// What was put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The drill.toml it was about.
    pub target: String,
    /// Files and links that are as before.
    pub put_back: Vec<PathBuf>,
    /// Files and folders that were not there before, and are not there now.
    pub removed: Vec<PathBuf>,
    /// Files that somebody else wrote meanwhile, and where they are kept.
    pub aside: Vec<(PathBuf, PathBuf)>,
    /// What a person should know or do.
    pub notes: Vec<String>,
}

/// Puts back what an interrupted drill left in its [`home`](super::home): ends what it had started,
/// restores the files, and tells a target that was running before. Nothing if it left nothing.
///
/// # Errors
/// When a drill is at work there, or something cannot be put back; the journal stays then.
pub async fn put_back(home: &Path) -> Result<Option<Restored>, PlaceError> {
    put_back_with(home, &Hand::steady()).await
}

pub(super) async fn put_back_with(
    home: &Path,
    hand: &Hand,
) -> Result<Option<Restored>, PlaceError> {
    if !home.is_dir() {
        return Ok(None);
    }
    let home = Home::lock(home.to_owned())?;
    match Journal::read(&home.path)? {
        Some(journal) => everything(&home, &journal, hand).await.map(Some),
        None => Ok(None),
    }
}

/// Processes, files, and then what has to be said to the target.
pub(super) async fn everything(
    home: &Home,
    journal: &Journal,
    hand: &Hand,
) -> Result<Restored, PlaceError> {
    let mut notes = Vec::new();
    end(journal, &mut notes).await;
    let mut restored = files(&home.path, journal, hand)?;
    if let Some(argv) = &journal.deliver {
        if restored
            .removed
            .iter()
            .any(|path| journal.entries.iter().any(|it| it.path == *path))
        {
            notes.push(format!(
                "`{}` took files to where the drill cannot take them away: they were not there \
                 before",
                argv.join(" ")
            ));
        } else {
            process::run("deliver", argv, &journal.folder, PATIENCE).await?;
        }
    }
    if let Some(argv) = &journal.reload {
        process::run("reload", argv, &journal.folder, PATIENCE).await?;
    }
    Journal::close(&home.path, hand)?;
    restored.notes.splice(0..0, notes);
    Ok(restored)
}

/// Ends what an interrupted drill had started, as far as that is safe.
async fn end(journal: &Journal, notes: &mut Vec<String>) {
    let Some(mark) = &journal.started else {
        return;
    };
    if let Some(argv) = &journal.stop {
        let stopped = process::run("stop", argv, &journal.folder, PATIENCE).await;
        notes.extend(stopped.err().map(|why| why.to_string()));
    }
    match mark.end().await {
        Left::Ended => notes.push(format!(
            "ended `{}`, which the drill had started",
            mark.program
        )),
        Left::Gone => {}
        Left::Unsure if mark.pid == 0 => notes.push(format!(
            "the drill was about to start `{}` when it was interrupted; if that runs, end it",
            mark.program
        )),
        Left::Unsure => notes.push(format!(
            "the drill had started `{}` as process {}; if that still runs, end it: this system \
             does not tell whether the number is still its",
            mark.program, mark.pid
        )),
    }
}

/// The files alone.
pub(super) fn files(home: &Path, journal: &Journal, hand: &Hand) -> Result<Restored, PlaceError> {
    let own = fs::read_to_string(wrote(home)).unwrap_or_default();
    let mut undo = Undo {
        home,
        hand,
        in_place: journal.in_place,
        own: own.lines().map(str::to_owned).collect(),
        restored: Restored {
            target: journal.target.clone(),
            ..Restored::default()
        },
    };
    for entry in journal.entries.iter().rev() {
        undo.entry(entry).map_err(disk(&entry.path))?;
    }
    for folder in &journal.generations {
        undo.generations(folder).map_err(disk(folder))?;
    }
    for folder in journal.made.iter().rev() {
        match hand.remove_empty(folder).map_err(disk(folder))? {
            true => undo.restored.removed.push(folder.clone()),
            false => undo.restored.notes.push(format!(
                "`{}` was not there before, and stays: there is something in it",
                folder.display()
            )),
        }
    }
    Ok(undo.restored)
}

struct Undo<'a> {
    home: &'a Path,
    hand: &'a Hand,
    in_place: bool,
    /// Digests of what the drill wrote.
    own: BTreeSet<String>,
    restored: Restored,
}

impl Undo<'_> {
    fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        let path = &entry.path;
        self.hand.remove(&beside(path))?;
        match &entry.before {
            Before::Absent => {
                if fs::symlink_metadata(path).is_ok() {
                    self.keep_aside(path, None)?;
                    self.hand.remove(path)?;
                }
                self.restored.removed.push(path.clone());
            }
            Before::Link { to } => {
                if fs::read_link(path).ok().as_ref() != Some(to) {
                    self.keep_aside(path, None)?;
                    self.hand.link(to, path)?;
                }
                self.restored.put_back.push(path.clone());
            }
            Before::File { backup, rights } => {
                let bytes = fs::read(backups(self.home).join(backup))?;
                self.keep_aside(path, Some(&bytes))?;
                self.file(path, &bytes, rights.as_ref())?;
                self.restored.put_back.push(path.clone());
            }
        }
        Ok(())
    }

    fn file(&self, path: &Path, bytes: &[u8], before: Option<&Rights>) -> io::Result<()> {
        let is_file = fs::symlink_metadata(path).is_ok_and(|it| it.is_file());
        if !is_file || !self.in_place {
            let same = is_file && fs::read(path).is_ok_and(|it| it == bytes);
            if !same {
                let draft = beside(path);
                self.hand.create(&draft, bytes, before)?;
                return self.hand.rename(&draft, path);
            }
        } else if fs::read(path)? != bytes {
            self.hand.overwrite(path, bytes)?;
        }
        let now = rights::of(&fs::symlink_metadata(path)?);
        match before {
            Some(rights) if now.as_ref() != Some(rights) => {
                self.hand
                    .set(path, Some(rights.mode), Some((rights.uid, rights.gid)))
            }
            _ => Ok(()),
        }
    }

    /// Keeps what is there if it is neither from before nor the drill's.
    fn keep_aside(&mut self, path: &Path, before: Option<&[u8]>) -> io::Result<()> {
        if !fs::symlink_metadata(path).is_ok_and(|it| it.is_file()) {
            return Ok(());
        }
        let bytes = zeroize::Zeroizing::new(fs::read(path)?);
        let digest = digest(&bytes);
        let torn = self.in_place && bytes.is_empty();
        if torn || before == Some(&bytes) || self.own.contains(&digest) {
            return Ok(());
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kept = self.home.join(format!("found-{name}-{}", &digest[..8]));
        self.hand.create(&kept, &bytes, None)?;
        self.restored.aside.push((path.to_owned(), kept));
        Ok(())
    }

    fn generations(&self, folder: &Path) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(why) => return Err(why),
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(GENERATION) {
                self.hand.remove_all(&entry.path())?;
            }
        }
        Ok(())
    }
}
