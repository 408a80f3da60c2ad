//! When to renew a leaf: pure timing, no network and no clock of its own.
//!
//! A leaf is due at half of its life, a little earlier or later so that a fleet spreads out. What
//! follows a failure is for [`Retry`] to say. Invariant: no attempt is ever planned past the
//! leaf's end, and until then the last good leaf stays in use.

use std::time::Duration;

use crate::clock::Time;
use crate::identity::LeafFacts;
use crate::rng::Rng;

/// The part of a leaf's life after which it is due, in percent.
pub const DUE_PERCENT: u32 = 50;
/// How far the due time strays from that, either way, in percent of it.
pub const DUE_JITTER_PERCENT: u32 = 10;
/// No attempt follows a failed one sooner.
pub const PAUSE: Duration = Duration::from_millis(500);
/// A window is one part in so many of what is left of the leaf's life.
pub const WINDOW_SHARE: u32 = 8;
/// The shortest window, while twice as much is left.
pub const SHORTEST_WINDOW: Duration = Duration::from_secs(1);
/// The part of a leaf's life, in percent, after which a missing renewal is an alarm.
pub const OVERDUE_PERCENT: u32 = 75;

/// How a failed renewal is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// Once in the [`window`] that opens after the failure, at a random point of it: who was cut
    /// off together does not come back together. (For Consul's agents, that did better than
    /// exponential backoff.)
    #[default]
    Window,
    /// After the same short wait each time.
    Fixed(danger::Fixed),
}

impl Retry {
    /// The earliest and the latest wait after a failure with `left` to the leaf's end. The CA may
    /// have asked not to be asked again before `hint` has passed; that may cost a window's length,
    /// and no leaf.
    pub fn wait(self, left: Duration, hint: Duration) -> (Duration, Duration) {
        match self {
            Self::Window => {
                let pause = PAUSE.max(hint.min(left / WINDOW_SHARE));
                (pause, pause + window(left.saturating_sub(pause)))
            }
            Self::Fixed(danger::Fixed) => (danger::FIXED_WAIT, danger::FIXED_WAIT),
        }
    }
}

/// How long a window is that opens with `left` to the leaf's end: it narrows as the end comes
/// near, and never takes more than half, so that several attempts always fit.
pub fn window(left: Duration) -> Duration {
    (left / WINDOW_SHARE).max(SHORTEST_WINDOW).min(left / 2)
}

/// How old a leaf is when it is due, at the earliest and at the latest, that lives for `life`, is
/// due after a part of it, and strays by a part of that; both parts in percent, below 100.
pub(crate) fn due(life: Duration, percent: u32, jitter_percent: u32) -> (Duration, Duration) {
    let due = life * percent / 100;
    let stray = due * jitter_percent / 100;
    (due.saturating_sub(stray), due + stray)
}

/// What an exposed posture uses instead.
pub mod danger {
    use std::time::Duration;

    /// How long an agent waits that always waits as long.
    pub const FIXED_WAIT: Duration = Duration::from_secs(1);

    /// Every attempt follows the one before after [`FIXED_WAIT`], without jitter, whatever the CA
    /// asks: as naive agents do. What failed together is tried again together.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Fixed;
}

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
    retry: Retry,
    due: Time,
    overdue: Time,
    not_after: Time,
    next: Option<Time>,
    failures: u32,
}

impl Renewal {
    /// Plans the renewal of a leaf. Its life counts from `not_before`, back-dating included.
    pub fn plan(leaf: &LeafFacts, retry: Retry, rng: &dyn Rng) -> Self {
        let life = leaf.not_after.since(leaf.not_before);
        let (earliest, latest) = due(life, DUE_PERCENT, DUE_JITTER_PERCENT);
        let due = leaf.not_before + rng.span(earliest, latest);
        Self {
            retry,
            due,
            overdue: leaf.not_before + life * OVERDUE_PERCENT / 100,
            not_after: leaf.not_after,
            next: (due <= leaf.not_after).then_some(due),
            failures: 0,
        }
    }

    /// When to try (a past time means at once), or nothing if no attempt fits before the end:
    /// then there is only the way back ([`crate::way_back`]), or a new join code.
    pub const fn next_attempt(&self) -> Option<Time> {
        self.next
    }

    /// Takes note that an attempt failed at `now`, and plans the next. `hint` is how long the CA
    /// asked to be left alone; zero if it did not.
    pub fn failed(&mut self, now: Time, hint: Duration, rng: &dyn Rng) {
        self.failures = self.failures.saturating_add(1);
        let (earliest, latest) = self.retry.wait(self.not_after.since(now), hint);
        let next = now + rng.span(earliest, latest);
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
            let low = Renewal::plan(&leaf, Retry::Window, &LOW)
                .next_attempt()
                .unwrap();
            let high = Renewal::plan(&leaf, Retry::Window, &HIGH)
                .next_attempt()
                .unwrap();
            assert_eq!(low, Time::from_secs(earliest));
            assert!(high <= Time::from_secs(latest));
            assert!(Time::from_secs(latest).since(high) <= Duration::from_micros(1));
        }
    }

    /// The attempts after a failure `at` seconds into the leaf's life, each of which fails after
    /// `attempt`.
    fn attempts(retry: Retry, rng: &dyn Rng, at: u64, attempt: Duration) -> Vec<Time> {
        let mut plan = Renewal::plan(&leaf(0, 100), retry, rng);
        plan.failed(Time::from_secs(at), Duration::ZERO, rng);
        let mut attempts = Vec::new();
        while let Some(next) = plan.next_attempt() {
            attempts.push(next);
            plan.failed(next + attempt, Duration::ZERO, rng);
            assert!(
                attempts.len() < 1_000,
                "the waits must not shrink to nothing"
            );
        }
        attempts
    }

    #[test]
    fn the_next_attempt_is_in_the_next_window_and_may_be_anywhere_in_it() {
        let ms = Duration::from_millis;
        for (left, window) in [
            (ms(40_500), ms(5_000)),
            (ms(8_500), ms(1_000)),
            (ms(2_500), ms(1_000)),
            (ms(1_500), ms(500)),
            (ms(500), ms(0)),
        ] {
            let (earliest, latest) = Retry::Window.wait(left, Duration::ZERO);
            assert_eq!((earliest, latest - earliest), (PAUSE, window), "{left:?}");
        }
        let (rng, now) = (SeededRng::new(7), Time::from_secs(500));
        let mut waits: Vec<u128> = Vec::new();
        for _ in 0..1_000 {
            let mut plan = Renewal::plan(&leaf(0, 1_000), Retry::Window, &rng);
            plan.failed(now, Duration::ZERO, &rng);
            waits.push(plan.next_attempt().unwrap().since(now).as_millis());
        }
        // Half of a thousand seconds is left: eight windows of a good minute.
        for tenth in 0..10 {
            let part = 500 + tenth * 6_243..500 + (tenth + 1) * 6_243;
            let inside = waits.iter().filter(|wait| part.contains(*wait)).count();
            assert!(
                (70..=130).contains(&inside),
                "{inside} of 1,000 in {part:?}"
            );
        }
    }

    #[test]
    fn a_fixed_wait_is_always_the_same() {
        let retry = Retry::Fixed(danger::Fixed);
        let attempts = attempts(retry, &SeededRng::new(7), 50, Duration::ZERO);
        let gaps: Vec<_> = attempts
            .windows(2)
            .map(|two| two[1].since(two[0]))
            .collect();
        assert_eq!(gaps, vec![danger::FIXED_WAIT; 49]);
    }

    #[test]
    fn no_attempt_is_planned_past_the_end_and_several_fit_before_it() {
        let attempt = Duration::from_secs(3);
        for retry in [Retry::Window, Retry::Fixed(danger::Fixed)] {
            for rng in [&LOW as &dyn Rng, &HIGH, &SeededRng::new(7)] {
                let attempts = attempts(retry, rng, 55, attempt);
                let last = *attempts.last().unwrap();
                assert!(last <= Time::from_secs(100), "{retry:?}: {last}");
                assert!(attempts.len() >= 7, "{retry:?}: only {}", attempts.len());
            }
            let mut plan = Renewal::plan(&leaf(0, 100), retry, &LOW);
            plan.failed(Time::from_secs(2_000), Duration::ZERO, &LOW);
            assert_eq!(plan.next_attempt(), None);
        }
    }

    #[test]
    fn what_the_ca_asks_for_delays_the_window_and_never_costs_the_leaf() {
        let s = Duration::from_secs;
        let opens = |left, hint| Retry::Window.wait(left, hint).0;
        assert_eq!(opens(s(40), s(2)), s(2));
        for hint in [s(6), s(1_000_000), Duration::MAX] {
            assert_eq!(opens(s(40), hint), s(5), "{hint:?}");
            for left_ms in 500..20_000 {
                let left = Duration::from_millis(left_ms);
                let (_, latest) = Retry::Window.wait(left, hint);
                assert!(latest <= left, "{left:?}: {latest:?}");
            }
        }
    }

    #[test]
    fn failures_without_end_do_not_overflow() {
        let mut plan = Renewal::plan(&leaf(0, 100), Retry::Window, &HIGH);
        for _ in 0..100 {
            plan.failed(Time::from_secs(1), Duration::ZERO, &HIGH);
        }
        assert_eq!(plan.failures(), 100);
        assert!(plan.next_attempt().unwrap() <= Time::from_secs(14));
    }

    #[test]
    fn health_turns_before_the_end() {
        let plan = Renewal::plan(&leaf(0, 100), Retry::Window, &LOW);
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
