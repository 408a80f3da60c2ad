//! Who is next at the CA: a bounded queue, the soonest expiry first.
//!
//! After a cut a whole fleet asks at once. Whoever's leaf ends first goes first, and when too many
//! wait, whoever has most time is turned away. A first enrolment has no leaf to lose: it stands
//! where a leaf would that ends [`PATIENCE`] after it came, so that it passes nobody in need and
//! is not put off for ever; and enrolments have places of their own, because a crowd of them must
//! not cost a member its place. An identity has one request here, waiting, being served or at rest
//! (served but for the sync that it shares with others), so that none gets more than its turn. It
//! knows neither requests nor wires, and reads no clock.
//! Invariant: never more at once than [`Limits`] says, whoever asks, and however often.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Time;
use crate::identity::{LeafFacts, SpiffeId};
use crate::work::Busy;

/// How long a first enrolment may be passed by renewals.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How much a CA takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests being served at once, 1 or more. Together they may share what one alone would
    /// wait for: a handshake's end.
    pub at_once: usize,
    /// Requests at rest, which are served but for a sync of the log that they share: so many make
    /// it cheap for each.
    pub resting: usize,
    /// Renewals that may wait. A request that waits for longer than its caller does is work for
    /// nothing: so many take well under an attempt's time.
    pub renewals: usize,
    /// First enrolments that may wait.
    pub enrolments: usize,
}

impl Limits {
    /// What [`crate::node::run`] takes on.
    pub const STANDARD: Self = Self {
        at_once: 16,
        resting: 64,
        renewals: 256,
        enrolments: 64,
    };
}

/// What a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Errand {
    /// A first leaf.
    Enroll,
    /// The leaf after the one that it has.
    Renew,
}

/// Who asks, and by when it should have an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    errand: Errand,
    id: SpiffeId,
    by: Time,
}

impl Caller {
    /// A member whose leaf, which the connection has verified, shall be renewed.
    pub fn renewing(leaf: &LeafFacts) -> Self {
        Self {
            errand: Errand::Renew,
            id: leaf.spiffe_id.clone(),
            by: leaf.not_after,
        }
    }

    /// A workload with a join code for `id`, at `now`.
    pub fn enrolling(id: SpiffeId, now: Time) -> Self {
        Self {
            errand: Errand::Enroll,
            id,
            by: now + PATIENCE,
        }
    }
}

/// One request's place in the order: the soonest first, and of those the one that came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    by: Time,
    number: u64,
}

/// What became of a request that is now in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its place.
    pub ticket: Ticket,
    /// Whom it displaced: an older request of the same identity, or the one with most time.
    pub displaced: Option<Ticket>,
}

/// The queue. Whoever was admitted must [`Self::leave`], served or not.
#[derive(Clone, Debug)]
pub struct Admission {
    limits: Limits,
    enrolments: BTreeMap<Ticket, SpiffeId>,
    renewals: BTreeMap<Ticket, SpiffeId>,
    serving: BTreeMap<Ticket, (Errand, SpiffeId)>,
    resting: BTreeMap<Ticket, (Errand, SpiffeId)>,
    /// Everybody who waits, is being served or is at rest.
    present: BTreeMap<(Errand, SpiffeId), Ticket>,
    number: u64,
}

impl Admission {
    /// An empty queue.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            enrolments: BTreeMap::new(),
            renewals: BTreeMap::new(),
            serving: BTreeMap::new(),
            resting: BTreeMap::new(),
            present: BTreeMap::new(),
            number: 0,
        }
    }

    /// Takes a request in.
    ///
    /// # Errors
    /// When as many as may wait have less time than this one, or the same identity is being
    /// served or at rest.
    pub fn admit(&mut self, caller: Caller) -> Result<Admitted, Busy> {
        let Caller { errand, id, by } = caller;
        let who = (errand, id);
        let older = self.present.get(&who).copied();
        let called = |older| self.serving.contains_key(&older) || self.resting.contains_key(&older);
        if older.is_some_and(called) {
            return Err(Busy);
        }
        let number = self.number;
        let ticket = Ticket { by, number };
        let displaced = match older {
            Some(older) => Some(older),
            None => self.room(errand, ticket)?,
        };
        displaced.into_iter().for_each(|ticket| self.leave(ticket));
        self.number += 1;
        self.lane(errand).1.insert(ticket, who.1.clone());
        self.present.insert(who, ticket);
        Ok(Admitted { ticket, displaced })
    }

    /// Whose turn it is, if one more can be served now.
    pub fn call(&mut self) -> Option<Ticket> {
        if self.serving.len() >= self.limits.at_once {
            return None;
        }
        let first = |lane: &BTreeMap<Ticket, SpiffeId>| lane.keys().next().copied();
        let next = match (first(&self.enrolments), first(&self.renewals)) {
            (Some(enrolment), Some(renewal)) => enrolment.min(renewal),
            (one, other) => one.or(other)?,
        };
        let who = match self.renewals.remove(&next) {
            Some(id) => (Errand::Renew, id),
            None => (Errand::Enroll, self.enrolments.remove(&next)?),
        };
        self.serving.insert(next, who);
        Some(next)
    }

    /// A request is served but for what it shares with others, and lets the next be served
    /// meanwhile. With as many at rest as may be, it keeps its turn.
    pub fn rest(&mut self, ticket: Ticket) {
        if self.resting.len() < self.limits.resting {
            self.resting.extend(self.serving.remove_entry(&ticket));
        }
    }

    /// A request is answered, was given up, or was displaced. One that is gone already may leave
    /// again.
    pub fn leave(&mut self, ticket: Ticket) {
        let enrolment = self.enrolments.remove(&ticket);
        let enrolment = enrolment.map(|id| (Errand::Enroll, id));
        let renewal = || Some((Errand::Renew, self.renewals.remove(&ticket)?));
        let gone = enrolment.or_else(renewal);
        let called = || {
            self.serving
                .remove(&ticket)
                .or_else(|| self.resting.remove(&ticket))
        };
        if let Some(who) = gone.or_else(called) {
            self.present.remove(&who);
        }
    }

    /// How many are served at once.
    pub const fn at_once(&self) -> usize {
        self.limits.at_once
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.enrolments.len() + self.renewals.len()
    }

    /// Whoever must go so that `ticket` may wait; nobody if there is room.
    fn room(&mut self, errand: Errand, ticket: Ticket) -> Result<Option<Ticket>, Busy> {
        let (most, waiting) = self.lane(errand);
        if waiting.len() < most {
            return Ok(None);
        }
        let last = waiting.keys().next_back().copied();
        last.filter(|last| ticket < *last).map(Some).ok_or(Busy)
    }

    const fn lane(&mut self, errand: Errand) -> (usize, &mut BTreeMap<Ticket, SpiffeId>) {
        match errand {
            Errand::Enroll => (self.limits.enrolments, &mut self.enrolments),
            Errand::Renew => (self.limits.renewals, &mut self.renewals),
        }
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
