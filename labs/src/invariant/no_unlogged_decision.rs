//! `no-unlogged-decision`: no answer without its durable audit entry.
//!
//! Every answer that a client heard has an entry with the same decision in the log of the node it
//! asked, and every log counts from 0 without a gap. An entry whose client never heard is no
//! violation: the reply may have been lost. A refusal that says no entry could be written, or
//! that no decision was reached, needs none. A refusal from before the caller or the action was
//! known has an entry with that field empty.

use std::collections::BTreeMap;

use services::audit::entry::{Decision, Entry};
use services::refusal::Refusal;

use super::{Finding, Violation};
use crate::history::{Outcome, Placed, Request};

/// The invariant's name.
pub const NAME: &str = "no-unlogged-decision";

/// Judges the history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let history = placed.history;
    let mut violations = gaps(placed);
    let mut doubts = super::unverified(history);
    let mut entries: BTreeMap<(&str, &str), Vec<&Entry>> = BTreeMap::new();
    for (node, log) in &history.audits {
        for entry in log.iter().flatten() {
            entries
                .entry((node, &entry.request))
                .or_default()
                .push(entry);
        }
    }
    let mut judged = 0;
    for request in &history.requests {
        let Some(heard) = Heard::from(&request.outcome) else {
            continue;
        };
        judged += 1;
        match history.audits.get(&request.node) {
            Some(Err(_)) => {}
            None => doubts.push(format!("{} answered and left no audit log", request.node)),
            Some(Ok(_)) => {
                let of_request = entries.get(&(request.node.as_str(), request.id.as_str()));
                let of_request = of_request.map_or(&[][..], Vec::as_slice);
                violations.extend(unlogged(request, heard, of_request));
            }
        }
    }
    doubts.sort();
    if judged == 0 {
        doubts.push("nobody heard an answer".to_owned());
    }
    Finding::new(NAME, judged, violations, doubts)
}

/// What the entry behind an answer must say.
#[derive(Clone, Copy, Debug)]
enum Heard {
    Permit,
    Refuse(Refusal),
}

impl Heard {
    /// `None` for an answer that no decision stands behind.
    fn from(outcome: &Outcome) -> Option<Self> {
        match (outcome, outcome.refusal()) {
            (Outcome::Served { .. }, _) => Some(Self::Permit),
            (_, Some(Refusal::AuditUnavailable | Refusal::Busy) | None) => None,
            (_, Some(refusal)) => Some(Self::Refuse(refusal)),
        }
    }

    /// Whether that entry says so. Who may read it was told that there is no such record, or that
    /// it cannot be opened: behind that answer stands a permit.
    fn is_said_by(self, entry: &Entry) -> bool {
        let refused = |refusal: Refusal| {
            entry.decision == Decision::Refuse && entry.refusal.as_deref() == Some(refusal.name())
        };
        match self {
            Self::Permit => entry.decision == Decision::Permit,
            Self::Refuse(told @ (Refusal::NoSuchRecord | Refusal::DataKeyUnknown)) => {
                entry.decision == Decision::Permit || refused(told)
            }
            Self::Refuse(refusal) => refused(refusal),
        }
    }
}

fn unlogged(request: &Request, heard: Heard, entries: &[&Entry]) -> Option<Violation> {
    let same = |entry: &&&Entry| {
        let who = [&*request.principal, request.sender()].contains(&&*entry.principal)
            || (entry.principal.is_empty() && entry.decision == Decision::Refuse);
        let what = entry.action == request.action
            || (entry.action.is_empty() && entry.decision == Decision::Refuse);
        who && what && heard.is_said_by(entry)
    };
    if entries.iter().any(|entry| same(&entry)) {
        return None;
    }
    let answer = match heard {
        Heard::Permit => "was served".to_owned(),
        Heard::Refuse(refusal) => format!("was refused ({refusal})"),
    };
    let other = entries
        .first()
        .map_or("no audit entry says so".to_owned(), |entry| {
            let refusal = entry.refusal.as_deref().unwrap_or("permit");
            format!(
                "audit entry {} says {} to {}: {refusal}",
                entry.seq, entry.action, entry.principal
            )
        });
    Some(Violation {
        at_us: request.finished_us.unwrap_or(request.started_us),
        node: request.node.clone(),
        request: Some(request.id.clone()),
        seq: entries.first().map(|entry| entry.seq),
        evidence: format!(
            "{} {answer} {}, and {other}",
            request.principal, request.action
        ),
    })
}

/// Where a log does not count from 0 without gaps, or holds another node's entry.
fn gaps(placed: &Placed<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for decided in &placed.as_logged() {
        let left_out = placed
            .history
            .left_out
            .get(decided.node)
            .copied()
            .unwrap_or(0);
        let next = expected.entry(decided.node).or_insert(left_out);
        let evidence = if decided.entry.seq != *next {
            Some(format!(
                "entry {} stands where entry {next} should",
                decided.entry.seq
            ))
        } else if decided.entry.node != decided.node {
            Some(format!(
                "entry {} was written by {}",
                decided.entry.seq, decided.entry.node
            ))
        } else {
            None
        };
        *next = decided.entry.seq.saturating_add(1);
        violations.extend(evidence.map(|evidence| Violation {
            at_us: decided.earliest_us,
            node: decided.node.to_owned(),
            request: Some(decided.entry.request.clone()),
            seq: Some(decided.entry.seq),
            evidence,
        }));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::history::sample::Sample;

    fn good() -> Sample {
        let mut sample = Sample::new(60);
        sample.served("a-1", "legit", "alice", "read", 1_000_000);
        sample.refused("m-1", "attack", "mallory", "read", 2_000_000);
        sample
    }

    fn heard(sample: &mut Sample, name: &str) {
        sample.history.requests[1].outcome = Outcome::Refused(name.to_owned());
    }

    #[test]
    fn a_record_that_cannot_be_opened_is_told_to_who_may_read_it() {
        let mut sample = good();
        let entry = &mut sample.log("records.south")[1];
        (entry.decision, entry.refusal) = (Decision::Permit, None);
        heard(&mut sample, "data-key-unknown");
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Kept);
        heard(&mut sample, "secret-unknown");
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Broken);
    }

    #[test]
    fn every_answer_with_its_entry_is_kept_and_so_is_an_entry_nobody_heard() {
        let mut sample = good();
        sample.entry(
            "records.south",
            "lost-reply",
            "alice",
            "read",
            None,
            3_000_000,
        );
        let finding = check(&sample.history.placed());
        assert_eq!((finding.verdict, finding.judged), (Verdict::Kept, 2));
    }

    #[test]
    fn an_answer_without_entry_is_a_violation() {
        for skipped in [0, 1] {
            let mut sample = good();
            sample.log("records.south").remove(skipped);
            if skipped == 0 {
                sample.log("records.south")[0].seq = 0;
            }
            assert_eq!(check(&sample.history.placed()).verdict, Verdict::Broken);
        }
    }

    #[test]
    fn an_entry_that_says_otherwise_is_no_entry() {
        let mut sample = good();
        heard(&mut sample, "policy-denied");
        let finding = check(&sample.history.placed());
        assert_eq!(finding.verdict, Verdict::Broken);
        assert!(finding.violations[0].evidence.contains("policy-stale"));
    }

    #[test]
    fn an_answer_that_no_decision_stands_behind_needs_no_entry() {
        for name in ["busy", "audit-unavailable", "unavailable", "deadline"] {
            let mut sample = good();
            heard(&mut sample, name);
            sample.log("records.south").pop();
            assert_eq!(
                check(&sample.history.placed()).verdict,
                Verdict::Kept,
                "{name}"
            );
        }
    }

    #[test]
    fn a_refusal_may_come_before_the_caller_is_known_but_a_permit_may_not() {
        for at in [0, 1] {
            let mut sample = good();
            let entry = &mut sample.log("records.south")[at];
            entry.principal.clear();
            entry.action.clear();
            let expected = [Verdict::Broken, Verdict::Kept][at];
            assert_eq!(check(&sample.history.placed()).verdict, expected);
        }
    }

    #[test]
    fn no_such_record_stands_on_a_permit() {
        let mut sample = good();
        heard(&mut sample, "no-such-record");
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Broken);
        let entry = &mut sample.log("records.south")[1];
        entry.decision = Decision::Permit;
        entry.refusal = None;
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Kept);
    }

    #[test]
    fn a_gap_in_the_count_is_a_violation_even_if_nobody_heard() {
        let mut sample = good();
        sample.entry("records.south", "x", "alice", "read", None, 3_000_000);
        sample.log("records.south")[2].seq = 3;
        let finding = check(&sample.history.placed());
        assert_eq!(finding.verdict, Verdict::Broken);
        assert!(
            finding.violations[0]
                .evidence
                .contains("entry 3 stands where entry 2 should")
        );
    }

    #[test]
    fn a_log_that_does_not_verify_or_is_not_there_leaves_it_unknown() {
        let mut torn = good();
        torn.history
            .audits
            .insert("records.south".to_owned(), Err("torn".to_owned()));
        assert_eq!(check(&torn.history.placed()).verdict, Verdict::Unknown);
        let mut missing = good();
        missing.history.audits.clear();
        assert_eq!(check(&missing.history.placed()).verdict, Verdict::Unknown);
        let mut empty = good();
        empty.log("records.south").clear();
        assert_eq!(
            check(&empty.history.placed()).verdict,
            Verdict::Broken,
            "it verifies, and is empty"
        );
    }
}
