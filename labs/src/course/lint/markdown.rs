//! A page of prose by its lines: which stand in a code block, and under which heading.
//!
//! It knows headings of the second level, fences of three backticks and words in single ones; it
//! reads no other Markdown and changes nothing.

/// One line of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'t> {
    /// From 1.
    pub(super) number: usize,
    /// As it stands there.
    pub(super) text: &'t str,
    /// The language of the code block that it stands in, if it does.
    pub(super) block: Option<&'t str>,
}

/// A heading and what stands under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section<'t> {
    /// The heading's words; empty for what stands before the first.
    pub(super) heading: &'t str,
    /// Every line up to the next.
    pub(super) lines: Vec<Line<'t>>,
}

impl Section<'_> {
    /// True if nothing stands under the heading.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.text.trim().is_empty())
    }

    /// True if any line outside code holds that text.
    pub(super) fn says(&self, text: &str) -> bool {
        let prose = self.lines.iter().filter(|line| line.block.is_none());
        prose.into_iter().any(|line| line.text.contains(text))
    }
}

/// The lines of a page, without the fences themselves.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    let (mut found, mut block) = (Vec::new(), None);
    for (at, text) in text.lines().enumerate() {
        match (text.trim_start().strip_prefix("```"), block) {
            (Some(language), None) => block = Some(language.trim()),
            (Some(_), Some(_)) => block = None,
            (None, block) => found.push(Line {
                number: at + 1,
                text,
                block,
            }),
        }
    }
    found
}

/// The sections of a page; the first has no heading.
pub(super) fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections = vec![Section {
        heading: "",
        lines: Vec::new(),
    }];
    for line in lines(text) {
        let heading = line
            .text
            .strip_prefix("## ")
            .filter(|_| line.block.is_none());
        match (heading, sections.last_mut()) {
            (Some(heading), _) => sections.push(Section {
                heading: heading.trim(),
                lines: Vec::new(),
            }),
            (None, Some(section)) => section.lines.push(line),
            (None, None) => {}
        }
    }
    sections
}

/// The words in single backticks of a line.
pub(super) fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The rows of the tables of a section, by cell; the line under the head is left out.
pub(super) fn rows<'t>(section: &Section<'t>) -> Vec<Vec<&'t str>> {
    let cells = |line: &Line<'t>| -> Option<Vec<&'t str>> {
        let inner = line.text.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(str::trim).collect())
    };
    let ruled = |row: &Vec<&str>| {
        row.iter()
            .all(|cell| cell.trim_matches(['-', ':']).is_empty())
    };
    let rows = section.lines.iter().filter_map(cells);
    rows.filter(|row| !ruled(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Top\nintro\n```sh\n## no heading\n```\n## One `a b` and `c`\n\
        | x | y |\n|---|---|\n| 1 | 2 |\n";

    #[test]
    fn what_stands_in_a_code_block_is_no_heading_and_keeps_its_line() {
        let lines = lines(PAGE);
        assert_eq!((lines[2].number, lines[2].block), (4, Some("sh")));
        assert_eq!(lines[3].block, None);
        let sections = sections(PAGE);
        let headings: Vec<_> = sections.iter().map(|section| section.heading).collect();
        assert_eq!(headings, ["", "One `a b` and `c`"]);
        assert!(sections[0].says("intro") && !sections[0].says("no heading"));
        assert!(!sections[1].is_empty());
    }

    #[test]
    fn tables_are_read_by_cell_and_spans_by_backtick() {
        let sections = sections(PAGE);
        assert_eq!(rows(&sections[1]), [["x", "y"], ["1", "2"]]);
        let found: Vec<_> = spans("say `a b` and `c` here").collect();
        assert_eq!(found, ["a b", "c"]);
    }
}
