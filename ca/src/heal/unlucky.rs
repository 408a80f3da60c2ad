//! The worst luck that a member can have: draws that lead it to the worst moment there is.
//!
//! For the proof of the outage budget alone: what no draw can do, no member suffers.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use super::Heal;
use super::member::{Latest, worst};
use crate::clock::Time;
use crate::renewal::Renewal;
use crate::rng::Rng;

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
        let member = worst(heal, Box::new(Latest)).unwrap();
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
