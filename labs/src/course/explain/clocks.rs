//! What clocks have to do with it: which dials let in what had ended, and what a node whose clock
//! is behind makes of a tolerance that is too narrow for it.
//!
//! It speaks only of labs in which something ends of itself, and of nodes whose clock was wrong.

use std::time::Duration;

use services::posture::{Freshness, Posture};
use services::refusal::Refusal;

use super::LockedOut;
use crate::history::{History, Promise};
use crate::report::figure;

/// The refusals that were missing where something that had ended was let in; nothing where nothing
/// did. Where little is forgiven it was the clock that was wrong, and what knows better is a policy
/// that was vouched for later than the clock says it is.
pub(super) fn refusals(history: &History) -> Option<Vec<&'static str>> {
    is_about_ends(history).then(|| {
        let mut promises = history.end_promised.values();
        if promises.any(|promise| matches!(promise, Promise::Within(_))) {
            vec![Refusal::PolicyStale.name()]
        } else {
            vec![
                Refusal::CertificateExpired.name(),
                Refusal::TokenExpired.name(),
            ]
        }
    })
}

/// What a dial's value did to what had ended, where it did something.
pub(super) fn effect(dial: &str, posture: &Posture, history: &History) -> Option<String> {
    if !is_about_ends(history) {
        return None;
    }
    let (tolerance, leeway) = (posture.tls.tolerance, posture.token.leeway);
    let mut freshness = posture.policy.freshness.iter();
    match dial {
        "tls.tolerance" => Some(format!(
            "a certificate counts {0} longer, and a clock that is {0} behind is believed",
            figure::span(tolerance)
        )),
        "token.leeway" => Some(format!("a token counts {} longer", figure::span(leeway))),
        "policy.freshness" if freshness.any(|(_, demand)| demand == Freshness::Any) => Some(
            "a policy of any age decides, and so one from the future: nothing tells this node that \
             its clock is behind"
                .to_owned(),
        ),
        "policy.freshness" => Some(String::new()),
        _ => None,
    }
}

/// Of a group that was refused for a policy's age at a node whose clock is further behind than is
/// forgiven, that it is; empty where there is none.
pub(super) fn too_late(history: &History, groups: &[LockedOut], posture: &Posture) -> String {
    let tolerance = posture.tls.tolerance;
    let told = groups.iter().filter_map(|group| {
        let heard = group.logged.as_ref().unwrap_or(&group.heard);
        let node = format!("records.{}", group.region);
        let steps = history.clocks.get(&node)?.iter();
        let behind = steps.map(|(_, skew)| skew.min(&0).unsigned_abs()).max()?;
        let behind = Duration::from_micros(behind);
        (heard == Refusal::PolicyStale.name() && behind > tolerance).then(|| {
            format!(
                "the clock of {node} is {} behind, and what is vouched for in its future counts \
                 for nothing",
                figure::span(behind)
            )
        })
    });
    let mut told: Vec<String> = told.collect();
    told.dedup();
    told.join("; ")
}

fn is_about_ends(history: &History) -> bool {
    !history.end_promised.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::sample::Sample;

    fn posture(tolerance: u64) -> Posture {
        let mut posture = Posture::hardened();
        posture.tls.tolerance = Duration::from_secs(tolerance);
        posture
    }

    fn ends(promise: Promise) -> History {
        let mut history = Sample::new(60).history;
        history.end_promised = [("read".to_owned(), promise)].into();
        history
    }

    #[test]
    fn what_lets_in_what_has_ended_is_what_is_forgiven_or_a_policy_that_nobody_dates() {
        assert_eq!(refusals(&Sample::new(60).history), None);
        let wide = ends(Promise::Any);
        assert_eq!(
            refusals(&wide).unwrap(),
            ["certificate-expired", "token-expired"]
        );
        let tight = ends(Promise::Within(2_000_000));
        assert_eq!(refusals(&tight).unwrap(), ["policy-stale"]);
        let said = |dial| effect(dial, &posture(300), &wide).unwrap();
        assert!(said("tls.tolerance").starts_with("a certificate counts 300 s longer"));
        assert_eq!(said("policy.freshness"), "", "a bound is one");
        assert_eq!(effect("tls.recheck", &posture(300), &wide), None);
        let other = Sample::new(60).history;
        assert_eq!(effect("tls.tolerance", &posture(300), &other), None);
    }

    #[test]
    fn whom_a_narrow_tolerance_locks_out_is_told_of_the_clock_that_is_behind() {
        let mut history = Sample::new(60).history;
        let slow = vec![(0, 0), (3_000_000, -1_200_000)];
        history.clocks.insert("records.east".to_owned(), slow);
        let group = |region: &str, heard: &str| LockedOut {
            tag: "legit".to_owned(),
            region: region.to_owned(),
            when: "throughout".to_owned(),
            ok: 0,
            total: 9,
            floor: "97 %".to_owned(),
            heard: heard.to_owned(),
            logged: None,
        };
        let told = |tolerance, region, heard| {
            too_late(&history, &[group(region, heard)], &posture(tolerance))
        };
        assert!(told(1, "east", "policy-stale").contains("records.east is 1.2 s behind"));
        assert_eq!(told(2, "east", "policy-stale"), "", "it is forgiven that");
        assert_eq!(told(1, "north", "policy-stale"), "");
        assert_eq!(told(1, "east", "policy-denied"), "");
    }
}
