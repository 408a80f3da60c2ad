//! Why a case could not be judged, and why a whole run ends.
//!
//! Two kinds that are never mixed: a control that failed leaves a case without an answer and the
//! run goes on; a file that cannot be written ends the run.

use crate::drill::authority::AuthorityError;
use crate::drill::describe::Unsaid;
use crate::drill::place::PlaceError;
use crate::drill::{eyes, tokens};

/// Why the stage can do no more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// The files or the target's commands.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A certificate could not be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Nothing can be asked of such a target.
    #[error(transparent)]
    Eyes(#[from] eyes::Flaw),
    /// A token or a key list could not be made.
    #[error(transparent)]
    Tokens(#[from] tokens::Flaw),
    /// A call of the file cannot be written as a request.
    #[error("`calls`: {0}")]
    Call(#[from] Unsaid),
    /// The descriptors cannot be read.
    #[error("`{path}`: {why}; it is the `descriptor` of `[calls]`")]
    Descriptor {
        /// The file.
        path: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// The target in this process does not start again.
    #[error("the target did not start again: {0}")]
    Restart(String),
}

/// Why a case went no further.
#[derive(Debug)]
pub enum Obstacle {
    /// Something around the case was not as it should be: which control, in a sentence.
    Control(String),
    /// The target has no such thing: what, in a sentence.
    Absent(String),
    /// The run cannot go on.
    Broken(StageError),
}

impl Obstacle {
    /// A control that failed.
    pub fn control(why: impl Into<String>) -> Self {
        Self::Control(why.into())
    }

    /// Something that the target does not have.
    pub fn absent(what: impl Into<String>) -> Self {
        Self::Absent(what.into())
    }
}

impl<E: Into<StageError>> From<E> for Obstacle {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}
