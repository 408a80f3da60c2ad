//! The workspace: the `.schism/` folder where what runs write is kept, never beside the source.
//!
//! It is found upwards from the current folder, else it is in the user's data folder. A run's
//! folder appears whole or not at all, and one that is there is never written over.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder's name.
pub const FOLDER: &str = ".schism";

/// The folder of the runs, in it.
pub const RUNS: &str = "runs";

/// The most run folders of one lab and seed.
const MAX_RUNS: u32 = 1_000_000;

/// Why nothing can be kept.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// No `.schism/` upwards, and no user's data folder.
    #[error("no `{FOLDER}/` here or above, and no data folder for it: set HOME or make one here")]
    Nowhere,
    /// A file where the folder should be.
    #[error("`{0}` is a file; move it away, what is kept goes into a folder of that name")]
    File(String),
    /// A folder or file cannot be written.
    #[error("`{path}`: {why}")]
    Unwritable {
        /// Which.
        path: String,
        /// What the system said.
        why: io::Error,
    },
    /// A file cannot be read.
    #[error("`{path}`: {why}")]
    Unreadable {
        /// Which.
        path: String,
        /// What the system said.
        why: io::Error,
    },
    /// Every number is taken.
    #[error("`{0}`: there are too many folders of this name")]
    Full(String),
}

/// Where what runs write is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The nearest `.schism/` in `from` or above it, else the one in `data`, which need not exist.
    ///
    /// # Errors
    /// When there is neither, or a file has its name.
    pub fn find(from: Option<&Path>, data: Option<PathBuf>) -> Result<Self, WorkspaceError> {
        let above = from.into_iter().flat_map(Path::ancestors);
        let found = above
            .map(|folder| folder.join(FOLDER))
            .find(|it| it.exists());
        let root = found
            .or_else(|| data.map(|folder| folder.join(FOLDER)))
            .ok_or(WorkspaceError::Nowhere)?;
        if root.is_file() {
            return Err(WorkspaceError::File(root.display().to_string()));
        }
        Ok(Self { root })
    }

    /// The `.schism/` folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the runs, made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn runs(&self) -> Result<PathBuf, WorkspaceError> {
        let runs = self.root.join(RUNS);
        fs::create_dir_all(&runs).map_err(unwritable(&runs))?;
        Ok(runs)
    }

    /// Keeps files as the next run folder of that name, `<name>-<n>`; paths are relative and use
    /// `/`. Returns the folder.
    ///
    /// # Errors
    /// When anything cannot be written; then nothing is left behind.
    pub fn keep(&self, name: &str, files: &[(String, Vec<u8>)]) -> Result<PathBuf, WorkspaceError> {
        let runs = self.runs()?;
        let draft = runs.join(format!(".{name}-{}", std::process::id()));
        // A draft of this very process number is some dead process's.
        if draft.exists() {
            fs::remove_dir_all(&draft).map_err(unwritable(&draft))?;
        }
        let kept = fill(&draft, files).and_then(|()| place(&runs, name, &draft));
        if kept.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_dir_all(&draft);
        }
        kept
    }
}

/// The user's data folder, as this system's custom has it; `variable` reads the environment.
pub fn data_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| {
        let path = PathBuf::from(variable(name)?);
        path.is_absolute().then_some(path)
    };
    if cfg!(windows) {
        return folder("LOCALAPPDATA");
    }
    if cfg!(target_os = "macos") {
        return folder("HOME").map(|home| home.join("Library/Application Support"));
    }
    folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")))
}

/// Writes a new folder of files; paths are relative and use `/`.
pub(crate) fn fill(draft: &Path, files: &[(String, Vec<u8>)]) -> Result<(), WorkspaceError> {
    fs::create_dir(draft).map_err(unwritable(draft))?;
    for (name, bytes) in files {
        let path = draft.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(unwritable(folder))?;
        }
        fs::write(&path, bytes).map_err(unwritable(&path))?;
    }
    Ok(())
}

/// Gives the draft its name: the number after the highest there is, or one after that if another
/// process was quicker.
fn place(runs: &Path, name: &str, draft: &Path) -> Result<PathBuf, WorkspaceError> {
    let mut next = 1 + highest(runs, name).map_err(unwritable(runs))?;
    while next <= MAX_RUNS {
        let kept = runs.join(format!("{name}-{next}"));
        match fs::rename(draft, &kept) {
            Ok(()) => return Ok(kept),
            Err(_) if kept.exists() => next += 1,
            Err(why) => return Err(unwritable(&kept)(why)),
        }
    }
    Err(WorkspaceError::Full(name.to_owned()))
}

fn highest(runs: &Path, name: &str) -> io::Result<u32> {
    let mut highest = 0;
    for entry in fs::read_dir(runs)? {
        let file_name = entry?.file_name();
        let number = file_name
            .to_str()
            .and_then(|it| it.strip_prefix(name)?.strip_prefix('-'))
            .and_then(|number| number.parse().ok())
            .filter(|number| *number <= MAX_RUNS);
        highest = highest.max(number.unwrap_or(0));
    }
    Ok(highest)
}

/// Writes a file whole: what was there stays until all of it is written, and a link keeps pointing
/// where it did.
///
/// # Errors
/// When it cannot be written; then nothing has changed.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut draft = target.clone().into_os_string();
    draft.push(format!(".{}", std::process::id()));
    let written = fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, &target));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// Moves a file or folder to `<to>.before-reset-<n>`, the first of these names that is free, and
/// says which.
pub(crate) fn move_aside(from: &Path, to: &Path) -> Result<PathBuf, WorkspaceError> {
    for n in 1..=MAX_RUNS {
        let mut kept = to.as_os_str().to_owned();
        kept.push(format!(".before-reset-{n}"));
        let kept = PathBuf::from(kept);
        if kept.exists() {
            continue;
        }
        return match fs::rename(from, &kept) {
            Ok(()) => Ok(kept),
            Err(_) if kept.exists() => continue,
            Err(why) => Err(unwritable(from)(why)),
        };
    }
    Err(WorkspaceError::Full(to.display().to_string()))
}

/// Makes the folder `before-reset-<n>` in `root`, the first that is not there.
pub(crate) fn make_aside(root: &Path) -> Result<PathBuf, WorkspaceError> {
    for n in 1..=MAX_RUNS {
        let aside = root.join(format!("before-reset-{n}"));
        match fs::create_dir(&aside) {
            Ok(()) => return Ok(aside),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
            Err(why) => return Err(unwritable(&aside)(why)),
        }
    }
    Err(WorkspaceError::Full("before-reset".to_owned()))
}

pub(crate) fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> WorkspaceError + use<> {
    let path = path.display().to_string();
    move |why| WorkspaceError::Unwritable { path, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(report: &str) -> Vec<(String, Vec<u8>)> {
        vec![
            ("report.json".to_owned(), report.as_bytes().to_vec()),
            ("audit/exposed/n/key".to_owned(), b"k".to_vec()),
        ]
    }

    #[test]
    fn the_nearest_folder_above_wins_over_the_users() {
        let temp = tempfile::tempdir().unwrap();
        let deep = temp.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let data = temp.path().join("data");
        let find = || Workspace::find(Some(&deep), Some(data.clone())).unwrap();
        assert_eq!(find().root(), data.join(FOLDER));
        fs::create_dir(temp.path().join("a").join(FOLDER)).unwrap();
        assert_eq!(find().root(), temp.path().join("a").join(FOLDER));
        fs::write(deep.join(FOLDER), "a file is no folder").unwrap();
        let said = Workspace::find(Some(&deep), Some(data.clone())).unwrap_err();
        assert!(
            said.to_string().contains("is a file; move it away"),
            "{said}"
        );
        fs::create_dir(&data).unwrap();
        fs::write(data.join(FOLDER), "neither here").unwrap();
        let said = Workspace::find(None, Some(data)).unwrap_err();
        assert!(matches!(said, WorkspaceError::File(_)), "{said}");
        let nowhere = Workspace::find(None, None);
        assert!(matches!(nowhere, Err(WorkspaceError::Nowhere)));
    }

    #[test]
    fn the_data_folder_is_absolute_or_not_there() {
        let data = |name: &'static str, value: &'static str| {
            data_folder(move |asked| (asked == name).then(|| value.into()))
        };
        assert_eq!(data("HOME", "relative"), None);
        assert_eq!(data("NOTHING", "/x"), None);
        if cfg!(target_os = "linux") {
            assert_eq!(data("XDG_DATA_HOME", "/x"), Some("/x".into()));
            assert_eq!(data("HOME", "/h"), Some("/h/.local/share".into()));
        }
    }

    #[test]
    fn runs_are_numbered_and_none_is_written_over() {
        let temp = tempfile::tempdir().unwrap();
        let workspace = Workspace::find(None, Some(temp.path().into())).unwrap();
        for n in 1..=3 {
            let kept = workspace.keep("lab-7", &files(&n.to_string())).unwrap();
            assert!(kept.ends_with(format!("lab-7-{n}")));
        }
        let kept = workspace.keep("lab-70", &files("other")).unwrap();
        assert!(kept.ends_with("lab-70-1"));
        let runs = workspace.runs().unwrap();
        let text = |path: &str| fs::read_to_string(runs.join(path)).unwrap();
        assert_eq!(text("lab-7-1/report.json"), "1");
        assert_eq!(text("lab-7-3/audit/exposed/n/key"), "k");
        assert_eq!(fs::read_dir(&runs).unwrap().count(), 4, "no draft is left");
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let temp = tempfile::tempdir().unwrap();
        let workspace = Workspace::find(None, Some(temp.path().into())).unwrap();
        let mut broken = files("x");
        broken.push(("report.json/under-a-file".to_owned(), Vec::new()));
        let error = workspace.keep("lab-7", &broken).unwrap_err();
        assert!(matches!(error, WorkspaceError::Unwritable { .. }));
        assert_eq!(fs::read_dir(workspace.runs().unwrap()).unwrap().count(), 0);
    }
}
