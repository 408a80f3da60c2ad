//! Budgets by hand, and terms that have none.

use super::*;
use crate::identity::TrustDomain;
use crate::issue::CaConfig;

fn s(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn lab() -> Terms {
    let domain = TrustDomain::new("clinic.example").unwrap();
    Terms::of(&CaConfig::lab(domain))
}

#[test]
fn a_labs_leaf_bears_an_outage_of_thirty_seven_seconds_and_a_half() {
    let budget = budget(&lab()).unwrap();
    let spans = budget.leaf.parts().map(|(_, _, span)| span);
    let clocks = [ms(500), ms(500)];
    assert_eq!(spans[..2], [s(100), clocks[0]]);
    assert_eq!(spans[2..], [s(55), clocks[1], s(3), ms(1_500), s(3)]);
    assert_eq!((budget.safe, budget.limit), (ms(37_500), Limit::Leaf));
    assert_eq!(budget.issuer.safe, s(5 * 24 * 60 * 60));
    assert_eq!((budget.crl, budget.token), (None, None));
}

#[test]
fn whatever_ends_first_is_the_limit() {
    let mut terms = lab();
    terms.token = Some(TokenTerms::agents(s(60), s(2)));
    let two = budget(&terms).unwrap();
    // Of 60 s and 2 s more: 33 s, half a second of clock, 3 s, 1 s and 3 s.
    assert_eq!((two.safe, two.limit), (ms(21_500), Limit::Token));
    terms.crl = Some(CrlTerms {
        life: s(30),
        used: s(10),
        retry: s(1),
        leeway: Duration::ZERO,
    });
    let three = budget(&terms).unwrap();
    assert_eq!((three.safe, three.limit), (ms(12_500), Limit::Crl));
    assert_eq!(three.leaf, two.leaf);
}

/// Whether a member still has something that counts after that outage. It was to have the next one
/// as the outage began; its attempts follow each other, the first at `phase`, each takes all of its
/// time, and its clock is ahead by the tolerance.
fn bears(
    terms: &Terms,
    [life, used, wait, leeway]: [Duration; 4],
    phase: Duration,
    away: Duration,
) -> bool {
    let mut begins = phase;
    while begins < away {
        begins += terms.attempt + wait;
    }
    used + begins + terms.attempt + terms.tolerance <= life + leeway
}

#[test]
fn what_is_fetched_bears_an_outage_as_long_as_its_sum_and_not_a_longer_one() {
    let mut terms = lab();
    let (crl, token) = (
        CrlTerms::agents(s(60), ms(500)),
        TokenTerms::agents(s(60), s(2)),
    );
    terms.crl = Some(crl.clone());
    terms.token = Some(token.clone());
    let sums = budget(&terms).unwrap();
    for (sum, of) in [
        (
            sums.crl.unwrap(),
            [crl.life, crl.used, crl.retry, crl.leeway],
        ),
        (
            sums.token.unwrap(),
            [token.life, token.used, token.retry, token.leeway],
        ),
    ] {
        let round = terms.attempt + of[2];
        let phases = || (0..round.as_millis()).map(|at| ms(u64::try_from(at).unwrap()));
        assert!(
            phases().all(|phase| bears(&terms, of, phase, sum.safe)),
            "{sum:?}"
        );
        let longer = sum.safe + ms(2);
        assert!(
            !phases().all(|phase| bears(&terms, of, phase, longer)),
            "{sum:?}"
        );
    }
}

#[test]
fn lists_of_the_lab_end_before_its_leaves() {
    let mut terms = lab();
    terms.crl = Some(CrlTerms::agents(s(60), terms.tolerance));
    let budget = budget(&terms).unwrap();
    // Of 60 s: a quarter, a second of rounding, twice 3 s and a wait of 1.25 s.
    assert_eq!((budget.safe, budget.limit), (ms(36_750), Limit::Crl));
}

#[test]
fn every_sum_is_that_of_its_parts_and_reads_as_microseconds() {
    let mut terms = lab();
    terms.token = Some(TokenTerms::agents(s(60), s(2)));
    let budget = budget(&terms).unwrap();
    for sum in [&budget.leaf, &budget.issuer, budget.token.as_ref().unwrap()] {
        let mut total = 0;
        for (adds, _, span) in sum.parts() {
            let micros = i128::try_from(span.as_micros()).unwrap();
            total += if adds { micros } else { -micros };
        }
        assert_eq!(u128::try_from(total).unwrap(), sum.safe.as_micros());
    }
    let json = serde_json::to_value(&budget).unwrap();
    assert_eq!(json["leaf"]["safe_us"], 37_500_000);
    assert_eq!(json["safe_us"], 21_500_000);
    assert_eq!(json["limit"], "token");
    assert!(json["crl"].is_null());
}

#[test]
fn a_leaf_that_no_failure_leaves_time_for_bears_no_outage() {
    let mut terms = lab();
    (terms.leaf_ttl, terms.issuer_ttl) = (s(10), s(600));
    terms.issuer_used = s(500);
    let none = budget(&terms).unwrap();
    assert_eq!((none.safe, none.limit), (Duration::ZERO, Limit::Leaf));
}

#[test]
fn no_window_is_longer_than_the_longest_wait_and_leaves_less_than_an_answer() {
    for answer in [ms(1), ms(700), s(1), s(3), s(7), ms(7_001), s(20), s(3_600)] {
        let edge = longest_wait(Retry::Window, answer) - PAUSE + answer;
        for (left, fits) in [
            (edge + ms(1), true),
            (edge + s(1), true),
            (edge * 9, true),
            (edge.saturating_sub(ms(1)), false),
        ] {
            let served = left.saturating_sub(renewal::window(left)) >= answer;
            assert_eq!(served, fits, "{left:?} left, answered in {answer:?}");
        }
    }
}

#[test]
fn terms_that_contradict_each_other_are_refused_by_name() {
    type Spoil = fn(&mut Terms);
    let spoils: [(Spoil, &str); 13] = [
        (|t| t.leaf_ttl = Duration::ZERO, "a leaf's life is zero"),
        (|t| t.attempt = Duration::ZERO, "an attempt's time is zero"),
        (
            |t| t.issuer_ttl = Duration::ZERO,
            "an issuer's life is zero",
        ),
        (
            |t| t.tolerance = Duration::MAX,
            "the tolerance is longer than a hundred years",
        ),
        (
            |t| t.due_percent = 0,
            "the renewal point of 0 % is not between 1 % and 99 %",
        ),
        (
            |t| t.jitter_percent = u32::MAX,
            "the jitter of 4294967295 % is not between 0 % and 99 %",
        ),
        (
            |t| (t.due_percent, t.jitter_percent) = (60, 70),
            "a leaf lasts 100s and is renewed when 102s old",
        ),
        (
            |t| t.backdate = s(45),
            "a leaf is back-dated by 45s and may be due when 45s old",
        ),
        (
            |t| t.issuer_used = t.issuer_ttl,
            "an issuer lasts 2592000s and is renewed when 2592000s old",
        ),
        (
            |t| t.issuer_used = t.issuer_ttl - s(99),
            "an issuer's last 99s have no room for a leaf of 100s",
        ),
        (
            |t| t.token = Some(TokenTerms::agents(Duration::ZERO, s(2))),
            "a token's life is zero",
        ),
        (
            |t| {
                let mut token = TokenTerms::agents(s(60), s(2));
                token.used = s(60);
                t.token = Some(token);
            },
            "a token lasts 60s and is renewed when 60s old",
        ),
        (
            |t| {
                t.crl = Some(CrlTerms {
                    life: s(30),
                    used: s(31),
                    retry: s(1),
                    leeway: Duration::ZERO,
                });
            },
            "a revocation list lasts 30s and is renewed when 31s old",
        ),
    ];
    for (spoil, why) in spoils {
        let mut terms = lab();
        spoil(&mut terms);
        assert_eq!(budget(&terms).unwrap_err().to_string(), why);
    }
}

#[test]
fn the_longest_lives_have_a_budget() {
    let mut longest = lab();
    (longest.leaf_ttl, longest.issuer_ttl) = (MOST / 6, MOST);
    longest.issuer_used = MOST - MOST / 6;
    assert!(budget(&longest).is_ok());
}
