//! What an older report excuses: a fail that is no worse than it was, and nothing else.
//!
//! Pure. Only a fail that could fail a build then, on the same grounds, is known. What passed then
//! and is not looked at now is no pass, whoever left it out.

use super::words::clean;
use crate::drill::answer::{Answer, CaseRow, Cell, Report, Seen};

/// Whether a fail was there before, on the same grounds, and no worse than now.
pub(super) fn is_known(before: &CaseRow, now: &CaseRow) -> bool {
    let is_worse = now.cells.iter().any(|cell| {
        let mut cells = before.cells.iter();
        let then = cells.find(|then| (then.change, then.path) == (cell.change, cell.path));
        is_bad(cell) && then.is_none_or(|then| is_worse(then, cell))
    });
    before.answer == Answer::Fail && before.basis == now.basis && !is_worse
}

/// What passed before, was binding, and is not looked at now: the words, in the older order.
pub(super) fn missing<'b>(before: &'b Report, now: &Report) -> Vec<&'b str> {
    let rows = before.rows.iter();
    let gone = rows.filter(|row| is_held(row) && !now.rows.iter().any(|it| it.word == row.word));
    gone.map(|row| row.word.as_str()).collect()
}

/// Whether a row is a pass that a later report must answer for.
pub(super) fn is_held(before: &CaseRow) -> bool {
    before.answer == Answer::Pass && before.basis.binds()
}

/// Why an older report cannot be held against this target, if it cannot.
pub fn is_of_another(before: &Report, target: &str) -> Option<String> {
    (before.target != target).then(|| {
        format!(
            "it is a report of {}, and this drill is of {target}: nothing follows from it",
            clean(&before.target)
        )
    })
}

fn is_bad(cell: &Cell) -> bool {
    let ms = match cell.seen {
        Seen::LastSuccess { after_ms } => after_ms,
        Seen::StillServed { watched_ms } => watched_ms,
        _ => return false,
    };
    cell.allowed_ms.is_none_or(|allowed| ms > allowed)
}

/// Whether a path is open for longer than it was. Two watches of the same target differ by their
/// steps and by how busy the machine was: a quarter more is no news.
const fn is_worse(then: &Cell, now: &Cell) -> bool {
    let before = match then.seen {
        Seen::StillServed { .. } => return false,
        Seen::RefusedAtOnce => 0,
        Seen::LastSuccess { after_ms } => after_ms,
        // Nobody knew, so nothing is known.
        Seen::CannotJudge { .. } | Seen::NotApplicable => return true,
    };
    match now.seen {
        Seen::LastSuccess { after_ms } => {
            after_ms > before + before / 4 + then.step_ms + now.step_ms
        }
        Seen::StillServed { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cell, good, row};
    use super::*;
    use crate::drill::answer::{Basis, Change, Path};

    fn fail(cells: &[Cell]) -> CaseRow {
        let mut row = row("old-root-established", Answer::Fail);
        row.basis = Basis::Objective("root-removed.open".to_owned());
        row.cells = cells.to_vec();
        row
    }

    fn seen(seen: Seen) -> CaseRow {
        let mut cell = cell(Change::RootRemoved, Path::Established, seen);
        cell.allowed_ms = Some(1_000);
        fail(&[cell])
    }

    #[test]
    fn a_fail_is_known_by_its_grounds_and_not_by_its_word_alone() {
        let now = fail(&[]);
        assert!(is_known(&now, &now));
        let mut advice = now.clone();
        advice.basis = Basis::Advice("it is good practice".to_owned());
        assert!(!is_known(&advice, &now), "nobody had to look at it then");
        let mut other = now.clone();
        other.basis = Basis::Must("RFC 5280".to_owned());
        assert!(!is_known(&other, &now));
        let mut passed = now.clone();
        passed.answer = Answer::Pass;
        assert!(!is_known(&passed, &now));
    }

    #[test]
    fn a_fail_that_is_worse_than_it_was_is_not_known() {
        let last = |after_ms| seen(Seen::LastSuccess { after_ms });
        let open = |watched_ms| seen(Seen::StillServed { watched_ms });
        assert!(is_known(&last(8_000), &last(8_000)));
        assert!(
            is_known(&last(8_000), &last(10_200)),
            "two steps, a quarter"
        );
        assert!(!is_known(&last(8_000), &last(10_201)));
        assert!(!is_known(&last(8_000), &open(9_000)), "now without an end");
        assert!(is_known(&open(3_000), &open(30_000)), "it had no end");
        assert!(is_known(&open(3_000), &last(30_000)));
        assert!(!is_known(&seen(Seen::RefusedAtOnce), &open(3_000)));
        let why = "no ticket came".to_owned();
        assert!(!is_known(&seen(Seen::CannotJudge { why }), &open(3_000)));
        assert!(!is_known(&fail(&[]), &open(3_000)), "nobody looked there");
        // What is allowed is not worse, however it changed.
        assert!(is_known(&seen(Seen::RefusedAtOnce), &last(1_000)));
    }

    #[test]
    fn what_passed_and_is_gone_is_named() {
        let before = good();
        let mut now = good();
        assert!(missing(&before, &now).is_empty());
        now.rows.clear();
        assert_eq!(missing(&before, &now), ["leaf-swap", "revoked-leaf-new"]);
        let mut advice = before;
        advice.rows[0].basis = Basis::Advice("it is good practice".to_owned());
        advice.rows[1].answer = Answer::Fail;
        assert!(missing(&advice, &now).is_empty());
    }

    #[test]
    fn a_report_of_another_target_is_no_baseline() {
        assert_eq!(is_of_another(&good(), "localhost:8443"), None);
        let why = is_of_another(&good(), "localhost:9443").unwrap();
        assert!(why.contains("a report of localhost:8443"), "{why}");
    }
}
