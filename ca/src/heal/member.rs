//! The members of a simulated fleet: a leaf each, a plan for it, and a clock.

use std::time::Duration;

use super::{CUT, Heal};
use crate::clock::Time;
use crate::identity::{InvalidSpiffeId, LeafFacts, SpiffeId, TrustDomain};
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
    pub(super) plan: Renewal,
    rng: Box<dyn Rng>,
}

impl Member {
    /// A member with a leaf that ends at `not_after`, and the time when it is due.
    fn new(
        spiffe_id: SpiffeId,
        heal: &Heal,
        not_after: Time,
        behind: Duration,
        rng: Box<dyn Rng>,
    ) -> Self {
        let leaf = LeafFacts {
            spiffe_id,
            serial: Vec::new(),
            not_before: not_after - heal.leaf_ttl,
            not_after,
            leaf_sha256: [0; 32],
            issuer: Vec::new(),
        };
        let plan = Renewal::plan(&leaf, heal.retry, &*rng);
        Self {
            // A leaf is always due before its end.
            due: plan.next_attempt().unwrap_or(not_after) + behind,
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
pub(super) fn fleet(
    heal: &Heal,
    seed: u64,
    unlucky: Option<Box<dyn Rng>>,
) -> Result<Vec<Member>, InvalidSpiffeId> {
    let mut members = Vec::new();
    for number in 0..heal.members {
        let id = name(number)?;
        let rng = SeededRng::branch(seed, &format!("member {number}"));
        members.push(loop {
            let behind = rng.span(Duration::ZERO, heal.tolerance);
            let left = rng.span(Duration::ZERO, heal.leaf_ttl);
            let draws = SeededRng::new(rng.next());
            let member = Member::new(id.clone(), heal, CUT + left, behind, Box::new(draws));
            if member.due >= CUT {
                break member;
            }
        });
    }
    if let Some(first) = members.first_mut() {
        let lucky = std::mem::replace(&mut first.rng, Box::new(Latest));
        *first = worst(heal, unlucky.unwrap_or(lucky))?;
    }
    Ok(members)
}

fn name(number: u32) -> Result<SpiffeId, InvalidSpiffeId> {
    SpiffeId::new(
        &TrustDomain::new("clinic.example")?,
        &format!("/n/{number}"),
    )
}

/// The worst placed: due at the cut and not before, as late in its leaf's life as may be, on a
/// clock as far behind as may be.
pub(super) fn worst(heal: &Heal, rng: Box<dyn Rng>) -> Result<Member, InvalidSpiffeId> {
    let id = name(0)?;
    let placed = |not_after| {
        let latest = Box::new(Latest);
        Member::new(id.clone(), heal, not_after, heal.tolerance, latest)
    };
    let late = placed(CUT + heal.leaf_ttl).due.since(CUT);
    Ok(Member {
        rng,
        ..placed(CUT + heal.leaf_ttl - late)
    })
}
