//! What is wrong with a posture file, and where: every message names the line and the way out.

use std::ops::Range;
use std::time::Duration;

use thiserror::Error;

use super::document::{instead, quoted};
use super::{DIALS, HEARTBEAT, ROUNDING, least_bound, span};

/// A posture file that was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}:{line}: {flaw}")]
pub struct PostureError {
    /// The file's name as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What was refused.
    pub flaw: Flaw,
}

/// What is wrong with a posture file. What it repeats of the file is already quoted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    /// A bound that no healthy replica could meet.
    #[error(
        "freshness bound {bound} for `{action}` is below {least}: heartbeat {heartbeat} + \
         rounding {rounding} + tls.tolerance {tolerance}; widen the bound or narrow the tolerance",
        bound = span::write(*bound),
        least = span::write(least_bound(*tolerance)),
        heartbeat = span::write(HEARTBEAT),
        rounding = span::write(ROUNDING),
        tolerance = span::write(*tolerance)
    )]
    BoundTooShort {
        /// Whose bound it is.
        action: String,
        /// The bound.
        bound: Duration,
        /// The tolerance in force.
        tolerance: Duration,
    },
    /// A dial whose mechanism does not exist yet.
    #[error("dial `{0}`: its mechanism is not built yet; remove it")]
    DialNotBuilt(&'static str),
    /// A dial outside its section.
    #[error("dial `{0}` belongs under `[{1}]`")]
    Misplaced(String, &'static str),
    /// A value outside what is allowed.
    #[error("dial `{0}`: {1} is out of range; it takes {2}")]
    OutOfRange(&'static str, String, String),
    /// A file that is too long.
    #[error("the file has {0} bytes; a posture has at most {max}", max = super::MAX_POSTURE)]
    TooLarge(usize),
    /// Not TOML.
    #[error("{0}")]
    Toml(String),
    /// An action that freshness does not know.
    #[error("unknown action {0} in `policy.freshness`; {1}")]
    UnknownAction(String, String),
    /// No dial of that name.
    #[error("unknown dial {0}; {1}")]
    UnknownDial(String, String),
    /// No section of that name.
    #[error("unknown section {0}; {1}")]
    UnknownSection(String, String),
    /// A value that the dial does not have.
    #[error("dial `{0}`: unknown value {1}; {2}")]
    UnknownValue(&'static str, String, String),
    /// A value whose mechanism does not exist yet.
    #[error("dial `{0}`: the mechanism of `{1}` is not built yet; {2}")]
    ValueNotBuilt(&'static str, String, String),
    /// A value of the wrong kind.
    #[error("`{0}` is {1}; it takes {2}")]
    WrongKind(String, &'static str, &'static str),
}

/// A result whose error knows where in the text it is.
pub(super) type Placed<T> = Result<T, (Range<usize>, Flaw)>;

/// The section that a dial belongs to, if its name alone is known.
fn home(key: &str) -> Option<&'static str> {
    DIALS.iter().find_map(|dial| {
        let (section, name) = dial.name.split_once('.')?;
        (name == key).then_some(section)
    })
}

pub(super) fn unknown_section(name: &str, known: &[&str]) -> Flaw {
    match home(name) {
        Some(section) => Flaw::Misplaced(name.into(), section),
        None => Flaw::UnknownSection(quoted(name), instead(name, known.iter().copied())),
    }
}

pub(super) fn unknown_dial(section: &str, key: &str) -> Flaw {
    if let Some(section) = home(key) {
        return Flaw::Misplaced(key.into(), section);
    }
    let name = format!("{section}.{key}");
    let prefix = format!("{section}.");
    let siblings = DIALS
        .iter()
        .map(|dial| dial.name)
        .filter(|dial| dial.starts_with(&prefix));
    Flaw::UnknownDial(quoted(&name), instead(&name, siblings))
}
