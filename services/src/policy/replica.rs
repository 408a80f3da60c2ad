//! A replica: it verifies what the authority says, folds it, and never goes back.
//!
//! An update counts only if it is contiguous with what is here, proven to extend it, signed by the
//! log and cosigned by a quorum of distinct known witnesses, and if the entries hash to the root
//! that was signed. What does not count changes nothing. The largest size ever enforced is durable
//! before it is enforced, and the as-of only rises while the replica runs; after a restart it is
//! again what the stored cosignatures say.

use std::sync::Arc;
use std::time::Duration;

use ca::clock::Time;
use ca::disk::Disk;
use ca::tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use ca::tlog::note::VerifyingKey;
use ca::tlog::proof::verify_consistency;
use ca::tlog::tree::{Tree, leaf_hash};

use super::danger::Mutation;
use super::entry::Entry;
use super::fold::PolicyState;
use super::freshness::{as_of, not_from_the_future};
use super::quorum::Quorum;
pub use super::rejection::PolicyRefusal;
use super::store::{Store, Stored};
use super::update::{MAX_UPDATE_ENTRIES, Update};
use super::view::{Mark, PolicyView};

/// Whom a replica believes, and how far.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The policy log's key.
    pub log: VerifyingKey,
    /// The witnesses, and how many must agree.
    pub quorum: Quorum,
    /// How far ahead of this node's clock a cosignature time may be and still count for an age.
    pub tolerance: Duration,
    /// A planted bug, for the proof alone.
    pub bug: Mutation,
}

/// What came of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// How many entries are enforced now.
    pub size: u64,
    /// When a quorum last vouched for them.
    pub as_of: Time,
    /// Whether entries were new: streams must decide again.
    pub grew: bool,
}

/// One node's copy of the policy.
#[derive(Debug)]
pub struct Replica {
    trust: Trust,
    store: Store,
    state: PolicyState,
    tree: Tree,
    view: Arc<PolicyView>,
}

impl Replica {
    /// Takes up what is on the disk, or begins with nothing, which permits nothing and is stale.
    ///
    /// # Errors
    /// When the disk fails, or what is there is less than, or other than, what was enforced.
    pub fn open(
        disk: &Arc<dyn Disk>,
        folder: &str,
        trust: Trust,
        now: Time,
    ) -> Result<Self, PolicyRefusal> {
        let (
            store,
            Stored {
                entries,
                checkpoint,
                enforced,
            },
        ) = Store::open(disk, folder, &trust.log)?;
        let (mut state, mut tree) = (PolicyState::default(), Tree::new());
        for entry in &entries {
            tree.push(leaf_hash(entry));
        }
        fold(&mut state, 0, &entries)?;
        let age = match &checkpoint {
            Some(signed) => trust.age(signed, now)?,
            None => None,
        };
        if let Some(mark) = &enforced
            && tree.root_at(mark.size) != Some(mark.root)
        {
            return Err(PolicyRefusal::Fork { size: mark.size });
        }
        // The power went between the checkpoint and the mark: catch up before enforcing.
        let signed = checkpoint.map(|signed| signed.checkpoint);
        if let Some(checkpoint) = signed.filter(|newest| enforced.as_ref() != Some(newest)) {
            store.enforce(&checkpoint)?;
        }
        let mark = Mark {
            size: tree.size(),
            root: tree.root(),
        };
        // Nobody vouches for an age across a restart without witnesses.
        let as_of = age.unwrap_or_default();
        let view = Arc::new(PolicyView::build(None, &state, mark, as_of)?);
        Ok(Self {
            trust,
            store,
            state,
            tree,
            view,
        })
    }

    /// The policy to decide by, as of now.
    pub fn view(&self) -> Arc<PolicyView> {
        Arc::clone(&self.view)
    }

    /// How many entries are enforced: where the next update should start.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Verifies an update and enforces it: stored first, then to be seen in [`Self::view`]. One
    /// that was applied before, or overlaps, is no error.
    ///
    /// # Errors
    /// Why it does not count; nothing has changed then.
    pub fn apply(&mut self, update: &Update, now: Time) -> Result<Applied, PolicyRefusal> {
        let signed = SignedCheckpoint::open(&update.checkpoint, &self.trust.log)?;
        let age = self.trust.age(&signed, now)?;
        self.extends(&signed.checkpoint, update)?;
        let known = usize::try_from(self.size() - update.from).unwrap_or(usize::MAX);
        let new = update.entries.get(known..).unwrap_or_default();
        let as_of = match age {
            Some(vouched) => vouched.max(self.view.as_of()),
            None if self.trust.quorum.needed() == 0 => now.max(self.view.as_of()),
            None => self.view.as_of(),
        };
        let grew = !new.is_empty();
        if grew {
            self.grow(new, &signed, as_of)?;
        } else if as_of > self.view.as_of() {
            self.store.renew(&signed)?;
            self.view = Arc::new(self.view.renewed(as_of));
        }
        Ok(Applied {
            size: self.size(),
            as_of,
            grew,
        })
    }

    /// Checks that the checkpoint, with the update's entries and proof, extends what is here.
    fn extends(&self, offered: &Checkpoint, update: &Update) -> Result<(), PolicyRefusal> {
        let own = self.size();
        let here = self.tree.root_at(offered.size);
        if here.is_some_and(|root| root != offered.root) {
            return Err(PolicyRefusal::Fork { size: offered.size });
        }
        if offered.size < own {
            return Err(PolicyRefusal::RolledBack {
                offered: offered.size,
                enforced: own,
            });
        }
        let Some(root) = self.tree.root_at(update.from) else {
            return Err(PolicyRefusal::Gap {
                from: update.from,
                own,
            });
        };
        let entries = update.entries.len();
        let reaches = update.from.checked_add(entries as u64);
        if entries > MAX_UPDATE_ENTRIES || reaches != Some(offered.size) {
            let (from, size) = (update.from, offered.size);
            return Err(PolicyRefusal::Miscounted {
                from,
                entries,
                size,
            });
        }
        for (entry, index) in update.entries.iter().zip(update.from..own) {
            if self.tree.leaf(index) != Some(leaf_hash(entry)) {
                return Err(PolicyRefusal::Tampered { size: index + 1 });
            }
        }
        let (size, proof) = (offered.size, &update.consistency);
        Ok(verify_consistency(
            update.from,
            &root,
            size,
            &offered.root,
            proof,
        )?)
    }

    fn grow(
        &mut self,
        new: &[Vec<u8>],
        signed: &SignedCheckpoint,
        as_of: Time,
    ) -> Result<(), PolicyRefusal> {
        let Checkpoint { size, root, .. } = signed.checkpoint;
        let (mut state, mut tree) = (self.state.clone(), self.tree.clone());
        for entry in new {
            tree.push(leaf_hash(entry));
        }
        if tree.root() != root {
            return Err(PolicyRefusal::Tampered { size });
        }
        let first = self.size();
        fold(&mut state, first, new)?;
        let view = PolicyView::build(Some(&self.view), &state, Mark { size, root }, as_of)?;
        self.store.extend(new, signed)?;
        (self.state, self.tree, self.view) = (state, tree, Arc::new(view));
        Ok(())
    }
}

impl Trust {
    /// When a quorum vouched for this checkpoint. `None` if enough witnesses cosigned, but too few
    /// of them at a time that has come on this clock, or if none is needed.
    fn age(&self, signed: &SignedCheckpoint, now: Time) -> Result<Option<Time>, PolicyRefusal> {
        let (cosigned, needed) = (self.quorum.cosigned(signed)?, self.quorum.needed());
        if cosigned.len() < needed {
            let valid = cosigned.len();
            return Err(PolicyRefusal::Unwitnessed { valid, needed });
        }
        let come = not_from_the_future(&cosigned, now, self.tolerance);
        Ok(as_of(&come, needed, self.bug))
    }
}

/// Takes entries into the state, the first of which is the log's entry `first`.
fn fold(state: &mut PolicyState, first: u64, entries: &[Vec<u8>]) -> Result<(), PolicyRefusal> {
    for (index, bytes) in (first..).zip(entries) {
        let entry = Entry::parse(bytes).map_err(|error| PolicyRefusal::Entry { index, error })?;
        let full = |error| PolicyRefusal::Full { index, error };
        state.apply(&entry).map_err(full)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture::{
        KeyRing, World, cosigned_by, doctors, grant, only, revoke, shared,
    };
    use crate::policy::quorum::danger::unwitnessed;
    use crate::policy::view::Verdict;
    use crate::refusal::Refusal;
    use ca::disk::MemDisk;
    use ca::tlog::note::SigningKey;

    const NOW: Time = Time::from_secs(100);

    fn replica(keys: &KeyRing, disk: &MemDisk) -> Result<Replica, PolicyRefusal> {
        Replica::open(&shared(disk), "policy", keys.trust(), NOW)
    }

    fn fresh(keys: &KeyRing) -> Replica {
        replica(keys, &MemDisk::new()).unwrap()
    }

    /// A replica that enforces two entries, as of 10 s.
    fn two() -> (World, Replica, MemDisk) {
        let (mut world, disk) = (World::new(), MemDisk::new());
        let mut replica = replica(&world.keys, &disk).unwrap();
        world.act(&doctors());
        let update = world.acknowledged(&grant("alice"), 10, 0);
        replica.apply(&update, NOW).unwrap();
        (world, replica, disk)
    }

    /// What the update is refused with, after which nothing may have changed.
    fn refused(replica: &mut Replica, update: &Update) -> PolicyRefusal {
        let before = replica.view();
        let refusal = replica.apply(update, NOW).unwrap_err();
        assert!(
            Arc::ptr_eq(&before, &replica.view()),
            "refused, so nothing has changed"
        );
        assert_eq!(
            before.mark(),
            Mark {
                size: replica.size(),
                root: replica.tree.root()
            }
        );
        refusal
    }

    #[test]
    fn it_begins_with_nothing_and_permits_nothing() {
        let view = fresh(&KeyRing::new()).view();
        assert_eq!((view.size(), view.as_of()), (0, Time::default()));
        assert_eq!(view.decide("alice", "read", "r1"), Verdict::Deny);
    }

    #[test]
    fn acts_are_enforced_in_order_and_all_at_once() {
        let (mut world, mut replica, _) = two();
        let before = replica.view();
        assert_eq!(before.decide("alice", "read", "r1"), Verdict::Permit);
        let update = world.acknowledged(&revoke("alice"), 12, 2);
        let applied = replica.apply(&update, NOW).unwrap();
        assert_eq!(
            applied,
            Applied {
                size: 3,
                as_of: Time::from_secs(12),
                grew: true
            }
        );
        assert_eq!(replica.view().decide("alice", "read", "r1"), Verdict::Deny);
        assert_eq!(
            before.decide("alice", "read", "r1"),
            Verdict::Permit,
            "a view never changes"
        );
    }

    #[test]
    fn a_heartbeat_raises_the_as_of_alone_and_an_old_one_does_not_lower_it() {
        let (mut world, mut replica, _) = two();
        let old = world.authority.update_since(2).unwrap();
        world.cosign(0, 20);
        world.cosign(1, 21);
        let beat = world.authority.update_since(2).unwrap();
        let raised = Applied {
            size: 2,
            as_of: Time::from_secs(20),
            grew: false,
        };
        assert_eq!(replica.apply(&beat, NOW).unwrap(), raised);
        assert_eq!(replica.apply(&old, NOW).unwrap(), raised);
    }

    #[test]
    fn what_was_applied_before_or_overlaps_is_no_error() {
        let (mut world, mut replica, _) = two();
        let again = world.authority.update_since(0).unwrap();
        assert!(!replica.apply(&again, NOW).unwrap().grew);
        for from in [0, 1] {
            let update = world.acknowledged(&grant("bob"), 11, from);
            assert!(replica.apply(&update, NOW).unwrap().grew);
        }
        assert_eq!(replica.size(), 4);
    }

    #[test]
    fn a_gap_is_refused() {
        let (mut world, mut replica, _) = two();
        world.act(&revoke("alice"));
        let update = world.acknowledged(&grant("bob"), 11, 3);
        let refusal = refused(&mut replica, &update);
        assert!(
            matches!(refusal, PolicyRefusal::Gap { from: 3, own: 2 }),
            "{refusal}"
        );
    }

    #[test]
    fn entries_that_do_not_end_at_the_checkpoint_are_refused() {
        let (mut world, mut replica, _) = two();
        let good = world.acknowledged(&revoke("alice"), 11, 2);
        let mut short = good.clone();
        short.entries.pop();
        let mut long = good;
        long.entries.push(grant("mallory").to_bytes().unwrap());
        for update in [
            short,
            long,
            Update {
                from: u64::MAX,
                ..world.authority.update_since(2).unwrap()
            },
        ] {
            let refusal = refused(&mut replica, &update);
            assert!(
                matches!(
                    refusal,
                    PolicyRefusal::Miscounted { .. } | PolicyRefusal::Gap { .. }
                ),
                "{refusal}"
            );
        }
    }

    #[test]
    fn two_roots_for_one_size_are_a_fork() {
        let (world, mut replica, _) = two();
        let mut other = World::of(world.keys.clone());
        other.act(&doctors());
        let update = other.acknowledged(&grant("mallory"), 50, 0);
        assert!(matches!(
            refused(&mut replica, &update),
            PolicyRefusal::Fork { size: 2 }
        ));
        let beat = other.authority.update_since(2).unwrap();
        assert!(matches!(
            refused(&mut replica, &beat),
            PolicyRefusal::Fork { size: 2 }
        ));
    }

    #[test]
    fn a_longer_log_that_does_not_contain_this_one_is_refused() {
        let (world, mut replica, _) = two();
        let mut other = World::of(world.keys.clone());
        other.act(&doctors());
        other.act(&grant("mallory"));
        let update = other.acknowledged(&grant("mallory"), 50, 2);
        assert!(matches!(
            refused(&mut replica, &update),
            PolicyRefusal::Inconsistent(_)
        ));
        let all = other.authority.update_since(0).unwrap();
        assert!(matches!(
            refused(&mut replica, &all),
            PolicyRefusal::Tampered { size: 2 }
        ));
    }

    #[test]
    fn a_smaller_policy_is_rolled_back_however_well_it_is_signed() {
        let (mut world, mut replica, _) = two();
        let old = world.authority.update_since(0).unwrap();
        replica
            .apply(&world.acknowledged(&revoke("alice"), 12, 2), NOW)
            .unwrap();
        // The witnesses' own keys, signing the old checkpoint once more, change nothing.
        let old = cosigned_by(&old, &world.keys, &world.keys.witness(0), 99);
        let refusal = refused(&mut replica, &old);
        assert!(matches!(
            refusal,
            PolicyRefusal::RolledBack {
                offered: 2,
                enforced: 3
            }
        ));
        assert_eq!(refusal.refusal(), Some(Refusal::PolicyRolledBack));
    }

    #[test]
    fn only_distinct_known_witnesses_make_a_quorum() {
        let (mut world, mut replica, _) = two();
        let keys = world.keys.clone();
        let update = world.acknowledged(&revoke("alice"), 12, 2);
        let one = only(&update, &keys, &["east"]);
        let twice = cosigned_by(&one, &keys, &keys.witness(0), 13);
        let stranger = cosigned_by(&one, &keys, &KeyRing::new().witness(1), 13);
        let west = SigningKey::new("west", &KeyRing::new().log).unwrap();
        let outsider = cosigned_by(&one, &keys, &west, 13);
        for update in [only(&update, &keys, &[]), one, twice, stranger, outsider] {
            let refusal = refused(&mut replica, &update);
            assert!(
                matches!(refusal, PolicyRefusal::Unwitnessed { needed: 2, .. }),
                "{refusal}"
            );
            assert_eq!(refusal.refusal(), Some(Refusal::PolicyUnwitnessed));
        }
        assert!(
            replica
                .apply(&only(&update, &keys, &["east", "south"]), NOW)
                .is_ok()
        );
    }

    #[test]
    fn bad_signatures_are_refused() {
        let (mut world, mut replica, _) = two();
        let update = world.acknowledged(&revoke("alice"), 12, 2);
        let text = String::from_utf8(update.checkpoint.clone()).unwrap();
        // Another checkpoint's signatures, the log's or a witness's, do not fit this one.
        let other = world.acknowledged(&grant("bob"), 12, 2);
        let other = String::from_utf8(other.checkpoint).unwrap();
        for name in ["clinic", "north"] {
            let line = |note: &str| {
                let start = format!("\u{2014} {name}");
                note.lines()
                    .find(|line| line.starts_with(&start))
                    .unwrap()
                    .to_owned()
            };
            let checkpoint = text.replace(&line(&text), &line(&other)).into_bytes();
            let refusal = refused(
                &mut replica,
                &Update {
                    checkpoint,
                    ..update.clone()
                },
            );
            assert!(
                matches!(refusal, PolicyRefusal::Checkpoint(_)),
                "{name}: {refusal}"
            );
        }
        let checkpoint = b"nonsense".to_vec();
        let refusal = refused(
            &mut replica,
            &Update {
                checkpoint,
                ..update
            },
        );
        assert!(matches!(refusal, PolicyRefusal::Checkpoint(_)));
    }

    #[test]
    fn a_tampered_entry_is_refused() {
        let (mut world, mut replica, _) = two();
        let mut update = world.acknowledged(&revoke("alice"), 12, 2);
        update.entries[0] = grant("mallory").to_bytes().unwrap();
        assert!(matches!(
            refused(&mut replica, &update),
            PolicyRefusal::Tampered { size: 3 }
        ));
        let mut overlap = world.authority.update_since(1).unwrap();
        overlap.entries[0] = grant("mallory").to_bytes().unwrap();
        assert!(matches!(
            refused(&mut replica, &overlap),
            PolicyRefusal::Tampered { size: 2 }
        ));
        let mut proof = world.authority.update_since(2).unwrap();
        proof.consistency[0][0] ^= 1;
        assert!(matches!(
            refused(&mut replica, &proof),
            PolicyRefusal::Inconsistent(_)
        ));
    }

    #[test]
    fn a_time_that_has_not_come_makes_no_policy_young() {
        let (mut world, mut replica, _) = two();
        world.cosign(0, 20);
        let beat = world.authority.update_since(2).unwrap();
        let liar = world.keys.witness(1);
        let beat = cosigned_by(
            &only(&beat, &world.keys, &["east", "south"]),
            &world.keys,
            &liar,
            9_999,
        );
        // Two honest times are left, of 20 s and 10 s.
        assert_eq!(
            replica.apply(&beat, NOW).unwrap().as_of,
            Time::from_secs(10)
        );
        let none = Replica::apply(
            &mut fresh(&world.keys),
            &world.authority.update_since(0).unwrap(),
            Time::from_secs(5),
        );
        assert_eq!(
            none.unwrap().as_of,
            Time::default(),
            "a clock far behind knows no age"
        );
    }

    #[test]
    fn without_witnesses_a_policy_is_as_old_as_its_arrival() {
        let mut world = World::new();
        let update = only(&world.acknowledged(&doctors(), 10, 0), &world.keys, &[]);
        let trust = Trust {
            quorum: unwitnessed(Vec::new()).unwrap(),
            ..world.keys.trust()
        };
        let disk = shared(&MemDisk::new());
        let mut replica = Replica::open(&disk, "policy", trust, NOW).unwrap();
        assert_eq!(replica.apply(&update, NOW).unwrap().as_of, NOW);
    }
}
