//! The exposure matrix: what changed, on which path, and how long it still succeeded.
//!
//! Where several cases looked at one square, the worst of what they saw is shown. A square is bad
//! if requests succeeded for longer than is allowed, and says so by a mark, not by colour.

use std::collections::BTreeMap;

use super::words::seconds;
use crate::drill::answer::{Answer, CaseRow, Cell, Change, Path, Report, Seen};

/// One square.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Square {
    /// What was seen, in words.
    pub text: String,
    /// Whether it is bad.
    pub bad: bool,
    /// What was seen.
    pub seen: Seen,
    /// How far apart the requests were.
    pub step_ms: u64,
}

impl Square {
    /// The square as it is shown without colour: a bad one has a mark before it.
    pub fn marked(&self) -> String {
        let mark = if self.bad { "! " } else { "" };
        format!("{mark}{}", self.text)
    }
}

/// The matrix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix {
    squares: BTreeMap<(Change, Path), Square>,
}

impl Matrix {
    /// The matrix of a report.
    pub fn of(report: &Report) -> Self {
        let mut squares: BTreeMap<(Change, Path), Square> = BTreeMap::new();
        for row in &report.rows {
            for cell in &row.cells {
                let square = square(row, cell);
                let worse = squares
                    .get(&(cell.change, cell.path))
                    .is_none_or(|other| rank(&square) > rank(other));
                if worse {
                    squares.insert((cell.change, cell.path), square);
                }
            }
        }
        Self { squares }
    }

    /// What was changed at all, in order.
    pub fn changes(&self) -> Vec<Change> {
        let all = Change::ALL.into_iter();
        all.filter(|change| self.squares.keys().any(|(of, _)| of == change))
            .collect()
    }

    /// Which paths were looked at, in order.
    pub fn paths(&self) -> Vec<Path> {
        let all = Path::ALL.into_iter();
        all.filter(|path| self.squares.keys().any(|(_, of)| of == path))
            .collect()
    }

    /// One square, if anybody looked there.
    pub fn square(&self, change: Change, path: Path) -> Option<&Square> {
        self.squares.get(&(change, path))
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.squares.is_empty()
    }

    /// The line under the matrix.
    pub fn legend(&self) -> &'static str {
        "Seconds are from the change to the last request that still succeeded. What stands after + \
         is how far apart the requests were: no figure is finer. A ! marks what is worse than it \
         may be."
    }
}

fn square(row: &CaseRow, cell: &Cell) -> Square {
    let text = match &cell.seen {
        Seen::RefusedAtOnce => "refused at once".to_owned(),
        Seen::LastSuccess { after_ms } => {
            format!("{} +{}", seconds(*after_ms), seconds(cell.step_ms))
        }
        Seen::StillServed { watched_ms } => {
            let watched = seconds(*watched_ms);
            format!("> {watched} (watched {watched})")
        }
        // Why not is told beside the case.
        Seen::CannotJudge { .. } => "cannot judge".to_owned(),
        Seen::NotApplicable => "not applicable".to_owned(),
    };
    let bad = match (&cell.seen, cell.allowed_ms) {
        (Seen::LastSuccess { after_ms: ms }, Some(allowed))
        | (Seen::StillServed { watched_ms: ms }, Some(allowed)) => *ms > allowed,
        (Seen::LastSuccess { .. }, None) => row.answer == Answer::Fail,
        (Seen::StillServed { .. }, None) => true,
        _ => false,
    };
    Square {
        text,
        bad,
        seen: cell.seen.clone(),
        step_ms: cell.step_ms,
    }
}

/// How bad a square is; of two, the worse is shown.
const fn rank(square: &Square) -> (bool, u8, u64) {
    let (kind, ms) = match square.seen {
        Seen::NotApplicable => (0, 0),
        Seen::RefusedAtOnce => (1, 0),
        Seen::CannotJudge { .. } => (2, 0),
        Seen::LastSuccess { after_ms } => (3, after_ms),
        Seen::StillServed { watched_ms } => (4, watched_ms),
    };
    (square.bad, kind, ms)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{bad, cell, row};
    use super::*;

    #[test]
    fn every_square_is_said_in_words_and_the_bad_ones_are_marked() {
        let matrix = Matrix::of(&bad());
        let said = |change, path| matrix.square(change, path).map(Square::marked);
        let said = |change, path| said(change, path).unwrap_or_default();
        assert_eq!(said(Change::LeafRevoked, Path::New), "refused at once");
        assert_eq!(
            said(Change::LeafRevoked, Path::Resumed),
            "! > 120 s (watched 120 s)"
        );
        assert_eq!(said(Change::LeafRevoked, Path::Stream), "! 31.4 s +0.1 s");
        assert_eq!(said(Change::RootRemoved, Path::Resumed), "cannot judge");
        assert_eq!(said(Change::Expired, Path::New), "");
        assert_eq!(matrix.changes(), [Change::LeafRevoked, Change::RootRemoved]);
    }

    #[test]
    fn of_two_that_looked_the_worse_is_shown_whatever_the_order() {
        let seen = [
            Seen::StillServed { watched_ms: 9000 },
            Seen::RefusedAtOnce,
            Seen::LastSuccess { after_ms: 300 },
        ];
        let rows = seen.map(|seen| {
            let mut row = row("x", Answer::Fail);
            row.cells.push(cell(Change::Expired, Path::New, seen));
            row
        });
        let mut report = bad();
        report.rows = rows.to_vec();
        let one = Matrix::of(&report);
        report.rows.reverse();
        assert_eq!(Matrix::of(&report), one);
        let square = one.square(Change::Expired, Path::New);
        assert_eq!(
            square.map(|square| square.text.as_str()),
            Some("> 9 s (watched 9 s)")
        );
    }

    #[test]
    fn what_is_within_its_objective_is_not_bad() {
        let mut report = bad();
        for row in &mut report.rows {
            for cell in &mut row.cells {
                cell.allowed_ms = Some(120_000);
            }
        }
        let matrix = Matrix::of(&report);
        let bad = matrix.squares.values().filter(|square| square.bad);
        assert_eq!(bad.count(), 0);
    }
}
