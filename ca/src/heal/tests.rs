//! What a heal shows of the retries, of the queue, and of the outage budget.

use super::unlucky::Unlucky;
use super::*;
use crate::budget::{Terms, budget};
use crate::identity::TrustDomain;
use crate::issue::CaConfig;
use crate::renewal::danger;

const FIXED: Retry = Retry::Fixed(danger::Fixed);

fn s(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// Leaves of 100 s, and the costs of the simulated fabric.
fn measured(members: u32, outage: Duration) -> Heal {
    Heal {
        members,
        leaf_ttl: s(100),
        outage,
        retry: Retry::Window,
        attempt: crate::agent::ATTEMPT,
        latency: Duration::from_millis(20),
        tolerance: Duration::from_millis(500),
        handshake: us(670),
        issue: us(880),
        limits: Limits::STANDARD,
        dial: Dial::Hangs,
        order: Order::SoonestExpiry,
    }
}

/// The same, where everything takes the CA ten times as long: a thousand is a crowd there.
fn slow(members: u32, outage: Duration) -> Heal {
    let heal = measured(members, outage);
    Heal {
        handshake: heal.handshake * 10,
        issue: heal.issue * 10,
        ..heal
    }
}

#[test]
fn after_a_cut_a_thousand_lose_no_leaf_with_windows_and_some_with_a_fixed_wait() {
    for seed in 1..=3 {
        let windows = slow(1_000, s(33));
        let fixed = Heal {
            retry: FIXED,
            ..windows
        };
        let (windows, fixed) = (windows.outcome(seed, None), fixed.outcome(seed, None));
        assert_eq!(windows.lost, 0, "seed {seed}: {windows:?}");
        assert!(windows.recovered_in < s(30), "seed {seed}: {windows:?}");
        assert!(fixed.lost > 0, "seed {seed}: {fixed:?}");
        assert!(fixed.attempts > windows.attempts * 3 / 2, "{fixed:?}");
        let quick = measured(1_000, s(37)).outcome(seed, None);
        assert_eq!(quick.lost, 0, "seed {seed}: {quick:?}");
    }
}

#[test]
fn after_a_cut_ten_thousand_lose_no_leaf_with_windows_and_many_with_a_fixed_wait() {
    let windows = measured(10_000, s(33));
    let fixed = Heal {
        retry: FIXED,
        ..windows
    };
    let (windows, fixed) = (windows.outcome(1, None), fixed.outcome(1, None));
    assert_eq!(windows.lost, 0, "{windows:?}");
    assert!(windows.recovered_in < s(30), "{windows:?}");
    assert!(fixed.lost > 1_000, "{fixed:?}");
    for outcome in [windows, fixed] {
        // Full, and never more than that.
        assert_eq!(outcome.longest_queue, Limits::STANDARD.renewals);
    }
}

#[test]
fn the_soonest_expiry_first_loses_fewer_leaves_than_first_come() {
    let soonest = slow(1_000, s(33));
    let first_come = Heal {
        order: Order::FirstCome,
        ..soonest
    };
    let (soonest, first_come) = (soonest.outcome(1, None), first_come.outcome(1, None));
    assert_eq!(soonest.lost, 0, "{soonest:?}");
    assert!(first_come.lost > 100, "{first_come:?}");
}

impl Heal {
    fn outcome(self, seed: u64, unlucky: Option<Box<dyn Rng>>) -> Outcome {
        self.run_for(seed, unlucky, &mut |_| {}).unwrap()
    }
}

#[test]
fn every_attempt_since_the_heal_is_refused_unanswered_or_the_last() {
    for retry in [Retry::Window, FIXED] {
        let heal = Heal {
            retry,
            ..slow(1_000, s(33))
        };
        let outcome = heal.outcome(1, None);
        // Those that were dialling when it healed had begun before.
        let (least, most) = (outcome.attempts, outcome.attempts + heal.members);
        let ends = outcome.refused + outcome.unanswered + (heal.members - outcome.lost);
        assert!((least..=most).contains(&ends), "{outcome:?}");
        assert!(outcome.refused > 0, "{outcome:?}");
    }
}

#[test]
fn progress_rises_to_the_whole_and_what_makes_no_sense_is_refused() {
    let mut shares = Vec::new();
    let heal = slow(1_000, s(30));
    heal.run(1, &mut |share| shares.push(share)).unwrap();
    assert!(
        shares.is_sorted() && shares.last() == Some(&1.0),
        "{shares:?}"
    );
    type Spoil = fn(&mut Heal);
    let spoils: [(Spoil, &str); 5] = [
        (|it| it.members = 0, "from 1 to 100000 members"),
        (|it| it.members = 100_001, "from 1 to 100000 members"),
        (|it| it.leaf_ttl = s(9), "a leaf lives for 10 s or more"),
        (
            |it| it.attempt = Duration::ZERO,
            "an attempt takes some time",
        ),
        (
            |it| it.outage = s(101),
            "an outage is no longer than a leaf's life",
        ),
    ];
    for (spoil, why) in spoils {
        let mut heal = slow(10, s(30));
        spoil(&mut heal);
        let refused = heal.run(1, &mut |_| {}).unwrap_err();
        assert_eq!(refused.to_string(), why);
    }
}

#[test]
fn one_seed_is_one_outcome() {
    let run = |seed| slow(300, s(30)).outcome(seed, None);
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// A fleet so small, and a CA so quick, that only time decides; an answer takes all that it may,
/// and what the cut swallows shows only when an attempt's time is over.
fn bare(leaf_ttl: Duration, retry: Retry, outage: Duration) -> Heal {
    Heal {
        leaf_ttl,
        outage,
        retry,
        latency: crate::agent::ATTEMPT / 2 - us(50),
        handshake: us(1),
        issue: us(1),
        dial: Dial::Lost,
        ..measured(20, outage)
    }
}

/// What the budget says of leaves that live for so long.
fn safe(leaf_ttl: Duration, retry: Retry) -> Duration {
    let domain = TrustDomain::new("clinic.example").unwrap();
    let mut terms = Terms::of(&CaConfig::lab(domain));
    (terms.leaf_ttl, terms.retry) = (leaf_ttl, retry);
    budget(&terms).unwrap().leaf.safe
}

#[test]
fn an_outage_just_under_the_budget_takes_no_leaf() {
    for ttl in [60, 100, 3_600] {
        for retry in [Retry::Window, FIXED] {
            let outage = safe(s(ttl), retry) - us(1_000);
            let heal = bare(s(ttl), retry, outage);
            for seed in 1..=50 {
                assert_eq!(
                    heal.outcome(seed, None).lost,
                    0,
                    "{ttl} s, {retry:?}, seed {seed}"
                );
            }
            if retry == Retry::Window {
                let unlucky = Unlucky::of(&heal);
                assert_eq!(heal.outcome(1, Some(unlucky)).lost, 0, "{ttl} s, at worst");
            }
        }
    }
}

#[test]
fn an_outage_just_over_the_budget_takes_the_worst_placed_leaf() {
    for ttl in [60, 100, 3_600] {
        let outage = safe(s(ttl), Retry::Window) + us(1_000);
        let heal = bare(s(ttl), Retry::Window, outage);
        let unlucky = Unlucky::of(&heal);
        assert_eq!(heal.outcome(1, Some(unlucky)).lost, 1, "{ttl} s");
    }
    // A fixed wait has no luck: here the tenth attempt is the one that begins too early.
    let ttl = us(95_554_444);
    let heal = bare(ttl, FIXED, safe(ttl, FIXED) + us(1_000));
    assert_eq!(heal.outcome(1, None).lost, 1);
    let heal = bare(ttl, FIXED, safe(ttl, FIXED) - us(1_000));
    assert_eq!(heal.outcome(1, None).lost, 0);
}
