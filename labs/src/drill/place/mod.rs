//! The target's files: taken, written in the way that is asked, and put back.
//!
//! The order of a drill: [`Place::take`], [`Place::write`], [`Place::start`]; then as often as it
//! needs [`Place::write`] and [`Place::reload`]; then [`Place::stop`] and [`Place::restore`].
//!
//! It refuses to touch a file that it did not write unless it is told to replace it, and never
//! follows a link that nobody asked for. Invariants: before the first of them is touched, all that
//! was there is copied and written down, durably; so whatever is interrupted, and wherever,
//! [`put_back`] makes everything as it was, and doing so twice is doing so once; a file that was
//! not there before is not there afterwards.

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

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::{DrillFile, Files, Reload, Swap, Target};
use super::process::{self, Mark, ProcessError, Running};
use hand::Hand;
use home::Home;
use journal::{Before, Journal};
use look::Spot;

pub use home::home;
pub use material::Material;
pub use undo::{Restored, put_back};

/// How long `reload` and `deliver` may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why the files are not as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// A file of somebody else's.
    #[error(
        "{at}: `{path}` is there, and the drill did not write it; with `--replace` it is kept \
         aside and put back afterwards"
    )]
    Foreign {
        /// The drill.toml and the line.
        at: String,
        /// The file.
        path: PathBuf,
    },
    /// A link that nobody asked for.
    #[error(
        "{at}: `{path}` is a link to `{to}`; write that path instead, or `swap = \"symlink\"` if \
         the target reads the links of Kubernetes"
    )]
    Link {
        /// The drill.toml and the line.
        at: String,
        /// The link.
        path: PathBuf,
        /// Where it leads.
        to: PathBuf,
    },
    /// A folder, a pipe or the like.
    #[error("{at}: `{path}` is no ordinary file; name the file itself")]
    NoFile {
        /// The drill.toml and the line.
        at: String,
        /// What it is called.
        path: PathBuf,
    },
    /// The mode or the owner cannot be given.
    #[error("{at}: mode or owner of `{path}`: {why}; only root gives files to others")]
    Rights {
        /// The drill.toml and the line.
        at: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// An earlier drill did not put things back.
    #[error("an earlier drill of this target was interrupted; `schism drill restore` first")]
    Interrupted,
    /// Another drill is at work.
    #[error("another drill of this target is at work (`{0}` is locked); let it end first")]
    Busy(PathBuf),
    /// The journal says nothing that can be followed.
    #[error("`{path}`: {why}; the files from before are in `before` beside it")]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What should be written cannot be.
    #[error("{0}")]
    Material(String),
    /// The disk declined.
    #[error("`{path}`: {why}{}", way_out(.why))]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// A command failed.
    #[error(transparent)]
    Command(#[from] ProcessError),
}

/// The complaint of the disk about a path.
fn disk(path: &Path) -> impl FnOnce(io::Error) -> PlaceError + use<> {
    let path = path.to_owned();
    move |why| PlaceError::Disk { path, why }
}

/// What to do about a disk that declines.
fn way_out(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::ResourceBusy => {
            "; it may be mounted alone, as containers do: write `swap = \"in-place\"`"
        }
        io::ErrorKind::PermissionDenied => "; run the drill as somebody who may write there",
        _ => "",
    }
}

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
        let spots = look::spots(drill);
        // What an earlier drill left there would only be told as somebody else's.
        let kept = home(&toml);
        if Journal::read(&kept)?.is_some() {
            Home::lock(kept)?;
            return Err(PlaceError::Interrupted);
        }
        // Looked at once before anything is made, so that a refusal leaves nothing behind.
        look::over(&spots, &drill.files.swap, replace)?;
        let home = Home::take(home(&toml), &hand)?;
        if Journal::read(&home.path)?.is_some() {
            return Err(PlaceError::Interrupted);
        }
        look::may(&spots, &drill.files.swap, &home.path, &hand)?;
        let mut journal = Journal::new(toml.display().to_string(), drill.folder.clone());
        journal.in_place = drill.files.swap == Swap::InPlace;
        if let Swap::Deliver(argv) = &drill.files.swap {
            journal.deliver = Some(argv.clone());
        }
        if let (None, Reload::Command(argv)) = (&drill.target.start, &drill.target.reload) {
            journal.reload = Some(argv.clone());
        }
        journal.stop = drill
            .target
            .stop
            .clone()
            .filter(|_| drill.target.start.is_some());
        look::keep(&spots, &drill.files.swap, &home.path, &mut journal, &hand)?;
        journal.write(&home.path, &hand)?;
        let place = Self {
            home,
            hand,
            journal,
            files: drill.files.clone(),
            swap: drill.files.swap.clone(),
            spots,
            last: Material::default(),
            generation: 0,
            is_back: false,
            has_written: false,
        };
        for folder in &place.journal.made {
            place.hand.folder(folder).map_err(disk(folder))?;
        }
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
        // Killed between the two notes, nobody could say more than that it may run.
        self.note(Some(Mark::about_to(argv)))?;
        let begun = match Running::begin(target, &self.journal.folder).await {
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
    /// When something cannot be put back; the journal stays, and `schism drill restore` goes on.
    pub async fn restore(mut self) -> Result<Restored, PlaceError> {
        // Whatever comes of it, one try is enough: the journal stays if it fails.
        self.is_back = true;
        undo::everything(&self.home, &self.journal, &self.hand).await
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
        let back = undo::files(&self.home.path, &self.journal, &self.hand);
        // Commands cannot be run from here: if one is due, the journal stays as well.
        let Journal {
            deliver,
            reload,
            started,
            ..
        } = &self.journal;
        let is_due = deliver.is_some() || reload.is_some();
        if back.is_ok() && started.is_none() && !(self.has_written && is_due) {
            let _ = Journal::close(&self.home.path, &self.hand);
        }
    }
}

#[cfg(test)]
mod served_tests;
#[cfg(test)]
#[cfg(unix)]
#[path = "tests_unix.rs"]
mod tests;
