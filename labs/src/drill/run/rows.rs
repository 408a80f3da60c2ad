//! What the tries of one case come to: its row in the report.
//!
//! Pure. A fail needs three tries that all say so; tries that disagree are no answer, and every
//! try is in the row. What could not be judged is no calm square of the matrix either.

use crate::drill::answer::{Answer, CaseRow, Cell, Change, Path, Seen};
use crate::drill::case::{Case, Rests, Told};
use crate::drill::clock;
use crate::drill::file::DrillFile;
use crate::drill::place::{PlaceError, Restored};
use crate::drill::stage::StageError;

/// A fail counts when it was seen so often.
pub(super) const FAILS: usize = 3;

/// What a reader is told of a run that was ended early.
pub(super) const INTERRUPTED: &str =
    "the run was interrupted: of the cases that were to come nothing is known";

/// The answer of several tries.
pub(super) fn answer(tries: &[Answer]) -> Answer {
    let count = |wanted| tries.iter().filter(|it| **it == wanted).count();
    let (passes, fails) = (count(Answer::Pass), count(Answer::Fail));
    match (passes, fails) {
        (0, 0) if count(Answer::NotApplicable) > 0 => Answer::NotApplicable,
        (1.., 0) => Answer::Pass,
        (0, FAILS..) => Answer::Fail,
        _ => Answer::CannotJudge,
    }
}

/// The row of a case that was interrupted before it had an answer.
pub(super) fn begun(drill: &DrillFile, case: &Case, tries: &[Told], took_ms: u64) -> CaseRow {
    let mut row = row(drill, case, tries, took_ms);
    if row.answer == Answer::CannotJudge {
        let made = tries.len();
        row.says = format!("interrupted after {made} of {FAILS} tries: {}", row.says);
    }
    row
}

/// What a reader is told of the end: who else wrote the target's files, and what is left to do.
pub(super) fn restored(closed: &Result<Restored, StageError>) -> Vec<String> {
    match closed {
        Ok(restored) => restored.told(),
        Err(StageError::Place(PlaceError::Partly { restored, .. })) => restored.told(),
        Err(_) => Vec::new(),
    }
}

/// The row of a case.
pub(super) fn row(drill: &DrillFile, case: &Case, tries: &[Told], took_ms: u64) -> CaseRow {
    let answers: Vec<Answer> = tries.iter().map(|it| it.answer).collect();
    let answer = answer(&answers);
    let shown = tries.iter().rev().find(|it| it.answer == answer);
    let shown = shown.or(tries.last());
    let disagree = answers.contains(&Answer::Pass) && answers.contains(&Answer::Fail);
    let says = match shown {
        Some(_) if disagree => {
            let all: Vec<String> = tries
                .iter()
                .map(|it| format!("{}: {}", it.answer, it.says))
                .collect();
            format!("the tries disagree; {}", all.join("; "))
        }
        Some(told) if told.answer != answer => format!("{}: {}", told.answer, told.says),
        Some(told) => told.says.clone(),
        None => "it was not tried".to_owned(),
    };
    let cells = match answer {
        Answer::CannotJudge => unjudged(case, tries, disagree, &says),
        _ => shown.map(|it| it.cells.clone()).unwrap_or_default(),
    };
    let accept = drill.accept.get(case.word);
    let accept = accept.filter(|it| !it.is_over(clock::date()));
    CaseRow {
        word: case.word.to_owned(),
        group: case.group,
        basis: shown
            .and_then(|it| it.rests)
            .unwrap_or(case.rests)
            .basis(drill),
        answer,
        says,
        tries: answers,
        cells,
        served: shown.and_then(|it| it.served),
        took_ms,
        accepted: accept.map(|it| it.reason.clone()),
    }
}

/// The squares of a case that was not judged: those that a try looked at, or the one that it is
/// about. What a try saw is shown if that try says itself which of its squares cannot be judged.
fn unjudged(case: &Case, tries: &[Told], disagree: bool, says: &str) -> Vec<Cell> {
    let looked = tries.iter().rev().find(|it| !it.cells.is_empty());
    let Some(told) = looked else {
        let square = square(case).map(|(change, path)| Cell {
            change,
            path,
            seen: Seen::CannotJudge {
                why: says.to_owned(),
            },
            step_ms: 0,
            allowed_ms: None,
        });
        return square.into_iter().collect();
    };
    // A watch that was too short still shows how long it saw.
    let says_which = |cell: &Cell| {
        matches!(
            cell.seen,
            Seen::CannotJudge { .. } | Seen::StillServed { .. }
        )
    };
    let is_open = !disagree && told.answer == Answer::CannotJudge;
    match is_open && told.cells.iter().any(says_which) {
        true => told.cells.clone(),
        false => blind(told.cells.clone(), says),
    }
}

/// The same squares, and nothing can be said of them.
pub(super) fn blind(mut cells: Vec<Cell>, why: &str) -> Vec<Cell> {
    for cell in &mut cells {
        if cell.seen == Seen::NotApplicable {
            continue;
        }
        cell.seen = Seen::CannotJudge {
            why: why.to_owned(),
        };
    }
    cells
}

/// Which square of the matrix a case is about, if it is about one.
fn square(case: &Case) -> Option<(Change, Path)> {
    match (case.rests, case.word) {
        (Rests::Exposure(change, path, _) | Rests::Settled(change, path), _) => {
            Some((change, path))
        }
        // What these rest on is no exposure.
        (_, "expired-token") => Some((Change::TokenWithdrawn, Path::New)),
        (_, "expired-caller") => Some((Change::Expired, Path::New)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::case;
    use crate::drill::exhibit::{Exhibit, Setting};
    use crate::drill::planted::Fault;
    use std::time::Duration;

    #[test]
    fn a_fail_needs_three_and_no_pass_beside_it() {
        use Answer::{CannotJudge as C, Fail as F, NotApplicable as N, Pass as P};
        assert_eq!(answer(&[P]), P);
        assert_eq!(answer(&[C, P]), P);
        assert_eq!(answer(&[F, F, F]), F);
        assert_eq!(answer(&[C, F, F, F]), F);
        assert_eq!(answer(&[F, F]), C);
        assert_eq!(answer(&[F, P, F]), C);
        assert_eq!(answer(&[P, F, F, F]), C);
        assert_eq!(answer(&[C, C]), C);
        assert_eq!(answer(&[N]), N);
        assert_eq!(answer(&[]), C);
    }

    fn exhibit() -> Exhibit {
        let setting = Setting {
            settle: Duration::from_secs(2),
            demand: Duration::from_secs(2),
            serves_keys: false,
            is_client: false,
        };
        Exhibit::set_up(Fault::None, setting).unwrap()
    }

    fn row_of(word: &'static str, tries: &[Told]) -> CaseRow {
        let exhibit = exhibit();
        row(exhibit.drill(), case::find(word).unwrap(), tries, 1)
    }

    #[test]
    fn an_answer_rests_on_what_its_case_does_unless_it_says_otherwise() {
        let fail = || Told::fail("empty-trust", "somebody was served");
        let binds = |told: fn(Told) -> Told| {
            let tries = [told(fail()), told(fail()), told(fail())];
            row_of("empty-trust", &tries).basis.binds()
        };
        assert!(binds(|told| told));
        assert!(!binds(
            |told| told.resting(Rests::Advice("it had to be asked"))
        ));
    }

    #[test]
    fn what_was_interrupted_says_what_its_tries_said() {
        let exhibit = exhibit();
        let case = case::find("leaf-swap").unwrap();
        let of = |tries: &[Told]| {
            let row = begun(exhibit.drill(), case, tries, 1);
            (row.answer, row.says)
        };
        let (answer, says) = of(&[Told::fail("leaf-swap", "the old one is served")]);
        assert_eq!(answer, Answer::CannotJudge);
        assert_eq!(
            says,
            "interrupted after 1 of 3 tries: fail: the old one is served"
        );
        let passed = (Answer::Pass, "it is served".to_owned());
        assert_eq!(of(&[Told::pass("leaf-swap", "it is served")]), passed);
    }

    fn squares(word: &'static str, tries: &[Told]) -> Vec<(Change, Path, bool)> {
        let row = row_of(word, tries);
        let is_calm = |cell: &Cell| !matches!(cell.seen, Seen::CannotJudge { .. });
        let cells = row.cells.iter();
        cells.map(|it| (it.change, it.path, is_calm(it))).collect()
    }

    fn told(word: &'static str, answer: Answer, seen: &[(Path, Seen)]) -> Told {
        let cells = seen.iter().map(|(path, seen)| Cell {
            change: Change::LeafRevoked,
            path: *path,
            seen: seen.clone(),
            step_ms: 100,
            allowed_ms: None,
        });
        Told {
            cells: cells.collect(),
            ..Told::new(word, answer, "said")
        }
    }

    #[test]
    fn what_was_not_judged_is_no_calm_square() {
        use Answer::{CannotJudge as C, Fail as F, Pass as P};
        let word = "revoked-leaf-established";
        let at = |calm| (Change::LeafRevoked, Path::Established, calm);
        let calm = |answer| told(word, answer, &[(Path::Established, Seen::RefusedAtOnce)]);
        let none = || told(word, C, &[]);
        assert_eq!(squares(word, &[calm(P)]), [at(true)]);
        assert_eq!(squares(word, &[none(), calm(P)]), [at(true)]);
        assert_eq!(squares(word, &[calm(F), calm(P)]), [at(false)]);
        assert_eq!(squares(word, &[calm(C), calm(C)]), [at(false)]);
        // Also where no try came so far that it looked.
        assert_eq!(squares(word, &[none(), none()]), [at(false)]);
        // A try that says which of its squares cannot be judged knows of the others.
        let why = "no answer came".to_owned();
        let half = [
            (Path::New, Seen::RefusedAtOnce),
            (Path::Established, Seen::CannotJudge { why }),
        ];
        let half = squares(word, &[told(word, C, &half)]);
        assert_eq!(half, [(Change::LeafRevoked, Path::New, true), at(false)]);
    }

    #[test]
    fn a_case_of_a_square_has_it_also_where_nobody_looked() {
        let of = |word| {
            let none = [Told::cannot_judge(
                word,
                "control: the good caller is not served",
            )];
            squares(word, &none)
        };
        let pairs = [
            ("old-root-new", Change::RootRemoved, Path::New),
            ("old-root-open-stream", Change::RootRemoved, Path::Stream),
            ("revoked-leaf-new", Change::LeafRevoked, Path::New),
            ("revoked-leaf-resumed", Change::LeafRevoked, Path::Resumed),
            ("expired-caller", Change::Expired, Path::New),
            ("expires-established", Change::Expired, Path::Established),
            ("jwks-removed-key", Change::KeyRemoved, Path::New),
            ("expired-token", Change::TokenWithdrawn, Path::New),
        ];
        for (word, change, path) in pairs {
            assert_eq!(of(word), [(change, path, false)], "{word}");
        }
        assert!(of("leaf-swap").is_empty());
    }
}
