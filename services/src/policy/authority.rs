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
mod tests {
    use super::*;
    use crate::policy::fixture::{KeyRing, ORIGIN, World, doctors, grant, open, revoke, shared};
    use crate::policy::quorum::danger::unwitnessed;
    use ca::disk::MemDisk;

    #[test]
    fn an_act_is_pending_until_a_quorum_of_distinct_witnesses_cosigned_it() {
        let mut world = World::new();
        let size = world.act(&grant("alice"));
        assert_eq!(
            world.authority.acknowledged_size(),
            0,
            "durable is not acknowledged"
        );
        world.cosign(0, 10);
        world.cosign(0, 11);
        assert_eq!(
            world.authority.acknowledged_size(),
            0,
            "one witness twice is one witness"
        );
        world.cosign(2, 12);
        assert_eq!(world.authority.acknowledged_size(), size);
        assert_eq!(world.authority.as_of(), Some(Time::from_secs(11)));
    }

    #[test]
    fn nobody_is_told_of_a_pending_act() {
        let mut world = World::new();
        assert_eq!(world.authority.update_since(0), None);
        let told = world.acknowledged(&grant("alice"), 10, 0);
        world.act(&revoke("alice"));
        world.cosign(1, 20);
        assert_eq!(world.authority.update_since(0), Some(told));
        assert_eq!(world.authority.update_since(1).unwrap().entries.len(), 0);
        assert_eq!(
            world.authority.update_since(2),
            None,
            "a follower ahead of what is known"
        );
    }

    #[test]
    fn a_late_answer_for_an_older_checkpoint_lowers_nothing() {
        let mut world = World::new();
        world.act(&grant("alice"));
        let old = world.authority.request("south").unwrap();
        world.act(&grant("bob"));
        world.cosign(0, 10);
        world.cosign(1, 10);
        assert_eq!(world.authority.acknowledged_size(), 2);
        assert!(
            world.carry(2, &old, Time::from_secs(11)),
            "south has seen neither"
        );
        assert_eq!(world.authority.acknowledged_size(), 2);
        assert_eq!(world.authority.as_of(), Some(Time::from_secs(10)));
    }

    #[test]
    fn acts_that_overtake_each_other_are_acknowledged_at_the_size_that_has_the_quorum() {
        let mut world = World::new();
        world.act(&grant("alice"));
        let early = world.authority.request("east").unwrap();
        let also = world.authority.request("north").unwrap();
        world.act(&grant("bob"));
        world.carry(0, &early, Time::from_secs(10));
        world.carry(1, &also, Time::from_secs(10));
        assert_eq!(world.authority.acknowledged_size(), 1);
        assert_eq!(world.authority.update_since(0).unwrap().entries.len(), 1);
    }

    #[test]
    fn a_heartbeat_renews_the_as_of_and_an_overtaken_answer_does_not_age_it() {
        let mut world = World::new();
        world.acknowledged(&grant("alice"), 10, 0);
        let slow = world.authority.request("east").unwrap();
        let slow = world.witnesses[0].cosign(1, &[], &slow.checkpoint, Time::from_secs(15));
        world.cosign(0, 20);
        world.cosign(1, 21);
        assert_eq!(world.authority.as_of(), Some(Time::from_secs(20)));
        world.authority.cosigned("east", 1, slow.unwrap()).unwrap();
        assert_eq!(world.authority.as_of(), Some(Time::from_secs(20)));
    }

    #[test]
    fn after_a_restart_acts_are_pending_again_and_then_acknowledged() {
        let mut world = World::new();
        world.acknowledged(&doctors(), 10, 0);
        world.act(&grant("alice"));
        world.authority = open(&world.keys, &world.disk).unwrap();
        assert_eq!(world.authority.acknowledged_size(), 0);
        assert_eq!(world.authority.committed_size(), 2);
        world.cosign(0, 20);
        world.cosign(1, 20);
        assert_eq!(world.authority.acknowledged_size(), 2);
        assert_eq!(world.authority.state.memberships().len(), 1);
    }

    #[test]
    fn a_log_that_was_put_back_is_known_by_what_its_witnesses_remember() {
        let mut world = World::new();
        world.acknowledged(&grant("alice"), 10, 0);
        let files = ["policy/entries", "policy/checkpoint"];
        let old = files.map(|name| world.disk.read(name).unwrap().unwrap());
        world.acknowledged(&revoke("alice"), 11, 0);
        let disk = MemDisk::new();
        for (name, content) in files.iter().zip(old) {
            disk.replace(name, &content).unwrap();
        }
        let mut put_back = open(&world.keys, &disk).unwrap();
        let error = put_back
            .conflict("north", world.witnesses[1].size(ORIGIN))
            .unwrap_err();
        assert!(
            matches!(
                error,
                AuthorityError::RolledBack {
                    size: 2,
                    own: 1,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_act_is_refused_and_leaves_nothing_behind() {
        let mut world = World::new();
        let append = |world: &mut World, bytes: &[u8]| world.authority.append(bytes).unwrap_err();
        assert!(matches!(
            append(&mut world, b"{}"),
            AuthorityError::Entry(_)
        ));
        let bad = Entry::PutPolicy {
            policy: "permit (principal is Ghost, action, resource);".into(),
            entities: Vec::new(),
        };
        let bad = bad.to_bytes().unwrap();
        assert!(matches!(
            append(&mut world, &bad),
            AuthorityError::Policy(_)
        ));
        let lists = [
            r#"{"kind":"put-entities","entities":[]}"#,
            r#"{"kind":"put-entities","entities":[{"type":"List","id":"a","members":["x y"]}]}"#,
            r#"{"kind":"put-entities","entities":[{"type":"Role","id":"doctor","members":[]}]}"#,
        ];
        for bytes in lists {
            let refused = append(&mut world, bytes.as_bytes());
            assert!(matches!(refused, AuthorityError::Entry(_)), "{bytes}");
        }
        assert_eq!(world.authority.commit().unwrap().checkpoint.size, 0);
        assert_eq!(world.authority.state, PolicyState::default());
    }

    #[test]
    fn cosignatures_of_strangers_or_over_something_else_are_refused() {
        let mut world = World::new();
        world.act(&grant("alice"));
        let request = world.authority.request("east").unwrap();
        let text = "clinic.example/policy\n1\nAAAA\n";
        let other = world.keys.witness(0).cosign(text, Time::from_secs(9));
        let error = world
            .authority
            .cosigned("east", request.size, other)
            .unwrap_err();
        assert!(matches!(
            error,
            AuthorityError::Cosignature(InvalidNote::WrongSignature(_))
        ));
        let good =
            world.witnesses[0].cosign(0, &request.proof, &request.checkpoint, Time::default());
        let good = good.unwrap();
        let error = world
            .authority
            .cosigned("north", request.size, good.clone())
            .unwrap_err();
        assert!(matches!(
            error,
            AuthorityError::Cosignature(InvalidNote::Unsigned(_))
        ));
        let error = world
            .authority
            .cosigned("west", request.size, good)
            .unwrap_err();
        assert!(matches!(error, AuthorityError::UnknownWitness(_)));
        assert_eq!(world.authority.acknowledged_size(), 0);
    }

    #[test]
    fn checkpoints_that_gather_too_little_are_given_up_for_newer_ones() {
        let mut world = World::new();
        world.acknowledged(&grant("alice"), 10, 0);
        for n in 0..2 * MAX_GATHERING {
            world.act(&grant(&n.to_string()));
            world.cosign(0, 11);
        }
        assert_eq!(world.authority.gathering.len(), MAX_GATHERING);
        assert_eq!(world.authority.update_since(0).unwrap().entries.len(), 1);
    }

    #[test]
    fn without_witnesses_an_act_is_acknowledged_as_soon_as_it_is_durable() {
        let keys = KeyRing::new();
        let quorum = unwitnessed(Vec::new()).unwrap();
        let disk = shared(&MemDisk::new());
        let opened = Authority::open(&disk, "policy", keys.log(), quorum, Mutation::None);
        let (mut authority, _) = opened.unwrap();
        authority
            .append(&grant("alice").to_bytes().unwrap())
            .unwrap();
        assert_eq!(authority.acknowledged_size(), 0);
        authority.commit().unwrap();
        assert_eq!(authority.acknowledged_size(), 1);
    }
}
