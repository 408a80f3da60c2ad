//! Reads a posture file: sections of dials, everything absent at its hardened value.
//!
//! ```toml
//! [tls]
//! recheck = "message"
//!
//! [policy]
//! freshness = { read = "10s", write = "3s", share = "latest" }   # or "any" for all
//! ```
//!
//! Nothing is ignored: an unknown dial, a value out of range, and a dial or value whose mechanism
//! is not built are errors that name the line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::demand::{demand, no_span};
use super::dials::{DIALS, Dial, Form};
use super::document::{Document, instead, kind, ordered, quoted};
use super::flaw::{Flaw, Placed, PostureError, unknown_dial, unknown_section};
use super::{ACTIONS, Freshness, Freshnesses, Posture, Resumption, least_bound, span};

/// A posture file is at most this long, in bytes.
pub const MAX_POSTURE: usize = 64 * 1024;

/// Where the value of a dial came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The file says nothing.
    Hardened,
    /// A line of the file, from 1.
    Line(usize),
}

/// Where the value of each dial came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    dials: BTreeMap<&'static str, usize>,
    actions: BTreeMap<&'static str, usize>,
}

impl Sources {
    /// Where the value of a dial came from.
    pub fn get(&self, dial: &str) -> Source {
        source(self.dials.get(dial))
    }

    /// Where an action's demand in `policy.freshness` came from: its own line, or the dial's if
    /// the file says one word for all.
    pub fn action(&self, action: &str) -> Source {
        source(self.actions.get(action))
    }

    /// The dials that the file sets, in order of name.
    pub fn set_by_file(&self) -> impl Iterator<Item = &'static str> {
        self.dials.keys().copied()
    }
}

fn source(line: Option<&usize>) -> Source {
    line.map_or(Source::Hardened, |line| Source::Line(*line))
}

impl Posture {
    /// Reads a posture; `file` is its name for errors.
    ///
    /// # Errors
    ///
    /// The first line that does not hold, and why.
    pub fn parse(file: &str, text: &str) -> Result<(Self, Sources), PostureError> {
        let document = Document::new(file, text);
        let error = |line, flaw| PostureError {
            file: file.into(),
            line,
            flaw,
        };
        if text.len() > MAX_POSTURE {
            return Err(error(1, Flaw::TooLarge(text.len())));
        }
        let table = document
            .table()
            .map_err(|(line, why)| error(line, Flaw::Toml(why)))?;
        let mut reader = Reader {
            posture: Self::hardened(),
            spans: BTreeMap::new(),
            actions: BTreeMap::new(),
        };
        let read = reader.sections(&table).and_then(|()| reader.check_bounds());
        read.map_err(|(span, flaw)| error(document.line(&span), flaw))?;
        let lines = |spans: &BTreeMap<&'static str, Range<usize>>| {
            let of = |(name, span): (&&'static str, &Range<usize>)| (*name, document.line(span));
            spans.iter().map(of).collect()
        };
        let sources = Sources {
            dials: lines(&reader.spans),
            actions: lines(&reader.actions),
        };
        Ok((reader.posture, sources))
    }
}

struct Reader {
    posture: Posture,
    spans: BTreeMap<&'static str, Range<usize>>,
    actions: BTreeMap<&'static str, Range<usize>>,
}

impl Reader {
    fn sections(&mut self, table: &toml::de::DeTable<'_>) -> Placed<()> {
        for (section, value) in ordered(table) {
            let name = section.get_ref().as_ref();
            let known: Vec<&str> = sections();
            if !known.contains(&name) {
                return Err((section.span(), unknown_section(name, &known)));
            }
            let Some(dials) = value.get_ref().as_table() else {
                let kind = kind(value.get_ref());
                let flaw = Flaw::WrongKind(name.into(), kind, "a section of dials");
                return Err((value.span(), flaw));
            };
            for (key, value) in ordered(dials) {
                self.dial(name, key, value)?;
            }
        }
        Ok(())
    }

    fn dial(
        &mut self,
        section: &str,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Placed<()> {
        let name = format!("{section}.{}", key.get_ref());
        let Some(dial) = Dial::find(&name) else {
            return Err((key.span(), unknown_dial(section, key.get_ref())));
        };
        if !dial.is_built() {
            return Err((key.span(), Flaw::DialNotBuilt(dial.name)));
        }
        match dial.form {
            Form::Freshness => self.freshness(dial, key, value)?,
            Form::Quorum => self.quorum(dial, value)?,
            Form::Span(least, most) => self.span(dial, value, least, most)?,
            Form::Words => self.word(dial, value)?,
        }
        self.spans.insert(dial.name, key.span());
        Ok(())
    }

    fn word(&mut self, dial: &'static Dial, value: &Spanned<DeValue<'_>>) -> Placed<()> {
        let word = string(dial.name, value, "one of its words, in quotes")?;
        if dial.built.contains(&word) && assign(&mut self.posture, dial.name, word) {
            return Ok(());
        }
        let built = instead("", dial.built.iter().copied());
        let known = dial.hardened == word || dial.shipped_by(word).is_some();
        let flaw = if known {
            Flaw::ValueNotBuilt(dial.name, word.into(), built)
        } else {
            let hint = instead(word, dial.built.iter().copied());
            Flaw::UnknownValue(dial.name, quoted(word), hint)
        };
        Err((value.span(), flaw))
    }

    fn span(
        &mut self,
        dial: &'static Dial,
        value: &Spanned<DeValue<'_>>,
        least: Duration,
        most: Duration,
    ) -> Placed<()> {
        let text = string(
            dial.name,
            value,
            "a span such as \"500ms\", \"5s\" or \"2m\"",
        )?;
        let why = match dial.name {
            "tls.tolerance" => "clocks further apart are broken, not skewed",
            _ => "a token that needs more should live longer",
        };
        let range = format!("{} to {}: {why}", span::write(least), span::write(most));
        let Some(span) = span::parse(text) else {
            return Err((value.span(), no_span(dial.name, text, "", range)));
        };
        if span < least || span > most {
            return Err((
                value.span(),
                Flaw::OutOfRange(dial.name, quoted(text), range),
            ));
        }
        match dial.name {
            "tls.tolerance" => self.posture.tls.tolerance = span,
            _ => self.posture.token.leeway = span,
        }
        Ok(())
    }

    fn quorum(&mut self, dial: &'static Dial, value: &Spanned<DeValue<'_>>) -> Placed<()> {
        const WANTED: &str = "0 or 2, of three witnesses";
        let text = match value.get_ref() {
            DeValue::Integer(number) => number.as_str(),
            DeValue::String(text) => text,
            other => return Err((value.span(), wrong_kind(dial.name, other, WANTED))),
        };
        self.posture.policy.quorum = match text {
            "0" => 0,
            "2" | "2 of 3" => 2,
            _ => {
                let why = match text {
                    "1" | "1 of 3" => {
                        "0 or 2: one fast witness could make an old policy look young"
                    }
                    "3" | "3 of 3" => "0 or 2: with 3 of 3, one region cut off stops every act",
                    _ => WANTED,
                };
                return Err((
                    value.span(),
                    Flaw::OutOfRange(dial.name, quoted(text), why.into()),
                ));
            }
        };
        Ok(())
    }

    fn freshness(
        &mut self,
        dial: &'static Dial,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Placed<()> {
        let Some(actions) = value.get_ref().as_table() else {
            self.posture.policy.freshness = Freshnesses::all(demand(dial, value)?);
            self.actions = ACTIONS.map(|action| (action, key.span())).into();
            return Ok(());
        };
        for (action, value) in ordered(actions) {
            let word = action.get_ref().as_ref();
            let Some(name) = ACTIONS.into_iter().find(|name| *name == word) else {
                let flaw = Flaw::UnknownAction(quoted(word), instead(word, ACTIONS));
                return Err((action.span(), flaw));
            };
            let demand = demand(dial, value)?;
            self.posture.policy.freshness.set(name, demand);
            self.actions.insert(name, action.span());
        }
        Ok(())
    }

    /// A bound below what heartbeats, rounding and tolerance take from it would refuse everyone
    /// even on a healthy network.
    fn check_bounds(&mut self) -> Placed<()> {
        let tolerance = self.posture.tls.tolerance;
        let least = least_bound(tolerance);
        for (action, demand) in self.posture.policy.freshness.iter() {
            let Freshness::Within(bound) = demand else {
                continue;
            };
            if bound >= least {
                continue;
            }
            let own = self.actions.get(action);
            let span = own.or_else(|| self.spans.get("tls.tolerance")).cloned();
            let flaw = Flaw::BoundTooShort {
                action: action.into(),
                bound,
                tolerance,
            };
            return Err((span.unwrap_or(0..0), flaw));
        }
        Ok(())
    }
}

fn assign(posture: &mut Posture, dial: &str, word: &str) -> bool {
    fn put<T>(place: &mut T, value: Option<T>) -> bool {
        value.map(|value| *place = value).is_some()
    }
    use super::{
        Activation, Audience, Binding, ConnectionDeadline, Durability, Errors, Forwarding, Heeding,
        Keys, Lists, Naming, Older, OnStale, Recheck, Reconcile, Retrying, Stale, Swapping,
        TokenStatus, UnknownKey, Versions, WayBack, Withdrawal,
    };
    let Posture {
        tls,
        revocation,
        token,
        policy,
        audit,
        rotation,
        secret,
        issuance,
        identity,
    } = posture;
    match dial {
        "audit.durability" => put(&mut audit.durability, Durability::from_word(word)),
        "issuance.reconcile" => put(&mut issuance.reconcile, Reconcile::from_word(word)),
        "identity.forwarding" => put(&mut identity.forwarding, Forwarding::from_word(word)),
        "identity.header" => put(&mut identity.header, Heeding::from_word(word)),
        "identity.request" => put(&mut identity.request, Naming::from_word(word)),
        "policy.errors" => put(&mut policy.errors, Errors::from_word(word)),
        "policy.on_stale" => put(&mut policy.on_stale, OnStale::from_word(word)),
        "rotation.activate" => put(&mut rotation.activate, Activation::from_word(word)),
        "rotation.retry" => put(&mut rotation.retry, Retrying::from_word(word)),
        "rotation.swap" => put(&mut rotation.swap, Swapping::from_word(word)),
        "rotation.way_back" => put(&mut rotation.way_back, WayBack::from_word(word)),
        "rotation.revoke" => put(&mut rotation.revoke, Withdrawal::from_word(word)),
        "revocation.crl" => put(&mut revocation.crl, Lists::from_word(word)),
        "revocation.older_crl" => put(&mut revocation.older_crl, Older::from_word(word)),
        "revocation.stale_crl" => put(&mut revocation.stale_crl, Stale::from_word(word)),
        "secret.versions" => put(&mut secret.versions, Versions::from_word(word)),
        "tls.connection_deadline" => put(
            &mut tls.connection_deadline,
            ConnectionDeadline::from_word(word),
        ),
        "tls.recheck" => put(&mut tls.recheck, Recheck::from_word(word)),
        "tls.resumption" => put(&mut tls.resumption, Resumption::from_word(word)),
        "token.audience" => put(&mut token.audience, Audience::from_word(word)),
        "token.binding" => put(&mut token.binding, Binding::from_word(word)),
        "token.keys" => put(&mut token.keys, Keys::from_word(word)),
        "token.status" => put(&mut token.status, TokenStatus::from_word(word)),
        "token.unknown_key" => put(&mut token.unknown_key, UnknownKey::from_word(word)),
        // One value only, and it holds by construction.
        "policy.gap" | "policy.rollback" | "token.algorithm" => true,
        _ => false,
    }
}

fn sections() -> Vec<&'static str> {
    let mut sections: Vec<_> = DIALS
        .iter()
        .filter_map(|dial| dial.name.split('.').next())
        .collect();
    sections.dedup();
    sections
}

pub(super) fn string<'v>(
    name: &str,
    value: &'v Spanned<DeValue<'_>>,
    wanted: &'static str,
) -> Placed<&'v str> {
    let wrong = || (value.span(), wrong_kind(name, value.get_ref(), wanted));
    value.get_ref().as_str().ok_or_else(wrong)
}

fn wrong_kind(name: &str, value: &DeValue<'_>, wanted: &'static str) -> Flaw {
    Flaw::WrongKind(name.into(), kind(value), wanted)
}

#[cfg(test)]
mod tests;
