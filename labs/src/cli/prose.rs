//! A lab's prose on a page: Markdown as plain text, brought to the page's width.
//!
//! Paragraphs and lists are wrapped anew, drawings and commands stay as they are, and a table is
//! told row by row. Nothing that the text says is left out, and nothing in it steers a terminal.

use super::next::Invocation;
use crate::report::text::{Page, Tone, width};

/// How the pages of a lab start the program.
const STARTS: [&str; 3] = [
    "cargo run --release -- ",
    "cargo run -q --release -- ",
    "schism ",
];

/// Puts the text on the page.
pub(super) fn prose(page: &mut Page<'_>, text: &str) {
    prose_with(page, text, None);
}

/// The same; its commands start the program as it was started here, if that is said.
pub(super) fn prose_with(page: &mut Page<'_>, text: &str, invocation: Option<&Invocation>) {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let start = line.trim_start();
        if let Some(fence) = fence(start) {
            let inside = lines
                .by_ref()
                .take_while(|line| !line.trim_start().starts_with(fence));
            inside.for_each(|line| match command(line, invocation) {
                Some(command) => page.command(&command),
                None => drawn(page, line),
            });
        } else if start.is_empty() {
            page.blank();
        } else if start.starts_with('#') {
            page.heading(start.trim_start_matches('#').trim());
        } else if start.starts_with('|') {
            let mut rows = vec![start];
            while let Some(row) = lines.next_if(|line| line.trim_start().starts_with('|')) {
                rows.push(row.trim_start());
            }
            table(page, &rows);
        } else {
            if is_aside(start) {
                continue;
            }
            let (lead, first) = lead(line);
            let mut text = first.to_owned();
            while let Some(more) = lines.next_if(|line| goes_on(line)) {
                text.push(' ');
                text.push_str(more.trim());
            }
            page.wrapped(Tone::Plain, lead, &inline(&text));
        }
    }
}

/// A line of a block that starts the program, as it is typed here.
pub(super) fn command(line: &str, invocation: Option<&Invocation>) -> Option<String> {
    let mut words = STARTS.iter().filter_map(|start| line.strip_prefix(start));
    let words: Vec<&str> = words.next()?.split_whitespace().collect();
    Some(invocation?.command(&words))
}

/// A command as it is typed here, what follows the program's name as it stands.
pub(super) fn typed(line: &str, invocation: &Invocation) -> Option<String> {
    let rest = STARTS.iter().find_map(|start| line.strip_prefix(start))?;
    Some(format!("{} {rest}", invocation.command(&[]).trim_end()))
}

/// A remark of the author's to the lint, on a line of its own.
pub(super) fn is_aside(line: &str) -> bool {
    line.starts_with("<!--") && line.ends_with("-->")
}

/// What a line that begins a fence ends with.
fn fence(start: &str) -> Option<&'static str> {
    ["```", "~~~"]
        .into_iter()
        .find(|fence| start.starts_with(fence))
}

/// What a line's text stands behind, and the text.
fn lead(line: &str) -> (&str, &str) {
    let start = line.trim_start();
    let indent = line.len() - start.len();
    let number = start.bytes().take_while(u8::is_ascii_digit).count();
    let after = &start[number..];
    let marker = if number > 0 && (after.starts_with(". ") || after.starts_with(") ")) {
        number + 2
    } else if ["- ", "* ", "+ ", "> "]
        .iter()
        .any(|it| start.starts_with(it))
    {
        2
    } else {
        return ("", start);
    };
    (&line[..indent + marker], start[marker..].trim_start())
}

/// Whether a line belongs to the paragraph before it.
fn goes_on(line: &str) -> bool {
    let start = line.trim_start();
    let own = start.is_empty() || start.starts_with('#') || start.starts_with('|');
    !own && fence(start).is_none() && lead(line).0.is_empty()
}

/// A line that stays as it is, over more lines if it is too wide.
fn drawn(page: &mut Page<'_>, line: &str) {
    let line = line.replace('\t', "    ");
    let start = line.trim_start();
    if width(&line) <= page.style.columns() || start.len() < line.len() / 2 {
        page.row(&[(Tone::Plain, line.as_str())]);
    } else {
        page.wrapped(Tone::Plain, &line[..line.len() - start.len()], start);
    }
}

/// Each row under its first cell, each cell behind its column's heading.
fn table(page: &mut Page<'_>, rows: &[&str]) {
    let cells = |row: &str| -> Vec<String> {
        let inner = row.trim().trim_start_matches('|').trim_end_matches('|');
        inner.split('|').map(|cell| inline(cell.trim())).collect()
    };
    let is_rule = |row: &&&str| !row.chars().all(|c| "|-: ".contains(c));
    let mut rows = rows.iter().filter(is_rule).map(|row| cells(row));
    let headings = rows.next().unwrap_or_default();
    for row in rows {
        page.blank();
        for (at, cell) in row.iter().enumerate() {
            let heading = headings.get(at).map_or("", String::as_str);
            match (at, heading) {
                (0, "") => page.wrapped(Tone::Strong, "", cell),
                (0, heading) => page.wrapped(Tone::Strong, "", &format!("{heading}: {cell}")),
                (_, heading) => page.wrapped(Tone::Plain, "  ", &format!("{heading}: {cell}")),
            }
        }
    }
    page.blank();
}

/// Links as words and address, without marks for bold and emphasis; what stands in backticks stays.
fn inline(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let plain = |(at, part): (usize, &str)| match at % 2 {
        0 => part.replace('*', ""),
        _ => part.to_owned(),
    };
    let text = parts.map(plain).collect::<Vec<_>>().join("`");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, link)) = rest.split_once('[') {
        out.push_str(before);
        let found = link.split_once("](").and_then(|(words, after)| {
            let (address, after) = after.split_once(')')?;
            (!words.contains(['[', ']'])).then_some((words, address, after))
        });
        if let Some((words, address, after)) = found {
            out.push_str(&format!("{words} ({address})"));
            rest = after;
        } else {
            out.push('[');
            rest = link;
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;
    use crate::report::text::Style;

    fn shown(text: &str) -> String {
        let style = Style::default();
        let mut page = Page::new(&style);
        prose(&mut page, text);
        page.finish()
    }

    #[test]
    fn paragraphs_and_lists_are_wrapped_and_drawings_stay() {
        let long = "word ".repeat(30);
        let text = format!(
            "# Head\n\n{long}\nends.\n- one\n  more\n  - deep {long}\n2. two\n\n```sh\n  a  b\n\
             # not a heading\n```\nlast"
        );
        let shown = shown(&text);
        for part in [
            "Head\n\nword word",
            "word ends.\n",
            "\n- one more\n  - deep word",
            "\n    word",
            "\n2. two\n\n  a  b\n# not a heading\nlast\n",
        ] {
            assert!(shown.contains(part), "no {part:?} in {shown}");
        }
    }

    #[test]
    fn links_show_their_address_and_brackets_stay() {
        assert_eq!(
            inline("see [this](http://x/y) and [[a], [b]] (c)"),
            "see this (http://x/y) and [[a], [b]] (c)"
        );
        assert_eq!(inline("open [end"), "open [end");
        assert_eq!(inline("**Loud.** And `*`."), "Loud. And `*`.");
        assert_eq!(inline("her *reads*, `a * b`"), "her reads, `a * b`");
    }

    #[test]
    fn a_table_is_told_row_by_row() {
        let shown = shown("| | A | B |\n|---|:-:|---|\n| age | old | [n](u) |\nafter\n");
        assert_eq!(shown, "age\n  A: old\n  B: n (u)\n\nafter\n");
    }

    #[test]
    fn every_word_of_every_lab_is_there_in_80_columns_and_steers_nothing() {
        for lab in catalog::all() {
            for text in [lab.readme, lab.hints, lab.why] {
                let shown = shown(text);
                assert!(
                    shown.lines().all(|line| line.chars().count() <= 80),
                    "{shown}"
                );
                let plain = |text: &str| -> String {
                    text.chars().filter(|c| c.is_alphanumeric()).collect()
                };
                let kept = plain(&shown);
                let lines: Vec<&str> = text.lines().filter(|it| !is_aside(it)).collect();
                let text = lines.join("\n");
                let words = text.split(|c: char| !c.is_alphanumeric());
                let fences = ["sh", "text", "toml"];
                for word in words.filter(|word| !fences.contains(word)) {
                    assert!(kept.contains(word), "{word} is lost");
                }
            }
        }
        assert!(!shown("a\u{1b}[2Jb\n```\n\u{1b}c\n```\n").contains('\u{1b}'));
    }

    #[test]
    fn commands_are_typed_as_the_program_was_started_and_remarks_are_left_out() {
        let style = Style::default();
        let mut page = Page::new(&style);
        let here = Invocation::find(Some("bin/schism".into()), |_| None, None);
        let text = "A\n\n```sh\ncargo run --release -- demo x --seed 7\n```\n<!-- 4s -->\n";
        prose_with(&mut page, text, Some(&here));
        assert_eq!(page.finish(), "A\n\n  bin/schism demo x --seed 7\n");
    }
}
