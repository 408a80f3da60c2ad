//! `monotone-policy`: no node goes back to an older policy, and one size has one root.
//!
//! Along each audit log the policy's size never falls; over all logs one size never has two
//! roots, which would be two histories. A node that held no policy yet says so with size 0 and the
//! root of an empty log; one that says it after having held more has fallen, also in a refusal.

use std::collections::BTreeMap;

use super::{Finding, Violation, unverified};
use crate::history::{Decided, Placed, Rooted};

/// The invariant's name.
pub const NAME: &str = "monotone-policy";

/// Judges the history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let history = placed.history;
    let mut violations = Vec::new();
    let mut roots: BTreeMap<u64, Rooted> = history.rooted.clone();
    for decided in &placed.decisions {
        let size = decided.entry.policy_size;
        let first = roots.entry(size);
        let first = first.or_insert_with(|| Rooted::by(decided.node, decided.entry));
        if first.root != decided.entry.policy_root {
            let evidence = format!(
                "policy {size} has one root here and another at {}, entry {}",
                first.node, first.seq
            );
            violations.push(violation(decided, evidence));
        }
    }
    let decisions = placed.as_logged();
    let mut largest: Option<Decided<'_>> = None;
    for decided in &decisions {
        let before = largest.filter(|before| before.node == decided.node);
        let Some(before) = before else {
            largest = Some(*decided);
            continue;
        };
        if decided.entry.policy_size < before.entry.policy_size {
            let evidence = format!(
                "decided under policy {} after entry {} had enforced policy {}",
                decided.entry.policy_size, before.entry.seq, before.entry.policy_size
            );
            violations.push(violation(decided, evidence));
        } else {
            largest = Some(*decided);
        }
    }
    let mut doubts = unverified(history);
    if decisions.is_empty() {
        doubts.push("no audit log holds a decision".to_owned());
    }
    Finding::new(NAME, decisions.len() as u64, violations, doubts)
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
    use services::audit::entry::Decision;

    use super::super::Verdict;
    use super::*;
    use crate::history::sample::Sample;

    /// One entry for each (node, policy size), a second apart.
    fn sizes(of: &[(&str, u64)]) -> Sample {
        let mut sample = Sample::new(60);
        for (at, (node, size)) in (1..).zip(of) {
            sample.entry(
                node,
                &format!("a-{at}"),
                "alice",
                "read",
                None,
                at * 1_000_000,
            );
            sample
                .log(node)
                .last_mut()
                .expect("just written")
                .policy_size = *size;
        }
        sample
    }

    #[test]
    fn a_policy_that_only_grows_is_kept_each_node_at_its_own_pace() {
        let grows = sizes(&[("north", 4), ("south", 3), ("north", 7), ("south", 3)]);
        let mut grows = grows;
        for entry in grows.log("south") {
            entry.policy_root = "aa".repeat(32);
        }
        assert_eq!(check(&grows.history.placed()).verdict, Verdict::Kept);
    }

    #[test]
    fn a_fall_is_a_violation_and_stays_one_until_the_node_catches_up() {
        let falls = sizes(&[("south", 5), ("south", 3), ("south", 4), ("south", 6)]);
        let finding = check(&falls.history.placed());
        assert_eq!(finding.verdict, Verdict::Broken);
        assert_eq!(finding.broken, 2);
        assert_eq!(finding.violations[0].seq, Some(1));
        assert!(
            finding.violations[0]
                .evidence
                .contains("after entry 0 had enforced policy 5")
        );
    }

    #[test]
    fn one_size_with_two_roots_is_two_histories() {
        let mut forked = sizes(&[("north", 5), ("south", 5)]);
        forked.log("south")[0].policy_root = "aa".repeat(32);
        let finding = check(&forked.history.placed());
        assert_eq!(finding.verdict, Verdict::Broken);
        assert_eq!(finding.violations[0].node, "south");
    }

    #[test]
    fn a_root_that_was_left_out_is_not_forgotten() {
        let mut later = sizes(&[("south", 5), ("south", 6)]);
        for (size, root, expected) in [
            (5, "e9", Verdict::Kept),
            (5, "aa", Verdict::Broken),
            (4, "aa", Verdict::Kept),
        ] {
            let left_out = Rooted {
                node: "north".to_owned(),
                seq: 9,
                root: root.repeat(32),
            };
            later.history.rooted = BTreeMap::from([(size, left_out)]);
            let finding = check(&later.history.placed());
            assert_eq!(finding.verdict, expected, "{size} {root}");
            if let Some(found) = finding.violations.first() {
                assert_eq!(found.seq, Some(0));
                assert!(found.evidence.contains("north, entry 9"), "{found:?}");
            }
        }
    }

    #[test]
    fn no_policy_is_where_a_node_begins_and_nowhere_to_go_back_to() {
        let began = sizes(&[("south", 0), ("south", 5)]);
        assert_eq!(check(&began.history.placed()).verdict, Verdict::Kept);
        let mut emptied = sizes(&[("south", 5), ("south", 0)]);
        emptied.log("south")[1].decision = Decision::Refuse;
        assert_eq!(check(&emptied.history.placed()).verdict, Verdict::Broken);
    }

    #[test]
    fn a_log_that_does_not_verify_leaves_it_unknown() {
        let mut sample = sizes(&[("north", 5)]);
        sample
            .history
            .audits
            .insert("south".to_owned(), Err("forged".to_owned()));
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Unknown);
    }
}
