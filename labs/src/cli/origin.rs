//! Where a lab comes from: the binary, by its id, or a folder, by its path.
//!
//! A folder's files are read when they are asked for and never beyond their caps; what is read is
//! text or refused, and is the same text whichever system it was written on.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{self, Path, PathBuf};

use services::policy::entry::MAX_ENTRY;
use services::posture::MAX_POSTURE;
use services::posture::document::plain;

use super::stop::Stop;
use crate::catalog::{self, EmbeddedLab};
use crate::scenario::{MAX_SCENARIO, Scenario};

/// A lab's text is at most this long, in bytes.
const MAX_PROSE: usize = 256 * 1024;

/// A text and the name that errors give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) name: String,
    pub(super) text: String,
}

/// A lab's two sets of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Exposed,
    Solution,
}

impl Side {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Exposed => "exposed",
            Self::Solution => "solution",
        }
    }
}

/// A lab's texts for the learner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prose {
    Readme,
    Hints,
    Why,
}

impl Prose {
    const fn file(self) -> &'static str {
        match self {
            Self::Readme => "README.md",
            Self::Hints => "hints.md",
            Self::Why => "why.md",
        }
    }
}

/// A lab, wherever it is.
#[derive(Clone, Debug)]
pub(super) enum Lab {
    BuiltIn(&'static EmbeddedLab),
    Folder(PathBuf),
}

impl Lab {
    /// The lab that a word names: an id, or a path with a separator in it.
    pub(super) fn find(word: &str) -> Result<Self, Stop> {
        if let Some(lab) = catalog::find(word) {
            return Ok(Self::BuiltIn(lab));
        }
        let path = Path::new(word);
        if word == "." || word == ".." || path.components().count() > 1 || word.contains('/') {
            return if path.is_dir() {
                Ok(Self::Folder(path.to_owned()))
            } else {
                Err(Stop::file(path, "no such folder"))
            };
        }
        let hint = match catalog::nearest_id(word) {
            Some(near) => format!("the nearest is `{near}`"),
            None if path.is_dir() => format!("the folder is `./{word}`"),
            None => {
                let ids: Vec<&str> = catalog::all().iter().map(|lab| lab.id).collect();
                format!("there is `{}`", ids.join("`, `"))
            }
        };
        Err(Stop::Usage(format!("unknown lab `{word}`; {hint}")))
    }

    pub(super) fn scenario(&self) -> Result<Text, Stop> {
        self.part("lab.toml", MAX_SCENARIO, |lab| lab.lab_toml)
    }

    pub(super) fn posture(&self, side: Side) -> Result<Text, Stop> {
        let name = format!("{}/posture.toml", side.name());
        self.part(&name, MAX_POSTURE, |lab| match side {
            Side::Exposed => lab.exposed_posture,
            Side::Solution => lab.solution_posture,
        })
    }

    pub(super) fn policy(&self, side: Side) -> Result<Text, Stop> {
        let name = format!("{}/policy.cedar", side.name());
        self.part(&name, MAX_ENTRY, |lab| match side {
            Side::Exposed => lab.exposed_policy,
            Side::Solution => lab.solution_policy,
        })
    }

    /// The plausible fix that `wrong/<name>` means: its name, posture and policy; nothing if the
    /// word means none.
    pub(super) fn wrong(&self, word: &str) -> Result<Option<(String, Text, Text)>, Stop> {
        let plain = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let Some(name) = word.strip_prefix("wrong/").filter(plain) else {
            return Ok(None);
        };
        let text = |file: &str, text: &str| Text {
            name: format!("{word}/{file}"),
            text: text.to_owned(),
        };
        let (posture, policy) = match self {
            Self::BuiltIn(lab) => match lab.wrong.iter().find(|wrong| wrong.name == name) {
                None => return Ok(None),
                Some(wrong) => (
                    text("posture.toml", wrong.posture),
                    text("policy.cedar", wrong.policy),
                ),
            },
            Self::Folder(folder) => {
                let folder = folder.join("wrong").join(name);
                if name.is_empty() || !folder.is_dir() {
                    return Ok(None);
                }
                (
                    read(&folder.join("posture.toml"), MAX_POSTURE)?,
                    read(&folder.join("policy.cedar"), MAX_ENTRY)?,
                )
            }
        };
        Ok(Some((name.to_owned(), posture, policy)))
    }

    /// The names of the lab's plausible fixes that fail, as `wrong/<name>`, in order.
    pub(super) fn wrongs(&self) -> Vec<String> {
        let names: BTreeSet<String> = match self {
            Self::BuiltIn(lab) => lab.wrong.iter().map(|it| it.name.to_owned()).collect(),
            Self::Folder(folder) => {
                let entries = fs::read_dir(folder.join("wrong")).into_iter().flatten();
                let folders = entries.flatten().filter(|it| it.path().is_dir());
                let name = |it: fs::DirEntry| it.file_name().into_string().ok();
                folders.filter_map(name).collect()
            }
        };
        names.iter().map(|name| format!("wrong/{name}")).collect()
    }

    /// The scenario, understood.
    pub(super) fn parsed(&self) -> Result<Scenario, Stop> {
        let text = self.scenario()?;
        Ok(Scenario::parse(&text.name, &text.text)?)
    }

    /// One of the lab's own texts.
    pub(super) fn prose(&self, prose: Prose) -> Result<Text, Stop> {
        self.part(prose.file(), MAX_PROSE, |lab| match prose {
            Prose::Readme => lab.readme,
            Prose::Hints => lab.hints,
            Prose::Why => lab.why,
        })
    }

    /// The word that means this lab from any folder: its id, or its folder's whole path.
    pub(super) fn word(&self) -> Result<String, Stop> {
        let folder = match self {
            Self::BuiltIn(lab) => return Ok(lab.id.to_owned()),
            Self::Folder(folder) => folder,
        };
        let whole = path::absolute(folder).map_err(|why| Stop::file(folder, why))?;
        whole.to_str().map(str::to_owned).ok_or_else(|| {
            Stop::file(
                folder,
                "its path is not UTF-8: give the folder another name",
            )
        })
    }

    /// The script for showing it to people.
    pub(super) fn demo(&self) -> Result<Text, Stop> {
        self.part("demo.md", MAX_SCENARIO, |lab| lab.demo)
    }

    fn part(
        &self,
        name: &str,
        most: usize,
        built_in: impl Fn(&EmbeddedLab) -> &'static str,
    ) -> Result<Text, Stop> {
        match self {
            Self::BuiltIn(lab) => Ok(Text {
                name: format!("{}/{name}", lab.id),
                text: built_in(lab).to_owned(),
            }),
            Self::Folder(folder) => read(&folder.join(name), most),
        }
    }
}

/// Reads a text file of at most so many bytes; a byte order mark and CRLF do not show in it.
pub(super) fn read(path: &Path, most: usize) -> Result<Text, Stop> {
    let bytes = read_bytes(path, most)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..good]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        Stop::Usage(format!("{}:{line}: it is not UTF-8", path.display()))
    })?;
    Ok(Text {
        name: path.display().to_string(),
        text: plain(&text).into_owned(),
    })
}

/// Reads a file of at most so many bytes.
pub(super) fn read_bytes(path: &Path, most: usize) -> Result<Vec<u8>, Stop> {
    let fail = |why| Stop::file(path, why);
    let mut bytes = Vec::with_capacity(most.min(8192) + 1);
    let file = File::open(path).map_err(fail)?;
    let room = most as u64 + 1;
    file.take(room).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() > most {
        return Err(Stop::file(path, format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_built_in_lab_and_a_path_is_a_folder() {
        assert!(matches!(Lab::find("stale-acl"), Ok(Lab::BuiltIn(_))));
        let said = |word: &str| Lab::find(word).unwrap_err().to_string();
        assert_eq!(
            said("stale-acls"),
            "unknown lab `stale-acls`; the nearest is `stale-acl`"
        );
        assert_eq!(said("no/such"), "`no/such`: no such folder");
        assert_eq!(said("src"), "unknown lab `src`; the folder is `./src`");
        let any = said("");
        assert!(any.starts_with("unknown lab ``; there is `") && any.contains("`stale-acl`"));
        let lab = Lab::find("catalog/stale-acl").unwrap();
        let built_in = Lab::find("stale-acl").unwrap();
        assert_eq!(
            lab.scenario().unwrap().text,
            built_in.scenario().unwrap().text
        );
        let (from_folder, embedded) = (lab.policy(Side::Solution), built_in.policy(Side::Solution));
        assert_eq!(from_folder.unwrap().text, embedded.unwrap().text);
        assert_eq!(
            built_in.posture(Side::Exposed).unwrap().name,
            "stale-acl/exposed/posture.toml"
        );
    }

    #[test]
    fn what_is_too_long_or_no_text_is_refused_with_its_place() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        let said = || read(&path, 5).unwrap_err().to_string();
        assert!(said().contains("/f`: "), "{}", said());
        fs::write(&path, "123456").unwrap();
        assert!(said().ends_with("it has more than 5 bytes"));
        fs::write(&path, b"a\nb\xff").unwrap();
        assert!(said().ends_with("f:2: it is not UTF-8"));
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap().text, "12345");
        fs::write(&path, "\u{feff}a\r\nb\r\n").unwrap();
        assert_eq!(read(&path, 9).unwrap().text, "a\nb\n");
        assert!(read(temp.path(), 5).is_err(), "a folder is no file");
    }
}
