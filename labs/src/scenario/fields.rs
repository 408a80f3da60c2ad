//! One table of a scenario, read field by field: nothing in it is ignored, everything is bounded.

use std::ops::Range;
use std::time::Duration;

use services::posture::document::{instead, kind, ordered, quoted};
use services::posture::span;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::flaw::{Flaw, Placed};

/// Virtual time moves in steps of this length.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// The longest text of one field, in bytes.
const MAX_TEXT: usize = 2_000;

/// The most entries of one list.
const MAX_LIST: usize = 50;

/// The longest name of a user, region, role, step or tag, in bytes.
const MAX_NAME: usize = 32;

/// A piece of text and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) span: Range<usize>,
}

impl Word<'_> {
    /// The word, if it is one of a closed list.
    pub(super) fn known<'o>(
        &self,
        what: &'static str,
        options: impl IntoIterator<Item = &'o str>,
    ) -> Placed<String> {
        let options: Vec<&str> = options.into_iter().collect();
        if options.contains(&self.text) {
            return Ok(self.text.into());
        }
        let (word, hint) = (quoted(self.text), instead(self.text, options));
        Err((self.span.clone(), Flaw::UnknownWord { what, word, hint }))
    }

    /// The word, if it can be a name: lower-case letters, digits and dashes, a letter first.
    pub(super) fn name(&self, field: &str) -> Placed<String> {
        let starts = self.text.starts_with(|c: char| c.is_ascii_lowercase());
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if starts && self.text.chars().all(legal) && self.text.len() <= MAX_NAME {
            return Ok(self.text.into());
        }
        let range = format!(
            "a name has lower-case letters, digits and dashes, a letter first, at most {MAX_NAME}"
        );
        Err(self.out_of_range(field, range))
    }

    /// The word as a span of whole ticks.
    pub(super) fn span(&self, field: &str) -> Placed<Duration> {
        let Some(span) = span::parse(self.text) else {
            return Err(self.out_of_range(field, "it takes a span such as `500ms`, `5s` or `2m`"));
        };
        if span.as_millis() % TICK.as_millis() != 0 {
            return Err(self.out_of_range(field, "time moves in ticks of 5 ms"));
        }
        Ok(span)
    }

    pub(super) fn out_of_range(
        &self,
        field: &str,
        range: impl Into<String>,
    ) -> (Range<usize>, Flaw) {
        let (field, value, range) = (field.into(), quoted(self.text), range.into());
        (
            self.span.clone(),
            Flaw::OutOfRange {
                field,
                value,
                range,
            },
        )
    }
}

/// One table, whose fields are all known.
#[derive(Debug)]
pub(super) struct Fields<'a, 'i> {
    pub(super) place: String,
    pub(super) table: &'a DeTable<'i>,
    pub(super) span: Range<usize>,
}

impl<'a, 'i> Fields<'a, 'i> {
    /// Takes a table in which every field is one of `known`.
    pub(super) fn open(
        place: impl Into<String>,
        table: &'a DeTable<'i>,
        span: Range<usize>,
        known: &[&str],
    ) -> Placed<Self> {
        let place = place.into();
        for (key, _) in ordered(table) {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let hint = instead(name, known.iter().copied());
                let field = quoted(name);
                return Err((key.span(), Flaw::UnknownField { place, field, hint }));
            }
        }
        Ok(Self { place, table, span })
    }

    /// The same for a value that should be a table.
    pub(super) fn of(
        place: impl Into<String>,
        value: &'a Spanned<DeValue<'i>>,
        known: &[&str],
    ) -> Placed<Self> {
        let place = place.into();
        let Some(table) = value.get_ref().as_table() else {
            return Err(wrong_kind(&place, value, "a table"));
        };
        Self::open(place, table, value.span(), known)
    }

    /// Where the table begins.
    pub(super) fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// A field as it stands.
    pub(super) fn get(&self, field: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.table.get(field)
    }

    /// What a field says, or the complaint that it is not there.
    pub(super) fn need<T>(&self, field: &'static str, value: Option<T>) -> Placed<T> {
        let place = self.place.clone();
        value.ok_or_else(|| (self.span.clone(), Flaw::Missing { place, field }))
    }

    /// A text that is not empty.
    pub(super) fn word(&self, field: &str) -> Placed<Option<Word<'a>>> {
        self.get(field).map(|value| word(field, value)).transpose()
    }

    /// A text that must be there.
    pub(super) fn needed(&self, field: &'static str) -> Placed<Word<'a>> {
        let word = self.word(field)?;
        self.need(field, word)
    }

    /// A span of whole ticks.
    pub(super) fn duration(&self, field: &str) -> Placed<Option<Duration>> {
        self.word(field)?.map(|word| word.span(field)).transpose()
    }

    /// `true` or `false`; `false` if it is not there.
    pub(super) fn flag(&self, field: &str) -> Placed<bool> {
        let Some(value) = self.get(field) else {
            return Ok(false);
        };
        let flag = value.get_ref().as_bool();
        flag.ok_or_else(|| wrong_kind(field, value, "`true` or `false`"))
    }

    /// A whole number from `least` to `most`.
    pub(super) fn number(&self, field: &'static str, least: u32, most: u32) -> Placed<u32> {
        let value = self.need(field, self.get(field))?;
        let Some(number) = value.get_ref().as_integer() else {
            return Err(wrong_kind(field, value, "a whole number"));
        };
        let read = u32::from_str_radix(number.as_str(), number.radix()).ok();
        match read.filter(|read| (least..=most).contains(read)) {
            Some(read) => Ok(read),
            None => {
                let word = Word {
                    text: number.as_str(),
                    span: value.span(),
                };
                let range = if least == most {
                    format!("it is {least}: this version reads no other")
                } else {
                    format!("it is between {least} and {most}")
                };
                Err(word.out_of_range(field, range))
            }
        }
    }

    /// A share from 0 to 1.
    pub(super) fn share(&self, field: &'static str) -> Placed<f64> {
        let value = self.need(field, self.get(field))?;
        let text = match value.get_ref() {
            DeValue::Float(number) => number.as_str(),
            DeValue::Integer(number) => number.as_str(),
            _ => return Err(wrong_kind(field, value, "a number from 0 to 1")),
        };
        match text.replace('_', "").parse::<f64>() {
            // Finer ones could not be told from what they are held against.
            Ok(share) if (0.0..=1.0).contains(&share) && is_tenths(share) => Ok(share),
            _ => {
                let word = Word {
                    text,
                    span: value.span(),
                };
                Err(word.out_of_range(field, "it is between 0 and 1, with at most three decimals"))
            }
        }
    }

    /// A list of texts; empty if it is not there.
    pub(super) fn words(&self, field: &str) -> Placed<Vec<Word<'a>>> {
        self.get(field)
            .map_or(Ok(Vec::new()), |value| words(field, value))
    }

    /// A list of anything; empty if it is not there.
    pub(super) fn list(&self, field: &str, most: usize) -> Placed<Vec<&'a Spanned<DeValue<'i>>>> {
        self.get(field)
            .map_or(Ok(Vec::new()), |value| list(field, value, most))
    }
}

/// Whether a share is a whole number of tenths of a percent.
fn is_tenths(share: f64) -> bool {
    let tenths = share * 1_000.0;
    (tenths - tenths.round()).abs() < 1e-6
}

/// A value that should be a text that is not empty.
pub(super) fn word<'a>(field: &str, value: &'a Spanned<DeValue<'_>>) -> Placed<Word<'a>> {
    let Some(text) = value.get_ref().as_str() else {
        return Err(wrong_kind(field, value, "a text in quotes"));
    };
    let word = Word {
        text,
        span: value.span(),
    };
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(word.out_of_range(field, format!("it has 1 to {MAX_TEXT} bytes")));
    }
    Ok(word)
}

/// A value that should be a list of texts.
pub(super) fn words<'a>(field: &str, value: &'a Spanned<DeValue<'_>>) -> Placed<Vec<Word<'a>>> {
    let items = list(field, value, MAX_LIST)?;
    items.into_iter().map(|item| word(field, item)).collect()
}

/// A value that should be a list.
pub(super) fn list<'a, 'i>(
    field: &str,
    value: &'a Spanned<DeValue<'i>>,
    most: usize,
) -> Placed<Vec<&'a Spanned<DeValue<'i>>>> {
    let Some(items) = value.get_ref().as_array() else {
        return Err(wrong_kind(field, value, "a list"));
    };
    if items.len() > most {
        let count = items.len().to_string();
        let word = Word {
            text: &count,
            span: value.span(),
        };
        return Err(word.out_of_range(field, format!("it has at most {most} entries")));
    }
    Ok(items.iter().collect())
}

fn wrong_kind(
    field: &str,
    value: &Spanned<DeValue<'_>>,
    wanted: &'static str,
) -> (Range<usize>, Flaw) {
    let found = kind(value.get_ref());
    (
        value.span(),
        Flaw::WrongKind {
            field: field.into(),
            found,
            wanted,
        },
    )
}
