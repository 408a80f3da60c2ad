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
use ca::disk::{Disk, MemDisk};
use ca::tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use ca::tlog::note::VerifyingKey;
use ca::tlog::proof::verify_consistency;
use ca::tlog::tree::{Tree, leaf_hash};

use super::danger::Mutation;
use super::entry::Entry;
use super::fold::PolicyState;
use super::freshness::{as_of, not_from_the_future, quorum_as_of};
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
        ) = Store::open(&trust.kept_on(disk), folder, &trust.log)?;
        let (mut state, mut tree) = (PolicyState::default(), Tree::new());
        for entry in &entries {
            tree.push(leaf_hash(entry));
        }
        fold(&mut state, 0, &entries)?;
        let age = match &checkpoint {
            Some(signed) => trust.age(signed, now)?.as_of,
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
        let as_of = match age.as_of {
            Some(vouched) => vouched.max(self.view.as_of()),
            None if self.trust.quorum.needed() == 0 => now.max(self.view.as_of()),
            None => self.view.as_of(),
        };
        let grew = !new.is_empty();
        if grew {
            self.grow(new, &signed, as_of)?;
        } else if as_of > self.view.as_of() {
            self.store.renew(&signed)?;
        }
        if (as_of, age.ahead) != (self.view.as_of(), self.view.ahead()) {
            self.view = Arc::new(self.view.renewed(as_of, age.ahead));
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
    /// The disk that holds what is enforced.
    fn kept_on(&self, disk: &Arc<dyn Disk>) -> Arc<dyn Disk> {
        if self.bug == Mutation::ForgetEnforced {
            return Arc::new(MemDisk::new());
        }
        Arc::clone(disk)
    }

    /// When a quorum vouched for this checkpoint.
    fn age(&self, signed: &SignedCheckpoint, now: Time) -> Result<Vouched, PolicyRefusal> {
        let (cosigned, needed) = (self.quorum.cosigned(signed)?, self.quorum.needed());
        if cosigned.len() < needed {
            let valid = cosigned.len();
            return Err(PolicyRefusal::Unwitnessed { valid, needed });
        }
        let come = not_from_the_future(&cosigned, now, self.tolerance);
        let ahead = quorum_as_of(&cosigned, needed);
        Ok(Vouched {
            as_of: as_of(&come, needed, self.bug),
            ahead: ahead.filter(|at| *at > now + self.tolerance),
        })
    }
}

/// When a quorum vouched for a checkpoint.
struct Vouched {
    /// `None` if enough witnesses cosigned, but too few of them at a time that has come on this
    /// clock, or if none is needed.
    as_of: Option<Time>,
    /// The same with the times that have not come, if a quorum's has not: one witness alone cannot
    /// make that of it.
    ahead: Option<Time>,
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
