//! One sample of a path: what a reply, or the next message of a stream, says about that path.
//!
//! A path that is gone is told from one that refuses: a closed connection can serve nobody again,
//! and a refused request may be followed by a success, from another backend.

use crate::drill::eyes::{Next, Reply};

/// What one sample says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sample {
    /// A question was asked at the sample's beginning, and served.
    Served,
    /// A message arrived at the sample's end.
    Message,
    /// Nothing came on a stream that is open.
    Silence,
    /// The caller was refused: how.
    Refused(String),
    /// No word about the caller: why.
    Failed(String),
    /// The path is gone, and nothing can succeed on it any more: how it went.
    Gone(String),
    /// The path could not be taken at all, so that this sample says nothing: why.
    Untaken(String),
}

impl Sample {
    /// Of a question on a connection of its own. One that is shut without a word refuses the
    /// caller as surely as an alert, provided that a good caller is served at the same time: the
    /// case's control says whether it is.
    pub(super) fn of_new(reply: &Reply) -> Self {
        match reply {
            Reply::Served(_) => Self::Served,
            Reply::Refused(_) => Self::Refused(reply.to_string()),
            Reply::Failed(_) if reply.shut_out() => Self::Refused(reply.to_string()),
            Reply::Failed(_) => Self::Failed(reply.to_string()),
        }
    }

    /// Of a question on a connection that was open before. `open` is whether it still is.
    pub(super) fn of_established(reply: &Reply, open: bool) -> Self {
        match reply {
            Reply::Served(_) => Self::Served,
            Reply::Failed(_) if open => Self::Failed(reply.to_string()),
            Reply::Refused(_) if open => Self::Refused(reply.to_string()),
            Reply::Failed(_) | Reply::Refused(_) => Self::Gone(reply.to_string()),
        }
    }

    /// Of the next message of a stream.
    pub(super) fn of_stream(next: &Next) -> Self {
        match next {
            Next::Message(_) => Self::Message,
            Next::Silence => Self::Silence,
            // An end that is none of the caller's: an age, or the answer was whole.
            Next::Ended(reply @ Reply::Served(_)) => {
                Self::Untaken(format!("the stream came to its own end: {reply}"))
            }
            Next::Ended(reply) => Self::Gone(reply.to_string()),
        }
    }

    /// Of a question on a connection that was to take a session up again. A handshake that was a
    /// whole one says nothing of that path if it was served, and that the session was refused if
    /// the caller was.
    pub(super) fn of_resumed(reply: &Reply, resumed: bool) -> Self {
        match Self::of_new(reply) {
            Self::Served if !resumed => {
                Self::Untaken("the handshake was a whole one, not a resumed one".to_owned())
            }
            said => said,
        }
    }

    pub(super) const fn is_success(&self) -> bool {
        matches!(self, Self::Served | Self::Message)
    }

    /// Whether it says that the caller is no longer let in.
    pub(super) const fn ends_access(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Gone(_))
    }

    pub(super) fn said(&self) -> Option<&str> {
        match self {
            Self::Served | Self::Message => None,
            Self::Silence => Some("nothing came"),
            Self::Refused(said) | Self::Failed(said) | Self::Gone(said) | Self::Untaken(said) => {
                Some(said)
            }
        }
    }
}
