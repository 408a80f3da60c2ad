//! What is wrong with a scenario, and where: every message names the line and the way out.

use std::ops::Range;

use thiserror::Error;

/// A scenario that was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}:{line}: {flaw}")]
pub struct ScenarioError {
    /// The file's name as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What was refused.
    pub flaw: Flaw,
}

/// What is wrong with a scenario. What it repeats of the file is already quoted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    /// Parts that are each well formed and do not fit together.
    #[error("{0}")]
    Incoherent(String),
    /// A field that must be there.
    #[error("{place} needs `{field}`")]
    Missing {
        /// The table.
        place: String,
        /// The field.
        field: &'static str,
    },
    /// A value outside what is allowed.
    #[error("`{field}` is {value}; {range}")]
    OutOfRange {
        /// The field.
        field: String,
        /// What it says.
        value: String,
        /// What it may say.
        range: String,
    },
    /// A file that is too long.
    #[error("the file has {0} bytes; a scenario has at most {max}", max = super::MAX_SCENARIO)]
    TooLarge(usize),
    /// Not TOML.
    #[error("{0}")]
    Toml(String),
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
        /// The list: verb, region, user, ...
        what: &'static str,
        /// The word.
        word: String,
        /// What to write instead.
        hint: String,
    },
    /// A verb whose mechanism does not exist yet.
    #[error("verb `{0}`: it is not built yet; remove the step")]
    VerbNotBuilt(&'static str),
    /// A value of the wrong kind.
    #[error("`{field}` is {found}; it takes {wanted}")]
    WrongKind {
        /// The field.
        field: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
}

/// A result whose error knows where in the text it is.
pub(super) type Placed<T> = Result<T, (Range<usize>, Flaw)>;

/// A flaw of parts that do not fit together.
pub(super) fn incoherent<T>(span: &Range<usize>, why: impl Into<String>) -> Placed<T> {
    Err((span.clone(), Flaw::Incoherent(why.into())))
}
