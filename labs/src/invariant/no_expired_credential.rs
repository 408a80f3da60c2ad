//! `no-expired-credential`: no expired certificate or token opens a door later than was promised.
//!
//! An end is written into a certificate and a token by whoever made them, and is a moment of true
//! time, whatever clock a node reads. Every permit is held to the end of the certificate that its
//! audit entry names. What an entry does not name is its token: of that it judges what was copied
//! together with a certificate, from the sooner of the two ends on, as [`super::exposure`]
//! measures. A posture promises no more than what it forgives for clocks; one that forgives minutes
//! promises nothing, and is held to the exposure that the scenario allows.

use services::audit::entry::Decision;

use super::revocation::{Rule, bound_of, judge};
use super::{Finding, Violation, seconds};
use crate::history::{ActKind, Decided, History, Placed};

/// The invariant's name.
pub const NAME: &str = "no-expired-credential";

/// Judges the history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let rule = Rule {
        name: NAME,
        concerns: |act| act.kind == ActKind::Expiry,
        nobody: "nothing that was copied has ended",
    };
    let copies = judge(placed, &rule);
    let is_copy = |decided: &Decided<'_>| {
        let leaf = decided.entry.leaf.as_ref();
        let mut copied = placed
            .history
            .acts
            .iter()
            .filter(|act| (rule.concerns)(act));
        leaf.is_some_and(|leaf| copied.any(|act| act.serials.contains(&leaf.serial)))
    };
    let permits = placed.decisions.iter();
    let permits = permits.filter(|it| it.entry.decision == Decision::Permit && !is_copy(it));
    let late = permits.filter_map(|decided| late(placed.history, decided));
    copies.with(late.collect())
}

/// A permit on a certificate that had ended by more than is allowed, wherever in its span it fell.
fn late(history: &History, decided: &Decided<'_>) -> Option<Violation> {
    let (entry, leaf) = (decided.entry, decided.entry.leaf.as_ref()?);
    let end_us = leaf.not_after_us.saturating_sub(history.epoch_us);
    let bound_us = bound_of(history, ActKind::Expiry, &entry.action)?;
    let margin_us = history.margin_us(ActKind::Expiry);
    let limit_us = end_us.saturating_add(bound_us).saturating_add(margin_us);
    (decided.earliest_us > limit_us).then(|| Violation {
        at_us: decided.earliest_us,
        node: decided.node.to_owned(),
        request: Some(entry.request.clone()),
        seq: Some(entry.seq),
        evidence: format!(
            "{} was let in to {} (audit entry {}) {} after the end of the certificate that it came \
             with",
            entry.principal,
            entry.action,
            entry.seq,
            seconds(decided.earliest_us - end_us),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::history::Promise;
    use crate::history::sample::Sample;
    use crate::invariant::exposure::{exposure_us, successes};
    use crate::invariant::no_revoked_credential;

    /// What was copied of chief ends at 12 s; his certificate, as samples log it, at 100 s.
    fn copied() -> Sample {
        let mut sample = Sample::new(60);
        sample.served("m-0", "attack", "chief", "read", 5_000_000);
        sample.act(ActKind::Expiry, "chief", 12_000_000, Some(12_000_000));
        sample.history.acts[0].serials = vec!["chief-1".to_owned()];
        let promised = Promise::Within(2_000_000);
        sample.history.end_promised = [("read".to_owned(), promised)].into();
        sample
    }

    #[test]
    fn a_copy_that_is_let_in_after_its_end_is_a_violation_beyond_what_clocks_are_forgiven() {
        let mut sample = copied();
        sample.served("m-1", "attack", "chief", "read", 14_900_000);
        let finding = check(&sample.history.placed());
        assert_eq!((finding.verdict, finding.judged), (Verdict::Kept, 1));
        sample.served("m-2", "attack", "chief", "read", 15_100_000);
        let finding = check(&sample.history.placed());
        assert_eq!((finding.verdict, finding.broken), (Verdict::Broken, 1));
        let evidence = &finding.violations[0].evidence;
        assert!(
            evidence.contains("3.110 s after what it was let in by had ended: promised 2.000 s"),
            "{evidence}"
        );
        assert_eq!(exposure_us(&sample.history)["read"], 3_110_000);
        let other = no_revoked_credential::check(&sample.history.placed());
        assert_eq!(
            other.verdict,
            Verdict::Unknown,
            "that is another's to judge"
        );
    }

    #[test]
    fn a_node_whose_clock_was_set_back_is_judged_by_true_time() {
        let mut sample = copied();
        let back = vec![(14_000_000, -10_000_000)];
        let clocks = &mut sample.history.clocks;
        clocks.insert("records.south".to_owned(), back);
        sample.served("m-1", "attack", "chief", "read", 20_000_000);
        // What the node wrote is its own time, at which nothing had ended yet.
        let entry = sample.log("records.south").last_mut().unwrap();
        entry.at_us -= 10_000_000;
        let finding = check(&sample.history.placed());
        assert_eq!((finding.verdict, finding.broken), (Verdict::Broken, 1));
        assert_eq!(finding.violations[0].at_us, 20_010_000);
    }

    #[test]
    fn a_newer_certificate_of_the_same_name_is_none_of_the_copys() {
        let mut sample = copied();
        sample.served("c-1", "legit", "chief", "read", 40_000_000);
        let entry = sample.log("records.south").last_mut().unwrap();
        entry.leaf.as_mut().unwrap().serial = "chief-2".to_owned();
        assert_eq!(successes(&sample.history), []);
        let finding = check(&sample.history.placed());
        assert_eq!(finding.doubts, ["nobody asked by what had ended"]);
        sample.refused("m-1", "attack", "chief", "read", 41_000_000);
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Kept);
    }

    #[test]
    fn whoevers_certificate_it_was_no_permit_rests_on_one_that_has_ended() {
        let mut sample = copied();
        sample.refused("m-1", "attack", "chief", "read", 41_000_000);
        sample.served("a-1", "legit", "alice", "read", 50_000_000);
        let finding = check(&sample.history.placed());
        assert_eq!(finding.verdict, Verdict::Kept);
        let entry = sample.log("records.south").last_mut().unwrap();
        entry.leaf.as_mut().unwrap().not_after_us -= 54_000_000;
        let finding = check(&sample.history.placed());
        assert_eq!((finding.verdict, finding.broken), (Verdict::Broken, 1));
        let evidence = &finding.violations[0].evidence;
        assert!(evidence.contains("4.010 s after the end"), "{evidence}");
    }

    #[test]
    fn a_reply_without_an_entry_does_not_say_on_which_certificate() {
        let mut sample = copied();
        sample.served("m-1", "attack", "chief", "read", 40_000_000);
        sample.log("records.south").pop();
        let finding = check(&sample.history.placed());
        assert_eq!(finding.verdict, Verdict::Unknown);
        assert!(finding.doubts[0].contains("on which certificate"));
    }

    #[test]
    fn where_nothing_was_copied_there_is_nothing_to_judge() {
        let mut sample = Sample::new(60);
        sample.served("m-0", "attack", "chief", "read", 5_000_000);
        let finding = check(&sample.history.placed());
        assert_eq!(finding.doubts, ["nothing that was copied has ended"]);
    }
}
