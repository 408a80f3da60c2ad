//! Whether a build passes: a function of the report, the baseline, the accepted fails and the day.
//!
//! Advice never fails a build. With a baseline only what is worse than there does, except for a
//! fail whose acceptance is over: that one fails in any case. What cannot be judged is no pass.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::Date;

use super::baseline;
use super::words::clean;
use crate::drill::answer::{Answer, CaseRow, Report};
use crate::drill::file::Accept;

/// How a row counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It passed.
    Pass,
    /// It fails the build.
    Fail,
    /// It failed, and its acceptance is over: it fails the build.
    AcceptanceOver,
    /// It failed, which is accepted for now.
    Accepted,
    /// It was no better in the baseline.
    Known,
    /// It failed, and rests on advice alone.
    Advice,
    /// It cannot be judged.
    CannotJudge,
    /// The target has no such thing.
    NotApplicable,
    /// The target has no such thing any more: in the baseline it passed.
    Lost,
}

impl Outcome {
    /// Whether it makes the status red, given whether the row is binding.
    pub const fn is_red(self, binds: bool) -> bool {
        match self {
            Self::Fail | Self::AcceptanceOver | Self::Lost => true,
            Self::CannotJudge => binds,
            _ => false,
        }
    }
}

/// The status with which the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Nothing failed.
    Pass,
    /// Something failed.
    Fail,
    /// The command was used wrongly.
    Usage,
    /// Nothing failed, and not everything could be judged.
    CannotJudge,
}

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Usage => 2,
            Self::CannotJudge => 3,
        }
    }
}

/// What a report is held against.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// An older report of the same target.
    pub baseline: Option<&'a Report>,
    /// Fails that are accepted, by the case's word.
    pub accepts: &'a BTreeMap<String, Accept>,
    /// Today.
    pub today: Date,
}

/// How each row counts, in the order of the rows.
pub fn outcomes(report: &Report, against: Against<'_>) -> Vec<Outcome> {
    report
        .rows
        .iter()
        .map(|row| outcome(row, against))
        .collect()
}

fn outcome(row: &CaseRow, against: Against<'_>) -> Outcome {
    let before = against.baseline.and_then(|report| {
        let mut rows = report.rows.iter();
        rows.find(|before| before.word == row.word)
    });
    let was = before.map(|before| before.answer);
    let accept = against.accepts.get(&row.word);
    match row.answer {
        Answer::Pass => Outcome::Pass,
        Answer::NotApplicable if before.is_some_and(baseline::is_held) => Outcome::Lost,
        Answer::NotApplicable => Outcome::NotApplicable,
        Answer::CannotJudge if was == Some(Answer::CannotJudge) => Outcome::Known,
        Answer::CannotJudge => Outcome::CannotJudge,
        // Also of advice: the owner said until when, and that day is over.
        Answer::Fail if accept.is_some_and(|it| against.today > it.until) => {
            Outcome::AcceptanceOver
        }
        Answer::Fail if !row.basis.binds() => Outcome::Advice,
        Answer::Fail => match accept {
            Some(_) => Outcome::Accepted,
            None if row.accepted.is_some() => Outcome::Accepted,
            None if before.is_some_and(|before| baseline::is_known(before, row)) => Outcome::Known,
            None => Outcome::Fail,
        },
    }
}

/// The status of a report.
pub fn exit(report: &Report, against: Against<'_>) -> Exit {
    let outcomes = outcomes(report, against);
    let any = |wanted: &[Outcome]| outcomes.iter().any(|outcome| wanted.contains(outcome));
    if any(&[Outcome::Fail, Outcome::AcceptanceOver]) {
        Exit::Fail
    } else if is_red(report, &outcomes) || beyond_the_rows(report, against).is_some() {
        Exit::CannotJudge
    } else {
        Exit::Pass
    }
}

fn is_red(report: &Report, outcomes: &[Outcome]) -> bool {
    let mut rows = report.rows.iter().zip(outcomes);
    rows.any(|(row, outcome)| outcome.is_red(row.basis.binds()))
}

/// What keeps a report from being a pass though no row of it says so.
pub fn beyond_the_rows(report: &Report, against: Against<'_>) -> Option<String> {
    let before = against.baseline;
    let missing = before.map_or_else(Vec::new, |before| baseline::missing(before, report));
    let judged = |row: &CaseRow| matches!(row.answer, Answer::Pass | Answer::Fail);
    if !missing.is_empty() {
        let words: Vec<String> = missing.into_iter().map(clean).collect();
        let words = words.join(", ");
        Some(format!(
            "Passed in the baseline, and not looked at now: {words}."
        ))
    } else if report.rows.iter().any(judged) || is_red(report, &outcomes(report, against)) {
        None
    } else {
        Some("Nothing could be judged.".to_owned())
    }
}

/// What the status rests on, a line for each kind of outcome that a reader must know of.
pub fn told(report: &Report, against: Against<'_>) -> Vec<String> {
    let outcomes = &outcomes(report, against);
    let kinds = [
        (Outcome::Fail, "Fails the build"),
        (
            Outcome::AcceptanceOver,
            "Fails the build, its acceptance is over",
        ),
        (Outcome::CannotJudge, "Cannot be judged"),
        (
            Outcome::Lost,
            "Passed in the baseline, and not applicable now",
        ),
        (Outcome::Known, "No worse than in the baseline"),
        (Outcome::Accepted, "Failed, which is accepted for now"),
        (Outcome::Advice, "Failed, and is advice"),
    ];
    let of = |kind| {
        let rows = report.rows.iter().zip(outcomes);
        let rows = rows.filter(move |(_, outcome)| **outcome == kind);
        rows.map(|(row, _)| clean(&row.word)).collect::<Vec<_>>()
    };
    let told = kinds.map(|(kind, what)| (what, of(kind)));
    let told = told.into_iter().filter(|(_, words)| !words.is_empty());
    let told = told.map(|(what, words)| format!("{what}: {}.", words.join(", ")));
    told.chain(beyond_the_rows(report, against)).collect()
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::super::sample::{bad, good, row};
    use super::*;
    use crate::drill::answer::Basis;

    fn accepts(words: &[&str], until: Date) -> BTreeMap<String, Accept> {
        let accept = Accept {
            reason: "OPS-142".to_owned(),
            until,
            line: 1,
        };
        words
            .iter()
            .map(|word| ((*word).to_owned(), accept.clone()))
            .collect()
    }

    fn status(
        report: &Report,
        baseline: Option<&Report>,
        accepts: &BTreeMap<String, Accept>,
    ) -> u8 {
        let against = Against {
            baseline,
            accepts,
            today: date!(2026 - 11 - 27),
        };
        exit(report, against).code()
    }

    fn only(answer: Answer) -> Report {
        let mut report = good();
        report.rows = vec![row("good", Answer::Pass), row("x", answer)];
        report
    }

    #[test]
    fn each_answer_has_its_status() {
        let none = BTreeMap::new();
        let of = |answer| status(&only(answer), None, &none);
        assert_eq!(of(Answer::Pass), 0);
        assert_eq!(of(Answer::Fail), 1);
        assert_eq!(of(Answer::CannotJudge), 3);
        assert_eq!(of(Answer::NotApplicable), 0);
        assert_eq!(
            status(&bad(), None, &none),
            1,
            "a fail goes before what cannot be judged"
        );
        assert_eq!(Exit::Usage.code(), 2);
    }

    #[test]
    fn nothing_judged_is_no_pass() {
        let mut report = good();
        report.rows = vec![row("x", Answer::NotApplicable)];
        assert_eq!(status(&report, None, &BTreeMap::new()), 3);
        report.rows.clear();
        assert_eq!(status(&report, None, &BTreeMap::new()), 3);
    }

    #[test]
    fn advice_alone_fails_nothing() {
        for answer in [Answer::Fail, Answer::CannotJudge] {
            let mut report = only(answer);
            report.rows[1].basis = Basis::Advice("it is good practice".to_owned());
            assert_eq!(status(&report, None, &BTreeMap::new()), 0, "{answer}");
        }
    }

    #[test]
    fn with_a_baseline_only_what_is_worse_fails() {
        let none = BTreeMap::new();
        let answers = [Answer::Pass, Answer::Fail, Answer::CannotJudge];
        let table =
            answers.map(|before| answers.map(|now| status(&only(now), Some(&only(before)), &none)));
        // Rows: what it was; columns: what it is.
        assert_eq!(table, [[0, 1, 3], [0, 0, 3], [0, 1, 0]]);
        let mut advice = only(Answer::Fail);
        advice.rows[1].basis = Basis::Advice("it is good practice".to_owned());
        assert_eq!(
            status(&only(Answer::Fail), Some(&advice), &none),
            1,
            "advice then, binding now"
        );
        let without = good();
        assert_eq!(
            status(&only(Answer::Fail), Some(&without), &none),
            1,
            "a new case"
        );
    }

    #[test]
    fn what_passed_in_the_baseline_and_is_not_looked_at_now_is_no_pass() {
        let none = BTreeMap::new();
        let against = |baseline| Against {
            baseline: Some(baseline),
            accepts: &none,
            today: date!(2026 - 11 - 27),
        };
        let (passed, absent) = (only(Answer::Pass), only(Answer::NotApplicable));
        assert_eq!(status(&absent, Some(&passed), &none), 3);
        let lines = told(&absent, against(&passed));
        assert_eq!(
            lines,
            ["Passed in the baseline, and not applicable now: x."]
        );
        let mut fewer = only(Answer::Pass);
        fewer.rows.pop();
        assert_eq!(status(&fewer, Some(&passed), &none), 3);
        let lines = told(&fewer, against(&passed));
        assert_eq!(lines, ["Passed in the baseline, and not looked at now: x."]);
        // What was no pass then, or advice, is not held to be one.
        assert_eq!(status(&absent, Some(&absent), &none), 0);
        let mut advice = only(Answer::Pass);
        advice.rows[1].basis = Basis::Advice("it is good practice".to_owned());
        assert_eq!(status(&absent, Some(&advice), &none), 0);
        assert_eq!(status(&fewer, Some(&advice), &none), 0);
    }

    #[test]
    fn an_accepted_fail_passes_until_its_day_is_over() {
        let fails = only(Answer::Fail);
        let today = accepts(&["x"], date!(2026 - 11 - 27));
        assert_eq!(status(&fails, None, &today), 0);
        let over = accepts(&["x"], date!(2026 - 11 - 26));
        assert_eq!(status(&fails, None, &over), 1);
        assert_eq!(
            status(&fails, Some(&fails), &over),
            1,
            "also where it is known"
        );
        assert_eq!(status(&only(Answer::Pass), None, &over), 0);
        let other = accepts(&["y"], date!(2027 - 01 - 01));
        assert_eq!(status(&fails, None, &other), 1);
    }

    #[test]
    fn an_acceptance_that_is_over_fails_also_where_the_case_is_advice() {
        let mut fails = only(Answer::Fail);
        fails.rows[1].basis = Basis::Advice("it is good practice".to_owned());
        let until = |day| accepts(&["x"], day);
        assert_eq!(status(&fails, None, &until(date!(2026 - 11 - 26))), 1);
        assert_eq!(status(&fails, None, &until(date!(2026 - 11 - 27))), 0);
    }

    #[test]
    fn what_the_status_rests_on_is_told_by_the_cases_words() {
        let none = BTreeMap::new();
        let against = |baseline| Against {
            baseline,
            accepts: &none,
            today: date!(2026 - 11 - 27),
        };
        let (report, before) = (bad(), bad());
        let lines = told(&report, against(None));
        let fails = "Fails the build: leaf-swap, revoked-leaf-resumed, revoked-leaf-open-stream.";
        assert_eq!(lines, [fails, "Cannot be judged: old-root-resumed."]);
        let lines = told(&report, against(Some(&before)));
        assert!(
            lines.len() == 1 && lines[0].starts_with("No worse than"),
            "{lines:?}"
        );
        assert!(told(&good(), against(None)).is_empty());
    }
}
