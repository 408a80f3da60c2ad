//! The target's files: taken, written in the way that is asked, and put back.
//!
//! The order of a drill: [`Place::take`], [`Place::write`], [`Place::start`]; then as often as it
//! needs [`Place::write`] and [`Place::reload`]; then [`Place::stop`] and [`Place::restore`].
//!
//! It refuses to touch a file that it did not write unless it is told to replace it, and never
//! follows a link that nobody asked for. Invariants: before the first of them is touched, all that
//! was there is copied and written down, durably; so whatever is interrupted, and wherever,
//! [`put_back`] makes everything as it was, and doing so twice is doing so once; a file that was
//! not there before is not there afterwards. What is put back by a name is a new file with the old
//! content, mode and owner: access lists beyond these are lost unless `swap` is `in-place`.

mod entry;
mod flaw;
mod hand;
mod home;
mod journal;
mod look;
mod material;
mod swap;
mod undo;

#[cfg(not(unix))]
#[path = "rights_elsewhere.rs"]
mod rights;
#[cfg(unix)]
#[path = "rights_unix.rs"]
mod rights;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::{DrillFile, Files, Reload, Swap, Target};
use super::process::{self, Mark, ProcessError, Running};
use flaw::disk;
use hand::Hand;
use home::{Home, Lock};
use journal::{Before, Journal, backups, digest};
use look::Spot;
use undo::Commands;

pub use flaw::PlaceError;
pub use home::home;
pub use material::Material;
pub use undo::{Restored, due, put_back, put_back_without_commands};

/// How long `reload` and `deliver` may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The target's files, for as long as a drill lasts. Dropped, it puts them back.
#[derive(Debug)]
pub struct Place {
    home: Home,
    hand: Hand,
    journal: Journal,
    files: Files,
    swap: Swap,
    spots: Vec<Spot>,
    /// What has been written so far.
    last: Material,
    /// How many whole folders have been.
    generation: u64,
    /// The one that was made last in each folder.
    generations: BTreeMap<PathBuf, String>,
    /// Digests of what was there before and of everything that was written.
    known: BTreeSet<String>,
    /// Held against other drills of the same files; let go last.
    _locks: Vec<Lock>,
    is_back: bool,
    /// Whether a file of the target's has been written.
    has_written: bool,
}

impl Place {
    /// Takes the files of a drill.toml: looks at them, copies what is there, and writes down how
    /// to put it back. Nothing of the target's has changed yet.
    ///
    /// # Errors
    /// When a file is somebody else's and `replace` is not set, or is no file; when its mode or
    /// owner cannot be given; when an earlier drill was interrupted or another is at work.
    pub fn take(drill: &DrillFile, replace: bool) -> Result<Self, PlaceError> {
        Self::take_with(drill, replace, Hand::steady())
    }

    fn take_with(drill: &DrillFile, replace: bool, hand: Hand) -> Result<Self, PlaceError> {
        let name = Path::new(&drill.file).file_name().unwrap_or_default();
        let toml = drill.folder.join(name);
        let (spots, at) = (look::spots(drill), home(&toml));
        let found = Home::find(&at)?;
        if let Some(home) = &found
            && Journal::read(&home.path)?.is_some()
        {
            return Err(PlaceError::Interrupted);
        }
        // Looked at once before anything is made, so that a refusal leaves nothing behind.
        look::over(&spots, &drill.files.swap, replace)?;
        let mut locked = BTreeSet::new();
        let mut locks = locks(&spots, &mut locked)?;
        let home = match found {
            Some(home) => home,
            None => Home::take(at, &hand)?,
        };
        let mut journal = Journal::of(drill, &toml);
        let known = keep(&spots, drill, &home, &mut journal, &hand);
        let known = match known {
            Ok(known) => known,
            Err(why) => {
                // Copies of keys are not left lying about.
                let _ = Journal::close(&home.path, &hand);
                return Err(why);
            }
        };
        let mut place = Self {
            home,
            hand,
            journal,
            files: drill.files.clone(),
            swap: drill.files.swap.clone(),
            spots,
            last: Material::default(),
            generation: 0,
            generations: BTreeMap::new(),
            known,
            _locks: Vec::new(),
            is_back: false,
            has_written: false,
        };
        for folder in &place.journal.made {
            place.hand.folder(folder).map_err(disk(folder))?;
        }
        match self::locks(&place.spots, &mut locked) {
            Ok(more) => locks.extend(more),
            Err(why) => {
                // Somebody made the same folders at the same moment: they are theirs.
                place.is_back = true;
                let _ = Journal::close(&place.home.path, &place.hand);
                return Err(why);
            }
        }
        place._locks = locks;
        Ok(place)
    }

    /// One swap: what is in `material` is written in the way that the file asks for, and taken to
    /// the target by `deliver` if there is one. The target is not told: see [`Place::reload`].
    ///
    /// # Errors
    /// When it cannot be written or delivered.
    pub async fn write(&mut self, material: &Material) -> Result<(), PlaceError> {
        self.write_files(material)?;
        match &self.swap {
            Swap::Deliver(argv) => {
                Ok(process::run("deliver", argv, &self.journal.folder, PATIENCE).await?)
            }
            Swap::Rename | Swap::Symlink | Swap::InPlace => Ok(()),
        }
    }

    /// Tells the target that its files are new, if it wants to be told.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn reload(&self, target: &Target) -> Result<(), PlaceError> {
        match &target.reload {
            Reload::Watches => Ok(()),
            Reload::Command(argv) => {
                Ok(process::run("reload", argv, &self.journal.folder, PATIENCE).await?)
            }
        }
    }

    /// Starts the target if it has a `start`, writes down that it runs, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start, or nothing answers for `patience`; then it has been ended.
    pub async fn start(
        &mut self,
        target: &Target,
        patience: Duration,
    ) -> Result<Option<Running>, PlaceError> {
        let Some(argv) = &target.start else {
            return Ok(None);
        };
        if process::answers(&target.address).await {
            return Err(ProcessError::Taken(target.address.to_string()).into());
        }
        // Killed between the two notes, nobody could say more than that it may run.
        self.note(Some(Mark::about_to(argv)))?;
        let begun = match Running::launch(target, &self.journal.folder) {
            Ok(begun) => begun,
            Err(why) => {
                self.note(None)?;
                return Err(why.into());
            }
        };
        let Some(mut running) = begun else {
            return Ok(None);
        };
        self.note(Some(running.mark().clone()))?;
        match running.up(&target.address, patience).await {
            Ok(()) => Ok(Some(running)),
            Err(why) => {
                self.stop(running).await.ok();
                Err(why.into())
            }
        }
    }

    /// Stops a target that was started.
    ///
    /// # Errors
    /// When `stop` fails; what the drill can end is ended even so.
    pub async fn stop(&mut self, mut running: Running) -> Result<(), PlaceError> {
        let stopped = running.stop().await;
        self.note(None)?;
        Ok(stopped?)
    }

    /// Puts everything back, and tells a target that was running before the drill. One that the
    /// drill started should have been stopped.
    ///
    /// # Errors
    /// When something cannot be put back; the journal stays, and `schism drill restore` tries
    /// again.
    pub async fn restore(&mut self) -> Result<Restored, PlaceError> {
        let all = Commands::All;
        let restored = undo::everything(&self.home, &self.journal, all, &self.hand).await;
        // Whatever came of it, one try is enough: the journal stays if it failed.
        self.is_back = true;
        restored
    }

    /// Where this drill keeps what it must not forget.
    pub fn home(&self) -> &Path {
        &self.home.path
    }

    /// The files, as somebody who puts everything back by hand would want to see them: where each
    /// is, and whether it was there before.
    pub fn before(&self) -> Vec<(PathBuf, bool)> {
        let entries = self.journal.entries.iter();
        entries
            .map(|it| (it.path.clone(), it.before != Before::Absent))
            .collect()
    }

    fn note(&mut self, started: Option<Mark>) -> Result<(), PlaceError> {
        self.journal.started = started;
        self.journal.write(&self.home.path, &self.hand)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_back {
            return;
        }
        // Nobody is left to tell: if anything fails, the journal stays.
        let (_, flaws) = undo::files(&self.home.path, &self.journal, &self.hand);
        // Commands cannot be run from here: if one is due, the journal stays as well.
        let Journal {
            deliver,
            reload,
            started,
            ..
        } = &self.journal;
        let is_due = deliver.is_some() || reload.is_some();
        if flaws.is_empty() && started.is_none() && !(self.has_written && is_due) {
            let _ = Journal::close(&self.home.path, &self.hand);
        }
    }
}

/// Copies what is there and writes it down; the digests of the copies.
fn keep(
    spots: &[Spot],
    drill: &DrillFile,
    home: &Home,
    journal: &mut Journal,
    hand: &Hand,
) -> Result<BTreeSet<String>, PlaceError> {
    let swap = &drill.files.swap;
    look::may(spots, swap, &home.path, hand)?;
    look::keep(spots, swap, &home.path, journal, hand)?;
    let mut known = BTreeSet::new();
    for backup in journal.entries.iter().filter_map(|it| it.before.backup()) {
        let copy = backups(&home.path).join(backup);
        let bytes = zeroize::Zeroizing::new(fs::read(&copy).map_err(disk(&copy))?);
        known.insert(digest(&bytes));
    }
    journal.write(&home.path, hand)?;
    Ok(known)
}

/// Locks the folders of the files that are there and not locked yet, each once.
fn locks(spots: &[Spot], locked: &mut BTreeSet<PathBuf>) -> Result<Vec<Lock>, PlaceError> {
    let mut locks = Vec::new();
    for spot in spots {
        let Ok(folder) = fs::canonicalize(spot.folder()) else {
            continue;
        };
        if locked.insert(folder.clone()) {
            locks.extend(Lock::folder(&folder)?);
        }
    }
    Ok(locks)
}

#[cfg(test)]
mod served_tests;
#[cfg(test)]
#[cfg(unix)]
#[path = "tests_unix.rs"]
mod tests;
