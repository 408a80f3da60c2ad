//! What a learner does next in a lab, from what was done so far.
//!
//! Each is a command that works when pasted, and none leads back to what is done. The first is the
//! one to take; after a pass there is more to do in the lab, in any order.

use super::super::Place;
use super::super::stop::Stop;
use crate::course::desk::Desk;
use crate::course::path::{self, CORE};
use crate::course::progress::{Fact, Progress};
use crate::report::text::{Page, Tone};
use crate::scenario::Scenario;
use crate::workspace::Workspace;

/// The next command, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Ahead {
    pub(in super::super) why: &'static str,
    pub(in super::super) words: Vec<String>,
}

impl Ahead {
    fn new(why: &'static str, words: &[&str]) -> Self {
        Self {
            why,
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    /// Finds the one to take. The lab is the one last worked on.
    pub(in super::super) fn find(workspace: &Workspace, scenario: &Scenario) -> Result<Self, Stop> {
        let progress = Progress::read(workspace)?;
        let id = &scenario.metadata.id;
        let did = |what: fn(&Fact) -> bool| progress.facts(id).any(what);
        if progress.has_passed(id) {
            if !scenario.quiz.is_empty() && !did(|it| matches!(it, Fact::Answered { .. })) {
                return Ok(Self::new(
                    "A few questions on what you saw:",
                    &["lab", "quiz"],
                ));
            }
            return Self::another(&progress);
        }
        if !Desk::of(workspace, id).is_laid() {
            return Ok(Self::new("Lay out your own settings:", &["lab", "start"]));
        }
        if did(|it| matches!(it, Fact::Attacked { .. })) {
            let why = "Change a setting, then have it judged:";
            return Ok(Self::new(why, &["lab", "check"]));
        }
        Ok(Self::new(
            "Read the README up to `Run`, then run the attack:",
            &["lab", "attack"],
        ))
    }

    /// The next lab of the core path, else one beside it, else the list of them all.
    fn another(progress: &Progress) -> Result<Self, Stop> {
        for (path, why) in [(Some(CORE), "The next lab:"), (None, "Another lab:")] {
            if let Some(next) = path::next(&path::labs(path)?, progress) {
                return Ok(Self::new(why, &["lab", "start", &next.id]));
            }
        }
        Ok(Self::new(
            "Every lab that there is:",
            &["lab", "list", "--all"],
        ))
    }

    /// What else there is to do in a lab that was passed.
    pub(in super::super) fn besides(
        workspace: &Workspace,
        scenario: &Scenario,
    ) -> Result<Vec<Self>, Stop> {
        let progress = Progress::read(workspace)?;
        let id = &scenario.metadata.id;
        let did = |what: fn(&Fact) -> bool| progress.facts(id).any(what);
        let mut besides = Vec::new();
        if scenario.attack.is_some() && !did(|it| matches!(it, Fact::Reached { .. })) {
            let why = "The other side: write the attack yourself, in attack.toml, and run it:";
            besides.push(Self::new(why, &["lab", "attack"]));
        }
        if !did(|it| matches!(it, Fact::SolutionSeen { .. })) {
            let why = "One good answer beside yours, and what really happened:";
            besides.push(Self::new(why, &["lab", "solution"]));
        }
        Ok(besides)
    }

    /// Puts it on a page.
    pub(in super::super) fn tell(&self, page: &mut Page<'_>, place: &Place) {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        page.blank();
        page.row(&[(Tone::Plain, self.why)]);
        page.command(&place.invocation.command(&words));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;
    use crate::course::desk::DeskFiles;
    use crate::history::Harm;

    #[test]
    fn it_leads_on_from_each_thing_that_was_done() {
        let temp = tempfile::tempdir().unwrap();
        let workspace = Workspace::find(None, Some(temp.path().into())).unwrap();
        let lab = catalog::find("stale-acl").unwrap();
        let scenario = Scenario::parse(lab.id, lab.lab_toml).unwrap();
        let next = || Ahead::find(&workspace, &scenario).unwrap().words.join(" ");
        let record = |fact: Fact| Progress::record(&workspace, &fact).unwrap();
        let lab = || "stale-acl".to_owned();
        assert_eq!(next(), "lab start");
        let text = String::new;
        let files = DeskFiles {
            posture: text(),
            policy: text(),
            attack: text(),
            readme: text(),
        };
        Desk::of(&workspace, "stale-acl").lay(&files).unwrap();
        assert_eq!(next(), "lab attack");
        record(Fact::Attacked {
            lab: lab(),
            harm: Harm::Exposure,
            ms: 1,
        });
        assert_eq!(next(), "lab check");
        record(Fact::Passed {
            lab: lab(),
            seeds: 8,
            posture_sha256: "0".repeat(64),
        });
        assert_eq!(next(), "lab quiz");
        let besides = || {
            let besides = Ahead::besides(&workspace, &scenario).unwrap().into_iter();
            besides.map(|it| it.words.join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(besides(), ["lab attack", "lab solution"]);
        record(Fact::Reached {
            lab: lab(),
            exposure_ms: 1,
        });
        record(Fact::SolutionSeen { lab: lab() });
        assert!(besides().is_empty());
        record(Fact::Answered {
            lab: lab(),
            right: 1,
            of: 4,
        });
        assert!(
            !next().contains("stale-acl") && next().starts_with("lab "),
            "{}",
            next()
        );
    }
}
