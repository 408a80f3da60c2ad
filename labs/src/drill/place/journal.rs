//! What was there before the drill, written down before anything of it is touched.
//!
//! One journal a drill.toml, in the drill's home; whoever reads it needs nothing else to put
//! everything back, not even the drill.toml. Invariants: it is whole or not there; while it is
//! there, so is every backup that it names; it goes last.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::hand::{Hand, beside};
use super::{PlaceError, disk};
use crate::drill::process::Mark;

/// The only format there is.
const FORMAT: u32 = 1;

/// A file's mode and owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rights {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What was at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "was")]
pub(super) enum Before {
    /// Nothing.
    Absent,
    /// A file.
    File {
        /// Its copy, in the folder of the backups.
        backup: String,
        /// Its mode and owner, where there are any.
        rights: Option<Rights>,
    },
    /// A link.
    Link {
        /// What it said.
        to: PathBuf,
    },
}

/// One path that the drill writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) before: Before,
}

/// What was there before, and what has to be said to the target once it is there again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    format: u32,
    /// The drill.toml.
    pub(super) target: String,
    /// Where commands start from.
    pub(super) folder: PathBuf,
    /// Whether files are cut and written again rather than replaced.
    pub(super) in_place: bool,
    /// Links of whole folders first, then files.
    pub(super) entries: Vec<Entry>,
    /// Folders that the drill makes, outermost first.
    pub(super) made: Vec<PathBuf>,
    /// Folders in which it makes generations.
    pub(super) generations: Vec<PathBuf>,
    pub(super) deliver: Option<Vec<String>>,
    /// None if the drill itself starts the target, or it watches its files.
    pub(super) reload: Option<Vec<String>>,
    pub(super) stop: Option<Vec<String>>,
    /// What runs because of the drill.
    pub(super) started: Option<Mark>,
}

impl Journal {
    pub(super) const fn new(target: String, folder: PathBuf) -> Self {
        Self {
            format: FORMAT,
            target,
            folder,
            in_place: false,
            entries: Vec::new(),
            made: Vec::new(),
            generations: Vec::new(),
            deliver: None,
            reload: None,
            stop: None,
            started: None,
        }
    }

    /// The journal in a home, if there is one.
    pub(super) fn read(home: &Path) -> Result<Option<Self>, PlaceError> {
        let path = path(home);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(disk(&path)(why)),
        };
        let damaged = |why: String| PlaceError::Journal {
            path: path.clone(),
            why,
        };
        let journal: Self = serde_json::from_slice(&text).map_err(|it| damaged(it.to_string()))?;
        if journal.format != FORMAT {
            return Err(damaged(format!("it has format {}", journal.format)));
        }
        Ok(Some(journal))
    }

    /// Writes it whole and durably.
    pub(super) fn write(&self, home: &Path, hand: &Hand) -> Result<(), PlaceError> {
        let path = path(home);
        let text = serde_json::to_vec_pretty(self).map_err(|why| PlaceError::Journal {
            path: path.clone(),
            why: why.to_string(),
        })?;
        let draft = beside(&path);
        let written = hand.create(&draft, &text, None);
        written
            .and_then(|()| hand.rename(&draft, &path))
            .map_err(disk(&path))
    }

    /// Takes it away: everything is as it was.
    pub(super) fn close(home: &Path, hand: &Hand) -> Result<(), PlaceError> {
        let path = path(home);
        let gone = hand.remove(&path);
        let gone = gone.and_then(|()| hand.remove_all(&backups(home)));
        gone.and_then(|()| hand.remove(&wrote(home)))
            .map_err(disk(&path))
    }
}

fn path(home: &Path) -> PathBuf {
    home.join("journal.json")
}

/// The folder of the backups.
pub(super) fn backups(home: &Path) -> PathBuf {
    home.join("before")
}

/// The digests of everything that was written, a line each.
pub(super) fn wrote(home: &Path) -> PathBuf {
    home.join("wrote")
}

/// The digest of a file's content, as `wrote` has it.
pub(super) fn digest(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
