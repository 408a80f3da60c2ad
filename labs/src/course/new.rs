//! A new lab: the template's folder under another name, whole or not at all.
//!
//! What it writes already runs and lints; every sentence that an author must replace begins with
//! the same two words. It never writes over anything.

use std::fs;
use std::path::{Path, PathBuf};

use crate::catalog::{self, LabFiles, TEMPLATE};
use crate::workspace::{WorkspaceError, fill, unwritable};

/// Why there is no new lab.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewLabError {
    /// Not a name for a lab.
    #[error(
        "`{0}` cannot be a lab's id: lower-case letters, digits and dashes, a letter first, \
         at most 32"
    )]
    Id(String),
    /// A built-in lab's name.
    #[error("`{0}` is a built-in lab's id, and progress is kept by id; choose another")]
    BuiltIn(String),
    /// Something of that name is there.
    #[error("`{0}`: it is there already, and nothing was written; choose another id or folder")]
    Taken(String),
    /// The folder to put it in is not there.
    #[error("`{0}`: there is no such folder to put a lab in")]
    Nowhere(String),
    /// It cannot be written.
    #[error(transparent)]
    Unwritable(#[from] WorkspaceError),
}

/// Writes a new lab into that folder, and says where.
///
/// # Errors
/// When the id is no name, something is there already, or it cannot be written; then nothing has
/// changed.
pub(crate) fn write(id: &str, folder: &Path) -> Result<PathBuf, NewLabError> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let starts = id.starts_with(|c: char| c.is_ascii_lowercase());
    if !starts || !id.chars().all(legal) || id.len() > 32 {
        return Err(NewLabError::Id(id.to_owned()));
    }
    if catalog::find(id).is_some() {
        return Err(NewLabError::BuiltIn(id.to_owned()));
    }
    if !folder.is_dir() {
        return Err(NewLabError::Nowhere(folder.display().to_string()));
    }
    let lab = folder.join(id);
    if fs::symlink_metadata(&lab).is_ok() {
        return Err(NewLabError::Taken(lab.display().to_string()));
    }
    let template = LabFiles::from(&TEMPLATE);
    let files = template.files().into_iter();
    let files: Vec<(String, Vec<u8>)> = files
        .map(|(file, text)| (file, text.replace(TEMPLATE.id, id).into_bytes()))
        .collect();
    let draft = folder.join(format!(".{id}-{}", std::process::id()));
    let written =
        fill(&draft, &files).and_then(|()| fs::rename(&draft, &lab).map_err(unwritable(&lab)));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&draft);
    }
    // Nobody asked for the draft: what cannot be written is the lab.
    written.map_err(|why| match why {
        WorkspaceError::Unwritable { why, .. } => unwritable(&lab)(why),
        why => why,
    })?;
    Ok(lab)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_lab_is_whole_has_its_id_throughout_and_leaves_no_draft() {
        let temp = tempfile::tempdir().unwrap();
        let lab = write("late-letter", temp.path()).unwrap();
        assert_eq!(lab, temp.path().join("late-letter"));
        let files = LabFiles::read(&lab).unwrap();
        assert_eq!(files.id, "late-letter");
        for (file, text) in files.files() {
            assert!(!text.contains(TEMPLATE.id), "{file}");
        }
        assert!(files.lab_toml.contains("id = \"late-letter\""));
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_written_over_and_a_bad_id_or_folder_writes_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let mine = temp.path().join("mine");
        fs::write(&mine, "a file").unwrap();
        let said = |id: &str, folder: &Path| write(id, folder).unwrap_err().to_string();
        assert!(said("mine", temp.path()).contains("it is there already"));
        assert_eq!(fs::read_to_string(&mine).unwrap(), "a file");
        for id in ["", "Lab", "-x", "a/b", "..", "1a", &"x".repeat(33)] {
            assert!(
                said(id, temp.path()).contains("cannot be a lab's id"),
                "{id}"
            );
        }
        let taken = said("stale-acl", temp.path());
        assert!(taken.contains("is a built-in lab's id"), "{taken}");
        assert!(said("x", &temp.path().join("no")).contains("no such folder"));
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }
}
