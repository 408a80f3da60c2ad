//! The paths through the course: which labs they have, in which order, and which one is next.
//!
//! Only labs that exist are ever named. The core path has its own order; the others go by shelf,
//! then level, then id.

use serde::Serialize;

use super::progress::Progress;
use crate::catalog;
use crate::scenario::{Metadata, Scenario, ScenarioError};

/// The path that a learner is on who says nothing else.
pub const CORE: &str = "core";

/// The core path, in its order, as far as it is ever to go.
const CORE_ORDER: [&str; 13] = [
    "stale-acl",
    "open-or-closed",
    "zombie-connection",
    "removed-too-early",
    "logout-everywhere",
    "expired-while-away",
    "new-enemy",
    "lost-event",
    "duelling-admins",
    "equivocating-leader",
    "two-faced-log",
    "three-regions",
    "game-day",
];

/// How far a learner has come in a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not begun.
    New,
    /// Begun.
    Started,
    /// Its check was passed.
    Passed,
}

impl State {
    /// Of a lab.
    pub fn of(progress: &Progress, lab: &str) -> Self {
        if progress.has_passed(lab) {
            Self::Passed
        } else if progress.facts(lab).next().is_some() {
            Self::Started
        } else {
            Self::New
        }
    }

    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Started => "started",
            Self::Passed => "passed",
        }
    }
}

/// The built-in labs of a path in its order, or all of them.
///
/// # Errors
/// When a built-in lab is broken.
pub fn labs(path: Option<&str>) -> Result<Vec<Metadata>, ScenarioError> {
    let read = |lab: &catalog::EmbeddedLab| Scenario::parse(lab.id, lab.lab_toml);
    let mut labs = Vec::new();
    for lab in catalog::all() {
        let metadata = read(lab)?.metadata;
        if path.is_none_or(|path| metadata.paths.iter().any(|it| it == path)) {
            labs.push(metadata);
        }
    }
    in_order(&mut labs, path);
    Ok(labs)
}

fn in_order(labs: &mut [Metadata], path: Option<&str>) {
    let core = |lab: &Metadata| {
        let place = CORE_ORDER.iter().position(|id| *id == lab.id);
        place.filter(|_| path == Some(CORE)).unwrap_or(usize::MAX)
    };
    labs.sort_by(|a, b| {
        let key = |lab: &Metadata| (core(lab), lab.shelf, lab.level);
        key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
    });
}

/// What to go on with: the last lab if it is one of these and not passed, else the first of them
/// that is not, and that builds on no other such.
pub fn next<'l>(labs: &'l [Metadata], progress: &Progress) -> Option<&'l Metadata> {
    let open = |lab: &&Metadata| !progress.has_passed(&lab.id);
    let last = labs.iter().find(|lab| progress.last() == Some(&lab.id));
    let waits = |lab: &&Metadata| {
        labs.iter()
            .filter(open)
            .any(|it| lab.needs.contains(&it.id))
    };
    let first = || labs.iter().find(|lab| open(lab) && !waits(lab));
    last.filter(open)
        .or_else(first)
        .or_else(|| labs.iter().find(open))
}

#[cfg(test)]
mod tests {
    use super::super::progress::Fact;
    use super::*;
    use crate::workspace::Workspace;

    fn lab(id: &str, shelf: u32) -> Metadata {
        let mut lab = labs(Some(CORE)).unwrap().remove(0);
        lab.id = id.to_owned();
        lab.shelf = shelf;
        lab
    }

    fn ids(labs: &[Metadata]) -> Vec<&str> {
        labs.iter().map(|lab| lab.id.as_str()).collect()
    }

    #[test]
    fn the_core_path_has_its_own_order_and_the_others_go_by_shelf() {
        let mut labs = vec![
            lab("a-new-one", 1),
            lab("open-or-closed", 3),
            lab("stale-acl", 3),
        ];
        in_order(&mut labs, Some(CORE));
        assert_eq!(ids(&labs), ["stale-acl", "open-or-closed", "a-new-one"]);
        in_order(&mut labs, Some("class"));
        assert_eq!(ids(&labs), ["a-new-one", "open-or-closed", "stale-acl"]);
    }

    #[test]
    fn a_path_has_its_labs_and_no_other() {
        let of = |path| labs(path).unwrap();
        assert!(ids(&of(None)).contains(&"stale-acl"));
        assert_eq!(of(None).len(), catalog::all().len());
        assert!(
            of(Some("rotation"))
                .iter()
                .all(|lab| lab.paths.contains(&"rotation".into()))
        );
        assert_eq!(ids(&of(Some(CORE)))[0], "stale-acl");
    }

    #[test]
    fn what_builds_on_another_lab_comes_after_it() {
        let mut labs = [lab("two", 1), lab("one", 3)];
        labs[0].needs = vec!["one".to_owned(), "not-built".to_owned()];
        let id = |labs: &[Metadata]| next(labs, &Progress::default()).unwrap().id.clone();
        assert_eq!(id(&labs), "one");
        labs[1].needs = vec!["two".to_owned()];
        assert_eq!(id(&labs), "two", "each waits for the other");
    }

    #[test]
    fn next_is_what_was_begun_last_and_then_the_first_that_is_not_passed() {
        let temp = tempfile::tempdir().unwrap();
        let workspace = Workspace::find(None, Some(temp.path().into())).unwrap();
        let labs = [lab("one", 1), lab("two", 1), lab("three", 1)];
        let next = || {
            let progress = Progress::read(&workspace).unwrap();
            next(&labs, &progress).map(|lab| lab.id.clone())
        };
        let pass = |lab: &str| {
            let fact = Fact::Passed {
                lab: lab.to_owned(),
                seeds: 8,
                posture_sha256: "0".repeat(64),
            };
            Progress::record(&workspace, &fact).unwrap();
        };
        assert_eq!(next().as_deref(), Some("one"));
        Progress::set_last(&workspace, "two").unwrap();
        assert_eq!(next().as_deref(), Some("two"));
        pass("two");
        assert_eq!(next().as_deref(), Some("one"));
        Progress::set_last(&workspace, "/some/folder").unwrap();
        assert_eq!(next().as_deref(), Some("one"));
        pass("one");
        pass("three");
        assert_eq!(next(), None);
        let progress = Progress::read(&workspace).unwrap();
        assert_eq!(State::of(&progress, "two"), State::Passed);
        assert_eq!(State::of(&progress, "four"), State::New);
    }
}
