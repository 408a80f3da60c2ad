//! A terminal's second screen, drawn over and over, and given back as it was.
//!
//! However the showing ends, the cursor is shown again and what was on the terminal is there. A
//! line that is too long is cut by the terminal, so a terminal of any size can be drawn on.

use super::super::printer::Printer;
use super::super::stop::Stop;

/// The second screen; no cursor; no wrapping.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l";

/// All of it undone, in the other order.
const LEAVE: &str = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";

/// Columns and rows of the terminal, if there is one.
pub(super) fn size() -> Option<(usize, usize)> {
    let (columns, rows) = terminal_size::terminal_size()?;
    Some((usize::from(columns.0), usize::from(rows.0)))
}

/// A terminal while it is drawn on.
pub(super) struct Screen<'p>(&'p mut Printer);

impl<'p> Screen<'p> {
    /// Takes the terminal.
    pub(super) fn enter(printer: &'p mut Printer) -> Result<Self, Stop> {
        printer.page(ENTER)?;
        Ok(Self(printer))
    }

    /// Draws these lines over what was there; those that do not fit below are left out.
    pub(super) fn draw(&mut self, lines: &[String]) -> Result<(), Stop> {
        let rows = size().map_or(24, |(_, rows)| rows);
        self.0.page(&over(lines, rows))
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // Nowhere is left to complain of the terminal.
        let _ = self.0.page(LEAVE);
    }
}

/// What draws the lines over others: from the top, each on an empty line, then nothing below. Of
/// more lines than there are rows, the last takes the last row.
fn over(lines: &[String], rows: usize) -> String {
    let mut text = "\u{1b}[H".to_owned();
    let rows = rows.max(1);
    let mut kept: Vec<&String> = lines.iter().take(rows).collect();
    if let (true, Some(last)) = (lines.len() > rows, lines.last()) {
        kept.pop();
        kept.push(last);
    }
    for (at, line) in kept.into_iter().enumerate() {
        text.push_str(if at == 0 { "" } else { "\r\n" });
        // Before the line: after a full one the cursor stands on its last column.
        text.push_str("\u{1b}[2K");
        text.push_str(line);
    }
    text + "\u{1b}[J"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_drawn_from_the_top_and_never_below_the_last_row() {
        let lines: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        assert_eq!(
            over(&lines, 24),
            "\u{1b}[H\u{1b}[2Ka\r\n\u{1b}[2Kb\r\n\u{1b}[2Kc\u{1b}[J"
        );
        assert_eq!(over(&lines, 2), "\u{1b}[H\u{1b}[2Ka\r\n\u{1b}[2Kc\u{1b}[J");
        assert_eq!(over(&lines, 0), "\u{1b}[H\u{1b}[2Kc\u{1b}[J");
    }

    #[test]
    fn what_was_taken_is_given_back() {
        for mode in ["?1049", "?25", "?7"] {
            let of = |text: &str| {
                let at = text.find(mode).unwrap() + mode.len();
                text.chars().skip(at).find(|c| c.is_ascii_alphabetic())
            };
            assert_ne!(of(ENTER), of(LEAVE), "{mode}");
        }
    }
}
