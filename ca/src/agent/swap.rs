//! How a renewed leaf and the token over it come into use.
//!
//! A token is bound to the leaf that it was obtained over (RFC 8705, 6.2: a new certificate ends
//! the tokens of the last one). So both are published as one, unless the settings say otherwise.

use super::{Agent, AgentError, Published};
use crate::credential::Credential;

/// What is published after a renewal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Swap {
    /// The leaf, once there is a token over it, and both together.
    #[default]
    Whole,
    /// The leaf at once, with the token that was there before.
    ByParts(danger::ByParts),
}

/// What an exposed posture uses instead.
pub mod danger {
    /// A token is replaced by its own age alone, as caches do that go by expiry
    /// (`ReuseTokenSource` of golang.org/x/oauth2): until then the old one is shown with the new
    /// leaf, to which it is not bound.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ByParts;
}

impl Agent {
    /// What is to be published of a leaf that replaces another.
    pub(super) async fn replaced(
        &self,
        held: &Published,
        next: Credential,
    ) -> Result<Published, AgentError> {
        match self.config.swap {
            Swap::Whole => self.with_bearer(next).await,
            Swap::ByParts(danger::ByParts) => {
                self.credential.send_replace(Some(next.clone()));
                Ok(Published {
                    credential: next,
                    ..held.clone()
                })
            }
        }
    }
}
