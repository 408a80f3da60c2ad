//! The members of a simulated fleet: a leaf each, a plan for it, and a clock.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use super::{CUT, Heal};
use crate::clock::Time;
use crate::identity::{LeafFacts, SpiffeId};
use crate::renewal::Renewal;
use crate::rng::{Rng, SeededRng};

/// Draws the latest that may be drawn.
#[derive(Debug)]
pub(super) struct Latest;

impl Rng for Latest {
    fn next(&self) -> u64 {
        u64::MAX
    }
}

/// One member. Its plan is made on its own clock; everything else is on the CA's.
pub(super) struct Member {
    pub(super) leaf: LeafFacts,
    /// When its renewal was first due.
    pub(super) due: Time,
    /// The attempt under way.
    pub(super) attempt: Option<u32>,
    behind: Duration,
    plan: Renewal,
    rng: Box<dyn Rng>,
}

impl Member {
    /// A member with a leaf that ends at `not_after`, and the time when it is due.
    fn new(number: u32, heal: &Heal, not_after: Time, behind: Duration, rng: Box<dyn Rng>) -> Self {
        let path = format!("spiffe://clinic.example/n/{number}");
        let leaf = LeafFacts {
            spiffe_id: SpiffeId::parse(&path).unwrap(),
            serial: Vec::new(),
            not_before: not_after - heal.leaf_ttl,
            not_after,
            leaf_sha256: [0; 32],
            issuer: Vec::new(),
        };
        let plan = Renewal::plan(&leaf, heal.retry, &*rng);
        Self {
            due: plan.next_attempt().unwrap() + behind,
            leaf,
            attempt: None,
            behind,
            plan,
            rng,
        }
    }

    /// When it tries next, and for the how-manieth time.
    pub(super) fn next(&self) -> Option<(Time, u32)> {
        let next = self.plan.next_attempt()?;
        Some((next + self.behind, self.plan.failures()))
    }

    pub(super) fn failed(&mut self, now: Time, hint: Duration) {
        self.attempt = None;
        self.plan.failed(now - self.behind, hint, &*self.rng);
    }

    /// Whether its leaf still counts.
    pub(super) fn accepted(&self, now: Time, tolerance: Duration) -> bool {
        self.leaf.timely(now, tolerance).is_ok()
    }
}

/// Everybody, due at or after the cut: whoever was due before has renewed. The first is the worst
/// placed, and draws from `unlucky` if that is given.
pub(super) fn fleet(heal: &Heal, seed: u64, unlucky: Option<Box<dyn Rng>>) -> Vec<Member> {
    let mut members = Vec::new();
    for number in 0..heal.members {
        let rng = SeededRng::branch(seed, &format!("member {number}"));
        members.push(loop {
            let behind = rng.span(Duration::ZERO, heal.tolerance);
            let left = rng.span(Duration::ZERO, heal.leaf_ttl);
            let draws = SeededRng::new(rng.next());
            let member = Member::new(number, heal, CUT + left, behind, Box::new(draws));
            if member.due >= CUT {
                break member;
            }
        });
    }
    if let Some(first) = members.first_mut() {
        let lucky = std::mem::replace(&mut first.rng, Box::new(Latest));
        *first = worst(heal, unlucky.unwrap_or(lucky));
    }
    members
}

/// The worst placed: due at the cut and not before, as late in its leaf's life as may be, on a
/// clock as far behind as may be.
fn worst(heal: &Heal, rng: Box<dyn Rng>) -> Member {
    let placed = |not_after| Member::new(0, heal, not_after, heal.tolerance, Box::new(Latest));
    let late = placed(CUT + heal.leaf_ttl).due.since(CUT);
    Member {
        rng,
        ..placed(CUT + heal.leaf_ttl - late)
    }
}

/// Draws what was laid down, and then the latest.
#[derive(Debug)]
pub(super) struct Unlucky(Mutex<VecDeque<u64>>);

impl Rng for Unlucky {
    fn next(&self) -> u64 {
        self.0.lock().unwrap().pop_front().unwrap_or(u64::MAX)
    }
}

impl Unlucky {
    /// What the worst-placed member may draw at worst: it begins an attempt in the last moment
    /// before the heal, and after its failure waits for as long as it may.
    pub(super) fn of(heal: &Heal) -> Box<Self> {
        let member = worst(heal, Box::new(Latest));
        let mut draws = Vec::new();
        let last = heal.healed() - Duration::from_micros(1) - heal.tolerance;
        assert!(aim(member.plan, heal.attempt, last, &mut draws));
        Box::new(Self(Mutex::new(draws.into())))
    }
}

/// Finds draws after which an attempt begins at `last`, if each takes all of its time to fail.
fn aim(plan: Renewal, attempt: Duration, last: Time, draws: &mut Vec<u64>) -> bool {
    let next = |draw| {
        let mut plan = plan;
        let failed = plan.next_attempt()? + attempt;
        plan.failed(failed, Duration::ZERO, &Unlucky(Mutex::new([draw].into())));
        Some((plan, plan.next_attempt()?))
    };
    let (Some((_, low)), Some((_, high))) = (next(0), next(u64::MAX)) else {
        return false;
    };
    let reach = high.since(low).as_micros() + 1;
    let exact = (last.since(low).as_micros() << 64).div_ceil(reach);
    if let (true, Ok(draw)) = (low <= last, u64::try_from(exact))
        && next(draw).is_some_and(|(_, at)| at == last)
    {
        draws.push(draw);
        return true;
    }
    for part in [4, 6, 2, 7, 1, 5, 3] {
        let draw = u64::MAX / 8 * part;
        if let Some((plan, at)) = next(draw)
            && at < last
        {
            draws.push(draw);
            if aim(plan, attempt, last, draws) {
                return true;
            }
            draws.pop();
        }
    }
    false
}
