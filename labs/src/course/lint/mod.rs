//! The authors' test of a lab: what a lab must be for a learner to learn something from it.
//!
//! Each rule is judged by itself and says what to do about it. The rules about files run nothing;
//! the rules about runs rest on trials of the same kind as a learner's check. It changes nothing,
//! and what cannot be told is unknown, never kept.

mod commands;
mod figures;
mod markdown;
mod prose;
mod runs;
mod settings;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use serde::Serialize;

use super::trial::Entrant;
use crate::catalog::folder::LabFiles;
use crate::invariant::Verdict;
use crate::run::RunError;
use crate::scenario::Scenario;

pub(crate) use prose::PLACEHOLDER;

/// What is wrong with a command's words, or nothing.
pub(crate) type Parses<'a> = &'a dyn Fn(&[&str]) -> Option<String>;

/// What one rule says of one lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Ruling {
    /// The rule's name.
    pub(crate) rule: &'static str,
    /// What holds if it is kept.
    pub(crate) claim: &'static str,
    /// Whether it is kept.
    pub(crate) verdict: Verdict,
    /// What is wrong, where, and what to do.
    pub(crate) faults: Vec<String>,
    /// What was seen; empty if there is nothing to add.
    pub(crate) seen: String,
}

impl Ruling {
    fn new(rule: &'static str, claim: &'static str, faults: Vec<String>) -> Self {
        let verdict = if faults.is_empty() {
            Verdict::Kept
        } else {
            Verdict::Broken
        };
        Self {
            rule,
            claim,
            verdict,
            faults,
            seen: String::new(),
        }
    }

    fn seen(self, seen: String) -> Self {
        Self { seen, ..self }
    }
}

/// What the trials of a lint are, and who is told how far they are.
pub(crate) struct Bench<'a> {
    /// One trial of each entrant a seed.
    pub(crate) seeds: &'a [u64],
    /// On that many threads.
    pub(crate) jobs: usize,
    /// Told the share done, 0 to 1, from any thread; `Break` stops.
    pub(crate) progress: &'a (dyn Fn(f64) -> ControlFlow<()> + Sync),
}

/// A lab whose files could be understood.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    files: LabFiles,
    scenario: Scenario,
    exposed: Entrant,
    solution: Entrant,
    /// In the order of the files.
    wrong: Vec<Entrant>,
}

/// Judges a lab's files, and hands it on if it can be run.
pub(crate) fn files(files: LabFiles, parses: Parses<'_>) -> (Vec<Ruling>, Option<Subject>) {
    let (mut rulings, subject) = settings::rulings(&files);
    rulings.extend(prose::rulings(&files));
    rulings.push(commands::ruling(&files, parses));
    if let Some(subject) = &subject {
        rulings.extend(prose::of_scenario(&files, &subject.scenario));
    }
    (rulings, subject)
}

/// Judges a lab's runs.
///
/// # Errors
/// When a trial cannot be run, or `progress` says stop.
pub(crate) fn runs(subject: &Subject, bench: &Bench<'_>) -> Result<Vec<Ruling>, RunError> {
    runs::rulings(subject, bench)
}

/// Every rule's verdict in one.
pub(crate) fn verdict(rulings: &[Ruling]) -> Verdict {
    let all = rulings.iter().map(|ruling| ruling.verdict);
    all.fold(Verdict::Kept, Verdict::and)
}
