//! `[objectives]` and `[accept]`: what the owner of the target demands, and what they put up with.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::document::quoted;
use super::fields::{Fields, Word, word, wrong_kind};
use super::flaw::{DrillFileError, Flaw, Placed};
use super::span;
use super::words::CASES;
use crate::drill::answer::{Change, Path};

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// The key of each change.
const CHANGES: [(&str, Change); 5] = [
    ("revoked-leaf", Change::LeafRevoked),
    ("removed-root", Change::RootRemoved),
    ("removed-key", Change::KeyRemoved),
    ("expired-leaf", Change::Expired),
    ("withdrawn-token", Change::TokenWithdrawn),
];

/// The key of each path.
const PATHS: [(&str, Path); 5] = [
    ("new", Path::New),
    ("resumed", Path::Resumed),
    ("open", Path::Established),
    ("stream", Path::Stream),
    ("cached", Path::CachedToken),
];

/// What the owner demands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objectives {
    /// The longest exposure, by change and path.
    pub exposure: BTreeMap<(Change, Path), Duration>,
    /// How many requests may fail, after one retry, while a leaf is swapped.
    pub failed_requests: Option<u64>,
}

impl Objectives {
    /// The longest exposure demanded, if any is.
    pub fn of(&self, change: Change, path: Path) -> Option<Duration> {
        self.exposure.get(&(change, path)).copied()
    }

    /// The key of an objective as the file has it, such as `revoked-leaf.open`.
    pub fn key(change: Change, path: Path) -> String {
        let change = CHANGES.iter().find(|(_, it)| *it == change);
        let path = PATHS.iter().find(|(_, it)| *it == path);
        let word = |found: Option<&'static str>| found.unwrap_or_default();
        format!(
            "{}.{}",
            word(change.map(|it| it.0)),
            word(path.map(|it| it.0))
        )
    }

    pub(super) fn read(fields: &Fields<'_, '_>) -> Placed<Self> {
        let mut exposure = BTreeMap::new();
        for (name, value) in fields.entries() {
            let Some((_, change)) = CHANGES.iter().find(|(key, _)| *key == name.text) else {
                continue;
            };
            let paths = PATHS.map(|(key, _)| key);
            let table = fields.table(name.text, value, &paths)?;
            for (key, value) in table.entries() {
                let text = word(key.text, value)?;
                let most = span::parse(text.text);
                let most = most.ok_or_else(|| text.refused(key.text, span::WANTED))?;
                let path = PATHS[key.place("path", &paths)?].1;
                exposure.insert((*change, path), most);
            }
        }
        Ok(Self {
            exposure,
            failed_requests: fields.number("failed-requests", 1_000_000)?,
        })
    }

    pub(super) fn known() -> Vec<&'static str> {
        let mut known = CHANGES.map(|(key, _)| key).to_vec();
        known.push("failed-requests");
        known
    }
}

/// A fail that the owner puts up with, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// Why, or where that is written.
    pub reason: String,
    /// The last day on which it is accepted.
    pub until: Date,
    /// The line that says so.
    pub line: usize,
}

impl Accept {
    /// Whether it counts no more.
    pub fn is_over(&self, now: OffsetDateTime) -> bool {
        now.date() > self.until
    }

    /// The complaint that it counts no more.
    pub(super) fn over(&self, file: &str, case: &str) -> DrillFileError {
        DrillFileError {
            file: file.to_owned(),
            line: self.line,
            flaw: Flaw::AcceptIsOver {
                case: case.to_owned(),
                reason: quoted(&self.reason).trim_matches('`').to_owned(),
                until: self.until.to_string(),
            },
        }
    }
}

/// Reads `[accept]`.
pub(super) fn accepts(fields: &Fields<'_, '_>) -> Placed<BTreeMap<String, Accept>> {
    let mut accepts = BTreeMap::new();
    for (case, value) in fields.entries() {
        case.place("case", &CASES)?;
        let table = fields.table(case.text, value, &["reason", "until"])?;
        let reason = table.need("reason", table.word("reason")?, "why it is accepted")?;
        let wanted = "the last day, such as \"2027-03-01\"";
        let until = table.need("until", table.get("until"), wanted)?;
        let refused = |text: &str, span: Range<usize>| Word { text, span }.refused("until", wanted);
        let text = match until.get_ref() {
            toml::de::DeValue::String(text) => text.to_string(),
            toml::de::DeValue::Datetime(date) => date.to_string(),
            _ => return Err(wrong_kind("until", until, wanted)),
        };
        let day = Date::parse(&text, DAY).map_err(|_| refused(&text, until.span()))?;
        let accept = Accept {
            reason: reason.text.to_owned(),
            until: day,
            line: fields.line(&case.span),
        };
        accepts.insert(case.text.to_owned(), accept);
    }
    Ok(accepts)
}
