//! A fleet, a CA that is away for a while, and the heal: a simulation of events, without I/O.
//!
//! Members plan with [`Renewal`] and the CA admits with [`Admission`], as nodes do; what lies
//! between is modelled as the simulated fabric has it. An attempt begins with a handshake at a
//! desk that does one thing at a time and drops whoever finds it full; then the request waits for
//! its turn, and its signature goes over the same desk. Without the handshake's cost nothing would
//! be lost by being turned away, and every policy would look alike. It proves nothing about TLS or
//! tasks. Same [`Heal`], same seed: same [`Outcome`].

mod member;
#[cfg(test)]
mod unlucky;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use member::Member;

use crate::admission::{Admission, Caller, Limits, Ticket};
use crate::clock::Time;
use crate::grpc::{COME_BACK, DESK_PAUSE, DESK_TRIES};
use crate::identity::InvalidSpiffeId;
use crate::renewal::Retry;
use crate::rng::Rng;

/// When the CA goes away.
pub const CUT: Time = Time::from_secs(1_800_000_000);
/// Pieces of work that may wait at the CA's desk: the simulated fabric's bound.
const DESK: usize = 64;
/// The largest fleet.
pub const MOST_MEMBERS: u32 = 100_000;
/// The shortest life of a leaf.
const SHORTEST_LEAF: Duration = Duration::from_secs(10);
/// How many events pass between two words of progress.
const WORD: u64 = 1 << 16;
/// What the CA asks of those that it turns away.
const HINT: Duration = COME_BACK;

/// What becomes of a dial into the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dial {
    /// It is through as soon as the cut heals: everybody who was dialling comes at once.
    Hangs,
    /// It is lost, and that shows only when the attempt's time is over: the longest wait.
    Lost,
}

/// In which order the CA serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Whoever's leaf ends first goes first.
    SoonestExpiry,
    /// Whoever came first goes first.
    FirstCome,
}

/// One experiment.
#[derive(Clone, Copy, Debug)]
pub struct Heal {
    /// How many there are: 1 to [`MOST_MEMBERS`].
    pub members: u32,
    /// Life of a leaf: 10 s or more.
    pub leaf_ttl: Duration,
    /// How long the CA is away: no longer than a leaf's life.
    pub outage: Duration,
    /// How a failed renewal is tried again.
    pub retry: Retry,
    /// How long an attempt may take: above zero.
    pub attempt: Duration,
    /// From a member to the CA, and back again.
    pub latency: Duration,
    /// How far past its end the CA still takes a leaf, and how far behind clocks may be.
    pub tolerance: Duration,
    /// What a handshake costs the CA's processor.
    pub handshake: Duration,
    /// What a leaf costs the CA's processor and disk.
    pub issue: Duration,
    /// How much the CA takes on.
    pub limits: Limits,
    /// What becomes of a dial into the cut.
    pub dial: Dial,
    /// In which order the CA serves.
    pub order: Order,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Leaves that ended before the next was there.
    pub lost: u32,
    /// Requests that waited at once, most.
    pub longest_queue: usize,
    /// From the heal until the last that was due by then had its leaf, or had lost it.
    pub recovered_in: Duration,
    /// Attempts that were begun since the heal.
    pub attempts: u32,
    /// Attempts that the CA turned away.
    pub refused: u32,
    /// Attempts whose time ran out since the heal.
    pub unanswered: u32,
}

/// Why there is no such experiment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeal {
    /// Nobody, or too many.
    #[error("from 1 to {MOST_MEMBERS} members")]
    Members,
    /// A leaf that is over at once.
    #[error("a leaf lives for 10 s or more")]
    Leaf,
    /// An attempt that is over at once.
    #[error("an attempt takes some time")]
    Attempt,
    /// Nobody has anything left to renew with.
    #[error("an outage is no longer than a leaf's life")]
    Outage,
    /// A member that cannot be named.
    #[error(transparent)]
    Name(#[from] InvalidSpiffeId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A member begins its attempt of that number.
    Begin(u32, u32),
    /// Its first bytes reach the CA.
    Knock(u32, u32),
    /// Its handshake is done.
    Greeted(u32, u32),
    /// It has its turn, and comes to the desk for so many a time.
    Turn(u32, u32, Ticket, u32),
    /// Its leaf is signed.
    Signed(u32, u32, Ticket),
    /// The leaf is with the member.
    Answered(u32, u32),
    /// It learns that it was turned away, and whether it shall leave the CA alone.
    TurnedAway(u32, u32, Duration),
    /// Its time is over.
    Expired(u32, u32),
}

/// The world under way.
struct World {
    heal: Heal,
    now: Time,
    events: BinaryHeap<Reverse<(Time, u64, Event)>>,
    planned: u64,
    members: Vec<Member>,
    admission: Admission,
    waiting: BTreeMap<Ticket, (u32, u32)>,
    /// When the desk is done with everything that it took, and with each piece of it.
    desk: VecDeque<Time>,
    /// Members that have their next leaf, or can have none any more.
    done: u32,
    outcome: Outcome,
}

impl Heal {
    /// Runs it, and says now and then which share of the members is done. The first member is the
    /// worst placed: due at the moment of the cut, as late as jitter allows, on a clock as far
    /// behind as the tolerance allows.
    ///
    /// # Errors
    /// When a figure is out of its range.
    pub fn run(self, seed: u64, progress: &mut dyn FnMut(f64)) -> Result<Outcome, InvalidHeal> {
        self.run_for(seed, None, progress)
    }

    /// As [`Self::run`]; `unlucky` draws for the first member.
    fn run_for(
        self,
        seed: u64,
        unlucky: Option<Box<dyn Rng>>,
        progress: &mut dyn FnMut(f64),
    ) -> Result<Outcome, InvalidHeal> {
        self.check()?;
        let mut world = World {
            heal: self,
            now: CUT,
            events: BinaryHeap::new(),
            planned: 0,
            members: member::fleet(&self, seed, unlucky)?,
            admission: Admission::new(self.limits),
            waiting: BTreeMap::new(),
            desk: VecDeque::new(),
            done: 0,
            outcome: Outcome::default(),
        };
        for who in 0..self.members {
            world.plan_next(who);
        }
        let mut events = 0_u64;
        while let Some(Reverse((at, _, event))) = world.events.pop() {
            world.now = at;
            world.happen(event);
            events += 1;
            if events.is_multiple_of(WORD) {
                progress(f64::from(world.done) / f64::from(self.members));
            }
        }
        progress(1.0);
        Ok(world.outcome)
    }

    fn check(&self) -> Result<(), InvalidHeal> {
        let sound = [
            (
                (1..=MOST_MEMBERS).contains(&self.members),
                InvalidHeal::Members,
            ),
            (self.leaf_ttl >= SHORTEST_LEAF, InvalidHeal::Leaf),
            (!self.attempt.is_zero(), InvalidHeal::Attempt),
            (self.outage <= self.leaf_ttl, InvalidHeal::Outage),
        ];
        let fault = sound.into_iter().find(|(is_sound, _)| !is_sound);
        fault.map_or(Ok(()), |(_, why)| Err(why))
    }

    fn healed(&self) -> Time {
        CUT + self.outage
    }
}

impl World {
    fn at(&mut self, when: Time, event: Event) {
        self.events.push(Reverse((when, self.planned, event)));
        self.planned += 1;
    }

    fn member(&mut self, who: u32) -> &mut Member {
        &mut self.members[who as usize]
    }

    /// Whether that attempt is the one that the member is at.
    fn current(&self, who: u32, attempt: u32) -> bool {
        self.members[who as usize].attempt == Some(attempt)
    }

    fn happen(&mut self, event: Event) {
        let back = self.now + self.heal.latency;
        match event {
            Event::Begin(who, attempt) => self.begin(who, attempt),
            Event::Knock(who, attempt) => match self.take(self.heal.handshake) {
                Some(done) => self.at(done, Event::Greeted(who, attempt)),
                None => self.at(back, Event::TurnedAway(who, attempt, Duration::ZERO)),
            },
            Event::Greeted(who, attempt) if self.current(who, attempt) => self.ask(who, attempt),
            Event::Turn(who, attempt, ticket, times) => self.turn(who, attempt, ticket, times),
            Event::Signed(who, attempt, ticket) => {
                self.admission.leave(ticket);
                if self.members[who as usize].accepted(self.now, self.heal.tolerance) {
                    self.at(back, Event::Answered(who, attempt));
                } else {
                    self.at(back, Event::TurnedAway(who, attempt, Duration::ZERO));
                }
                self.call();
            }
            Event::Answered(who, attempt) if self.current(who, attempt) => self.end(who),
            Event::TurnedAway(who, attempt, hint) if self.current(who, attempt) => {
                self.outcome.refused += 1;
                self.fail(who, hint);
            }
            Event::Expired(who, attempt) if self.current(who, attempt) => {
                let given_up = |held: &(u32, u32)| *held == (who, attempt);
                let ticket = self.waiting.iter().find(|(_, held)| given_up(held));
                if let Some(ticket) = ticket.map(|(ticket, _)| *ticket) {
                    self.waiting.remove(&ticket);
                    self.admission.leave(ticket);
                }
                self.outcome.unanswered += u32::from(self.now > self.heal.healed());
                self.fail(who, Duration::ZERO);
            }
            Event::Greeted(..) | Event::Answered(..) | Event::TurnedAway(..) => {}
            Event::Expired(..) => {}
        }
    }

    fn begin(&mut self, who: u32, attempt: u32) {
        self.member(who).attempt = Some(attempt);
        let (over, healed) = (self.now + self.heal.attempt, self.heal.healed());
        let cut = self.now < healed;
        if !cut {
            self.outcome.attempts += 1;
        }
        if !cut || self.heal.dial == Dial::Hangs && healed < over {
            let through = self.now.max(healed) + self.heal.latency;
            self.at(through, Event::Knock(who, attempt));
        }
        self.at(over, Event::Expired(who, attempt));
    }

    /// The desk takes a piece of work, unless too much waits there; says when it is done.
    fn take(&mut self, cost: Duration) -> Option<Time> {
        while self.desk.front().is_some_and(|done| *done <= self.now) {
            self.desk.pop_front();
        }
        if self.desk.len() >= DESK {
            return None;
        }
        let free = self.desk.back().copied().unwrap_or(self.now);
        let done = free + cost;
        self.desk.push_back(done);
        Some(done)
    }

    fn ask(&mut self, who: u32, attempt: u32) {
        let mut leaf = self.members[who as usize].leaf.clone();
        if self.heal.order == Order::FirstCome {
            leaf.not_after = self.now;
        }
        match self.admission.admit(Caller::renewing(&leaf)) {
            Ok(admitted) => {
                self.waiting.insert(admitted.ticket, (who, attempt));
                if let Some(displaced) = admitted.displaced {
                    self.turn_away(displaced);
                }
            }
            Err(_) => {
                let back = self.now + self.heal.latency;
                self.at(back, Event::TurnedAway(who, attempt, HINT));
            }
        }
        self.call();
        let queue = self.outcome.longest_queue.max(self.admission.waiting());
        self.outcome.longest_queue = queue;
    }

    fn turn_away(&mut self, ticket: Ticket) {
        if let Some((who, attempt)) = self.waiting.remove(&ticket) {
            let back = self.now + self.heal.latency;
            self.at(back, Event::TurnedAway(who, attempt, HINT));
        }
    }

    /// Calls as many as may be served now.
    fn call(&mut self) {
        while let Some(ticket) = self.admission.call() {
            if let Some((who, attempt)) = self.waiting.remove(&ticket) {
                self.turn(who, attempt, ticket, 1);
            }
        }
    }

    fn turn(&mut self, who: u32, attempt: u32, ticket: Ticket, times: u32) {
        if let Some(done) = self.take(self.heal.issue) {
            self.at(done, Event::Signed(who, attempt, ticket));
        } else if times < DESK_TRIES && self.current(who, attempt) {
            let again = Event::Turn(who, attempt, ticket, times + 1);
            self.at(self.now + DESK_PAUSE, again);
        } else {
            self.admission.leave(ticket);
            let back = self.now + self.heal.latency;
            self.at(back, Event::TurnedAway(who, attempt, HINT));
            self.call();
        }
    }

    fn fail(&mut self, who: u32, hint: Duration) {
        let now = self.now;
        self.member(who).failed(now, hint);
        self.plan_next(who);
    }

    fn plan_next(&mut self, who: u32) {
        match self.member(who).next() {
            Some((when, attempt)) => self.at(when, Event::Begin(who, attempt)),
            None => self.end(who),
        }
    }

    /// A member has its next leaf, or can have none any more.
    fn end(&mut self, who: u32) {
        let (now, healed) = (self.now, self.heal.healed());
        let tolerance = self.heal.tolerance;
        let member = self.member(who);
        let renewed = member.attempt.take().is_some() && member.accepted(now, tolerance);
        let was_due = member.due < healed;
        self.done += 1;
        self.outcome.lost += u32::from(!renewed);
        if was_due && now > healed {
            self.outcome.recovered_in = self.outcome.recovered_in.max(now.since(healed));
        }
    }
}

#[cfg(test)]
mod tests;
