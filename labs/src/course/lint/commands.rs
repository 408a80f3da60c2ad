//! The rule about commands in a lab's pages: what a page tells a learner to type is understood.
//!
//! Whether a command works is for the run of the pages to say; here it must parse, on any system,
//! with nothing that only some shells take.

use super::markdown::{lines, spans};
use super::{Parses, Ruling};
use crate::catalog::folder::LabFiles;

/// How a page starts the program.
const STARTS: [&str; 3] = [
    "schism ",
    "cargo run --release -- ",
    "cargo run -q --release -- ",
];

/// What not every shell takes in the same way.
const SHELLISH: [char; 11] = ['\'', '"', '|', '&', ';', '<', '>', '$', '*', '\\', '`'];

pub(super) fn ruling(files: &LabFiles, parses: Parses<'_>) -> Ruling {
    let pages = [
        ("README.md", &files.readme),
        ("demo.md", &files.demo),
        ("hints.md", &files.hints),
        ("why.md", &files.why),
    ];
    let mut faults = Vec::new();
    for (file, text) in pages {
        for line in lines(text) {
            let found: Vec<String> = match line.block {
                Some("sh") => strict(line.text, parses).into_iter().collect(),
                Some(_) => of(line.text.trim().trim_start_matches("$ "), parses)
                    .into_iter()
                    .collect(),
                None => spans(line.text)
                    .filter_map(|span| of(span, parses))
                    .collect(),
            };
            let place = |fault| format!("{file}:{}: {fault}", line.number);
            faults.extend(found.into_iter().map(place));
        }
    }
    Ruling::new(
        "commands",
        "every command in the pages is understood",
        faults,
    )
}

/// A line of a block that is run: one of the program's own commands.
fn strict(line: &str, parses: Parses<'_>) -> Option<String> {
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    if !STARTS.iter().any(|start| line.starts_with(start)) {
        return Some(format!(
            "`{line}` is not this program's; a ```sh block is run everywhere, use ```text"
        ));
    }
    if let Some(sign) = line.chars().find(|c| SHELLISH.contains(c)) {
        return Some(format!(
            "`{line}`: not every shell takes `{sign}` alike; do without"
        ));
    }
    of(line, parses)
}

/// What is wrong with a command, if it is one; what is cut short with dots is none.
fn of(line: &str, parses: Parses<'_>) -> Option<String> {
    let words = STARTS.iter().find_map(|start| line.strip_prefix(start))?;
    if words.contains("...") || words.contains('…') {
        return None;
    }
    let words: Vec<&str> = words.split_whitespace().collect();
    parses(&words).map(|why| format!("`{line}`: {why}"))
}
