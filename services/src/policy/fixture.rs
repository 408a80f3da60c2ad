//! For the tests of this module: a policy authority, three witnesses and what they sign, in memory.

use std::sync::Arc;
use std::time::Duration;

use ca::clock::Time;
use ca::disk::{Disk, MemDisk};
use ca::keys::{Keys, Pkcs8, RingKeys};
use ca::tlog::checkpoint::SignedCheckpoint;
use ca::tlog::note::SigningKey;
use ca::tlog::witness::WitnessRefusal;

use super::authority::{Authority, AuthorityError, CosignRequest};
use super::danger::Mutation;
use super::entry::Entry;
use super::quorum::Quorum;
use super::replica::Trust;
use super::update::Update;
use super::witness::{DurableWitness, WitnessError};

pub(super) const ORIGIN: &str = "clinic.example/policy";
pub(super) const WITNESSES: [&str; 3] = ["east", "north", "south"];
pub(super) const TOLERANCE: Duration = Duration::from_millis(500);

/// The private keys of everybody: whoever has them can tell two stories.
#[derive(Clone)]
pub(super) struct KeyRing {
    pub(super) log: Pkcs8,
    pub(super) witnesses: [Pkcs8; 3],
}

impl KeyRing {
    pub(super) fn new() -> Self {
        let key = || RingKeys.ed25519().unwrap();
        Self {
            log: key(),
            witnesses: [key(), key(), key()],
        }
    }

    pub(super) fn log(&self) -> SigningKey {
        SigningKey::new(ORIGIN, &self.log).unwrap()
    }

    pub(super) fn witness(&self, who: usize) -> SigningKey {
        SigningKey::new(WITNESSES[who], &self.witnesses[who]).unwrap()
    }

    pub(super) fn quorum(&self) -> Quorum {
        let keys = [0, 1, 2].map(|who| self.witness(who).cosigner());
        Quorum::new(2, keys.to_vec()).unwrap()
    }

    pub(super) fn trust(&self) -> Trust {
        Trust {
            log: self.log().verifying(),
            quorum: self.quorum(),
            tolerance: TOLERANCE,
            bug: Mutation::None,
        }
    }
}

/// An authority and its witnesses.
pub(super) struct World {
    pub(super) keys: KeyRing,
    pub(super) disk: MemDisk,
    pub(super) authority: Authority,
    pub(super) witnesses: Vec<DurableWitness>,
}

pub(super) fn shared(disk: &MemDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

pub(super) fn open(keys: &KeyRing, disk: &MemDisk) -> Result<Authority, AuthorityError> {
    let opened = Authority::open(
        &shared(disk),
        "policy",
        keys.log(),
        keys.quorum(),
        Mutation::None,
    );
    opened.map(|(authority, _)| authority)
}

impl World {
    pub(super) fn new() -> Self {
        Self::of(&KeyRing::new())
    }

    /// A world whose authority and witnesses begin anew with the keys of another.
    pub(super) fn of(keys: &KeyRing) -> Self {
        Self::with(keys, Mutation::None)
    }

    pub(super) fn with(keys: &KeyRing, bug: Mutation) -> Self {
        let disk = MemDisk::new();
        let (log, quorum) = (keys.log(), keys.quorum());
        let (authority, _) = Authority::open(&shared(&disk), "policy", log, quorum, bug).unwrap();
        let witness = |who| {
            let (key, log) = (keys.witness(who), keys.log().verifying());
            DurableWitness::open(&shared(&MemDisk::new()), "witness", key, vec![log]).unwrap()
        };
        let witnesses = vec![witness(0), witness(1), witness(2)];
        Self {
            keys: keys.clone(),
            disk,
            authority,
            witnesses,
        }
    }

    /// Appends and commits one act.
    pub(super) fn act(&mut self, entry: &Entry) -> u64 {
        let size = self.authority.append(&entry.to_bytes().unwrap()).unwrap();
        self.authority.commit().unwrap();
        size
    }

    /// Carries one request to a witness and its answer back.
    pub(super) fn carry(&mut self, who: usize, request: &CosignRequest, at: Time) -> bool {
        let CosignRequest {
            size,
            old_size,
            proof,
            checkpoint,
        } = request;
        match self.witnesses[who].cosign(*old_size, proof, checkpoint, at) {
            Ok(signature) => {
                self.authority
                    .cosigned(WITNESSES[who], *size, signature)
                    .unwrap();
                true
            }
            Err(WitnessError::Refused(WitnessRefusal::Conflict { size })) => {
                self.authority.conflict(WITNESSES[who], size).unwrap();
                false
            }
            Err(_) => false,
        }
    }

    /// Lets one witness cosign the newest checkpoint, asking again after a conflict.
    pub(super) fn cosign(&mut self, who: usize, secs: u64) {
        let at = Time::from_secs(secs);
        for _ in 0..2 {
            let request = self.authority.request(WITNESSES[who]).unwrap();
            if self.carry(who, &request, at) {
                return;
            }
        }
        panic!("`{}` does not cosign", WITNESSES[who]);
    }

    /// One act, cosigned by all. Returns what a follower of size `from` is told.
    pub(super) fn acknowledged(&mut self, entry: &Entry, secs: u64, from: u64) -> Update {
        self.act(entry);
        for who in 0..3 {
            self.cosign(who, secs);
        }
        self.authority.update_since(from).unwrap()
    }
}

pub(super) fn grant(principal: &str) -> Entry {
    Entry::Grant {
        principal: principal.to_owned(),
        role: "doctor".to_owned(),
    }
}

pub(super) fn revoke(principal: &str) -> Entry {
    Entry::Revoke {
        principal: principal.to_owned(),
        role: "doctor".to_owned(),
    }
}

pub(super) fn doctors() -> Entry {
    let policy = r#"permit (principal in Role::"doctor", action, resource);"#.to_owned();
    let entities = Vec::new();
    Entry::PutPolicy { policy, entities }
}

/// The update with only the cosignatures of these witnesses.
pub(super) fn only(update: &Update, keys: &KeyRing, names: &[&str]) -> Update {
    let mut signed = SignedCheckpoint::open(&update.checkpoint, &keys.log().verifying()).unwrap();
    let kept = |name: &str| name == ORIGIN || names.contains(&name);
    signed
        .note
        .signatures
        .retain(|signature| kept(signature.name()));
    Update {
        checkpoint: signed.to_bytes(),
        ..update.clone()
    }
}

/// The update with one more signature over its checkpoint.
pub(super) fn cosigned_by(update: &Update, keys: &KeyRing, key: &SigningKey, secs: u64) -> Update {
    let mut signed = SignedCheckpoint::open(&update.checkpoint, &keys.log().verifying()).unwrap();
    let signature = key.cosign(&signed.note.text, Time::from_secs(secs));
    signed.note.signatures.push(signature);
    Update {
        checkpoint: signed.to_bytes(),
        ..update.clone()
    }
}
