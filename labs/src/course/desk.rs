//! The desk: a learner's own settings for one lab, in `.schism/work/<id>/`.
//!
//! Laying it out writes each file whole and only where there is none: nothing of the learner's is
//! ever written over. Clearing it moves the folder aside and deletes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use super::progress;
use crate::workspace::{self, Workspace, WorkspaceError, unwritable};

/// The folder of the desks, in the workspace.
const FOLDER: &str = "work";

/// What is the learner's own on it.
const OWN: [&str; 3] = ["posture.toml", "policy.cedar", "attack.toml"];

/// What is put on a desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeskFiles {
    /// `posture.toml`.
    pub posture: String,
    /// `policy.cedar`.
    pub policy: String,
    /// `attack.toml`.
    pub attack: String,
    /// `README.md`: the lab's story, to be read, not edited.
    pub readme: String,
}

/// A learner's own settings for one lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desk {
    folder: PathBuf,
}

impl Desk {
    /// The desk of the lab of that id. Does not touch the disk.
    pub fn of(workspace: &Workspace, id: &str) -> Self {
        Self {
            folder: workspace.root().join(FOLDER).join(id),
        }
    }

    /// Whether everything that is the learner's is there.
    pub fn is_laid(&self) -> bool {
        self.missing().is_empty()
    }

    /// The names of what is the learner's and not there.
    pub fn missing(&self) -> Vec<&'static str> {
        let own = OWN.into_iter();
        own.filter(|name| !self.folder.join(name).exists())
            .collect()
    }

    /// Whether anything that is the learner's is there.
    pub fn is_begun(&self) -> bool {
        self.missing().len() < OWN.len()
    }

    /// Writes what is not there, never over what is.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn lay(&self, files: &DeskFiles) -> Result<(), WorkspaceError> {
        fs::create_dir_all(&self.folder).map_err(unwritable(&self.folder))?;
        for (path, text) in self.files(files) {
            // A link that leads nowhere is the learner's as well.
            if fs::symlink_metadata(&path).is_err() {
                workspace::write_whole(&path, text.as_bytes()).map_err(unwritable(&path))?;
            }
        }
        Ok(())
    }

    /// Whether the learner's files say just what these say.
    pub fn is_as_laid(&self, files: &DeskFiles) -> bool {
        let same = |(path, text): &(PathBuf, &str)| {
            fs::read(path).is_ok_and(|bytes| bytes == text.as_bytes())
        };
        self.files(files)[..3].iter().all(same)
    }

    /// Brings what is only to be read up to date.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn refresh(&self, files: &DeskFiles) -> Result<(), WorkspaceError> {
        let readme = self.readme();
        workspace::write_whole(&readme, files.readme.as_bytes()).map_err(unwritable(&readme))
    }

    /// Moves what is there aside, as `<id>.before-reset-<n>`, and says where to; nothing if there
    /// is nothing.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn clear(&self) -> Result<Option<PathBuf>, WorkspaceError> {
        if !self.folder.exists() {
            return Ok(None);
        }
        workspace::move_aside(&self.folder, &self.folder).map(Some)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The learner's posture.
    pub fn posture(&self) -> PathBuf {
        self.folder.join("posture.toml")
    }

    /// The learner's policy.
    pub fn policy(&self) -> PathBuf {
        self.folder.join("policy.cedar")
    }

    /// The learner's own attack.
    pub fn attack(&self) -> PathBuf {
        self.folder.join("attack.toml")
    }

    /// The lab's story.
    pub fn readme(&self) -> PathBuf {
        self.folder.join("README.md")
    }

    /// The learner's own three, then what is only to be read.
    fn files<'f>(&self, files: &'f DeskFiles) -> [(PathBuf, &'f str); 4] {
        [
            (self.posture(), &files.posture),
            (self.policy(), &files.policy),
            (self.attack(), &files.attack),
            (self.readme(), &files.readme),
        ]
    }
}

/// Moves every desk and all progress aside, into `before-reset-<n>/` of the workspace, and says
/// where to; nothing if there is nothing. What runs wrote stays.
///
/// # Errors
/// When something cannot be moved.
pub fn clear_all(workspace: &Workspace) -> Result<Option<PathBuf>, WorkspaceError> {
    let present = everything(workspace);
    if present.is_empty() {
        return Ok(None);
    }
    let aside = workspace::make_aside(workspace.root())?;
    for path in present {
        let name = path.file_name().expect("each has a name in the workspace");
        fs::rename(&path, aside.join(name)).map_err(unwritable(&path))?;
    }
    Ok(Some(aside))
}

/// What there is of a learner's.
pub fn everything(workspace: &Workspace) -> Vec<PathBuf> {
    let all = [
        workspace.root().join(FOLDER),
        progress::file(workspace),
        progress::last_file(workspace),
    ];
    all.into_iter().filter(|path| path.exists()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> DeskFiles {
        DeskFiles {
            posture: "p".to_owned(),
            policy: "c".to_owned(),
            attack: "a".to_owned(),
            readme: "r".to_owned(),
        }
    }

    #[test]
    fn clearing_everything_keeps_it_all_in_one_folder() {
        let temp = tempfile::tempdir().unwrap();
        let workspace = Workspace::find(None, Some(temp.path().into())).unwrap();
        assert_eq!(clear_all(&workspace).unwrap(), None);
        for n in 1..=2 {
            desk(&temp).lay(&files()).unwrap();
            progress::Progress::set_last(&workspace, "a-lab").unwrap();
            workspace.runs().unwrap();
            let aside = clear_all(&workspace).unwrap().unwrap();
            assert!(
                aside.ends_with(format!(".schism/before-reset-{n}")),
                "{aside:?}"
            );
            assert!(aside.join("work/a-lab/posture.toml").is_file());
            assert!(aside.join("last").is_file());
            assert!(everything(&workspace).is_empty());
            assert!(workspace.root().join("runs").is_dir());
        }
    }

    fn desk(temp: &tempfile::TempDir) -> Desk {
        let workspace = Workspace::find(None, Some(temp.path().into())).unwrap();
        Desk::of(&workspace, "a-lab")
    }

    #[test]
    fn what_is_there_is_never_written_over_and_what_is_missing_comes_back() {
        let temp = tempfile::tempdir().unwrap();
        let desk = desk(&temp);
        assert!(!desk.is_laid());
        desk.lay(&files()).unwrap();
        assert!(desk.is_laid() && desk.is_as_laid(&files()));
        fs::write(desk.posture(), "mine").unwrap();
        fs::remove_file(desk.policy()).unwrap();
        assert_eq!(desk.missing(), ["policy.cedar"]);
        assert!(desk.is_begun() && !desk.is_laid());
        desk.lay(&files()).unwrap();
        let text = |path: PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!(
            (text(desk.posture()), text(desk.policy())),
            ("mine".into(), "c".into())
        );
        assert!(!desk.is_as_laid(&files()));
        assert_eq!(
            fs::read_dir(desk.folder()).unwrap().count(),
            4,
            "no draft is left"
        );
    }

    #[test]
    fn clearing_moves_aside_and_loses_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let desk = desk(&temp);
        assert_eq!(desk.clear().unwrap(), None);
        for n in 1..=3 {
            desk.lay(&files()).unwrap();
            fs::write(desk.posture(), n.to_string()).unwrap();
            let kept = desk.clear().unwrap().unwrap();
            assert!(
                kept.ends_with(format!("work/a-lab.before-reset-{n}")),
                "{kept:?}"
            );
            assert!(!desk.is_laid());
            assert_eq!(
                fs::read_to_string(kept.join("posture.toml")).unwrap(),
                n.to_string()
            );
        }
    }
}
