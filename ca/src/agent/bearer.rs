//! Tokens: where an agent gets them from, and when it gets the next one.
//!
//! Invariant: a token is obtained over the leaf that it is bound to.

use std::sync::Arc;
use std::time::Duration;

use super::{Agent, NEVER, Published};
use crate::clock::{BoxFuture, Time};
use crate::credential::Credential;
use crate::trusted::Trusted;

/// How soon a failed bearer is tried again.
pub const BEARER_RETRY: Duration = Duration::from_secs(1);

/// A token as it goes on the wire, and its end on this node's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The token's text.
    pub text: Arc<str>,
    /// The name of the key that signed it.
    pub key: Arc<str>,
    /// When it was obtained.
    pub obtained: Time,
    /// When it ends.
    pub expires: Time,
}

/// Where bearers come from. Asked with the credential that the bearer shall be bound to.
pub trait BearerSource: Send + Sync {
    /// A token bound to `credential`'s leaf, fetched over that leaf.
    fn bearer<'a>(
        &'a self,
        credential: &'a Credential,
        trusted: &'a Arc<Trusted>,
    ) -> BoxFuture<'a, Result<Bearer, String>>;
}

impl Agent {
    /// Half of the bearer's life from when it was obtained; at once if that was on a clock that
    /// has been set back since.
    pub(super) fn bearer_due(&self, held: &Published, now: Time) -> Time {
        held.bearer.as_ref().map_or(NEVER, |bearer| {
            let life = bearer.expires.since(bearer.obtained);
            let jitter = self.seams.rng.span(Duration::ZERO, life / 10);
            if bearer.obtained > now {
                return now;
            }
            bearer.obtained + (life / 2).saturating_sub(life / 20) + jitter
        })
    }
}
