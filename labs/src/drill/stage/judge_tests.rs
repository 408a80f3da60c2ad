//! What a watch says, held against what is allowed.

use std::time::Duration;

use super::Met;
use super::judge::{closed_for_all, judge};
use super::paths::Good;
use crate::drill::answer::{Answer, Seen};
use crate::drill::clock;
use crate::drill::sampling::Sampled;

fn answer(seen: Seen) -> (Answer, String) {
    stepped(seen, 100)
}

/// Of a watch whose samples were meant to be 100 ms apart, and were so far apart.
fn stepped(seen: Seen, step_ms: u64) -> (Answer, String) {
    let sampled = Sampled {
        seen,
        step_ms,
        samples: 10,
        served: 5,
        refused: 5,
        failed: 0,
        returned: 0,
        said: None,
    };
    judge(&sampled, Duration::from_secs(4), Duration::from_millis(100))
}

#[test]
fn an_exposure_is_held_against_what_is_allowed() {
    let of = |seen| answer(seen).0;
    assert_eq!(of(Seen::RefusedAtOnce), Answer::Pass);
    assert_eq!(of(Seen::LastSuccess { after_ms: 4_000 }), Answer::Pass);
    assert_eq!(of(Seen::LastSuccess { after_ms: 4_001 }), Answer::Fail);
    assert_eq!(of(Seen::StillServed { watched_ms: 4_000 }), Answer::Fail);
    let why = "silence".to_owned();
    assert_eq!(of(Seen::CannotJudge { why }), Answer::CannotJudge);
    assert_eq!(of(Seen::NotApplicable), Answer::NotApplicable);
}

#[test]
fn a_watch_that_was_too_short_is_no_answer() {
    let (answer, says) = answer(Seen::StillServed { watched_ms: 3_999 });
    assert_eq!(answer, Answer::CannotJudge);
    assert!(says.contains("watch for longer"), "{says}");
}

#[test]
fn an_end_for_everybody_counts_only_after_a_reload_and_says_so() {
    let (answer, says) = closed_for_all(true, "refused", "the connection was closed");
    assert_eq!(answer, Answer::Pass);
    assert!(says.starts_with("closed for everybody"), "{says}");
    let (answer, _) = closed_for_all(false, "refused", "the connection was closed");
    assert_eq!(answer, Answer::CannotJudge);
}

#[test]
fn a_time_of_which_nothing_is_known_is_no_pass() {
    let of = |seen, step| stepped(seen, step).0;
    assert_eq!(of(Seen::RefusedAtOnce, 4_100), Answer::Pass);
    assert_eq!(of(Seen::RefusedAtOnce, 4_101), Answer::CannotJudge);
    let early = || Seen::LastSuccess { after_ms: 1_000 };
    assert_eq!(of(early(), 3_100), Answer::Pass);
    assert_eq!(of(early(), 3_101), Answer::CannotJudge);
    let late = Seen::LastSuccess { after_ms: 4_001 };
    assert_eq!(of(late, 9_000), Answer::Fail);
    let (_, says) = stepped(early(), 3_000);
    assert!(says.contains("or up to 3000 ms later"), "{says}");
}

#[test]
fn an_outage_as_long_as_a_refusal_is_looked_at_teaches_nothing() {
    let begun = clock::instant();
    let at = |ms| begun + Duration::from_millis(ms);
    let calm = Duration::from_millis(1_500);
    let down = Met::Refused("the connection was closed".to_owned());
    let told = |outage: std::ops::Range<u64>| {
        let mut good = Good::default();
        for ms in (0..10_000).step_by(500) {
            let met = match outage.contains(&ms) {
                true => down.clone(),
                false => Met::Served,
            };
            good.add(&met, at(ms));
        }
        good.flaw(calm, at(10_000))
    };
    assert_eq!(told(0..0), None);
    assert_eq!(told(2_000..3_000), None);
    let why = told(2_000..3_500).unwrap();
    assert!(why.contains("for 1500 ms together"), "{why}");
    assert!(told(8_000..10_000).is_some());
}
