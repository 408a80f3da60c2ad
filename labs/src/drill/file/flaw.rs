//! What is wrong with a drill.toml, and where: each message names the line and what was expected.

use std::ops::Range;

use thiserror::Error;

/// A drill.toml that was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}:{line}: {flaw}")]
pub struct DrillFileError {
    /// The file's name as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What was refused.
    pub flaw: Flaw,
}

/// What is wrong. What is repeated of the file is already quoted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Flaw {
    /// An accepted failure whose time is over.
    #[error(
        "`{case}` was accepted ({reason}) until {until}, and that is past: mend it, or agree on a \
         later date"
    )]
    AcceptIsOver {
        /// The case.
        case: String,
        /// Why it was accepted.
        reason: String,
        /// The last day.
        until: String,
    },
    /// Parts that are each well formed and do not fit together.
    #[error("{0}")]
    Incoherent(String),
    /// A field that must be there.
    #[error("{place} needs `{field}`: {wanted}")]
    Missing {
        /// The table.
        place: String,
        /// The field.
        field: String,
        /// What it takes.
        wanted: String,
    },
    /// A value outside what is allowed.
    #[error("`{field}` is {value}; it takes {wanted}")]
    OutOfRange {
        /// The field.
        field: String,
        /// What it says.
        value: String,
        /// What it may say.
        wanted: String,
    },
    /// A file that is too long.
    #[error(
        "the file has at least {0} bytes; a drill.toml has at most {max}",
        max = super::MAX_FILE
    )]
    TooLarge(usize),
    /// Not TOML.
    #[error("{0}")]
    Toml(String),
    /// A file that cannot be read at all.
    #[error("it cannot be read: {0}; `schism drill init` writes one")]
    Unreadable(String),
    /// A field that nobody reads.
    #[error("unknown field {field} in {place}; {hint}")]
    UnknownField {
        /// The table.
        place: String,
        /// The field.
        field: String,
        /// What to write instead.
        hint: String,
    },
    /// A word outside a closed list.
    #[error("unknown {what} {word}; {hint}")]
    UnknownWord {
        /// The list: swap, form, case, ...
        what: &'static str,
        /// The word.
        word: String,
        /// What to write instead.
        hint: String,
    },
    /// A value of the wrong kind.
    #[error("`{field}` is {found}; it takes {wanted}")]
    WrongKind {
        /// The field.
        field: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: String,
    },
}

/// A result whose error knows where in the text it is.
pub(super) type Placed<T> = Result<T, (Range<usize>, Flaw)>;

/// Parts that do not fit together.
pub(super) fn incoherent<T>(span: &Range<usize>, why: impl Into<String>) -> Placed<T> {
    Err((span.clone(), Flaw::Incoherent(why.into())))
}
