//! Putting everything back, at the end of a drill or after one that was killed.
//!
//! It needs the journal and nothing else. What it finds that is neither from before nor written by
//! the drill it keeps aside, since somebody else put it there meanwhile. What cannot be put back
//! stops nothing else from being. Invariant: interrupted anywhere and done again, it ends the
//! same; the journal goes last, and only if everything is as it was.

use std::path::{Path, PathBuf};

use super::entry::Undo;
use super::hand::Hand;
use super::home::Home;
use super::journal::{Before, Journal};
use super::{PATIENCE, PlaceError, disk};
use crate::drill::process::{self, Left};

pub(super) use super::entry::keep;

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

impl Restored {
    /// What somebody should know, loudest first: a sentence each.
    pub fn told(&self) -> Vec<String> {
        let aside = self.aside.iter().map(|(path, kept)| {
            format!(
                "WARNING: somebody else wrote `{}` during the drill; what was there before the \
                 drill is there again, and the newer one, which may be the one that counts, is in \
                 `{}`",
                path.display(),
                kept.display()
            )
        });
        aside.chain(self.notes.iter().cloned()).collect()
    }
}

/// Which of the target's commands are run when everything is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commands {
    All,
    None,
}

/// Puts back what an interrupted drill left in its [`home`](super::home): ends what it had started,
/// restores the files, and tells a target that was running before. Nothing if it left nothing.
///
/// # Errors
/// When a drill is at work there, or something cannot be put back; the journal stays then.
pub async fn put_back(home: &Path) -> Result<Option<Restored>, PlaceError> {
    put_back_with(home, Commands::All, &Hand::steady()).await
}

/// The same without the target's commands, for when they fail and the rest is as it was.
///
/// # Errors
/// As for [`put_back`].
pub async fn put_back_without_commands(home: &Path) -> Result<Option<Restored>, PlaceError> {
    put_back_with(home, Commands::None, &Hand::steady()).await
}

/// The commands that [`put_back`] runs, each with its word, for people to see first.
///
/// # Errors
/// When a drill is at work there, or what it wrote down is not believed.
pub fn due(home: &Path) -> Result<Vec<(&'static str, Vec<String>)>, PlaceError> {
    let Some(home) = Home::find(home)? else {
        return Ok(Vec::new());
    };
    let Some(journal) = Journal::read(&home.path)? else {
        return Ok(Vec::new());
    };
    let stop = journal.started.and(journal.stop);
    let all = [
        ("stop", stop),
        ("deliver", journal.deliver),
        ("reload", journal.reload),
    ];
    let due = all.into_iter();
    Ok(due.filter_map(|(word, argv)| Some((word, argv?))).collect())
}

pub(super) async fn put_back_with(
    home: &Path,
    commands: Commands,
    hand: &Hand,
) -> Result<Option<Restored>, PlaceError> {
    let Some(home) = Home::find(home)? else {
        return Ok(None);
    };
    match Journal::read(&home.path)? {
        Some(journal) => everything(&home, &journal, commands, hand).await.map(Some),
        None => {
            // Whoever was killed before the journal was there left copies of keys, and no more.
            Journal::close(&home.path, hand)?;
            Ok(None)
        }
    }
}

/// Processes, files, and then what has to be said to the target.
pub(super) async fn everything(
    home: &Home,
    journal: &Journal,
    commands: Commands,
    hand: &Hand,
) -> Result<Restored, PlaceError> {
    let mut notes = Vec::new();
    end(journal, commands, &mut notes).await;
    let (mut restored, mut flaws) = files(&home.path, journal, hand);
    let is_file = |before: &Before| matches!(before, Before::File { .. });
    let has_file = journal.entries.iter().any(|it| is_file(&it.before));
    let commands_of = [("deliver", &journal.deliver), ("reload", &journal.reload)];
    for (word, argv) in commands_of {
        // Where there was nothing before, there is nothing to be told of.
        let Some(argv) = argv.as_ref().filter(|_| has_file) else {
            continue;
        };
        if commands == Commands::None {
            notes.push(format!("`{word}` was not run: `{}`", argv.join(" ")));
            continue;
        }
        let told = process::run(word, argv, &journal.folder, PATIENCE).await;
        flaws.extend(told.err().map(PlaceError::from));
    }
    restored.notes.splice(0..0, notes);
    if flaws.is_empty() {
        Journal::close(&home.path, hand)?;
        return Ok(restored);
    }
    let restored = Box::new(restored);
    Err(PlaceError::Partly { restored, flaws })
}

/// Ends what an interrupted drill had started, as far as that is safe.
async fn end(journal: &Journal, commands: Commands, notes: &mut Vec<String>) {
    let Some(mark) = &journal.started else {
        return;
    };
    if let (Some(argv), Commands::All) = (&journal.stop, commands) {
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

/// The files alone: what is as it was, and what is not.
pub(super) fn files(home: &Path, journal: &Journal, hand: &Hand) -> (Restored, Vec<PlaceError>) {
    let mut undo = Undo::new(home, journal, hand);
    let mut flaws = Vec::new();
    for entry in journal.entries.iter().rev() {
        let undone = undo.entry(entry).map_err(disk(&entry.path));
        flaws.extend(undone.err());
    }
    for folder in &journal.generations {
        let undone = undo.generations(folder).map_err(disk(folder));
        flaws.extend(undone.err());
    }
    for folder in journal.made.iter().rev() {
        match hand.remove_empty(folder) {
            Ok(true) => undo.restored.removed.push(folder.clone()),
            Ok(false) => undo.restored.notes.push(format!(
                "`{}` was not there before, and stays: there is something in it",
                folder.display()
            )),
            Err(why) => flaws.push(disk(folder)(why)),
        }
    }
    (undo.restored, flaws)
}
