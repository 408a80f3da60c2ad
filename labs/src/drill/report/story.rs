//! One paragraph under the matrix: what is wrong, for somebody who never saw the tool.
//!
//! It says only what the report holds. Where nothing failed it says what that rests on, and never
//! more than was judged.

use super::matrix::{Matrix, Square};
use super::words::{clean, count, listed, seconds, sentence};
use crate::drill::answer::{Answer, CaseRow, Change, Path, Report, Seen};

/// The paragraph.
pub fn story(report: &Report) -> String {
    let matrix = Matrix::of(report);
    let mut told: Vec<String> = Change::ALL
        .into_iter()
        .filter_map(|change| exposed(&matrix, change))
        .collect();
    let failed = report.rows.iter().filter(|row| row.answer == Answer::Fail);
    let others = failed.clone().filter(|row| !is_in_matrix(row, &matrix));
    // The rest of what is said of it stands beside the case.
    let first = |says: &str| says.split("; ").next().map(sentence).unwrap_or_default();
    told.extend(others.map(|row| format!("{}: {}", clean(&row.word), first(&row.says))));
    let of = |answer| {
        report
            .rows
            .iter()
            .filter(|row| row.answer == answer)
            .count()
    };
    let (fails, passes, open) = (of(Answer::Fail), of(Answer::Pass), of(Answer::CannotJudge));
    if fails == 0 && passes > 0 {
        told.push(format!(
            "Nothing wrong was found in {}.",
            count(passes, "case")
        ));
    }
    if open > 0 {
        let words: Vec<String> = report
            .rows
            .iter()
            .filter(|row| row.answer == Answer::CannotJudge)
            .map(|row| clean(&row.word))
            .collect();
        let cases = count(open, "case");
        told.push(format!(
            "{cases} could not be judged, which is no pass: {}.",
            listed(&words)
        ));
    }
    if fails + passes + open == 0 {
        told.push("No case was judged, so nothing can be said of this target.".to_owned());
    }
    told.join(" ")
}

/// Whether the matrix already tells of a row's fail.
fn is_in_matrix(row: &CaseRow, matrix: &Matrix) -> bool {
    row.cells.iter().any(|cell| {
        let square = matrix.square(cell.change, cell.path);
        square.is_some_and(|square| square.bad && square.seen == cell.seen)
    })
}

/// A change and every bad path after it, in one sentence.
fn exposed(matrix: &Matrix, change: Change) -> Option<String> {
    let squares = Path::ALL
        .into_iter()
        .filter_map(|path| matrix.square(change, path).map(|square| (path, square)));
    let mut same: Vec<(String, Vec<String>)> = Vec::new();
    for (path, square) in squares.filter(|(_, square)| square.bad) {
        let (long, way) = (how_long(square), by(path).to_owned());
        match same.last_mut() {
            Some((as_long, ways)) if *as_long == long => ways.push(way),
            _ => same.push((long, vec![way])),
        }
    }
    if same.is_empty() {
        return None;
    }
    let ways = same.iter();
    let ways: Vec<String> = ways
        .map(|(long, ways)| format!("{} ({long})", listed(ways)))
        .collect();
    let who = match change {
        Change::LeafRevoked => "A caller whose certificate was revoked",
        Change::RootRemoved => "A caller whose root is no longer trusted",
        Change::KeyRemoved => "A caller with a token whose signing key was taken away",
        Change::Expired => "A caller whose certificate is past its end",
        Change::TokenWithdrawn => "A caller whose token is past its end",
    };
    Some(format!("{who} is still served {}.", listed(&ways)))
}

const fn by(path: Path) -> &'static str {
    match path {
        Path::New => "on a new connection",
        Path::Resumed => "on a resumed session",
        Path::Established => "on a connection that was already open",
        Path::Stream => "on a stream that was already open",
        Path::CachedToken => "with a token that the target had seen before",
    }
}

fn how_long(square: &Square) -> String {
    match square.seen {
        Seen::LastSuccess { after_ms } => format!("for {}", seconds(after_ms)),
        Seen::StillServed { watched_ms } => {
            format!("still after {}, when the watch ended", seconds(watched_ms))
        }
        _ => square.text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{bad, good, row};
    use super::*;

    #[test]
    fn a_stranger_reads_what_is_wrong_and_for_how_long() {
        assert_eq!(
            story(&bad()),
            "A caller whose certificate was revoked is still served on a resumed session (still \
             after 120 s, when the watch ended) and on a stream that was already open (for \
             31.4 s). leaf-swap: after 120 s the old leaf was still served. 1 case could not be \
             judged, which is no pass: old-root-resumed."
        );
    }

    #[test]
    fn ways_that_are_open_for_as_long_are_told_together() {
        use super::super::sample::cell;
        let mut report = bad();
        let seen = || Seen::StillServed { watched_ms: 3_000 };
        let rows = &mut report.rows;
        rows.truncate(1);
        rows[0].cells = [Path::New, Path::Resumed, Path::Established]
            .map(|path| cell(Change::Expired, path, seen()))
            .to_vec();
        let told = story(&report);
        let all = "is still served on a new connection, on a resumed session and on a connection \
                   that was already open (still after 3 s, when the watch ended).";
        assert!(told.contains(all), "{told}");
    }

    #[test]
    fn a_good_target_is_told_what_that_rests_on_and_an_unjudged_one_nothing() {
        assert_eq!(story(&good()), "Nothing wrong was found in 2 cases.");
        let mut report = good();
        report.rows = vec![row("x", Answer::NotApplicable)];
        assert!(story(&report).starts_with("No case was judged"));
    }
}
