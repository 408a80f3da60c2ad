//! A TOML text with its lines, and the words in which a mistake in it is told.
//!
//! A byte order mark and CRLF are accepted and change nothing. What is repeated of a file is cut
//! short and escaped. This is the drill's own, since the drill uses nothing of the services.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// At most this much of a wrong word is repeated, in characters.
const MAX_REPEATED: usize = 60;

/// The text of a file.
#[derive(Clone, Debug)]
pub(super) struct Document<'t>(Cow<'t, str>);

impl<'t> Document<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self(if text.contains("\r\n") {
            Cow::Owned(text.replace("\r\n", "\n"))
        } else {
            Cow::Borrowed(text)
        })
    }

    /// The line on which a span begins, from 1.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let before = self.0.bytes().take(span.start);
        1 + before.filter(|byte| *byte == b'\n').count()
    }

    /// The file as a table, or the line and what is not TOML about it.
    pub(super) fn table(&self) -> Result<DeTable<'_>, (usize, String)> {
        match DeTable::parse(&self.0) {
            Ok(table) => Ok(table.into_inner()),
            Err(error) => {
                let line = error.span().map_or(1, |span| self.line(&span));
                Err((line, error.message().replace('\n', ", ")))
            }
        }
    }
}

/// A key of a table, as it stands.
pub(super) type Key<'a, 'i> = &'a Spanned<Cow<'i, str>>;
/// A value of a table, as it stands.
pub(super) type Value<'a, 'i> = &'a Spanned<DeValue<'i>>;

/// A table's keys and values in the order of the file, so that the first mistake is told first.
pub(super) fn ordered<'a, 'i>(table: &'a DeTable<'i>) -> Vec<(Key<'a, 'i>, Value<'a, 'i>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// A word from the file as a message repeats it: in backticks, on one line, not too long.
pub(super) fn quoted(word: &str) -> String {
    let shown: String = word.chars().take(MAX_REPEATED).collect();
    let dots = if shown.len() < word.len() { "..." } else { "" };
    format!("`{}{dots}`", shown.escape_debug())
}

/// What to write instead of `word`: the nearest option, or all of them if none is near.
pub(super) fn instead(word: &str, options: &[&str]) -> String {
    let word: String = word.chars().take(MAX_REPEATED).collect();
    let room = 1 + word.chars().count() / 3;
    let near = options
        .iter()
        .map(|option| (strsim::damerau_levenshtein(&word, option), *option))
        .filter(|(distance, _)| *distance <= room)
        .min();
    if let Some((_, near)) = near {
        return format!("the nearest is `{near}`");
    }
    match options {
        [] => "there is none to name".into(),
        [only] => format!("it is `{only}`"),
        [most @ .., last] => format!("it is one of `{}` or `{last}`", most.join("`, `")),
    }
}

/// What a value is, in words.
pub(super) const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
