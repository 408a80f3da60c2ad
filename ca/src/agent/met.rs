//! The leaves that a node's guard let in, as the node tells them to the CA. Other doors than those
//! of its guard tell nothing.
//!
//! A chain says who signed a leaf, and not that anybody issued it: whoever copied an issuer's key
//! signs what no log has. Only the CA can tell the two apart, and only of what it is told. Nothing
//! is judged here and nothing kept on disk: a node that was started again tells a leaf when it
//! comes again. Invariant: what was noted is told on every stream to the CA, so that neither a cut
//! nor a CA that was started again loses it; of more than [`MAX_MET`] the newest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::Agent;
use crate::identity::LeafFacts;

/// Most leaves that a node remembers to tell.
pub const MAX_MET: usize = 1_024;

/// The leaves that one node let in. Cheap to clone; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Met(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    leaves: Mutex<Leaves>,
    /// The number of the newest.
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Leaves {
    /// Hashes in the order in which they came, numbered from 1.
    told: BTreeMap<u64, [u8; 32]>,
    known: BTreeSet<[u8; 32]>,
}

impl Met {
    /// Takes note that a leaf was let in; one that is known already is no news.
    pub fn note(&self, leaf: &LeafFacts) {
        let mut leaves = self.leaves();
        if !leaves.known.insert(leaf.leaf_sha256) {
            return;
        }
        let number = *self.0.newest.borrow() + 1;
        leaves.told.insert(number, leaf.leaf_sha256);
        if leaves.told.len() > MAX_MET
            && let Some((_, oldest)) = leaves.told.pop_first()
        {
            leaves.known.remove(&oldest);
        }
        // Before another one can take the next number.
        self.0.newest.send_replace(number);
    }

    /// The hashes of those that were noted, the oldest first.
    pub fn leaves_sha256(&self) -> Vec<[u8; 32]> {
        self.leaves().told.values().copied().collect()
    }

    /// Waits for a leaf after the one with that number.
    pub(super) async fn news(&self, told: u64) {
        // The sender is this very value's.
        let _ = self
            .0
            .newest
            .subscribe()
            .wait_for(|newest| *newest > told)
            .await;
    }

    /// The hashes after the one with that number, which becomes the last one's.
    pub(super) fn after(&self, told: &mut u64) -> Vec<Vec<u8>> {
        let leaves = self.leaves();
        let news = leaves.told.range(*told + 1..);
        let news: Vec<Vec<u8>> = news.map(|(_, hash)| hash.to_vec()).collect();
        *told = leaves
            .told
            .last_key_value()
            .map_or(*told, |(last, _)| *last);
        news
    }

    fn leaves(&self) -> MutexGuard<'_, Leaves> {
        let leaves = self.0.leaves.lock();
        leaves.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agent {
    /// Where it is noted whom this node let in: the agent tells the CA.
    pub fn met(&self) -> Met {
        self.met.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::identity::SpiffeId;

    fn leaf(number: u16) -> LeafFacts {
        let mut leaf_sha256 = [0; 32];
        leaf_sha256[..2].copy_from_slice(&number.to_be_bytes());
        LeafFacts {
            spiffe_id: SpiffeId::parse("spiffe://clinic.example/user/alice").unwrap(),
            issuer: Vec::new(),
            serial: vec![1],
            not_before: Time::from_secs(0),
            not_after: Time::from_secs(100),
            leaf_sha256,
        }
    }

    #[test]
    fn a_leaf_is_told_once_a_stream_and_again_on_the_next() {
        let met = Met::default();
        for number in [1, 2, 1] {
            met.note(&leaf(number));
        }
        let mut told = 0;
        assert_eq!(met.after(&mut told).len(), 2);
        assert_eq!(met.after(&mut told), Vec::<Vec<u8>>::new());
        met.note(&leaf(3));
        assert_eq!(met.after(&mut told), [leaf(3).leaf_sha256]);
        assert_eq!(met.after(&mut 0).len(), 3);
    }

    #[test]
    fn of_too_many_the_newest_are_told_and_a_forgotten_one_is_news_again() {
        let met = Met::default();
        let most = u16::try_from(MAX_MET).unwrap();
        (0..=most).for_each(|number| met.note(&leaf(number)));
        let all = met.after(&mut 0);
        assert_eq!(all.len(), MAX_MET);
        assert_eq!(all[0], leaf(1).leaf_sha256);
        met.note(&leaf(0));
        assert_eq!(
            met.after(&mut 0).last(),
            Some(&leaf(0).leaf_sha256.to_vec())
        );
    }

    #[tokio::test]
    async fn whoever_waits_for_news_has_it_at_once_if_there_is_some() {
        let met = Met::default();
        met.note(&leaf(1));
        met.news(0).await;
        let waits = met.news(1);
        assert!(
            tokio::time::timeout(std::time::Duration::ZERO, waits)
                .await
                .is_err()
        );
    }
}
