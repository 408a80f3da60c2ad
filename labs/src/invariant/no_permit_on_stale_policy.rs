//! `no-permit-on-stale-policy`: no permit rests on a policy older than its action's bound.
//!
//! Judged on the deciding node's own clock, as the node itself had to: `at - as_of`. A clock set
//! back makes a policy look young; `no-permit-after-revoke` is what catches that. An action whose
//! posture promises nothing has no bound to be held to, and where no action has one the verdict is
//! unknown. For `latest` the policy must be no older than the
//! request, but for the cosignatures' whole seconds and the tolerance. Nobody asks for a message of
//! an open stream but the node itself, shortly before it decides.

use std::collections::BTreeMap;

use services::audit::entry::Decision;

use super::{Finding, Violation, no_retired_key, seconds, unverified};
use crate::history::{Decided, History, Placed, Promise};

/// The invariant's name.
pub const NAME: &str = "no-permit-on-stale-policy";

/// Cosignature times are whole seconds, rounded down.
const COSIGNATURE_ROUNDING_US: u64 = 1_000_000;

/// How long a decision may wait for a quorum's answer, in microseconds.
const QUORUM_READ_US: u64 = 1_000_000;

/// Judges the history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let history = placed.history;
    let mut violations = Vec::new();
    let mut doubts = unverified(history);
    let mut judged = 0;
    let mut unbound: BTreeMap<&str, u64> = BTreeMap::new();
    for decided in &placed.decisions {
        // What proves itself is decided by no policy.
        let by_policy = decided.entry.action != no_retired_key::NOTIFY;
        if decided.entry.decision != Decision::Permit || !by_policy {
            continue;
        }
        match history.promise(&decided.entry.action) {
            Promise::Any => {
                *unbound.entry(&decided.entry.action).or_insert(0) += 1;
                continue;
            }
            Promise::Within(bound_us) => violations.extend(older_than(decided, bound_us)),
            Promise::Latest => match asked_us(history, decided) {
                Some(asked_us) => violations.extend(before(history, decided, asked_us)),
                None => doubts.push(format!(
                    "{} at {} was permitted at `latest`, and no client says when it was asked",
                    decided.entry.request, decided.node
                )),
            },
        }
        judged += 1;
    }
    let unbound = unbound.iter().map(|(action, permits)| {
        format!("nothing is promised for {action}: {permits} permits had no bound to be held to")
    });
    let unbound: Vec<String> = unbound.collect();
    if judged == 0 {
        doubts.extend(unbound);
        return Finding::new(NAME, judged, violations, doubts);
    }
    Finding {
        left_out: unbound,
        ..Finding::new(NAME, judged, violations, doubts)
    }
}

/// When the request was asked, on the deciding node's clock.
fn asked_us(history: &History, decided: &Decided<'_>) -> Option<u64> {
    let request = decided.request?;
    if request.since_us.is_some() {
        return Some(decided.entry.at_us.saturating_sub(QUORUM_READ_US));
    }
    let started_us = request.started_us;
    let reading = history.epoch_us.checked_add(started_us)?;
    reading.checked_add_signed(history.skew_us(decided.node, started_us))
}

fn older_than(decided: &Decided<'_>, bound_us: u64) -> Option<Violation> {
    let age_us = decided.entry.at_us.saturating_sub(decided.entry.as_of_us);
    let evidence = format!(
        "{} was permitted under a policy {} old: the bound is {}",
        decided.entry.action,
        seconds(age_us),
        seconds(bound_us)
    );
    (age_us > bound_us).then(|| violation(decided, evidence))
}

fn before(history: &History, decided: &Decided<'_>, asked_us: u64) -> Option<Violation> {
    let slack_us = COSIGNATURE_ROUNDING_US.saturating_add(history.tolerance_us);
    let early_us = asked_us.saturating_sub(decided.entry.as_of_us);
    let evidence = format!(
        "{} at `latest` was permitted under a policy from {} before it was asked",
        decided.entry.action,
        seconds(early_us)
    );
    (early_us > slack_us).then(|| violation(decided, evidence))
}

fn violation(decided: &Decided<'_>, evidence: String) -> Violation {
    Violation {
        at_us: decided.earliest_us,
        node: decided.node.to_owned(),
        request: Some(decided.entry.request.clone()),
        seq: Some(decided.entry.seq),
        evidence,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::history::sample::Sample;

    fn with_policy_aged(age_us: u64) -> Sample {
        let mut sample = Sample::new(60);
        sample.served("a-1", "legit", "alice", "write", 20_000_000);
        let entry = &mut sample.log("records.south")[0];
        entry.as_of_us = entry.at_us - age_us;
        sample
    }

    #[test]
    fn a_policy_as_old_as_the_bound_is_fresh_and_one_older_is_not() {
        assert_eq!(
            check(&with_policy_aged(3_000_000).history.placed()).verdict,
            Verdict::Kept
        );
        let finding = check(&with_policy_aged(3_000_001).history.placed());
        assert_eq!(finding.verdict, Verdict::Broken);
        assert_eq!(finding.violations[0].at_us, 20_010_000);
    }

    #[test]
    fn what_no_policy_decided_rests_on_none() {
        let mut sample = with_policy_aged(1_000_000);
        sample.served("p-1", "results", "pathology", "notify", 21_000_000);
        let finding = check(&sample.history.placed());
        assert_eq!((finding.verdict, finding.judged), (Verdict::Kept, 1));
        assert_eq!(finding.left_out, Vec::<String>::new());
    }

    #[test]
    fn a_refusal_may_rest_on_any_policy() {
        let mut sample = with_policy_aged(1_000_000);
        sample.refused("a-2", "legit", "alice", "write", 20_000_000);
        sample.log("records.south")[1].as_of_us = 0;
        let finding = check(&sample.history.placed());
        assert_eq!((finding.verdict, finding.judged), (Verdict::Kept, 1));
    }

    #[test]
    fn a_permit_without_promise_is_not_called_fresh() {
        let mut exposed = with_policy_aged(30_000_000);
        exposed.promise_nothing();
        let finding = check(&exposed.history.placed());
        assert_eq!(finding.verdict, Verdict::Unknown);
        let why = "nothing is promised for write: 1 permits had no bound to be held to";
        assert_eq!(finding.doubts, [why]);
        exposed.served("a-2", "legit", "alice", "read", 21_000_000);
        let read = ("read".to_owned(), Promise::Within(3_000_000));
        exposed.history.promised.extend([read]);
        let finding = check(&exposed.history.placed());
        assert_eq!((finding.verdict, finding.judged), (Verdict::Kept, 1));
        assert_eq!(finding.left_out, [why], "and says so beside the verdict");
    }

    #[test]
    fn a_log_that_does_not_verify_leaves_it_unknown() {
        let mut sample = with_policy_aged(1_000_000);
        sample
            .history
            .audits
            .insert("records.north".to_owned(), Err("forged".to_owned()));
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Unknown);
    }

    #[test]
    fn latest_means_no_older_than_the_question() {
        let latest = |age_us| {
            let mut sample = with_policy_aged(age_us);
            sample
                .history
                .promised
                .insert("write".to_owned(), Promise::Latest);
            sample
        };
        assert_eq!(
            check(&latest(1_500_000).history.placed()).verdict,
            Verdict::Kept
        );
        assert_eq!(
            check(&latest(2_500_000).history.placed()).verdict,
            Verdict::Broken
        );
        let mut unasked = latest(1_500_000);
        unasked.history.requests.clear();
        assert_eq!(check(&unasked.history.placed()).verdict, Verdict::Unknown);
    }

    #[test]
    fn a_message_at_latest_is_held_to_when_it_was_decided_and_not_to_when_it_was_heard() {
        let heard_late = |age_us: u64| {
            let mut sample = Sample::new(60);
            sample.ask("m-1.4", "attack", "mallory", "watch", 5_500_000);
            sample.answered("m-1.4", 5_500_000);
            sample.history.requests[0].since_us = Some(1_000_000);
            let (node, id) = ("records.south", "m-1.4");
            sample.entry(node, id, "mallory", "watch", None, 2_970_000);
            let entry = &mut sample.log(node)[0];
            entry.as_of_us = entry.at_us - age_us;
            let promised = &mut sample.history.promised;
            promised.insert("watch".to_owned(), Promise::Latest);
            sample
        };
        let verdict = |age_us| check(&heard_late(age_us).history.placed()).verdict;
        assert_eq!(verdict(1_970_000), Verdict::Kept);
        assert_eq!(verdict(3_000_001), Verdict::Broken);
    }
}
