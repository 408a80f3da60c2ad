//! `no-revoked-credential`: no revoked certificate opens a door later than was promised.
//!
//! It judges the leaves that a CA took back, by serial, as [`super::exposure`] measures: from the
//! moment when the CA's record of it was durable, at every node, on new connections, open ones and
//! streams alike. A posture that asks for fresh lists and looks again promises the life of a list,
//! since that is for how long a node that was cut off may not know; one that promises nothing is
//! held to the exposure that the scenario allows. A permit whose entry names another leaf is no
//! violation.

use super::Finding;
use super::revocation::{Rule, judge};
use crate::history::{ActKind, Placed};

/// The invariant's name.
pub const NAME: &str = "no-revoked-credential";

/// Judges the history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let rule = Rule {
        name: NAME,
        concerns: |act| act.kind == ActKind::Leaf,
        nobody: "no certificate was revoked",
    };
    judge(placed, &rule)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::history::sample::Sample;
    use crate::invariant::exposure::{exposure_us, successes};

    /// mallory's leaf, as samples log it, is revoked at 12 s.
    fn revoked() -> Sample {
        let mut sample = Sample::new(60);
        sample.served("m-0", "attack", "mallory", "read", 5_000_000);
        sample.revoke("mallory", 12_000_000, Some(12_100_000));
        let act = &mut sample.history.acts[0];
        act.kind = ActKind::Leaf;
        act.serials = vec!["mallory-1".to_owned()];
        sample
    }

    #[test]
    fn a_revoked_leaf_that_is_let_in_is_a_violation_whatever_the_policy_promises() {
        let mut sample = revoked();
        sample.served("m-1", "attack", "mallory", "read", 23_090_000);
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Kept);
        sample.served("m-2", "attack", "mallory", "write", 23_100_000);
        let finding = check(&sample.history.placed());
        assert_eq!((finding.verdict, finding.broken), (Verdict::Broken, 1));
        let evidence = &finding.violations[0].evidence;
        assert!(
            evidence.contains("the scenario allows 3.000 s"),
            "{evidence}"
        );
        assert!(exposure_us(&sample.history)["write"] > 10_000_000);
    }

    #[test]
    fn a_permit_on_another_leaf_of_the_same_principal_is_none() {
        let mut sample = revoked();
        sample.served("m-1", "attack", "mallory", "read", 40_000_000);
        let entry = sample.log("records.south").last_mut().unwrap();
        entry.leaf.as_mut().unwrap().serial = "mallory-2".to_owned();
        assert_eq!(successes(&sample.history), []);
        let finding = check(&sample.history.placed());
        assert_eq!(finding.verdict, Verdict::Unknown, "nothing was judged");
        sample.refused("m-2", "attack", "mallory", "read", 41_000_000);
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Kept);
    }

    #[test]
    fn a_reply_without_an_entry_does_not_say_on_which_leaf() {
        let mut sample = revoked();
        sample.served("m-1", "attack", "mallory", "read", 40_000_000);
        sample.log("records.south").pop();
        let finding = check(&sample.history.placed());
        assert_eq!(finding.verdict, Verdict::Unknown);
        assert!(finding.doubts[0].contains("on which certificate"));
    }

    #[test]
    fn an_act_on_the_policy_is_not_its_concern() {
        let mut sample = Sample::new(60);
        sample.revoke("mallory", 12_000_000, Some(12_100_000));
        sample.served("m-1", "attack", "mallory", "read", 40_000_000);
        let finding = check(&sample.history.placed());
        assert_eq!(finding.verdict, Verdict::Unknown);
        assert_eq!(finding.doubts, ["no certificate was revoked"]);
    }
}
