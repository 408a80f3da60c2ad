//! What the tries of one case come to: its row in the report.
//!
//! Pure. A fail needs three tries that all say so; tries that disagree are no answer, and every
//! try is in the row.

use crate::drill::answer::{Answer, CaseRow};
use crate::drill::case::{Case, Told};
use crate::drill::clock;
use crate::drill::file::DrillFile;
use crate::drill::place::{PlaceError, Restored};
use crate::drill::stage::StageError;

/// A fail counts when it was seen so often.
pub(super) const FAILS: usize = 3;

/// What a reader is told of a run that was ended early.
pub(super) const INTERRUPTED: &str = "the run was interrupted: the cases after it are missing";

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
        Some(told) => told.says.clone(),
        None => "it was not tried".to_owned(),
    };
    let accept = drill.accept.get(case.word);
    let accept = accept.filter(|it| !it.is_over(clock::date()));
    CaseRow {
        word: case.word.to_owned(),
        group: case.group,
        basis: case.rests.basis(drill),
        answer,
        says,
        tries: answers,
        cells: shown.map(|it| it.cells.clone()).unwrap_or_default(),
        served: shown.and_then(|it| it.served),
        took_ms,
        accepted: accept.map(|it| it.reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
