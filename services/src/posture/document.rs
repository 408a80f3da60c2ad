//! A TOML file that people edit by hand: read with its lines, so that an error can say where.
//!
//! Postures and scenarios are both read through here. A byte order mark and CRLF are accepted, and
//! change nothing of what is read; everything in the text is data, and what an error repeats of it
//! is cut short and escaped.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// At most this much of a wrong word is repeated, in characters.
const MAX_REPEATED: usize = 60;

/// A text without what only the system of its author put there: a byte order mark before it, and
/// the carriage returns of lines that end in CRLF. No line moves.
pub fn plain(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains("\r\n") {
        Cow::Owned(text.replace("\r\n", "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The text of one file, and its name for errors.
#[derive(Clone, Debug)]
pub struct Document<'t> {
    file: &'t str,
    text: Cow<'t, str>,
}

impl<'t> Document<'t> {
    /// A file's text, made [`plain`].
    pub fn new(file: &'t str, text: &'t str) -> Self {
        let text = plain(text);
        Self { file, text }
    }

    /// The file's name.
    pub const fn file(&self) -> &'t str {
        self.file
    }

    /// The line on which a span begins, from 1.
    pub fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.bytes().take(span.start);
        1 + before.filter(|byte| *byte == b'\n').count()
    }

    /// The file as a table.
    ///
    /// # Errors
    ///
    /// The line and what is not TOML about it.
    pub fn table(&self) -> Result<DeTable<'_>, (usize, String)> {
        match DeTable::parse(&self.text) {
            Ok(table) => Ok(table.into_inner()),
            Err(error) => {
                let line = error.span().map_or(1, |span| self.line(&span));
                Err((line, error.message().replace('\n', ", ")))
            }
        }
    }
}

/// A table's keys and values in the order of the file, so that the first error is reported first.
pub fn ordered<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(
    &'a Spanned<std::borrow::Cow<'i, str>>,
    &'a Spanned<DeValue<'i>>,
)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// A word from the file as an error repeats it: in backticks, on one line, not too long.
pub fn quoted(word: &str) -> String {
    let shown: String = word.chars().take(MAX_REPEATED).collect();
    let dots = if shown.len() < word.len() { "..." } else { "" };
    format!("`{}{dots}`", shown.escape_debug())
}

/// The word that was probably meant.
pub fn nearest<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(MAX_REPEATED).collect();
    let room = 1 + word.chars().count() / 3;
    options
        .into_iter()
        .map(|option| (strsim::damerau_levenshtein(&word, option), option))
        .filter(|(distance, _)| *distance <= room)
        .min()
        .map(|(_, option)| option)
}

/// What to write instead of `word`: the nearest option, or all of them if none is near.
pub fn instead<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> String {
    let options: Vec<&str> = options.into_iter().collect();
    if let Some(near) = nearest(word, options.iter().copied()) {
        return format!("the nearest is `{near}`");
    }
    match options.as_slice() {
        [] => "there is none to name".into(),
        [only] => format!("it is `{only}`"),
        [most @ .., last] => format!("it is one of `{}` or `{last}`", most.join("`, `")),
    }
}

/// What a value is, in words.
pub const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_past_a_byte_order_mark_and_crlf() {
        let document = Document::new("f", "\u{feff}a = 1\r\nb = 2\r\n");
        let table = document.table().unwrap();
        let lines: Vec<_> = ordered(&table)
            .iter()
            .map(|(key, _)| (key.get_ref().to_string(), document.line(&key.span())))
            .collect();
        assert_eq!(lines, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    }

    #[test]
    fn a_text_of_several_lines_is_the_same_from_any_system() {
        let value = |text: &str| {
            let document = Document::new("f", text);
            let table = document.table().unwrap();
            table["a"].get_ref().as_str().unwrap().to_owned()
        };
        let text = "a = \"\"\"\none\ntwo\"\"\"\n";
        assert_eq!(value(text), "one\ntwo");
        assert_eq!(value(&text.replace('\n', "\r\n")), "one\ntwo");
        assert_eq!(plain("a\rb\r\r\nc\u{feff}"), "a\rb\r\nc\u{feff}");
    }

    #[test]
    fn what_is_not_toml_is_placed() {
        let (line, _) = Document::new("f", "a = 1\nb = \n").table().unwrap_err();
        assert_eq!(line, 2);
    }

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        assert_eq!(
            nearest("pratition", ["heal", "partition"]),
            Some("partition")
        );
        assert_eq!(nearest("banana", ["heal", "partition"]), None);
        assert_eq!(
            instead("banana", ["heal", "hold", "skew"]),
            "it is one of `heal`, `hold` or `skew`"
        );
    }

    #[test]
    fn a_repeated_word_is_short_and_on_one_line() {
        assert_eq!(quoted("a\n\u{1b}[31m"), "`a\\n\\u{1b}[31m`");
        assert!(quoted(&"x".repeat(10_000)).len() < 100);
    }
}
