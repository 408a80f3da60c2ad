//! The page: lines that never exceed the width, whatever the names in them.
//!
//! It refuses to let a name steer a terminal: control characters become `?`, and without Unicode
//! so does everything that is not ASCII. Colour only repeats what a mark or a word says, and is
//! not counted in the width.

/// How a page is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns, from 72 to 200; anything else is brought to the nearer end.
    pub width: usize,
    /// Only ASCII.
    pub ascii: bool,
    /// With ANSI colours.
    pub color: bool,
}

impl Default for Style {
    /// 80 columns, Unicode, no colour.
    fn default() -> Self {
        Self {
            width: 80,
            ascii: false,
            color: false,
        }
    }
}

/// The marks of a timeline, different without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) permitted: char,
    pub(super) refused: char,
    pub(super) mixed: char,
    pub(super) silent: char,
    pub(super) cut_end: char,
    pub(super) cut_bar: char,
    pub(super) act: char,
    pub(super) ellipsis: char,
    pub(super) dot: char,
}

const UNICODE: Marks = Marks {
    permitted: '●',
    refused: '○',
    mixed: '◐',
    silent: '·',
    cut_end: '╳',
    cut_bar: '━',
    act: '▼',
    ellipsis: '…',
    dot: '·',
};

const ASCII: Marks = Marks {
    permitted: '#',
    refused: '-',
    mixed: '+',
    silent: '?',
    cut_end: 'x',
    cut_bar: '=',
    act: 'v',
    ellipsis: '~',
    dot: '-',
};

impl Style {
    pub(super) const fn marks(&self) -> &'static Marks {
        if self.ascii { &ASCII } else { &UNICODE }
    }

    pub(crate) fn columns(&self) -> usize {
        self.width.clamp(72, 200)
    }

    /// The text as it may be shown: one line, nothing that steers a terminal.
    pub(crate) fn clean(&self, text: &str) -> String {
        let show = |c: char| match c {
            '·' => self.marks().dot,
            '…' => self.marks().ellipsis,
            _ if steers(c) || (self.ascii && !c.is_ascii()) => '?',
            _ => c,
        };
        text.chars().map(show).collect()
    }

    /// The text cut to that many columns, with a mark where it was cut.
    pub(crate) fn fit(&self, text: &str, columns: usize) -> String {
        let text = self.clean(text);
        if width(&text) <= columns {
            return text;
        }
        let mut kept = String::new();
        for c in text.chars() {
            if width(&kept) + char_width(c) + 1 > columns {
                break;
            }
            kept.push(c);
        }
        if columns > 0 {
            kept.push(self.marks().ellipsis);
        }
        kept
    }

    /// The text in exactly that many columns.
    pub(crate) fn cell(&self, text: &str, columns: usize) -> String {
        let mut text = self.fit(text, columns);
        let missing = columns.saturating_sub(width(&text));
        text.extend(std::iter::repeat_n(' ', missing));
        text
    }
}

/// Whether a character steers a terminal or the direction of the text instead of being shown.
pub(crate) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Columns that a character takes: two for the wide scripts, else one. Combining marks count as
/// one, which wastes a column and never exceeds the width.
const fn char_width(c: char) -> usize {
    match c as u32 {
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff => 2,
        0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f000..=0x1faff => 2,
        0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Columns that a cleaned text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// What colour repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Strong,
    Good,
    Bad,
    Faint,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\u{1b}[1m",
            Self::Good => "\u{1b}[32m",
            Self::Bad => "\u{1b}[31m",
            Self::Faint => "\u{1b}[2m",
        }
    }
}

/// Lines in the making.
#[derive(Debug)]
pub(crate) struct Page<'s> {
    pub(crate) style: &'s Style,
    lines: Vec<String>,
}

impl<'s> Page<'s> {
    pub(crate) const fn new(style: &'s Style) -> Self {
        Self {
            style,
            lines: Vec::new(),
        }
    }

    /// One line of parts; what does not fit is cut.
    pub(crate) fn row<S: AsRef<str>>(&mut self, parts: &[(Tone, S)]) {
        let mut line = String::new();
        let mut left = self.style.columns();
        let last = parts.len().saturating_sub(1);
        for (at, (tone, part)) in parts.iter().enumerate() {
            let part = part.as_ref();
            let part = if at == last { part.trim_end() } else { part };
            let part = self.style.fit(part, left);
            left -= width(&part);
            if self.style.color && *tone != Tone::Plain && !part.trim().is_empty() {
                line.push_str(tone.code());
                line.push_str(&part);
                line.push_str("\u{1b}[0m");
            } else {
                line.push_str(&part);
            }
        }
        self.lines.push(line);
    }

    /// An empty line, never two.
    pub(crate) fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(String::new());
        }
    }

    /// A heading, after an empty line.
    pub(crate) fn heading(&mut self, text: &str) {
        self.blank();
        self.row(&[(Tone::Strong, text)]);
    }

    /// A text wrapped at its spaces, its first line after `lead`, the others under it. Nothing is
    /// lost: a word that fits no line is split.
    pub(crate) fn wrapped(&mut self, tone: Tone, lead: &str, text: &str) {
        let lead = self.style.fit(lead, self.style.columns() / 2);
        let indent = " ".repeat(width(&lead));
        let room = self.style.columns() - width(&lead);
        for (at, line) in wrap(&self.style.clean(text), room).iter().enumerate() {
            let lead = if at == 0 { &lead } else { &indent };
            self.row(&[(Tone::Plain, lead.as_str()), (tone, line.as_str())]);
        }
    }

    /// A command, continued over lines in a way that a shell takes back.
    pub(crate) fn command(&mut self, text: &str) {
        let columns = self.style.columns();
        let text = self.style.clean(text);
        let lines = if width(&text) + 2 <= columns {
            vec![text]
        } else {
            wrap(&text, columns - 6)
        };
        for (at, line) in lines.iter().enumerate() {
            let indent = if at == 0 { "  " } else { "    " };
            let more = if at + 1 < lines.len() { " \\" } else { "" };
            self.row(&[(Tone::Strong, format!("{indent}{line}{more}"))]);
        }
    }

    /// How many lines there are.
    pub(super) const fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines
    }

    pub(crate) fn finish(self) -> String {
        self.lines.join("\n") + "\n"
    }
}

fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let line = lines.last_mut().expect("there is always a line");
        let gap = usize::from(!line.is_empty());
        if width(line) + gap + width(word) <= columns {
            line.extend(std::iter::repeat_n(' ', gap));
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(String::new());
        }
        for c in word.chars() {
            let line = lines.last_mut().expect("there is always a line");
            if width(line) + char_width(c) > columns {
                lines.push(c.to_string());
            } else {
                line.push(c);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_too_long_is_cut_with_a_mark() {
        let style = Style::default();
        assert_eq!(style.cell("mallory", 7), "mallory");
        assert_eq!(style.cell("mallory-the-nurse", 7), "mallor…");
        assert_eq!(style.cell("al", 4), "al  ");
        assert_eq!(style.cell("病院の記録", 7), "病院の…");
        assert_eq!(style.cell("병원", 3), "병…");
        assert_eq!(style.fit("x", 0), "");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let style = Style::default();
        assert_eq!(style.clean("a\u{1b}[31mb\nc\u{202e}d"), "a?[31mb?c?d");
        let ascii = Style {
            ascii: true,
            ..style
        };
        assert_eq!(ascii.clean("día · …"), "d?a - ~");
    }

    fn narrow(color: bool) -> Style {
        Style {
            width: 0,
            ascii: false,
            color,
        }
    }

    #[test]
    fn wrapping_loses_nothing_and_keeps_the_width() {
        let style = narrow(false);
        let mut page = Page::new(&style);
        let long = format!("one two {} three", "x".repeat(150));
        page.wrapped(Tone::Plain, "  lead  ", &long);
        let text = page.finish();
        assert!(text.lines().all(|line| width(line) <= 72));
        let kept: String = text.split_whitespace().skip(1).collect();
        assert_eq!(kept, long.replace(' ', ""));
    }

    #[test]
    fn a_long_command_is_continued_as_a_shell_expects() {
        let style = narrow(false);
        let mut page = Page::new(&style);
        page.command("cargo run -q --release -- demo stale-acl --seed 7 --posture my/posture.toml");
        let first = "  cargo run -q --release -- demo stale-acl --seed 7 --posture \\\n";
        assert_eq!(page.finish(), format!("{first}    my/posture.toml\n"));
    }

    #[test]
    fn colour_repeats_and_never_counts() {
        let style = narrow(true);
        let mut page = Page::new(&style);
        page.row(&[(Tone::Good, "kept".repeat(20))]);
        let text = page.finish();
        assert!(text.starts_with("\u{1b}[32m") && text.ends_with("\u{1b}[0m\n"));
        let bare = text.replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
        assert_eq!(width(bare.trim_end()), 72);
    }
}
