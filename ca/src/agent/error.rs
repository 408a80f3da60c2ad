//! Why an agent has no new identity, and what follows from it: whether the CA asked for patience,
//! and whether asking again is of any use.

use std::time::Duration;

use tonic::{Code, Status};

use crate::conn::DialError;
use crate::credential::UnfitCredential;
use crate::trusted::InvalidState;

/// Why there is no new identity.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The CA was not reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The CA refused.
    #[error("the CA refused: {}", said(.0))]
    Refused(Box<Status>),
    /// No answer in time.
    #[error("no answer from the CA in time")]
    Deadline,
    /// What the CA sent does not fit.
    #[error(transparent)]
    Unfit(#[from] UnfitCredential),
    /// What the CA sent is not what may be believed next.
    #[error(transparent)]
    State(#[from] InvalidState),
    /// The CA let go of the stream.
    #[error("the CA ended the stream")]
    Ended,
    /// This node could not make a key or a request.
    #[error("no signing request: {0}")]
    Request(String),
    /// The new credential, or the key that it is asked for, could not be kept.
    #[error("the new credential could not be stored: {0}")]
    Disk(#[from] std::io::Error),
    /// No token over the new leaf.
    #[error("no token for the new leaf: {0}")]
    Bearer(String),
}

/// A status in words: its message, if it has one.
fn said(status: &Status) -> String {
    let message = status.message();
    if message.is_empty() {
        return status.code().to_string();
    }
    message.to_owned()
}

impl AgentError {
    /// How long the CA asked not to be asked again; zero if it did not.
    pub(super) fn hint(&self) -> Duration {
        match self {
            Self::Refused(status) => crate::grpc::pushback(status),
            _ => Duration::ZERO,
        }
    }

    /// Whether the CA has said that there is no way back with this leaf.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Refused(status) => {
                matches!(status.code(), Code::PermissionDenied | Code::Unimplemented)
            }
            _ => false,
        }
    }
}

/// Whether a join code is worth nothing, to whomever.
pub(super) fn is_no(status: &Status) -> bool {
    status.code() == Code::Unauthenticated
}
