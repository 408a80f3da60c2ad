//! `seamless-rotation`: what was ordered of the authorities is carried out, and nobody who is owed
//! an answer goes without for longer than the scenario allows.
//!
//! Both halves are needed: who never rotates turns nobody away. The first is read from what the CA
//! acknowledged, the second from what clients lived. An order that waits at the end of the run, or
//! a run without any order, leaves the verdict unknown.

use super::outage::{orders, pending, too_long};
use super::{Finding, Violation, seconds};
use crate::history::Placed;

/// The invariant's name.
pub const NAME: &str = "seamless-rotation";

/// Judges a history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let history = placed.history;
    let violations = too_long(history).into_iter().map(|outage| {
        let allowed = history.expect.outage_us.get(&outage.action);
        let allowed = seconds(allowed.copied().unwrap_or_default());
        let lasted = seconds(outage.lasted_us());
        let lasted = if outage.is_over {
            format!("for {lasted}")
        } else {
            format!("for {lasted}, to the end of the run")
        };
        let (who, action) = (&outage.principal, &outage.action);
        Violation {
            at_us: outage.from_us,
            node: outage.node.clone(),
            request: Some(outage.request.clone()),
            seq: None,
            evidence: format!("{who} could not {action} {lasted}; {allowed} are allowed"),
        }
    });
    let mut doubts: Vec<String> = pending(history)
        .map(|act| format!("the order to {} was not carried out", act.role))
        .collect();
    if orders(history).next().is_none() {
        doubts.push("nothing was ordered of any authority".to_owned());
    }
    let owed = history.requests.iter().filter(|request| {
        let mut floors = history.expect.floors.iter();
        floors.any(|floor| floor.tag == request.tag)
    });
    let judged = owed.count() as u64;
    Finding::new(NAME, judged, violations.collect(), doubts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::sample::Sample;
    use crate::history::{Act, ActKind};
    use crate::invariant::Verdict;

    fn rotated(acknowledged_us: Option<u64>) -> Sample {
        let mut sample = Sample::new(60);
        let outage_us = [("read".to_owned(), 3_000_000)].into();
        sample.history.expect.outage_us = outage_us;
        sample.history.acts.push(Act {
            kind: ActKind::Authority,
            role: "revoke root 1".to_owned(),
            asked_us: 5_000_000,
            acknowledged_us,
            ..Act::default()
        });
        sample.served("a-1", "legit", "alice", "read", 1_000_000);
        sample
    }

    fn verdict(sample: &Sample) -> (Verdict, String) {
        let finding = check(&sample.history.placed());
        let first = finding.violations.first();
        let told = first.map_or_else(|| finding.doubts.join("; "), |it| it.evidence.clone());
        (finding.verdict, told)
    }

    #[test]
    fn who_goes_without_for_too_long_breaks_it() {
        let mut sample = rotated(Some(6_000_000));
        sample.refused("a-2", "legit", "alice", "read", 10_000_000);
        sample.served("a-3", "legit", "alice", "read", 12_900_000);
        assert_eq!(verdict(&sample), (Verdict::Kept, String::new()));
        sample.refused("a-4", "legit", "alice", "read", 50_000_000);
        let told = "alice could not read for 10.000 s, to the end of the run; 3.000 s are allowed";
        assert_eq!(verdict(&sample), (Verdict::Broken, told.to_owned()));
    }

    #[test]
    fn an_order_that_waits_for_ever_is_no_rotation() {
        let (fared, told) = verdict(&rotated(None));
        assert_eq!(fared, Verdict::Unknown);
        assert!(told.contains("revoke root 1"), "{told}");
        let mut idle = rotated(None);
        idle.history.acts.clear();
        assert_eq!(verdict(&idle).0, Verdict::Unknown);
    }
}
