//! What was there before the drill, written down before anything of it is touched.
//!
//! One journal a drill.toml, in the drill's home; whoever reads it needs nothing else to put
//! everything back, not even the drill.toml. Invariants: it is whole or not there; while it is
//! there, so is every backup that it names; it goes last.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::hand::{Hand, beside, ordinary};
use super::{PlaceError, disk, rights};
use crate::drill::file::{DrillFile, Reload, Swap};
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

/// What rights a file should have; it keeps what is not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) mode: Option<u32>,
    pub(super) owner: Option<(u32, u32)>,
}

impl Wanted {
    /// Those that were noted, if any were.
    pub(super) fn before(rights: Option<&Rights>) -> Self {
        Self {
            mode: rights.map(|it| it.mode),
            owner: rights.map(|it| (it.uid, it.gid)),
        }
    }

    /// Whether a file with these does not have them yet.
    pub(super) fn changes(self, now: Rights) -> bool {
        self.mode.is_some_and(|mode| mode != now.mode)
            || self.owner.is_some_and(|owner| owner != (now.uid, now.gid))
    }
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
        /// A copy of what it led to, if that was a file.
        #[serde(default)]
        backup: Option<String>,
    },
}

impl Before {
    /// The name of the copy, if there is one.
    pub(super) const fn backup(&self) -> Option<&String> {
        match self {
            Self::Absent => None,
            Self::File { backup, .. } => Some(backup),
            Self::Link { backup, .. } => backup.as_ref(),
        }
    }
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
    /// Files that somebody else wrote during the drill, and where they are kept.
    #[serde(default)]
    pub(super) aside: Vec<(PathBuf, PathBuf)>,
    /// What else somebody did meanwhile, for people.
    #[serde(default)]
    pub(super) notes: Vec<String>,
}

impl Journal {
    /// An empty one for a drill.toml: what has to be said to its target.
    pub(super) fn of(drill: &DrillFile, toml: &Path) -> Self {
        let target = &drill.target;
        let deliver = match &drill.files.swap {
            Swap::Deliver(argv) => Some(argv.clone()),
            Swap::Rename | Swap::Symlink | Swap::InPlace => None,
        };
        let reload = match (&target.start, &target.reload) {
            (None, Reload::Command(argv)) => Some(argv.clone()),
            _ => None,
        };
        let stop = target.stop.clone().filter(|_| target.start.is_some());
        Self {
            format: FORMAT,
            target: toml.display().to_string(),
            folder: drill.folder.clone(),
            in_place: drill.files.swap == Swap::InPlace,
            entries: Vec::new(),
            made: Vec::new(),
            generations: Vec::new(),
            deliver,
            reload,
            stop,
            started: None,
            aside: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The journal in a home, if there is one.
    pub(super) fn read(home: &Path) -> Result<Option<Self>, PlaceError> {
        let path = path(home);
        let (mut file, metadata) = match ordinary(OpenOptions::new().read(true), &path) {
            Ok(opened) => opened,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(disk(&path)(why)),
        };
        if let Some(why) = rights::doubt(&metadata, true) {
            return Err(PlaceError::Doubted { path, why });
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(disk(&path))?;
        let damaged = |why: String| PlaceError::Journal {
            path: path.clone(),
            why,
        };
        let journal: Self = serde_json::from_slice(&text).map_err(|it| damaged(it.to_string()))?;
        if journal.format != FORMAT {
            return Err(damaged(format!("it has format {}", journal.format)));
        }
        // A copy is a number in the folder of the copies, and nothing that leads out of it.
        let number =
            |name: &&String| !name.is_empty() && name.bytes().all(|it| it.is_ascii_digit());
        let mut backups = journal.entries.iter().filter_map(|it| it.before.backup());
        if let Some(strange) = backups.find(|name| !number(name)) {
            return Err(damaged(format!("`{strange}` is no copy of the drill's")));
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
        let written = hand.create(&draft, &text, Wanted::default());
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
