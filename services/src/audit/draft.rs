//! What a guard has to say about one decision, before the log gives it its place.
//!
//! A draft cannot contradict itself: whether it permits or refuses follows from its refusal, and
//! the refusal is one of the closed list.

use std::fmt::Write as _;

use ca::clock::Time;
use ca::tlog::tree::Hash;

use super::entry::{Decision, Entry, Leaf};
use crate::refusal::Refusal;

/// One decision, as yet without a place in the log. Strings may be empty where [`Entry`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The request's identifier.
    pub request: String,
    /// The policy's name for the caller.
    pub principal: String,
    /// The caller's SPIFFE ID.
    pub spiffe_id: String,
    /// The leaf that the caller came with.
    pub leaf: Option<Leaf>,
    /// What the caller wanted to do.
    pub action: String,
    /// To what.
    pub resource: String,
    /// Why not, or nothing for a permit.
    pub refusal: Option<Refusal>,
    /// Size of the policy log under which it was decided.
    pub policy_size: u64,
    /// Root of that log.
    pub policy_root: Hash,
    /// How old that policy may be.
    pub as_of: Time,
    /// When it was decided.
    pub at: Time,
}

impl Draft {
    /// The entry at `seq` of a node's log, after the one whose leaf hash is `prev`.
    pub(super) fn placed(&self, node: &str, seq: u64, prev: Option<Hash>) -> Entry {
        let draft = self.clone();
        Entry {
            node: node.to_owned(),
            seq,
            prev: prev.map(|hash| hex(&hash)).unwrap_or_default(),
            request: draft.request,
            principal: draft.principal,
            spiffe_id: draft.spiffe_id,
            leaf: draft.leaf,
            action: draft.action,
            resource: draft.resource,
            decision: match draft.refusal {
                None => Decision::Permit,
                Some(_) => Decision::Refuse,
            },
            refusal: draft.refusal.map(|refusal| refusal.name().to_owned()),
            policy_size: draft.policy_size,
            policy_root: hex(&draft.policy_root),
            as_of_us: draft.as_of.as_micros(),
            at_us: draft.at.as_micros(),
        }
    }
}

fn hex(hash: &Hash) -> String {
    hash.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::super::specimen::draft;
    use super::*;

    #[test]
    fn the_decision_follows_from_the_refusal() {
        let permit = draft("a");
        let refuse = Draft {
            refusal: Some(Refusal::PolicyStale),
            ..permit.clone()
        };
        let (permit, refuse) = (permit.placed("n", 0, None), refuse.placed("n", 1, None));
        assert_eq!((permit.decision, permit.refusal), (Decision::Permit, None));
        assert_eq!(refuse.decision, Decision::Refuse);
        assert_eq!(refuse.refusal.as_deref(), Some("policy-stale"));
    }

    #[test]
    fn the_first_entry_follows_nothing() {
        let first = draft("a").placed("n", 0, None);
        assert_eq!(first.prev, "");
        let mut hash = [0; 32];
        hash[31] = 0xaf;
        let next = draft("a").placed("n", 1, Some(hash));
        assert_eq!(next.prev, format!("{}af", "00".repeat(31)));
    }
}
