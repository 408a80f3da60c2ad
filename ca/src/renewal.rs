//! When to renew a leaf: pure timing, no network and no clock of its own.
//!
//! A leaf is due at half of its life, a little earlier or later so that a fleet spreads out.
//! Failed attempts back off with jitter. Invariant: no attempt is ever planned past the leaf's
//! end, and until then the last good leaf stays in use.

use std::time::Duration;

use crate::clock::Time;
use crate::identity::LeafFacts;
use crate::rng::Rng;

/// Longest wait before the first retry, before jitter.
pub const FIRST_RETRY: Duration = Duration::from_millis(500);
/// Longest wait between retries, before jitter.
pub const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// How far the due time strays from half life, either way, in percent of half life.
pub const DUE_JITTER_PERCENT: u32 = 10;
/// How far a retry strays from its wait, either way, in percent.
pub const RETRY_JITTER_PERCENT: u32 = 25;
/// The part of a leaf's life, in percent, after which a missing renewal is an alarm.
pub const OVERDUE_PERCENT: u32 = 75;

/// How a leaf stands with its renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Not due yet.
    Fresh,
    /// Due, or being retried.
    Due,
    /// Late enough to raise an alarm, while there is still time.
    Overdue,
    /// Past its end: it can renew nothing any more.
    Expired,
}

/// The plan for one leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    due: Time,
    overdue: Time,
    not_after: Time,
    next: Option<Time>,
    failures: u32,
}

impl Renewal {
    /// Plans the renewal of a leaf. Half life counts from `not_before`, back-dating included.
    pub fn plan(leaf: &LeafFacts, rng: &dyn Rng) -> Self {
        let life = leaf.not_after.since(leaf.not_before);
        let due = leaf.not_before + jittered(life / 2, DUE_JITTER_PERCENT, rng);
        Self {
            due,
            overdue: leaf.not_before + life * OVERDUE_PERCENT / 100,
            not_after: leaf.not_after,
            next: (due <= leaf.not_after).then_some(due),
            failures: 0,
        }
    }

    /// When to try (a past time means at once), or nothing if no attempt fits before the end:
    /// then only a new join code helps.
    pub const fn next_attempt(&self) -> Option<Time> {
        self.next
    }

    /// Takes note that an attempt failed at `now`, and plans the next.
    pub fn failed(&mut self, now: Time, rng: &dyn Rng) {
        let doubled = FIRST_RETRY.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let wait = jittered(doubled.min(LONGEST_RETRY), RETRY_JITTER_PERCENT, rng);
        let next = now + wait;
        self.next = (next <= self.not_after).then_some(next);
    }

    /// Failed attempts so far.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// How the leaf stands at `now`.
    pub fn health(&self, now: Time) -> Health {
        if now > self.not_after {
            Health::Expired
        } else if now >= self.overdue {
            Health::Overdue
        } else if now >= self.due {
            Health::Due
        } else {
            Health::Fresh
        }
    }
}

fn jittered(span: Duration, percent: u32, rng: &dyn Rng) -> Duration {
    let stray = span * percent / 100;
    rng.span(span - stray, span + stray)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SpiffeId;
    use crate::rng::SeededRng;

    /// Draws always the same: the lowest or the highest.
    #[derive(Debug)]
    struct Always(u64);

    impl Rng for Always {
        fn next(&self) -> u64 {
            self.0
        }
    }

    const LOW: Always = Always(0);
    const HIGH: Always = Always(u64::MAX);

    fn leaf(not_before: u64, not_after: u64) -> LeafFacts {
        LeafFacts {
            spiffe_id: SpiffeId::parse("spiffe://clinic.example/north/sts").unwrap(),
            issuer: Vec::new(),
            serial: vec![1],
            not_before: Time::from_secs(not_before),
            not_after: Time::from_secs(not_after),
            leaf_sha256: [0; 32],
        }
    }

    #[test]
    fn a_leaf_is_due_at_half_life_give_or_take_a_tenth() {
        for (not_before, not_after, earliest, latest) in [
            (1_000, 1_100, 1_045, 1_055),
            // A staggered first leaf: started 40 s ago, so it is due 40 s earlier.
            (960, 1_060, 1_005, 1_015),
            (1_000, 1_000, 1_000, 1_000),
        ] {
            let leaf = leaf(not_before, not_after);
            let low = Renewal::plan(&leaf, &LOW).next_attempt().unwrap();
            let high = Renewal::plan(&leaf, &HIGH).next_attempt().unwrap();
            assert_eq!(low, Time::from_secs(earliest));
            assert!(high <= Time::from_secs(latest));
            assert!(Time::from_secs(latest).since(high) <= Duration::from_micros(1));
        }
    }

    #[test]
    fn retries_double_up_to_the_cap() {
        let leaf = leaf(0, 1_000);
        for (rng, percent) in [(&LOW, 75), (&HIGH, 125)] {
            let mut plan = Renewal::plan(&leaf, rng);
            for wait_ms in [500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000] {
                let now = Time::from_secs(500);
                plan.failed(now, rng);
                let wait = plan.next_attempt().unwrap().since(now);
                let expected = Duration::from_millis(wait_ms) * percent / 100;
                assert!(
                    expected.abs_diff(wait) <= Duration::from_micros(1),
                    "{wait:?}"
                );
            }
            assert_eq!(plan.failures(), 7);
        }
    }

    #[test]
    fn no_attempt_is_planned_past_the_end() {
        let rng = SeededRng::new(7);
        let leaf = leaf(0, 100);
        let mut plan = Renewal::plan(&leaf, &rng);
        let mut attempts = 0;
        while let Some(at) = plan.next_attempt() {
            assert!(at <= leaf.not_after, "{at}");
            plan.failed(at, &rng);
            attempts += 1;
            assert!(attempts < 100, "the waits must not shrink to nothing");
        }
        assert!(attempts >= 10, "only {attempts} attempts in 50 s");
        plan.failed(Time::from_secs(2_000), &rng);
        assert_eq!(plan.next_attempt(), None);
    }

    #[test]
    fn failures_without_end_do_not_overflow() {
        let mut plan = Renewal::plan(&leaf(0, 100), &HIGH);
        for _ in 0..100 {
            plan.failed(Time::from_secs(1), &HIGH);
        }
        assert!(plan.next_attempt().unwrap() <= Time::from_secs(8));
    }

    #[test]
    fn health_turns_before_the_end() {
        let plan = Renewal::plan(&leaf(0, 100), &LOW);
        for (secs, health) in [
            (0, Health::Fresh),
            (44, Health::Fresh),
            (45, Health::Due),
            (74, Health::Due),
            (75, Health::Overdue),
            (100, Health::Overdue),
            (101, Health::Expired),
        ] {
            assert_eq!(plan.health(Time::from_secs(secs)), health, "at {secs} s");
        }
    }
}
