//! Why a command stopped before it could answer: one line, and the exit status that goes with it.

use std::io;
use std::path::Path;

use services::policy::check::PolicyError;
use services::posture::PostureError;
use services::token::keys::InvalidKeySet;

use super::Exit;
use crate::catalog::folder::FolderError;
use crate::course::new::NewLabError;
use crate::report::json::InvalidReport;
use crate::run::RunError;
use crate::scenario::ScenarioError;
use crate::workspace::WorkspaceError;

/// Why a command stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// A CA that would not, or could not.
    #[error("{0}")]
    Declined(String),
    /// A file that cannot be read, written, or understood.
    #[error("`{0}`: {1}")]
    File(String, String),
    /// A folder that is no lab.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Something asked it to.
    #[error("interrupted")]
    Interrupted,
    /// A broken key set, and its file.
    #[error("`{0}`: {1}")]
    Keys(String, InvalidKeySet),
    /// No new lab.
    #[error(transparent)]
    NewLab(#[from] NewLabError),
    /// A broken policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A broken posture.
    #[error(transparent)]
    Posture(#[from] PostureError),
    /// A report that cannot be written down.
    #[error(transparent)]
    Report(#[from] InvalidReport),
    /// A run that did not come to its end.
    #[error("{posture}: {why}")]
    Run {
        /// Under which posture.
        posture: String,
        /// What went wrong.
        why: RunError,
    },
    /// The key of a root is needed, and it is sealed.
    #[error("{0}")]
    Sealed(String),
    /// A broken scenario.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// Standard input or output does not work.
    #[error("{0}: {1}")]
    Stream(&'static str, io::Error),
    /// What was asked cannot be told.
    #[error("{0}")]
    Unclear(String),
    /// Words that do not make sense.
    #[error("{0}")]
    Usage(String),
    /// Nowhere to keep a run.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
}

impl Stop {
    /// A file and what is wrong with it.
    pub(super) fn file(path: &Path, why: impl ToString) -> Self {
        Self::File(path.display().to_string(), why.to_string())
    }

    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Interrupted => Exit::Interrupted,
            Self::Report(_)
            | Self::Unclear(_)
            | Self::Run {
                why: RunError::Broke { .. },
                ..
            } => Exit::Unknown,
            Self::Run {
                why: RunError::Interrupted,
                ..
            } => Exit::Interrupted,
            Self::Declined(_) | Self::Sealed(_) => Exit::Broken,
            Self::File(..)
            | Self::Folder(_)
            | Self::Keys(..)
            | Self::NewLab(_)
            | Self::Policy(_)
            | Self::Posture(_)
            | Self::Run { .. }
            | Self::Scenario(_)
            | Self::Stream(..)
            | Self::Usage(_)
            | Self::Workspace(_) => Exit::BadInput,
        }
    }
}

impl From<ca::error::CaError> for Stop {
    fn from(error: ca::error::CaError) -> Self {
        Self::Declined(error.to_string())
    }
}
