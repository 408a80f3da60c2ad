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
mod tests {
    use super::*;
    use crate::rng::{Rng as _, SeededRng};

    const NOW: Time = Time::from_secs(1_000);
    const SMALL: Limits = Limits {
        at_once: 1,
        resting: 2,
        renewals: 3,
        enrolments: 2,
    };

    fn id(number: u64) -> SpiffeId {
        SpiffeId::parse(&format!("spiffe://clinic.example/n/{number}")).unwrap()
    }

    /// A member whose leaf has so many seconds left.
    fn member(number: u64, left: u64) -> Caller {
        Caller::renewing(&LeafFacts {
            spiffe_id: id(number),
            serial: vec![1],
            not_before: NOW,
            not_after: NOW + Duration::from_secs(left),
            leaf_sha256: [0; 32],
            issuer: Vec::new(),
        })
    }

    /// A queue whose one place at the pen is taken.
    fn busy() -> (Admission, Ticket) {
        let mut queue = Admission::new(SMALL);
        queue.admit(member(1_000, 0)).unwrap();
        let served = queue.call().unwrap();
        (queue, served)
    }

    /// Serves everybody, one after another.
    fn drain(queue: &mut Admission, mut served: Ticket) -> Vec<Ticket> {
        let mut order = Vec::new();
        loop {
            queue.leave(served);
            let Some(next) = queue.call() else {
                return order;
            };
            assert_eq!(queue.call(), None, "one at a time");
            order.push(next);
            served = next;
        }
    }

    #[test]
    fn the_soonest_expiry_goes_first_and_equals_go_as_they_came() {
        let (mut queue, served) = busy();
        let [late, soon, as_soon] = [(1, 30), (2, 10), (3, 10)]
            .map(|(number, left)| queue.admit(member(number, left)).unwrap().ticket);
        assert_eq!(drain(&mut queue, served), [soon, as_soon, late]);
    }

    #[test]
    fn a_full_queue_turns_away_whoever_has_most_time() {
        let (mut queue, served) = busy();
        let [first, second, third] = [(1, 10), (2, 20), (3, 30)]
            .map(|(number, left)| queue.admit(member(number, left)).unwrap().ticket);
        for left in [31, 30] {
            assert_eq!(queue.admit(member(4, left)), Err(Busy), "{left} s left");
        }
        let fourth = queue.admit(member(4, 29)).unwrap();
        assert_eq!(fourth.displaced, Some(third));
        assert_eq!(queue.waiting(), SMALL.renewals);
        assert_eq!(drain(&mut queue, served), [first, second, fourth.ticket]);
    }

    #[test]
    fn an_identity_has_one_request_and_the_newest_is_the_one_that_counts() {
        let (mut queue, served) = busy();
        let older = queue.admit(member(1, 10)).unwrap().ticket;
        let newer = queue.admit(member(1, 40)).unwrap();
        assert_eq!((newer.displaced, queue.waiting()), (Some(older), 1));
        queue.leave(older);
        assert_eq!(queue.waiting(), 1, "it was gone already");
        assert_eq!(drain(&mut queue, served), [newer.ticket]);
    }

    #[test]
    fn whoever_is_being_served_does_not_stand_in_line_as_well() {
        let (mut queue, served) = busy();
        assert_eq!(queue.admit(member(1_000, 0)), Err(Busy));
        queue.admit(member(1, 40)).unwrap();
        queue.leave(served);
        queue.call().unwrap();
        let again = queue.admit(member(1_000, 0));
        assert!(again.is_ok(), "others had their turn first");
    }

    #[test]
    fn whoever_rests_lets_the_next_be_served_and_counts_as_its_identitys_one_request() {
        let (mut queue, first) = busy();
        let waits = queue.admit(member(1, 10)).unwrap().ticket;
        assert_eq!(queue.call(), None);
        queue.rest(first);
        assert_eq!(queue.call(), Some(waits));
        assert_eq!(
            queue.admit(member(1_000, 0)),
            Err(Busy),
            "it is not answered yet"
        );
        queue.leave(first);
        assert!(queue.admit(member(1_000, 0)).is_ok());
    }

    #[test]
    fn with_as_many_at_rest_as_may_be_a_turn_lasts_until_the_answer() {
        let (mut queue, mut served) = busy();
        for number in 0..2 {
            queue.rest(served);
            queue.admit(member(number, 10)).unwrap();
            served = queue.call().unwrap();
        }
        queue.rest(served);
        let last = queue.admit(member(2, 10)).unwrap().ticket;
        assert_eq!(queue.call(), None, "two rest, and one keeps its turn");
        queue.leave(served);
        assert_eq!(queue.call(), Some(last));
    }

    #[test]
    fn an_enrolment_passes_nobody_in_need_and_is_not_put_off_for_ever() {
        let (mut queue, served) = busy();
        let enrolment = queue.admit(Caller::enrolling(id(9), NOW)).unwrap().ticket;
        let patience = PATIENCE.as_secs();
        let need = queue.admit(member(1, patience - 1)).unwrap().ticket;
        let time = queue.admit(member(2, patience + 1)).unwrap().ticket;
        assert_eq!(drain(&mut queue, served), [need, enrolment, time]);
    }

    #[test]
    fn a_crowd_of_enrolments_costs_no_member_its_place() {
        let (mut queue, _) = busy();
        for number in 0..100 {
            let admitted = queue.admit(Caller::enrolling(id(number), NOW));
            assert_eq!(admitted.is_ok(), number < 2, "{number}");
        }
        for number in 0..3 {
            // The same name with a join code is another errand, and displaces nothing.
            let admitted = queue.admit(member(number, 1_000)).unwrap();
            assert_eq!(admitted.displaced, None);
        }
        assert_eq!(queue.waiting(), SMALL.renewals + SMALL.enrolments);
    }

    #[test]
    fn whoever_asks_and_however_often_no_more_wait_than_may() {
        let limits = Limits {
            at_once: 4,
            resting: 3,
            renewals: 16,
            enrolments: 8,
        };
        let (mut queue, rng) = (Admission::new(limits), SeededRng::new(7));
        let mut known = Vec::new();
        for _ in 0..20_000 {
            let (number, left) = (rng.below(5_000), rng.below(100));
            let caller = match rng.below(3) {
                0 => Caller::enrolling(id(number), NOW + Duration::from_secs(left)),
                _ => member(number, left),
            };
            if let Ok(admitted) = queue.admit(caller) {
                known.push(admitted.ticket);
                known.retain(|ticket| Some(*ticket) != admitted.displaced);
            }
            if rng.below(4) == 0 && !known.is_empty() {
                let gone = usize::try_from(rng.below(known.len() as u64)).unwrap();
                queue.leave(known.swap_remove(gone));
            }
            while let Some(called) = queue.call() {
                if rng.below(2) == 0 {
                    queue.rest(called);
                }
            }
            assert!(queue.renewals.len() <= 16 && queue.enrolments.len() <= 8);
            assert!(queue.serving.len() <= 4 && queue.resting.len() <= 3);
            let called = queue.serving.len() + queue.resting.len();
            assert_eq!(queue.present.len(), queue.waiting() + called);
            assert_eq!(queue.present.len(), known.len());
        }
        known.into_iter().for_each(|ticket| queue.leave(ticket));
        assert!(queue.present.is_empty() && queue.serving.is_empty());
        assert!(queue.resting.is_empty());
        assert_eq!(queue.waiting(), 0);
    }
}
