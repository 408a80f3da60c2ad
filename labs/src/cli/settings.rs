//! Which settings are run: a lab's two sides, or the one posture that was asked for.
//!
//! Everything is read and judged here, before anything runs.

use std::path::Path;

use services::policy::check::check;
use services::policy::entry::MAX_ENTRY;
use services::posture::document::{instead, nearest};
use services::posture::{MAX_POSTURE, Posture};

use super::origin::{self, Lab, Side, Text};
use super::stop::Stop;
use crate::report::html::Shown;

/// The words that stand for a posture.
const WORDS: [&str; 3] = ["exposed", "hardened", "solution"];

/// The longest name that a run gets from its posture's file, in characters.
const MAX_NAME: usize = 40;

/// One run's settings.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// What the run is called, in the report and as a folder.
    pub(super) name: String,
    pub(super) posture: Posture,
    /// The posture as a file.
    pub(super) posture_text: String,
    pub(super) policy: String,
    /// The values are for the learner to find.
    pub(super) is_secret: bool,
}

impl Settings {
    /// The posture as a page shows it.
    pub(super) fn shown(&self, lab: &str) -> Shown {
        if self.is_secret {
            Shown::Withheld(format!(
                "These values are for you to find. `schism lab solution {lab}` shows them."
            ))
        } else {
            Shown::Text(self.posture_text.clone())
        }
    }
}

/// A lab's two sides: exposed, then its solution.
pub(super) fn both(lab: &Lab) -> Result<Vec<Settings>, Stop> {
    let side = |side: Side| {
        let secret = side == Side::Solution;
        settings(side.name(), lab.posture(side)?, lab.policy(side)?, secret)
    };
    Ok(vec![side(Side::Exposed)?, side(Side::Solution)?])
}

/// The posture that a word or a file names, with the policy that goes with it, or another file's.
/// `wrong/<name>` is one of the lab's plausible fixes that fail.
pub(super) fn one(lab: &Lab, asked: &Path, policy: Option<&Path>) -> Result<Settings, Stop> {
    let policy_of = |side| match policy {
        Some(path) => origin::read(path, MAX_ENTRY),
        None => lab.policy(side),
    };
    if let Some((name, posture, own)) = asked.to_str().map_or(Ok(None), |word| lab.wrong(word))? {
        let policy = policy.map_or(Ok(own), |path| origin::read(path, MAX_ENTRY))?;
        return settings(&name, posture, policy, false);
    }
    match asked.to_str() {
        Some("exposed") => {
            let side = Side::Exposed;
            settings(side.name(), lab.posture(side)?, policy_of(side)?, false)
        }
        Some("solution") => {
            let side = Side::Solution;
            settings(side.name(), lab.posture(side)?, policy_of(side)?, true)
        }
        Some("hardened") => {
            let name = "hardened".to_owned();
            let text = Posture::hardened().canonical();
            settings(
                &name.clone(),
                Text { name, text },
                policy_of(Side::Solution)?,
                false,
            )
        }
        word => {
            let meant = word.and_then(|word| meant(word, &lab.wrongs()));
            if let (Some(meant), false) = (meant, asked.exists()) {
                return Err(Stop::file(asked, format!("no such file; {meant}")));
            }
            let posture = origin::read(asked, MAX_POSTURE)?;
            let policy = policy_of(Side::Exposed)?;
            let mut file = settings(&run_name(asked), posture, policy, false)?;
            // A page is handed on: whoever found the values does not give them away with it.
            let solution = lab.posture(Side::Solution)?;
            let (solution, _) = Posture::parse(&solution.name, &solution.text)?;
            file.is_secret = file.posture == solution;
            Ok(file)
        }
    }
}

/// What a word that is no file was meant to be, as far as one can tell.
fn meant(word: &str, wrongs: &[String]) -> Option<String> {
    let wrongs = wrongs.iter().map(String::as_str);
    if word.starts_with("wrong") {
        return Some(instead(word, wrongs));
    }
    let bare = |wrong: &&str| wrong.strip_prefix("wrong/") == Some(word);
    let near = wrongs.clone().find(bare);
    let near = near.or_else(|| nearest(word, WORDS.into_iter().chain(wrongs)))?;
    Some(format!("the nearest is `{near}`"))
}

/// Settings from two texts, each refused with its own name and line.
pub(super) fn settings(
    name: &str,
    posture: Text,
    policy: Text,
    secret: bool,
) -> Result<Settings, Stop> {
    let (read, _) = Posture::parse(&posture.name, &posture.text)?;
    check(&policy.name, &policy.text)?;
    Ok(Settings {
        name: name.to_owned(),
        posture: read,
        posture_text: posture.text,
        policy: policy.text,
        is_secret: secret,
    })
}

/// What a file's run is called: its name without the ending, safe as a folder's name.
fn run_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "-_".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = stem.chars().take(MAX_NAME).map(safe).collect();
    if name.is_empty() {
        "posture".to_owned()
    } else {
        name
    }
}

/// The exposed values in force and who ships them, in one line; of a secret posture, no value.
pub(super) fn warning(settings: &Settings) -> Option<String> {
    let dangers = settings.posture.dangers();
    if dangers.is_empty() {
        return None;
    }
    let each = dangers.iter().map(|(dial, value, ships)| {
        if settings.is_secret {
            format!("{dial} ({ships})")
        } else {
            format!("{dial} = {value} ({ships})")
        }
    });
    let each: Vec<String> = each.collect();
    Some(format!(
        "warning: {} runs with exposed dials, shipped by those in brackets: {}",
        settings.name,
        each.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn lab() -> Lab {
        Lab::find("stale-acl").unwrap()
    }

    #[test]
    fn a_lab_has_two_sides_and_only_the_exposed_one_is_warned_of() {
        let both = both(&lab()).unwrap();
        let names: Vec<&str> = both.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["exposed", "solution"]);
        let said = warning(&both[0]).unwrap();
        assert!(said.contains("policy.freshness = any (OPA"), "{said}");
        assert_eq!(warning(&both[1]), None);
    }

    #[test]
    fn a_solutions_values_are_not_given_away() {
        let mut secret = both(&lab()).unwrap().remove(0);
        secret.is_secret = true;
        let said = warning(&secret).unwrap();
        assert!(
            said.contains("policy.freshness (OPA") && !said.contains("any"),
            "{said}"
        );
        assert!(matches!(secret.shown("stale-acl"), Shown::Withheld(_)));
    }

    #[test]
    fn a_word_wins_over_a_file_and_hardened_is_the_default_of_every_dial() {
        let one = |word: &str| one(&lab(), Path::new(word), None);
        assert_eq!(one("hardened").unwrap().posture, Posture::hardened());
        assert!(one("solution").unwrap().is_secret);
        let said = one("exposd").unwrap_err().to_string();
        assert_eq!(said, "`exposd`: no such file; the nearest is `exposed`");
        for (word, meant) in [
            ("wrong/policy-edti", "; the nearest is `wrong/policy-edit`"),
            ("policy-edit", "; the nearest is `wrong/policy-edit`"),
            ("wrong", "; it is one of `wrong/everything-strict`, "),
            ("wrong/", "; it is one of `wrong/everything-strict`, "),
        ] {
            let said = one(word).unwrap_err().to_string();
            assert!(said.contains(meant), "{word}: {said}");
        }
        assert!(one("no/such.toml").is_err());
        let wrong = one("wrong/policy-edit").unwrap();
        assert_eq!(wrong.name, "policy-edit");
        assert!(wrong.policy.contains("nurses do not write any more"));
        assert!(one("wrong/no-such").is_err() && one("wrong/../exposed").is_err());
        let found = one("catalog/stale-acl/solution/posture.toml").unwrap();
        assert!(found.is_secret, "whoever hands a page on spoils nothing");
        assert!(
            !one("catalog/stale-acl/exposed/posture.toml")
                .unwrap()
                .is_secret
        );
    }

    #[test]
    fn a_file_is_called_by_its_stem_and_errors_name_its_line() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("my posture.toml");
        fs::write(&path, "[policy]\nfreshness = \"10s\"\n").unwrap();
        assert_eq!(one(&lab(), &path, None).unwrap().name, "my-posture");
        let policy = temp.path().join("p.cedar");
        fs::write(&policy, "\nnonsense").unwrap();
        let said = one(&lab(), &path, Some(&policy)).unwrap_err().to_string();
        assert!(said.contains("p.cedar:2: "), "{said}");
        // Cedar takes a line feed in a name, and no CRLF: found by fuzzing.
        let two_lines = "permit (principal in Role::\"a\nb\", action, resource);\n";
        fs::write(&policy, two_lines.replace('\n', "\r\n")).unwrap();
        let read = one(&lab(), &path, Some(&policy)).unwrap();
        assert_eq!(read.policy, two_lines);
        fs::write(&path, "[policy]\nfreshnes = \"10s\"\n").unwrap();
        let said = one(&lab(), &path, None).unwrap_err().to_string();
        assert!(said.contains("my posture.toml:2: unknown dial"), "{said}");
    }
}
