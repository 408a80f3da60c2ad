//! Looking at the target once, and until something is so.
//!
//! One question on one new connection, with whatever identity a case wishes for; what is no word
//! about the caller is never taken for one.

use std::time::Duration;

use tokio::time::sleep;

use super::{Arrival, Caller, Obstacle, Signer, Stage};
use crate::drill::authority::{Issuer, Leaf, LeafWish};
use crate::drill::clock;
use crate::drill::eyes::{Badge, Client, Identity, Reply, Sessions};

/// What a caller met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Met {
    /// It was served.
    Served,
    /// It was refused: how.
    Refused(String),
    /// Neither: what happened.
    Unclear(String),
}

impl Met {
    fn of(reply: &Reply) -> Self {
        match reply {
            Reply::Served(_) => Self::Served,
            Reply::Refused(_) => Self::Refused(reply.to_string()),
            // Without a word, right before and after a good caller was served: a refusal.
            Reply::Failed(_) if reply.shut_out() => Self::Refused(reply.to_string()),
            Reply::Failed(_) => Self::Unclear(reply.to_string()),
        }
    }

    /// Whether it was served.
    pub const fn is_served(&self) -> bool {
        matches!(self, Self::Served)
    }

    /// Whether it was refused.
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl std::fmt::Display for Met {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Served => f.write_str("served"),
            Self::Refused(how) | Self::Unclear(how) => f.write_str(how),
        }
    }
}

/// So often something doubtful must be met before it counts: one lost packet is no answer.
const SURELY: usize = 3;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// That the caller is served.
    Served,
    /// That the caller is refused.
    Refused,
}

impl Stage {
    /// A fresh good caller below this signer, with a good token.
    ///
    /// # Errors
    /// When its leaf or token cannot be made.
    pub fn caller(&self, signer: Signer) -> Result<Caller, Obstacle> {
        self.caller_with(signer, &self.cast().caller_wish())
    }

    /// A caller with a leaf as wished, and a good token.
    ///
    /// # Errors
    /// When its leaf or token cannot be made.
    pub fn caller_with(&self, signer: Signer, wish: &LeafWish) -> Result<Caller, Obstacle> {
        self.caller_under(self.cast().issuer(signer), wish)
    }

    /// A caller below an issuer of the case's own.
    ///
    /// # Errors
    /// When its leaf or token cannot be made.
    pub fn caller_under(&self, issuer: &Issuer, wish: &LeafWish) -> Result<Caller, Obstacle> {
        let leaf = issuer.leaf(wish)?;
        let badge = match self.tokens() {
            Some(tokens) => Some(tokens.good(&leaf)?),
            None => None,
        };
        Ok(Caller { leaf, badge })
    }

    /// Anybody at the target's door.
    ///
    /// # Errors
    /// When the identity's key cannot sign.
    pub fn client(&self, identity: &Identity, sessions: Sessions) -> Result<Client, Obstacle> {
        Ok(Client::new(self.door().clone(), identity, sessions)?)
    }

    /// Asks the allowed call once, on a new connection with a whole handshake.
    ///
    /// # Errors
    /// When the identity's key cannot sign.
    pub async fn meet(&self, caller: &Caller) -> Result<Met, Obstacle> {
        self.meet_as(&caller.identity(), caller.badge.as_ref())
            .await
    }

    /// The same with an identity and a token that need not belong together.
    ///
    /// # Errors
    /// When the identity's key cannot sign.
    pub async fn meet_as(
        &self,
        identity: &Identity,
        badge: Option<&Badge>,
    ) -> Result<Met, Obstacle> {
        let client = self.client(identity, Sessions::None)?;
        let reply = match client.connect().await {
            Ok(connection) => connection.ask(self.call(), badge).await,
            Err(reply) => reply,
        };
        Ok(Met::of(&reply))
    }

    /// Asks again and again until the caller meets this, no longer than `limit`; the last that it
    /// met.
    ///
    /// # Errors
    /// When the identity's key cannot sign.
    pub async fn meet_until(
        &self,
        caller: &Caller,
        until: Until,
        limit: Duration,
    ) -> Result<Met, Obstacle> {
        let begun = clock::instant();
        loop {
            let met = self.meet(caller).await?;
            let over = clock::instant().saturating_duration_since(begun) >= limit;
            let wanted = match until {
                Until::Served => met.is_served(),
                Until::Refused => met.is_refused(),
            };
            if wanted || over {
                return Ok(met);
            }
            sleep(self.manner().step).await;
        }
    }

    /// What a caller meets that should meet this: what is doubtful must come three times.
    ///
    /// # Errors
    /// When the identity's key cannot sign.
    pub async fn meet_surely(&self, caller: &Caller, keeps: Until) -> Result<Met, Obstacle> {
        let mut met = self.meet(caller).await?;
        for _ in 1..SURELY {
            let doubtful = match keeps {
                Until::Served => !met.is_served(),
                // A success is no accident.
                Until::Refused => matches!(met, Met::Unclear(_)),
            };
            if !doubtful {
                break;
            }
            sleep(self.manner().step).await;
            met = self.meet(caller).await?;
        }
        Ok(met)
    }

    /// Asks again and again for `span`, as long as the caller meets this; the first that it met
    /// otherwise, three times together.
    ///
    /// # Errors
    /// When the identity's key cannot sign.
    pub async fn meet_throughout(
        &self,
        caller: &Caller,
        keeps: Until,
        span: Duration,
    ) -> Result<Option<Met>, Obstacle> {
        let begun = clock::instant();
        loop {
            let met = self.meet_surely(caller, keeps).await?;
            let kept = match keeps {
                Until::Served => met.is_served(),
                Until::Refused => met.is_refused(),
            };
            if !kept {
                return Ok(Some(met));
            }
            if clock::instant().saturating_duration_since(begun) >= span {
                return Ok(None);
            }
            sleep(self.manner().step).await;
        }
    }

    /// Whether a caller below a root that was just added is served: after `settle`, or else when
    /// the target was started again, if it can be. The leaf is the one that it should serve then.
    ///
    /// # Errors
    /// When the target does not start again.
    pub async fn comes_to_be_served(
        &mut self,
        caller: &Caller,
        leaf: &Leaf,
    ) -> Result<bool, Obstacle> {
        if !(self.roots_by_restart && self.can_restart()) {
            let met = self
                .meet_until(caller, Until::Served, self.settle())
                .await?;
            if met.is_served() || !self.can_restart() {
                return Ok(met.is_served());
            }
        }
        self.restart().await?;
        let arrival = self.arrives(leaf).await;
        let met = self
            .meet_until(caller, Until::Served, self.settle())
            .await?;
        if met.is_served() && matches!(arrival, Arrival::Served { .. }) {
            self.roots_by_restart = true;
            self.note(
                "the target takes new roots up when it is started again, and not before: it was \
                 started again where a case needed them",
            );
            return Ok(true);
        }
        Ok(false)
    }
}
