//! One lab's folder, read whole: which files a lab has, and how their text reaches the program.
//!
//! The build embeds the built-in labs through this file and the program reads a folder through it,
//! so that both mean the same by a lab. It judges nothing that stands in a file. A folder that
//! lacks a file is refused by the file's name; a byte order mark and CRLF are taken off here.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// A file of a lab is at most this long, in bytes.
const MAX_FILE: usize = 256 * 1024;

/// Why a folder is no lab.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// A file that every lab has is not there.
    #[error("`{folder}`: a lab needs `{file}`, and there is none; write it")]
    Missing {
        /// The lab's folder.
        folder: String,
        /// The file's path in it.
        file: String,
    },
    /// A file is not text.
    #[error("{file}:{line}: it is not UTF-8; save it as UTF-8")]
    NotText {
        /// Which.
        file: String,
        /// The line of the first wrong byte, from 1.
        line: usize,
    },
    /// A file is too long.
    #[error("`{0}`: it has more than {MAX_FILE} bytes; shorten it")]
    TooLong(String),
    /// A file or folder cannot be read.
    #[error("`{path}`: {why}")]
    Unreadable {
        /// Which.
        path: String,
        /// What the system said.
        why: io::Error,
    },
}

/// The text of every file of one lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabFiles {
    /// The folder's name.
    pub(crate) id: String,
    /// `lab.toml`.
    pub(crate) lab_toml: String,
    /// `README.md`.
    pub(crate) readme: String,
    /// `demo.md`.
    pub(crate) demo: String,
    /// `hints.md`.
    pub(crate) hints: String,
    /// `why.md`.
    pub(crate) why: String,
    /// `exposed/posture.toml`.
    pub(crate) exposed_posture: String,
    /// `exposed/policy.cedar`.
    pub(crate) exposed_policy: String,
    /// `solution/posture.toml`.
    pub(crate) solution_posture: String,
    /// `solution/policy.cedar`.
    pub(crate) solution_policy: String,
    /// The folders below `wrong/`, in order of name.
    pub(crate) wrong: Vec<WrongFiles>,
}

/// The text of every file of one plausible fix that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrongFiles {
    /// The folder's name.
    pub(crate) name: String,
    /// `posture.toml`.
    pub(crate) posture: String,
    /// `policy.cedar`.
    pub(crate) policy: String,
    /// `expect.txt`.
    pub(crate) expect: String,
}

impl LabFiles {
    /// Reads the folder.
    ///
    /// # Errors
    /// The first file that is missing, too long or no text.
    pub(crate) fn read(folder: &Path) -> Result<Self, FolderError> {
        let whole = fs::canonicalize(folder).map_err(unreadable(folder))?;
        let id = whole.file_name().unwrap_or_default();
        let text = |file: &str| text(folder, file);
        let mut lab = Self {
            id: id.to_string_lossy().into_owned(),
            lab_toml: text("lab.toml")?,
            readme: text("README.md")?,
            demo: text("demo.md")?,
            hints: text("hints.md")?,
            why: text("why.md")?,
            exposed_posture: text("exposed/posture.toml")?,
            exposed_policy: text("exposed/policy.cedar")?,
            solution_posture: text("solution/posture.toml")?,
            solution_policy: text("solution/policy.cedar")?,
            wrong: Vec::new(),
        };
        for wrong in subfolders(&folder.join("wrong"))? {
            let name = wrong.file_name().unwrap_or_default().to_string_lossy();
            lab.wrong.push(WrongFiles {
                posture: text(&format!("wrong/{name}/posture.toml"))?,
                policy: text(&format!("wrong/{name}/policy.cedar"))?,
                expect: text(&format!("wrong/{name}/expect.txt"))?,
                name: name.into_owned(),
            });
        }
        if lab.wrong.is_empty() {
            return Err(missing(folder, "wrong/<name>/expect.txt"));
        }
        Ok(lab)
    }
}

/// The folders in a folder, in order of name; none if it is not there.
pub(crate) fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let entries = match fs::read_dir(folder) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable(folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable(folder))?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A text as it stands in a file, without a byte order mark and with one kind of line ending.
fn plain(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.replace("\r\n", "\n")
}

fn text(folder: &Path, file: &str) -> Result<String, FolderError> {
    let path = folder.join(file);
    let mut bytes = Vec::new();
    let opened = match File::open(&path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Err(missing(folder, file)),
        opened => opened.map_err(unreadable(&path))?,
    };
    let room = MAX_FILE as u64 + 1;
    opened
        .take(room)
        .read_to_end(&mut bytes)
        .map_err(unreadable(&path))?;
    if bytes.len() > MAX_FILE {
        return Err(FolderError::TooLong(path.display().to_string()));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(plain(text)),
        Err(error) => {
            let before = bytes.iter().take(error.valid_up_to());
            Err(FolderError::NotText {
                file: path.display().to_string(),
                line: 1 + before.filter(|byte| **byte == b'\n').count(),
            })
        }
    }
}

fn missing(folder: &Path, file: &str) -> FolderError {
    FolderError::Missing {
        folder: folder.display().to_string(),
        file: file.to_owned(),
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> FolderError + use<> {
    let path = path.display().to_string();
    move |why| FolderError::Unreadable { path, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    /// The flagship as a folder of its own.
    fn copied(to: &Path) {
        let lab = LabFiles::from(&catalog::all()[0]);
        for (file, text) in lab.files() {
            let path = to.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn each_file_that_a_lab_needs_is_named_when_it_is_not_there() {
        let temp = tempfile::tempdir().unwrap();
        copied(temp.path());
        let whole = LabFiles::read(temp.path()).unwrap();
        for (file, text) in whole.files() {
            fs::remove_file(temp.path().join(&file)).unwrap();
            let said = LabFiles::read(temp.path()).unwrap_err().to_string();
            assert!(said.contains(&format!("needs `{file}`")), "{said}");
            fs::write(temp.path().join(file), text).unwrap();
        }
        fs::remove_dir_all(temp.path().join("wrong")).unwrap();
        let said = LabFiles::read(temp.path()).unwrap_err().to_string();
        assert!(said.contains("needs `wrong/<name>/expect.txt`"), "{said}");
    }

    #[test]
    fn a_checkout_with_other_line_endings_is_the_same_lab() {
        let temp = tempfile::tempdir().unwrap();
        copied(temp.path());
        let whole = LabFiles::read(temp.path()).unwrap();
        for (file, text) in whole.files() {
            let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
            fs::write(temp.path().join(file), text).unwrap();
        }
        assert_eq!(LabFiles::read(temp.path()).unwrap(), whole);
    }

    #[test]
    fn what_is_no_text_or_too_long_is_refused_with_its_place() {
        let temp = tempfile::tempdir().unwrap();
        copied(temp.path());
        let said = || LabFiles::read(temp.path()).unwrap_err().to_string();
        fs::write(temp.path().join("why.md"), b"a\nb\xff").unwrap();
        assert!(said().contains("why.md:2: it is not UTF-8"), "{}", said());
        fs::write(temp.path().join("why.md"), "x".repeat(MAX_FILE + 1)).unwrap();
        assert!(said().contains("more than 262144 bytes"), "{}", said());
    }
}
