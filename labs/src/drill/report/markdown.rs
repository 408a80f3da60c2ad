//! Tables in Markdown: what the drill says of every planted service, and a report's matrix.
//!
//! The first is committed, and proves that every case can fail; the same rows give the same
//! bytes. Nothing in a cell ends its row or becomes markup.

use std::fmt::Write as _;

use super::matrix::Matrix;
use super::story::story;
use super::words::clean;
use crate::drill::answer::{Answer, Report};
use crate::drill::planted::Fault;

/// What the drill says of a case's good and bad service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedRow {
    /// The bad twin.
    pub fault: Fault,
    /// The answer to the case on the good service.
    pub good: Answer,
    /// The answer to the case on the bad twin.
    pub bad: Answer,
}

impl PlantedRow {
    /// Whether the case tells the two apart.
    pub fn proves(&self) -> bool {
        self.good == Answer::Pass && self.bad == Answer::Fail
    }
}

/// The table of the planted services.
pub fn planted(rows: &[PlantedRow]) -> String {
    let mut out = String::from(
        "| case | group | the bad twin | the good service | the bad twin's answer |\n\
         |---|---|---|---|---|\n",
    );
    for row in rows {
        let group = row.fault.group().map_or("", |group| group.word());
        let mark = if row.proves() { "" } else { " (!)" };
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "| `{}` | {group} | {} | {} | {}{mark} |",
            row.fault.word(),
            cell(row.fault.what()),
            row.good,
            row.bad,
        );
    }
    let proven = rows.iter().filter(|row| row.proves()).count();
    let _ = writeln!(
        out,
        "\n{proven} of {} cases pass the good service and fail their bad twin.",
        rows.len()
    );
    out
}

/// A report's matrix and what is wrong, for a page about findings.
pub fn findings(report: &Report) -> String {
    let matrix = Matrix::of(report);
    let mut out = String::new();
    if !matrix.is_empty() {
        let paths = matrix.paths();
        let heads: Vec<&str> = paths.iter().map(|path| path.word()).collect();
        let _ = writeln!(out, "| | {} |", heads.join(" | "));
        let _ = writeln!(out, "|---|{}", "---|".repeat(paths.len()));
        for change in matrix.changes() {
            let squares: Vec<String> = paths
                .iter()
                .map(|path| match matrix.square(change, *path) {
                    Some(square) if square.bad => format!("**{}**", cell(&square.marked())),
                    Some(square) => cell(&square.text),
                    None => "-".to_owned(),
                })
                .collect();
            let _ = writeln!(out, "| {change} | {} |", squares.join(" | "));
        }
        let _ = writeln!(out, "\n{}", cell(matrix.legend()));
    }
    let _ = writeln!(out, "\n{}", cell(&story(report)));
    out
}

/// A text as it may stand in a cell: one line, and every sign of markup escaped.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::sample::{bad, good, hostile};
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_twin_and_marks_what_proves_nothing() {
        let mut rows: Vec<PlantedRow> = Fault::ALL
            .iter()
            .map(|&fault| PlantedRow {
                fault,
                good: Answer::Pass,
                bad: Answer::Fail,
            })
            .collect();
        let table = planted(&rows);
        let lines = table.lines().filter(|line| line.starts_with("| `"));
        assert_eq!(lines.count(), Fault::ALL.len());
        assert!(!table.contains("(!)"));
        for line in table.lines().filter(|line| line.starts_with('|')) {
            assert_eq!(line.matches('|').count(), 6, "{line}");
        }
        rows[0].bad = Answer::Pass;
        let table = planted(&rows);
        assert!(table.contains("| pass | pass (!) |"));
        let all = Fault::ALL.len();
        assert!(table.ends_with(&format!(
            "{} of {all} cases pass the good service and fail their bad twin.\n",
            all - 1
        )));
    }

    #[test]
    fn a_matrix_is_a_table_and_its_bad_squares_are_marked() {
        let text = findings(&bad());
        assert!(text.starts_with("| | new | resumed | stream |\n|---|---|---|---|\n"));
        let row = "| leaf revoked | refused at once | **! &gt; 120 s (watched 120 s)** | \
                   **! 31.4 s +0.1 s** |";
        assert!(text.lines().any(|line| line == row), "{text}");
        assert!(!findings(&good()).contains("**"));
    }

    #[test]
    fn every_sign_of_markup_is_escaped_the_escape_itself_too() {
        assert_eq!(cell("a\\|b`*_<i>\n#"), "a\\\\\\|b\\`\\*\\_&lt;i&gt; \\#");
    }

    #[test]
    fn no_name_ends_a_row_or_becomes_markup() {
        let text = findings(&hostile());
        assert!(!text.contains('<') && !text.contains('\u{1b}') && !text.contains('\u{202e}'));
        let rows = text.lines().filter(|line| line.starts_with("| "));
        for row in rows {
            assert_eq!(
                row.matches('|').count() - row.matches("\\|").count(),
                5,
                "{row}"
            );
        }
    }
}
