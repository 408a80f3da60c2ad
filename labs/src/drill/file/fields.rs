//! One table of a drill.toml, read field by field: nothing in it is ignored, everything is bounded.

use std::ops::Range;
use std::time::Duration;

use toml::de::DeTable;

use super::document::{Document, Value, instead, kind, ordered, quoted};
use super::flaw::{Flaw, Placed};
use super::span;

/// The longest text of one field, in bytes.
const MAX_TEXT: usize = 2_000;

/// The most entries of one list.
const MAX_LIST: usize = 100;

/// A piece of text and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) span: Range<usize>,
}

impl Word<'_> {
    /// The place in a closed list at which the word stands.
    pub(super) fn place(&self, what: &'static str, options: &[&str]) -> Placed<usize> {
        let place = options.iter().position(|option| *option == self.text);
        place.ok_or_else(|| {
            let (word, hint) = (quoted(self.text), instead(self.text, options));
            (self.span.clone(), Flaw::UnknownWord { what, word, hint })
        })
    }

    /// The complaint that the word is not what `field` takes.
    pub(super) fn refused(&self, field: &str, wanted: &str) -> (Range<usize>, Flaw) {
        let (field, value, wanted) = (field.into(), quoted(self.text), wanted.into());
        let flaw = Flaw::OutOfRange {
            field,
            value,
            wanted,
        };
        (self.span.clone(), flaw)
    }
}

/// One table, whose fields are all known.
#[derive(Debug)]
pub(super) struct Fields<'a, 'i> {
    pub(super) place: String,
    pub(super) span: Range<usize>,
    pub(super) document: &'a Document<'a>,
    table: &'a DeTable<'i>,
}

impl<'a, 'i> Fields<'a, 'i> {
    /// The whole file.
    pub(super) fn whole(
        document: &'a Document<'a>,
        table: &'a DeTable<'i>,
        known: &[&str],
    ) -> Placed<Self> {
        let fields = Self {
            place: "the file".to_owned(),
            span: 0..0,
            document,
            table,
        };
        fields.know(known)
    }

    /// A table in this one; in it every field is one of `known`.
    pub(super) fn table(&self, field: &str, value: Value<'a, 'i>, known: &[&str]) -> Placed<Self> {
        let place = match self.span.is_empty() {
            true => format!("[{field}]"),
            false => format!("`{field}`"),
        };
        self.open(place, value, Some(known))
    }

    /// A table whose keys are the reader's to judge.
    pub(super) fn open(
        &self,
        place: String,
        value: Value<'a, 'i>,
        known: Option<&[&str]>,
    ) -> Placed<Self> {
        let Some(table) = value.get_ref().as_table() else {
            let field = place.trim_matches(['`', '[', ']']);
            return Err(wrong_kind(field, value, "a table"));
        };
        let fields = Self {
            place,
            span: value.span(),
            document: self.document,
            table,
        };
        known.map_or(Ok(()), |known| fields.check(known))?;
        Ok(fields)
    }

    fn know(self, known: &[&str]) -> Placed<Self> {
        self.check(known).map(|()| self)
    }

    fn check(&self, known: &[&str]) -> Placed<()> {
        for (key, _) in ordered(self.table) {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let (place, field) = (self.place.clone(), quoted(name));
                let hint = instead(name, known);
                return Err((key.span(), Flaw::UnknownField { place, field, hint }));
            }
        }
        Ok(())
    }

    /// Every key and value, in the order of the file.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Word<'a>, Value<'a, 'i>)> {
        ordered(self.table).into_iter().map(|(key, value)| {
            let text = key.get_ref().as_ref();
            let span = key.span();
            (Word { text, span }, value)
        })
    }

    /// The line on which a span begins.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        self.document.line(span)
    }

    /// A field as it stands.
    pub(super) fn get(&self, field: &str) -> Option<Value<'a, 'i>> {
        self.table.get(field)
    }

    /// What a field says, or the complaint that it is not there.
    pub(super) fn need<T>(&self, field: &str, value: Option<T>, wanted: &str) -> Placed<T> {
        value.ok_or_else(|| {
            let (place, field, wanted) = (self.place.clone(), field.into(), wanted.into());
            let flaw = Flaw::Missing {
                place,
                field,
                wanted,
            };
            (self.span.clone(), flaw)
        })
    }

    /// A text that is not empty.
    pub(super) fn word(&self, field: &str) -> Placed<Option<Word<'a>>> {
        self.get(field).map(|value| word(field, value)).transpose()
    }

    /// A list of texts; empty if it is not there.
    pub(super) fn words(&self, field: &str) -> Placed<Vec<Word<'a>>> {
        let Some(value) = self.get(field) else {
            return Ok(Vec::new());
        };
        let wanted = "a list of texts in quotes";
        let Some(items) = value.get_ref().as_array() else {
            return Err(wrong_kind(field, value, wanted));
        };
        if items.len() > MAX_LIST {
            let text = &format!("{} entries long", items.len());
            let span = value.span();
            let wanted = format!("at most {MAX_LIST} entries");
            return Err(Word { text, span }.refused(field, &wanted));
        }
        items.iter().map(|item| word(field, item)).collect()
    }

    /// A span of time.
    pub(super) fn duration(&self, field: &str) -> Placed<Option<Duration>> {
        let read = |word: Word<'_>| {
            let span = span::parse(word.text);
            span.ok_or_else(|| word.refused(field, span::WANTED))
        };
        self.word(field)?.map(read).transpose()
    }

    /// `true` or `false`; `false` if it is not there.
    pub(super) fn flag(&self, field: &str) -> Placed<bool> {
        let Some(value) = self.get(field) else {
            return Ok(false);
        };
        let flag = value.get_ref().as_bool();
        flag.ok_or_else(|| wrong_kind(field, value, "true or false"))
    }

    /// A command: the program and its arguments, with no shell. Nothing if it is not there.
    pub(super) fn command(&self, field: &str) -> Placed<Option<Vec<String>>> {
        let Some(value) = self.get(field) else {
            return Ok(None);
        };
        if value.get_ref().is_str() {
            let wanted = "a program and its arguments as a list, such as [\"./reload.sh\"]: no \
                          shell reads it";
            return Err(wrong_kind(field, value, wanted));
        }
        let words = self.words(field)?;
        if let Some(word) = words.iter().find(|word| word.text.contains('\0')) {
            return Err(word.refused(field, "arguments without zero bytes"));
        }
        Ok(Some(
            words.iter().map(|word| word.text.to_owned()).collect(),
        ))
    }

    /// A whole number up to `most`; nothing if it is not there.
    pub(super) fn number(&self, field: &str, most: u64) -> Placed<Option<u64>> {
        let Some(value) = self.get(field) else {
            return Ok(None);
        };
        let Some(number) = value.get_ref().as_integer() else {
            return Err(wrong_kind(field, value, "a whole number"));
        };
        let read = u64::from_str_radix(number.as_str(), number.radix()).ok();
        match read.filter(|read| *read <= most) {
            Some(read) => Ok(Some(read)),
            None => {
                let (text, span) = (number.as_str(), value.span());
                Err(Word { text, span }.refused(field, &format!("0 to {most}")))
            }
        }
    }
}

/// A value that should be a text that is not empty.
pub(super) fn word<'a>(field: &str, value: Value<'a, '_>) -> Placed<Word<'a>> {
    let Some(text) = value.get_ref().as_str() else {
        return Err(wrong_kind(field, value, "a text in quotes"));
    };
    let span = value.span();
    let word = Word { text, span };
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(word.refused(field, &format!("1 to {MAX_TEXT} bytes")));
    }
    Ok(word)
}

/// The complaint that a value is of the wrong kind.
pub(super) fn wrong_kind(field: &str, value: Value<'_, '_>, wanted: &str) -> (Range<usize>, Flaw) {
    let (field, found) = (field.into(), kind(value.get_ref()));
    let wanted = wanted.into();
    let flaw = Flaw::WrongKind {
        field,
        found,
        wanted,
    };
    (value.span(), flaw)
}
