//! The policy authority: it appends acts, gathers cosignatures, and says what is acknowledged.
//!
//! An act is *pending* once it is durable here, and *acknowledged* once a quorum of distinct
//! witnesses cosigned one checkpoint that contains it. No follower is told of an entry before that,
//! and the acknowledged size never falls while it runs. After a restart every act is pending again
//! until the witnesses have said once more what they cosigned, which they never unsay.

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;

use ca::clock::Time;
use ca::disk::Disk;
use ca::tlog::checkpoint::{InvalidCheckpoint, SignedCheckpoint};
use ca::tlog::log::{Log, LogError, Recovery};
use ca::tlog::note::{InvalidNote, Signature, SigningKey, VerifyingKey};
use ca::tlog::tree::Hash;

use super::danger::Mutation;
use super::entry::{Entry, InvalidEntry};
use super::fold::{PolicyState, StateFull};
use super::freshness::quorum_as_of;
use super::lists::ListEntities;
use super::quorum::Quorum;
use super::update::{MAX_UPDATE_ENTRIES, Update};
use super::view::{InvalidPolicy, Policies};

/// How many checkpoints may gather cosignatures at once; older ones are given up for newer.
const MAX_GATHERING: usize = 16;

/// Why the authority cannot open, or does not take an act or a cosignature.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The bytes are no entry.
    #[error(transparent)]
    Entry(#[from] InvalidEntry),
    /// The policy could not be enforced by anyone.
    #[error(transparent)]
    Policy(#[from] InvalidPolicy),
    /// The state would grow beyond its bounds.
    #[error(transparent)]
    Full(#[from] StateFull),
    /// The log failed, or is not what this authority signed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A witness has cosigned more than there is here: this log was put back to an older state.
    #[error("`{witness}` has cosigned {size} entries, here there are {own}: the log was put back")]
    RolledBack {
        /// Who remembers.
        witness: String,
        /// What it cosigned.
        size: u64,
        /// What is committed here.
        own: u64,
    },
    /// Not one of this log's witnesses.
    #[error("`{0}` is no witness of this log")]
    UnknownWitness(String),
    /// The cosignature is not this witness's, or not over that checkpoint.
    #[error(transparent)]
    Cosignature(#[from] InvalidNote),
    /// A checkpoint made here does not verify.
    #[error(transparent)]
    Checkpoint(#[from] InvalidCheckpoint),
}

/// What to ask of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignRequest {
    /// The checkpoint's size: to be handed back with the answer.
    pub size: u64,
    /// The size that the witness last cosigned, as far as is known here.
    pub old_size: u64,
    /// Consistency proof from `old_size`.
    pub proof: Vec<Hash>,
    /// The signed note.
    pub checkpoint: Vec<u8>,
}

/// The authority's state. Keep one to a log.
#[derive(Debug)]
pub struct Authority {
    log: Log,
    /// What all entries add up to, those that wait for a commit included.
    state: PolicyState,
    quorum: Quorum,
    /// What each witness has cosigned, as far as is known.
    witnessed: BTreeMap<String, u64>,
    /// Committed checkpoints and their cosignatures by size; none below the acknowledged one.
    gathering: BTreeMap<u64, SignedCheckpoint>,
    acknowledged: Option<u64>,
    bug: Mutation,
}

impl Authority {
    /// Opens or makes the policy log in `folder`, named as its key.
    ///
    /// # Errors
    /// When the disk fails, or the log is not one that this authority could have made.
    pub fn open(
        disk: &Arc<dyn Disk>,
        folder: &str,
        key: SigningKey,
        quorum: Quorum,
        bug: Mutation,
    ) -> Result<(Self, Recovery), AuthorityError> {
        let origin = key.name().to_owned();
        let (log, recovery) = Log::open(disk, folder, &origin, key)?;
        let mut state = PolicyState::default();
        for entry in log.entries(0..log.size()) {
            state.apply(&Entry::parse(entry)?)?;
        }
        let mut authority = Self {
            log,
            state,
            quorum,
            witnessed: BTreeMap::new(),
            gathering: BTreeMap::new(),
            acknowledged: None,
            bug,
        };
        authority.commit()?;
        Ok((authority, recovery))
    }

    /// Takes an act, which waits for the next commit. Returns the size of the log with it as its
    /// last entry: the act is acknowledged once [`Self::acknowledged_size`] reaches that.
    ///
    /// # Errors
    /// When it is no entry, its policy is invalid, or there is no room. Nothing has changed then.
    pub fn append(&mut self, bytes: &[u8]) -> Result<u64, AuthorityError> {
        let entry = Entry::parse(bytes)?;
        let mut state = self.state.clone();
        state.apply(&entry)?;
        match entry {
            Entry::PutPolicy { .. } => {
                Policies::compile(state.policies())?;
                ListEntities::compile(state.lists())?;
            }
            Entry::PutEntities { .. } => {
                ListEntities::compile(state.lists())?;
            }
            Entry::Grant { .. } | Entry::LogOut { .. } | Entry::Revoke { .. } => {}
        }
        let index = self.log.append(bytes)?;
        self.state = state;
        Ok(index + 1)
    }

    /// Makes every act taken so far durable and signs a checkpoint over them.
    ///
    /// # Errors
    /// When the disk fails; the acts still wait then.
    pub fn commit(&mut self) -> Result<SignedCheckpoint, AuthorityError> {
        let signed = self.log.commit()?;
        let size = signed.checkpoint.size;
        self.gathering.entry(size).or_insert_with(|| signed.clone());
        if self.quorum.needed() == 0 {
            self.acknowledge(size);
        }
        while self.gathering.len() > MAX_GATHERING {
            let served = self.acknowledged;
            let oldest = self
                .gathering
                .keys()
                .copied()
                .find(|size| Some(*size) != served);
            oldest.and_then(|size| self.gathering.remove(&size));
        }
        Ok(signed)
    }

    /// What to ask of a witness now: to cosign the newest checkpoint, for the first time or again.
    ///
    /// # Errors
    /// When it is not one of this log's witnesses.
    pub fn request(&self, witness: &str) -> Result<CosignRequest, AuthorityError> {
        self.witness(witness)?;
        let (size, signed) = self.gathering.last_key_value().expect("opening commits");
        let old_size = self.witnessed.get(witness).copied().unwrap_or(0);
        let proof = self.log.tree().consistency(old_size, *size);
        Ok(CosignRequest {
            size: *size,
            old_size,
            proof: proof.expect("no witness is known to have cosigned more than is committed"),
            checkpoint: signed.note.to_bytes(),
        })
    }

    /// Takes a witness's answer to a request for `size`. Returns the acknowledged size, which it
    /// may have raised. An answer that a newer one has overtaken changes nothing.
    ///
    /// # Errors
    /// When the witness is unknown or the cosignature not its own over that checkpoint.
    pub fn cosigned(
        &mut self,
        witness: &str,
        size: u64,
        cosignature: Signature,
    ) -> Result<u64, AuthorityError> {
        let key = self.witness(witness)?.clone();
        let Some(known) = self.gathering.get(&size) else {
            return Ok(self.acknowledged_size());
        };
        let before = known.cosignatures(slice::from_ref(&key))?.pop();
        let mut signed = known.clone();
        let at = signed.accept(cosignature, &key)?;
        let last = self.witnessed.entry(witness.to_owned()).or_default();
        *last = size.max(*last);
        if before.is_some_and(|(_, before)| before > at) {
            return Ok(self.acknowledged_size());
        }
        let enough = self.quorum.cosigned(&signed)?.len() >= self.quorum.needed();
        self.gathering.insert(size, signed);
        if enough {
            self.acknowledge(size);
        }
        Ok(self.acknowledged_size())
    }

    /// Takes a witness's word that `size` is the largest it cosigned: the next request starts
    /// there.
    ///
    /// # Errors
    /// When that is more than is committed here, which only a log that was put back meets.
    pub fn conflict(&mut self, witness: &str, size: u64) -> Result<(), AuthorityError> {
        self.witness(witness)?;
        let own = self.log.committed();
        if size > own {
            let witness = witness.to_owned();
            return Err(AuthorityError::RolledBack { witness, size, own });
        }
        self.witnessed.insert(witness.to_owned(), size);
        Ok(())
    }

    /// The largest size whose checkpoint a quorum cosigned; 0 if none is yet.
    pub fn acknowledged_size(&self) -> u64 {
        match self.bug {
            Mutation::AckBeforeQuorum => self.log.committed(),
            Mutation::None
            | Mutation::AsOfFromOneWitness
            | Mutation::ForgetEnforced
            | Mutation::NoAuditAppend
            | Mutation::NoStalenessCheck => self.acknowledged.unwrap_or(0),
        }
    }

    /// When a quorum last cosigned the acknowledged checkpoint.
    pub fn as_of(&self) -> Option<Time> {
        let signed = self.gathering.get(&self.acknowledged?)?;
        let cosigned = self.quorum.cosigned(signed).ok()?;
        quorum_as_of(&cosigned, self.quorum.needed())
    }

    /// What a follower of size `from` must learn to reach the acknowledged checkpoint, with the
    /// newest cosignature of each witness. `None` while nothing is acknowledged, if the follower
    /// is further than that (so after a restart here), or more than [`MAX_UPDATE_ENTRIES`] behind.
    pub fn update_since(&self, from: u64) -> Option<Update> {
        let size = self.acknowledged?;
        let signed = self.gathering.get(&size)?;
        let behind = size.checked_sub(from)?;
        if behind > MAX_UPDATE_ENTRIES as u64 {
            return None;
        }
        Some(Update {
            from,
            entries: self.log.entries(from..size).map(<[u8]>::to_vec).collect(),
            checkpoint: signed.to_bytes(),
            consistency: self.log.tree().consistency(from, size)?,
        })
    }

    /// The witnesses to ask, and how many must agree.
    pub fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// The newest committed checkpoint's size, acknowledged or not.
    pub fn committed_size(&self) -> u64 {
        self.log.committed()
    }

    fn witness(&self, name: &str) -> Result<&VerifyingKey, AuthorityError> {
        let unknown = || AuthorityError::UnknownWitness(name.to_owned());
        self.quorum.witness(name).ok_or_else(unknown)
    }

    fn acknowledge(&mut self, size: u64) {
        if self.acknowledged.is_none_or(|largest| largest < size) {
            self.acknowledged = Some(size);
            self.gathering = self.gathering.split_off(&size);
        }
    }
}

#[cfg(test)]
mod tests;
