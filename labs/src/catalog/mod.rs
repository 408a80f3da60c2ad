//! The built-in labs, carried in the binary: their scenario, their prose, their settings.
//!
//! A lab is one folder of data under `labs/catalog/`, and the build embeds every folder that is
//! there; no list is kept by hand. What a lab says is judged by `course::lint`, not here.

pub(crate) mod folder;

pub(crate) use folder::LabFiles;
use folder::WrongFiles;
use services::posture::document::nearest;

/// One built-in lab's files, as they were when the binary was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddedLab {
    /// Its folder's name.
    pub id: &'static str,
    /// `lab.toml`: the scenario.
    pub lab_toml: &'static str,
    /// `README.md`: the story.
    pub readme: &'static str,
    /// `demo.md`: the script for showing it.
    pub demo: &'static str,
    /// `hints.md`.
    pub hints: &'static str,
    /// `why.md`: where it comes from.
    pub why: &'static str,
    /// What the learner starts from.
    pub exposed_posture: &'static str,
    /// The policy that goes with it.
    pub exposed_policy: &'static str,
    /// One good answer.
    pub solution_posture: &'static str,
    /// The policy that goes with it.
    pub solution_policy: &'static str,
    /// Plausible fixes that fail, in order of name.
    pub wrong: &'static [WrongFix],
}

/// A plausible fix that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongFix {
    /// Its folder's name.
    pub name: &'static str,
    /// Its settings.
    pub posture: &'static str,
    /// Its policy.
    pub policy: &'static str,
    /// Lines that the answer to it must contain.
    pub expect: &'static str,
}

impl LabFiles {
    /// Every file by its path in the folder, with `/`.
    pub(crate) fn files(&self) -> Vec<(String, &str)> {
        let own = [
            ("lab.toml", &self.lab_toml),
            ("README.md", &self.readme),
            ("demo.md", &self.demo),
            ("hints.md", &self.hints),
            ("why.md", &self.why),
            ("exposed/posture.toml", &self.exposed_posture),
            ("exposed/policy.cedar", &self.exposed_policy),
            ("solution/posture.toml", &self.solution_posture),
            ("solution/policy.cedar", &self.solution_policy),
        ];
        let own = own.map(|(file, text)| (file.to_owned(), text.as_str()));
        let wrong = self.wrong.iter().flat_map(|wrong| {
            let files = [
                ("posture.toml", &wrong.posture),
                ("policy.cedar", &wrong.policy),
                ("expect.txt", &wrong.expect),
            ];
            files.map(|(file, text)| (format!("wrong/{}/{file}", wrong.name), text.as_str()))
        });
        own.into_iter().chain(wrong).collect()
    }
}

impl From<&EmbeddedLab> for LabFiles {
    fn from(lab: &EmbeddedLab) -> Self {
        let wrong = lab.wrong.iter().map(|wrong| WrongFiles {
            name: wrong.name.to_owned(),
            posture: wrong.posture.to_owned(),
            policy: wrong.policy.to_owned(),
            expect: wrong.expect.to_owned(),
        });
        Self {
            id: lab.id.to_owned(),
            lab_toml: lab.lab_toml.to_owned(),
            readme: lab.readme.to_owned(),
            demo: lab.demo.to_owned(),
            hints: lab.hints.to_owned(),
            why: lab.why.to_owned(),
            exposed_posture: lab.exposed_posture.to_owned(),
            exposed_policy: lab.exposed_policy.to_owned(),
            solution_posture: lab.solution_posture.to_owned(),
            solution_policy: lab.solution_policy.to_owned(),
            wrong: wrong.collect(),
        }
    }
}

/// Every built-in lab, in order of id, as the build found them.
const LABS: &[EmbeddedLab] = include!(concat!(env!("OUT_DIR"), "/labs.rs"));

/// What a new lab is copied from: a lab itself, and not in the catalogue.
pub(crate) const TEMPLATE: EmbeddedLab = include!(concat!(env!("OUT_DIR"), "/template.rs"));

/// Every built-in lab, in order of id.
pub const fn all() -> &'static [EmbeddedLab] {
    LABS
}

/// The built-in lab of that id.
pub fn find(id: &str) -> Option<&'static EmbeddedLab> {
    LABS.iter().find(|lab| lab.id == id)
}

/// The id that was probably meant.
pub fn nearest_id(word: &str) -> Option<&'static str> {
    nearest(word, LABS.iter().map(|lab| lab.id))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use services::posture::{Freshness, Posture, Source};

    use super::*;
    use crate::scenario::{Act, Part, Scenario};

    /// The build and the program read a folder in the same way.
    #[test]
    fn each_embedded_lab_is_its_folder_and_each_folder_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
        let folders = folder::subfolders(&root).unwrap();
        let read = folders.iter().map(|path| LabFiles::read(path).unwrap());
        let embedded: Vec<LabFiles> = all().iter().map(LabFiles::from).collect();
        assert_eq!(read.collect::<Vec<_>>(), embedded);
    }

    fn scenario(lab: &EmbeddedLab) -> Scenario {
        Scenario::parse(lab.id, lab.lab_toml).unwrap()
    }

    #[test]
    fn each_lab_parses_under_its_own_id_and_ids_are_sorted() {
        for lab in all() {
            assert_eq!(scenario(lab).metadata.id, lab.id);
            assert_eq!(find(lab.id), Some(lab));
        }
        assert!(all().is_sorted_by_key(|lab| lab.id));
        assert_eq!(find("stale-acls"), None);
        assert_eq!(nearest_id("stale-acls"), Some("stale-acl"));
        assert_eq!(nearest_id("something else"), None);
    }

    #[test]
    fn each_posture_sets_the_dials_that_the_learner_may_turn_and_no_other() {
        for lab in all() {
            let mut dials = scenario(lab).expect.dials;
            dials.sort();
            let wrong = lab.wrong.iter().map(|wrong| wrong.posture);
            for text in wrong.chain([lab.exposed_posture, lab.solution_posture]) {
                let (posture, sources) = Posture::parse(lab.id, text).unwrap();
                // What every posture sets alike belongs to the lab's world.
                let given = |dial: &&str| {
                    let (exposed, by) = Posture::parse(lab.id, lab.exposed_posture).unwrap();
                    by.set_by_file().any(|it| it == *dial)
                        && exposed.value(dial) == posture.value(dial)
                        && !dials.iter().any(|own| own == dial)
                };
                let set: Vec<_> = sources.set_by_file().filter(|it| !given(it)).collect();
                assert_eq!(set, dials, "{}", lab.id);
                assert_ne!(sources.get(&dials[0]), Source::Hardened);
                assert!(!text.contains("danger"));
            }
        }
    }

    /// A solution may leave a dial as it was only where the lab says that it can do without.
    #[test]
    fn exposed_is_exposed_and_the_solution_is_not() {
        for lab in all() {
            let (exposed, _) = Posture::parse(lab.id, lab.exposed_posture).unwrap();
            let (solution, _) = Posture::parse(lab.id, lab.solution_posture).unwrap();
            assert!(!exposed.dangers().is_empty());
            let mut left = solution.dangers();
            let expect = scenario(lab).expect;
            let optional = expect.optional_dials;
            // What the exposed posture sets alike belongs to the lab's world.
            left.retain(|(dial, ..)| {
                let is_dial = expect.dials.iter().any(|own| own == dial);
                is_dial || exposed.value(dial) != solution.value(dial)
            });
            // Against an outage the answer may be to open something, at a price that is told.
            if !expect.outage.is_empty() {
                continue;
            }
            for (dial, ..) in &left {
                assert!(optional.iter().any(|it| it == dial), "{}: {dial}", lab.id);
            }
            assert!(left.len() < exposed.dangers().len(), "{}", lab.id);
        }
    }

    /// The bound is what the promise rests on: a solution looser than its promise would only pass
    /// by luck.
    #[test]
    fn the_solution_of_stale_acl_bounds_each_action_as_the_scenario_promises() {
        let lab = find("stale-acl").unwrap();
        let (solution, _) = Posture::parse(lab.id, lab.solution_posture).unwrap();
        for (action, promise) in scenario(lab).expect.exposure {
            let bound = solution.policy.freshness.get(&action);
            assert_eq!(bound, Freshness::Within(promise), "{action}");
        }
    }

    /// A cut after the revocation would let it through, and the attack would fail of itself.
    #[test]
    fn the_cut_of_stale_acl_begins_before_the_revocation_whatever_is_drawn() {
        let scenario = scenario(find("stale-acl").unwrap());
        let revoked = scenario
            .schedule
            .iter()
            .find(|step| matches!(step.act, Act::Revoke { .. }));
        let revoked = revoked.unwrap().at;
        assert!(scenario.step("cut").unwrap().at < revoked);
        let mut drawn = 0;
        for vary in &scenario.vary {
            if let Part::At(_, latest) = vary.part {
                assert!(latest < revoked);
                drawn += 1;
            }
        }
        assert_eq!(drawn, 1);
    }

    #[test]
    fn each_lab_has_its_prose() {
        for lab in all() {
            let words = lab.readme.split_whitespace().count();
            assert!((200..=900).contains(&words), "{} has {words} words", lab.id);
            let hints: Vec<_> = lab
                .hints
                .lines()
                .filter(|line| line.starts_with("## "))
                .collect();
            assert!((3..=5).contains(&hints.len()), "{}", lab.id);
            for (at, hint) in hints.iter().enumerate() {
                assert_eq!(*hint, format!("## Hint {}", at + 1));
            }
            assert!((3..=5).contains(&scenario(lab).quiz.len()));
            assert!(lab.demo.contains(&format!("demo {}", lab.id)));
            assert!(lab.why.contains("costs"));
            assert!(!lab.wrong.is_empty());
            for wrong in lab.wrong {
                assert!(!wrong.expect.trim().is_empty(), "{}", wrong.name);
            }
        }
    }
}
