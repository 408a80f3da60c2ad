//! `every-leaf-was-issued`: a certificate that no log has opens no door later than was promised.
//!
//! Each permit of each node's audit log names the leaf that it was given on by its hash, and the
//! CA's signed log has the hash of each leaf that was ever issued, from before it was handed out. A
//! leaf of the one that is not in the other was made with a stolen key. No node can tell such a
//! leaf from another, so its first use cannot be refused: it is held to what was promised from that
//! use on, counted from the first entry of any node that names a leaf of which no log knows. One
//! clock for all of them: whoever has an issuer's key makes as many as they like. A posture that
//! tells nobody promises nothing, and is held to the exposure that the scenario allows; where that
//! says nothing either, every use is one too many. Nothing here rests on what a node remembers, or
//! on what a scenario says of whose leaf was forged.

use services::audit::entry::Decision;

use super::revocation::bound_of;
use super::{Finding, Violation, seconds, unverified};
use crate::history::{ActKind, Decided, History, Placed};

/// The invariant's name.
pub const NAME: &str = "every-leaf-was-issued";

/// Judges a history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let history = placed.history;
    let mut doubts = unverified(history);
    match &history.issued {
        Some(Ok(_)) => {}
        Some(Err(why)) => doubts.push(format!("the issuance log does not verify: {why}")),
        None => doubts.push("the CA handed in no issuance log".to_owned()),
    }
    let permits = placed.decisions.iter().filter(|decided| {
        decided.entry.decision == Decision::Permit && decided.entry.leaf.is_some()
    });
    let permits: Vec<&Decided<'_>> = permits.collect();
    let unlogged: Vec<&Decided<'_>> = match &history.issued {
        Some(Ok(_)) => permits
            .iter()
            .copied()
            .filter(|it| !was_issued(history, it))
            .collect(),
        _ => Vec::new(),
    };
    let first_us = unlogged.iter().map(|decided| decided.earliest_us).min();
    let violations = unlogged.iter().filter_map(|decided| {
        let action = &decided.entry.action;
        let bound_us = bound_of(history, ActKind::Rogue, action).unwrap_or_default();
        let after_us = decided.earliest_us.saturating_sub(first_us?);
        let allowed_us = match bound_us {
            0 => 0,
            bound_us => bound_us.saturating_add(history.margin_us(ActKind::Rogue)),
        };
        let late = bound_us == 0 || after_us > allowed_us;
        late.then(|| violation(decided, after_us, bound_us))
    });
    let judged = permits.len() as u64;
    Finding::new(NAME, judged, violations.collect(), doubts)
}

/// Whether the log had that leaf by then.
fn was_issued(history: &History, decided: &Decided<'_>) -> bool {
    let (Some(Ok(issued)), Some(leaf)) = (&history.issued, &decided.entry.leaf) else {
        return false;
    };
    let by_us = history.epoch_us.saturating_add(decided.latest_us);
    let by_us = by_us.saturating_add(history.tolerance_us);
    issued
        .get(&leaf.sha256)
        .is_some_and(|at_us| *at_us <= by_us)
}

fn violation(decided: &Decided<'_>, after_us: u64, bound_us: u64) -> Violation {
    let entry = decided.entry;
    let allowed = match bound_us {
        0 => "nothing is allowed".to_owned(),
        bound_us => format!("{} are allowed", seconds(bound_us)),
    };
    let evidence = format!(
        "{} was let in to {} (audit entry {}) on a certificate that no log has, {} after the first \
         of these: {allowed}",
        entry.principal,
        entry.action,
        entry.seq,
        seconds(after_us),
    );
    Violation {
        at_us: decided.earliest_us,
        node: decided.node.to_owned(),
        request: Some(entry.request.clone()),
        seq: Some(entry.seq),
        evidence,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::history::Promise;
    use crate::history::sample::{EPOCH_US, Sample};

    /// alice comes with what the CA issued; what chief comes with is in no log.
    fn sample() -> Sample {
        let mut sample = Sample::new(60);
        sample.history.expect.exposure_us.clear();
        let issued = [("alice-leaf".to_owned(), EPOCH_US + 500_000)];
        sample.history.issued = Some(Ok(issued.into()));
        served(&mut sample, "a-1", "alice", 1_000_000);
        sample
    }

    fn served(sample: &mut Sample, id: &str, who: &str, at_us: u64) {
        sample.served(id, "any", who, "read", at_us);
        let leaf = sample
            .log("records.south")
            .last_mut()
            .unwrap()
            .leaf
            .as_mut();
        leaf.unwrap().sha256 = format!("{who}-leaf");
    }

    fn verdict(sample: &Sample) -> (Verdict, u64) {
        let finding = check(&sample.history.placed());
        (finding.verdict, finding.broken)
    }

    #[test]
    fn a_leaf_that_no_log_has_is_a_violation_at_once_where_nothing_is_allowed() {
        let mut sample = sample();
        assert_eq!(verdict(&sample), (Verdict::Kept, 0));
        served(&mut sample, "m-1", "chief", 2_000_000);
        assert_eq!(verdict(&sample), (Verdict::Broken, 1));
    }

    #[test]
    fn it_is_held_to_the_promise_from_its_first_use_on_and_to_the_scenario_without_one() {
        let mut sample = sample();
        sample.history.expect.exposure_us = [("read".to_owned(), 9_000_000)].into();
        sample.history.rogue_promised = [("read".to_owned(), Promise::Within(20_000_000))].into();
        served(&mut sample, "m-1", "chief", 2_000_000);
        served(&mut sample, "m-2", "chief", 21_000_000);
        assert_eq!(verdict(&sample), (Verdict::Kept, 0));
        served(&mut sample, "m-3", "other", 26_000_000);
        assert_eq!(
            verdict(&sample),
            (Verdict::Broken, 1),
            "another leaf is no new start"
        );
        sample.history.rogue_promised.clear();
        assert_eq!(verdict(&sample), (Verdict::Broken, 2));
        let finding = check(&sample.history.placed());
        let evidence = &finding.violations[0].evidence;
        assert!(evidence.contains("19.000 s after"), "{evidence}");
        assert!(evidence.contains("9.000 s are allowed"), "{evidence}");
    }

    #[test]
    fn a_leaf_that_came_into_the_log_after_its_use_was_not_issued_by_then() {
        let mut sample = sample();
        let Some(Ok(issued)) = &mut sample.history.issued else {
            panic!("it was handed in");
        };
        issued.insert("alice-leaf".to_owned(), EPOCH_US + 30_000_000);
        assert_eq!(verdict(&sample), (Verdict::Broken, 1));
    }

    #[test]
    fn without_an_issuance_log_that_verifies_it_cannot_be_told() {
        let mut sample = sample();
        sample.history.issued = None;
        assert_eq!(verdict(&sample), (Verdict::Unknown, 0));
        sample.history.issued = Some(Err("it was cut".to_owned()));
        assert_eq!(verdict(&sample), (Verdict::Unknown, 0));
    }
}
