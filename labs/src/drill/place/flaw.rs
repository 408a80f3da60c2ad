//! Why the files are not as asked, or not as they were: each says what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::Restored;
use crate::drill::process::ProcessError;

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
    /// What the drill itself wrote, and nobody put back.
    #[error(
        "{at}: `{path}` is what an interrupted drill wrote, perhaps by another drill.toml: \
         `schism drill restore` there first"
    )]
    Ours {
        /// The drill.toml and the line.
        at: String,
        /// The file.
        path: PathBuf,
    },
    /// The drill needs its name for a while.
    #[error("{at}: `{path}` is a name that the drill needs for itself; take it away first")]
    Needed {
        /// The drill.toml and the line.
        at: String,
        /// What stands in the way.
        path: PathBuf,
    },
    /// A file that cannot be what it was once it was replaced.
    #[error(
        "{at}: `{path}` has {names} names (hard links), and a new file would have one; take the \
         others away, or write `swap = \"in-place\"`"
    )]
    Linked {
        /// The drill.toml and the line.
        at: String,
        /// The file.
        path: PathBuf,
        /// How many names it has.
        names: u64,
    },
    /// What `deliver` takes away could not be taken back.
    #[error(
        "{at}: `{path}` is not there, so `deliver` could take nothing back afterwards; put there \
         what the target has now"
    )]
    NothingToDeliver {
        /// The drill.toml and the line.
        at: String,
        /// The file.
        path: PathBuf,
    },
    /// What tells how to put things back may be somebody else's.
    #[error("`{path}` is not believed: {why}")]
    Doubted {
        /// What it is.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Not everything is as it was; the rest is.
    #[error("{}", joined(.flaws))]
    Partly {
        /// What is as it was.
        restored: Box<Restored>,
        /// What is not, and why.
        flaws: Vec<Self>,
    },
    /// An earlier drill did not put things back.
    #[error("an earlier drill of this target is not wholly put back; `schism drill restore` first")]
    Interrupted,
    /// Another drill is at work.
    #[error(
        "another drill of this target, or in its folder, is at work (`{0}` is locked); let it end \
         first"
    )]
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
pub(super) fn disk(path: &Path) -> impl FnOnce(io::Error) -> PlaceError + use<> {
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

/// Everything that is the matter, and what to do if it is commands alone.
fn joined(flaws: &[PlaceError]) -> String {
    let all: Vec<String> = flaws.iter().map(ToString::to_string).collect();
    let commands = |flaw: &PlaceError| matches!(flaw, PlaceError::Command(_));
    let way_out = if flaws.iter().all(commands) {
        "; the files themselves are back, and `schism drill restore --without-commands` leaves the \
         commands out"
    } else {
        ""
    };
    format!("{}{way_out}", all.join("; "))
}
