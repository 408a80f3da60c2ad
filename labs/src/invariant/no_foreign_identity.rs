//! `no-foreign-identity`: nobody is let in under a name that was not given to them.
//!
//! Judged from what clients kept of who sent a request, and from whom the node's audit log says
//! that it let in ([`super::impersonation`]). It takes no node's word for who somebody is, and
//! leaves out what no node could see: the use of a stolen key. A token without the key that it is
//! bound to is no such thing: who has only that is an impostor.

use super::impersonation::{Seen, seen};
use super::{Finding, Violation, unverified};
use crate::history::Placed;

/// The invariant's name.
pub const NAME: &str = "no-foreign-identity";

/// Judges the history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let Seen {
        impostures,
        unseen,
        judged,
    } = seen(placed);
    let violations = impostures.iter().map(|it| Violation {
        at_us: it.at_us,
        node: it.request.node.clone(),
        request: Some(it.request.id.clone()),
        seq: Some(it.seq),
        evidence: format!(
            "{} was let in to {} as {} (audit entry {})",
            it.request.sender(),
            it.request.action,
            it.taken_for,
            it.seq
        ),
    });
    let mut doubts = unverified(placed.history);
    doubts.extend(unseen.first().map(|it| {
        let (who, node) = (it.sender(), &it.node);
        format!(
            "{who} was let in by {node} on {}, and no entry says as whom",
            it.id
        )
    }));
    Finding::new(NAME, judged, violations.collect(), doubts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::sample::Sample;
    use crate::invariant::Verdict;
    use crate::invariant::impersonation::{Posed, posed};

    fn verdict(sample: &Sample) -> (Verdict, String) {
        let finding = check(&sample.history.placed());
        let first = finding.violations.first().map(|it| it.evidence.clone());
        (finding.verdict, first.unwrap_or_default())
    }

    #[test]
    fn who_is_let_in_under_anothers_name_breaks_it() {
        let mut sample = Sample::new(60);
        sample.served("c-1", "legit", "chief", "read", 1_000_000);
        assert_eq!(verdict(&sample), (Verdict::Kept, String::new()));
        sample.served("m-1", "attack", "chief", "read", 2_000_000);
        sample.sent_by("m-1", "mallory", false);
        let told = "mallory was let in to read as chief (audit entry 1)";
        assert_eq!(verdict(&sample), (Verdict::Broken, told.to_owned()));
    }

    #[test]
    fn a_thief_who_holds_the_key_is_for_others_to_judge() {
        let mut sample = Sample::new(60);
        sample.served("m-1", "attack", "chief", "read", 2_000_000);
        sample.sent_by("m-1", "mallory", true);
        assert_eq!(verdict(&sample).0, Verdict::Unknown, "nothing was judged");
    }

    #[test]
    fn who_asks_as_another_and_is_known_as_who_they_are_breaks_nothing() {
        let mut sample = Sample::new(60);
        sample.ask("m-1", "attack", "chief", "read", 2_000_000);
        sample.answered("m-1", 2_020_000);
        sample.sent_by("m-1", "mallory", false);
        sample.entry("records.south", "m-1", "mallory", "read", None, 2_010_000);
        sample.refused("m-2", "attack", "chief", "read", 3_000_000);
        sample.sent_by("m-2", "mallory", false);
        assert_eq!(verdict(&sample), (Verdict::Kept, String::new()));
    }

    /// Also who meant to ask in their own name can be taken for somebody else.
    #[test]
    fn a_node_that_mistakes_one_user_for_another_breaks_it() {
        let mut sample = Sample::new(60);
        sample.ask("a-1", "legit", "alice", "read", 2_000_000);
        sample.answered("a-1", 2_020_000);
        sample.entry("records.south", "a-1", "nadia", "read", None, 2_010_000);
        let told = "alice was let in to read as nadia (audit entry 0)";
        assert_eq!(verdict(&sample), (Verdict::Broken, told.to_owned()));
    }

    #[test]
    fn what_was_served_and_stands_in_no_log_cannot_be_told() {
        let mut sample = Sample::new(60);
        sample.served("m-1", "attack", "chief", "read", 2_000_000);
        sample.sent_by("m-1", "mallory", false);
        sample.log("records.south").clear();
        assert_eq!(verdict(&sample).0, Verdict::Unknown);
    }

    #[test]
    fn how_long_and_how_often_is_counted_by_action() {
        let mut sample = Sample::new(60);
        sample.history.expect.impersonation = ["read".to_owned(), "write".to_owned()].into();
        for at in [2_000_000, 9_000_000] {
            let id = format!("m-{at}");
            sample.served(&id, "attack", "chief", "read", at);
            sample.sent_by(&id, "mallory", false);
        }
        sample.refused("m-3", "attack", "chief", "read", 20_000_000);
        sample.sent_by("m-3", "mallory", false);
        let posed = posed(&sample.history);
        let read = Posed {
            let_in: 2,
            asked: 3,
            from_us: 2_000_000,
            to_us: 9_020_000,
        };
        assert_eq!(posed["read"], read);
        assert_eq!(read.lasted_us(), 7_020_000);
        assert_eq!(posed["write"].lasted_us(), 0);
    }
}
