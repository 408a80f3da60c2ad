//! What an agent renews before its time: a leaf by a tainted issuer, a token by a tainted key.
//!
//! All members hear of a taint at once, and must not come at once: each finds its own moment from
//! its name. Invariant: what is not tainted is not renewed for it.

use std::time::Duration;

use super::{Agent, NEVER, Published};
use crate::clock::Time;
use crate::rotation::renewal_slot;

/// How many members come in one [`INTERVAL`].
const BATCH: u32 = 50;
/// How long one batch takes.
const INTERVAL: Duration = Duration::from_secs(1);
/// How soon an early renewal that failed is tried again, before jitter.
const AGAIN: Duration = Duration::from_secs(2);

/// When to renew early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Early {
    pub(super) leaf: Time,
    pub(super) bearer: Time,
}

impl Early {
    /// Of two plans whatever comes first, so that no news puts off what was planned.
    pub(super) fn sooner(self, other: Self) -> Self {
        Self {
            leaf: self.leaf.min(other.leaf),
            bearer: self.bearer.min(other.bearer),
        }
    }
}

impl Agent {
    /// What is to be renewed early by what is believed now.
    pub(super) fn early(&self, held: &Published, now: Time) -> Early {
        let (beliefs, id) = (self.beliefs(), &self.config.id);
        let generation = beliefs.generation(id.trust_domain());
        let slot = now + renewal_slot(id, generation, beliefs.members, BATCH, INTERVAL);
        let when = |tainted: bool| if tainted { slot } else { NEVER };
        let by = held.bearer.as_ref().map(|bearer| &*bearer.key);
        Early {
            leaf: when(beliefs.taints(&held.credential.chain)),
            bearer: when(by.is_some_and(|key| beliefs.taints_key(key))),
        }
    }

    /// As [`Self::early`] for what has just been renewed: whoever gave it may not have heard yet.
    pub(super) fn still(&self, held: &Published, now: Time) -> Early {
        let early = self.early(held, now);
        // It may stay so for long: no sooner than twice in the life of what was renewed.
        let put_off = |at: Time, life: Duration| {
            let jitter = self.seams.rng.span(Duration::ZERO, life / 8);
            if at == NEVER {
                at
            } else {
                now + life / 4 + jitter
            }
        };
        let facts = &held.credential.facts;
        let bearer = held.bearer.as_ref();
        let bearer = bearer.map_or(AGAIN, |it| it.expires.since(it.obtained));
        Early {
            leaf: put_off(early.leaf, facts.not_after.since(facts.not_before)),
            bearer: put_off(early.bearer, bearer),
        }
    }

    /// When an early renewal that failed at `now` is tried again; never, if it was none, or after
    /// `end`.
    pub(super) fn again(&self, early: Time, end: Time, now: Time, hint: Duration) -> Time {
        if early > now {
            return early;
        }
        let next = now + AGAIN.max(hint) + self.seams.rng.span(Duration::ZERO, AGAIN / 2);
        if next > end { NEVER } else { next }
    }
}
