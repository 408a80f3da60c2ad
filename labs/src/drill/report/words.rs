//! Figures and texts as they are shown: seconds, counts, and lines that steer nothing.

use crate::report::text::steers;

/// A space at which no line is broken.
pub(super) const NO_BREAK: char = '\u{a0}';

/// A span in seconds, as short as it can be said.
pub fn seconds(ms: u64) -> String {
    let (whole, rest) = (ms / 1000, ms % 1000);
    match (whole, rest) {
        (0, 1..100) => format!("0.{} s", trimmed(rest)),
        (0, 100..) => format!("0.{} s", trimmed(rest / 10 * 10)),
        (_, 0..100) => format!("{whole} s"),
        _ => format!("{}.{} s", whole, rest / 100),
    }
}

/// Thousandths without the zeros at their end.
fn trimmed(rest: u64) -> String {
    format!("{rest:03}").trim_end_matches('0').to_owned()
}

/// A count and its noun, which takes an s if it is not one.
pub(super) fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

/// A text on one line, without what steers a terminal.
pub(super) fn clean(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if steers(c) => '?',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// A text as a sentence of its own.
pub(super) fn sentence(text: &str) -> String {
    let text = clean(text);
    let text = text.trim();
    if text.is_empty() {
        "it failed.".to_owned()
    } else if text.ends_with(['.', '!', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

/// Texts joined as a sentence joins them.
pub(super) fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Words put into lines of at most so many characters; a longer word is broken. A no-break space
/// holds words together and is shown as a space.
pub(super) fn lines(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut taken = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let gap = usize::from(taken > 0);
            if taken > 0 && taken + gap + word.len() > width {
                lines.push(std::mem::take(&mut line));
                taken = 0;
                continue;
            }
            let fits = word.len().min(width - taken - gap);
            if gap == 1 {
                line.push(' ');
            }
            line.extend(word.drain(..fits));
            taken += gap + fits;
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
        .iter()
        .map(|line| line.replace(NO_BREAK, " "))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_shortly_and_never_as_nothing() {
        let said = [0, 20, 100, 104, 250, 1000, 3002, 3240, 120_000].map(seconds);
        let as_said = [
            "0 s", "0.02 s", "0.1 s", "0.1 s", "0.25 s", "1 s", "3 s", "3.2 s", "120 s",
        ];
        assert_eq!(said, as_said);
    }

    #[test]
    fn no_line_is_longer_than_asked_and_no_letter_is_lost() {
        let text = "a word and_a_very_long_one and   more";
        for width in 1..40 {
            let lines = lines(text, width);
            assert!(
                lines.iter().all(|line| line.chars().count() <= width),
                "{width}: {lines:?}"
            );
            let kept = |text: &str| text.replace(' ', "");
            assert_eq!(kept(&lines.concat()), kept(text), "{width}");
        }
        assert_eq!(lines("", 10), [""]);
    }
}
