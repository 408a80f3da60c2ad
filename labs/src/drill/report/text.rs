//! The report for a terminal: the cases in their groups, the matrix, and what is wrong.
//!
//! No line is wider than asked, and no name steers the terminal. What is bad has a `!` before it;
//! there is no colour.

use super::matrix::Matrix;
use super::story::story;
use super::words::{NO_BREAK, clean, count, lines, seconds, sentence};
use crate::drill::answer::{Answer, CaseRow, Group, Report, Served};

/// The narrowest page that is written.
const NARROWEST: usize = 60;

/// Columns before a case's word: the mark and the answer.
const ANSWER: usize = 17;

/// Columns of what changed, in the matrix.
const CHANGE: usize = 17;

/// The widest square of the matrix.
const SQUARE: usize = 18;

/// Writes the whole report, at most so many columns wide.
pub fn write(report: &Report, width: usize) -> String {
    let width = width.max(NARROWEST);
    let mut out = String::new();
    let head = format!(
        "The drill of {}, begun {}, {}.",
        clean(&report.target),
        clean(&report.begun),
        seconds(report.took_ms),
    );
    wrap(&mut out, 0, &head, width);
    out.push_str(&cases(report, width));
    out.push_str(&matrix(&Matrix::of(report), width));
    out.push('\n');
    wrap(&mut out, 0, &story(report), width);
    if !report.notes.is_empty() {
        out.push('\n');
    }
    for note in &report.notes {
        wrap(&mut out, 2, &format!("Note: {}", clean(note)), width);
    }
    out.push('\n');
    wrap(&mut out, 0, &summary(report), width);
    out
}

/// The cases in their groups.
pub fn cases(report: &Report, width: usize) -> String {
    let width = width.max(NARROWEST);
    let mut out = String::new();
    for group in Group::ALL {
        let rows = report.rows.iter().filter(|row| row.group == group);
        let (absent, rows): (Vec<_>, Vec<_>) =
            rows.partition(|row| row.answer == Answer::NotApplicable);
        if !(absent.is_empty() && rows.is_empty()) {
            out.push('\n');
            wrap(&mut out, 0, group.title(), width);
        }
        for row in rows {
            case(&mut out, row, width);
        }
        for alike in absent.chunk_by(|one, other| one.says == other.says) {
            absences(&mut out, alike, width);
        }
    }
    out
}

/// Cases of things that the target has not, for one reason.
fn absences(out: &mut String, alike: &[&CaseRow], width: usize) {
    let words: Vec<String> = alike.iter().map(|row| clean(&row.word)).collect();
    let why = alike.first().map_or("", |row| row.says.as_str());
    let line = format!("{}: {}", words.join(", "), sentence(why));
    hang(
        out,
        &format!("  {:<15}", Answer::NotApplicable),
        &line,
        width,
    );
}

fn case(out: &mut String, row: &CaseRow, width: usize) {
    let mark = if row.answer == Answer::Fail { '!' } else { ' ' };
    let lead = format!("{mark} {:<15}", row.answer);
    let line = format!("{} ({})", clean(&row.word), clean(&row.basis.words()));
    hang(out, &lead, &line, width);
    let mut says = Vec::new();
    if !row.says.trim().is_empty() {
        says.push(sentence(&row.says));
    }
    if row.tries.iter().any(|answer| *answer != row.answer) {
        let tries: Vec<&str> = row.tries.iter().map(|answer| answer.word()).collect();
        says.push(format!("The tries: {}.", tries.join(", ")));
    }
    says.extend(row.served.as_ref().map(served));
    says.extend(
        row.accepted
            .iter()
            .map(|why| format!("Accepted for now: {}.", clean(why))),
    );
    if !says.is_empty() && row.answer != Answer::Pass {
        hang(out, &" ".repeat(ANSWER), &says.join(" "), width);
    }
}

/// How the good callers fared, in a sentence.
pub(super) fn served(served: &Served) -> String {
    format!(
        "Of {} of good callers, {} failed, and {} also when asked once more.",
        count(
            usize::try_from(served.asked).unwrap_or(usize::MAX),
            "request"
        ),
        served.failed,
        served.failed_after_retry,
    )
}

/// The matrix, its squares in lines of their own; nothing if nobody looked.
pub fn matrix(matrix: &Matrix, width: usize) -> String {
    let (paths, width) = (matrix.paths(), width.max(NARROWEST));
    if matrix.is_empty() {
        return String::new();
    }
    let mut out = String::from("\n");
    let columns = ((width - CHANGE) / paths.len().max(1))
        .saturating_sub(1)
        .min(SQUARE);
    let mut heads = vec![String::new()];
    heads.extend(paths.iter().map(|path| path.word().to_owned()));
    grid(&mut out, &heads, columns);
    for change in matrix.changes() {
        let mut squares = vec![change.word().to_owned()];
        squares.extend(paths.iter().map(|path| {
            let square = matrix.square(change, *path);
            square.map_or("-".to_owned(), |square| held(&square.marked(), columns))
        }));
        grid(&mut out, &squares, columns);
    }
    out.push('\n');
    wrap(&mut out, 0, matrix.legend(), width);
    out
}

/// A square whose figures stay beside their units, and beside their word where there is room.
fn held(text: &str, columns: usize) -> String {
    let held = |sign: &str| sign.replace(' ', &NO_BREAK.to_string());
    let room = columns >= "(watched 120 s)".len();
    let signs = ["! ", "> ", " s", "watched "];
    let signs = &signs[..if room { 4 } else { 3 }];
    signs.iter().fold(text.to_owned(), |text, sign| {
        text.replace(sign, &held(sign))
    })
}

/// One row of the matrix, as many lines high as its highest square.
fn grid(out: &mut String, squares: &[String], columns: usize) {
    let wide = |at: usize| if at == 0 { CHANGE - 1 } else { columns };
    let squares: Vec<Vec<String>> = squares
        .iter()
        .enumerate()
        .map(|(at, text)| lines(text, wide(at)))
        .collect();
    let high = squares.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..high {
        let mut text = String::new();
        for (at, square) in squares.iter().enumerate() {
            let part = square.get(line).map_or("", String::as_str);
            text.push_str(&format!("{part:<columns$} ", columns = wide(at)));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
}

/// How many cases had which answer.
pub fn summary(report: &Report) -> String {
    let parts: Vec<String> = Answer::ALL
        .into_iter()
        .map(|answer| {
            let number = report
                .rows
                .iter()
                .filter(|row| row.answer == answer)
                .count();
            format!("{number} {answer}")
        })
        .collect();
    format!(
        "{}: {}.",
        count(report.rows.len(), "case"),
        parts.join(", ")
    )
}

fn wrap(out: &mut String, indent: usize, text: &str, width: usize) {
    hang(out, &" ".repeat(indent), text, width);
}

/// A text behind a lead, its further lines under its first.
fn hang(out: &mut String, lead: &str, text: &str, width: usize) {
    let indent = lead.chars().count();
    for (at, line) in lines(text, width - indent).iter().enumerate() {
        let before = if at == 0 {
            lead.to_owned()
        } else {
            " ".repeat(indent)
        };
        out.push_str(format!("{before}{line}").trim_end());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{bad, good, hostile};
    use super::*;

    #[test]
    fn the_whole_page_reads_as_this() {
        let expected = "\
The drill of localhost:8443, begun 2026-11-27T10:00:00Z, 58.2 s.

The target's own certificate
! fail           leaf-swap (MUST, RFC 5280 section 6.1)
                 after 120 s the old leaf was still served. Of 900 requests of
                 good callers, 3 failed, and 1 also when asked once more.

The roots it trusts
  cannot judge   old-root-resumed (MUST, RFC 5280 section 6.1)

Certificates taken back
  pass           revoked-leaf-new (MUST, RFC 5280 section 6.1)
! fail           revoked-leaf-resumed (MUST, RFC 5280 section 6.1)
! fail           revoked-leaf-open-stream (your objective revoked-leaf.stream)

Tokens and the keys that sign them
  not applicable expired-token: it failed.

                 new                resumed            stream
leaf revoked     refused at once    ! > 120 s          ! 31.4 s +0.1 s
                                    (watched 120 s)
root removed     -                  cannot judge       -

Seconds are from the change to the last request that still succeeded. What
stands after + is how far apart the requests were: no figure is finer. A ! marks
what is worse than it may be.
";
        let page = write(&bad(), 80);
        let (head, rest) = page.split_at(expected.len().min(page.len()));
        assert_eq!(head, expected);
        assert!(
            rest.contains(&lines(&story(&bad()), 80).join("\n")),
            "{rest}"
        );
        let end = "6 cases: 1 pass, 3 fail, 1 cannot judge, 1 not applicable.\n";
        assert!(rest.ends_with(end), "{rest}");
    }

    #[test]
    fn no_name_steers_the_terminal_and_no_line_is_too_wide() {
        for report in [good(), bad(), hostile()] {
            for width in [60, 80, 110] {
                let page = write(&report, width);
                for line in page.lines() {
                    assert!(line.chars().count() <= width, "{width}: {line}");
                    assert!(!line.contains(crate::report::text::steers), "{line:?}");
                }
            }
        }
    }

    #[test]
    fn a_good_page_has_no_mark() {
        assert!(!write(&good(), 80).lines().any(|line| line.starts_with('!')));
    }
}
