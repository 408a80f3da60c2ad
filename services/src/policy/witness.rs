//! A witness with a disk: it stores what it is about to vouch for, and only then vouches.
//!
//! The checks are [`ca::tlog::witness`]'s. This file adds the order: state durable first, then the
//! cosignature leaves. A witness that forgot what it signed could sign a second history, so a
//! state that cannot be read stops it; it never starts afresh over one.
//!
//! `<folder>/state` holds, for each log, the text of the largest checkpoint it cosigned, with a
//! blank line between.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use ca::clock::Time;
use ca::disk::Disk;
use ca::tlog::checkpoint::Checkpoint;
use ca::tlog::note::{Signature, SigningKey, VerifyingKey};
use ca::tlog::tree::Hash;
use ca::tlog::witness::{Witness, WitnessRefusal, WitnessState};

/// Why there is no cosignature.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The disk failed: nothing was vouched for.
    #[error("the witness's disk failed: {0}")]
    Disk(#[from] io::Error),
    /// The checkpoint does not extend what was cosigned before, or is not the log's.
    #[error(transparent)]
    Refused(#[from] WitnessRefusal),
    /// What the witness remembers cannot be read, so it does not know what it vouched for.
    #[error("the witness's state is damaged: `{0}`")]
    State(String),
}

/// A witness of some logs, with its own key and its own memory on disk.
#[derive(Debug)]
pub struct DurableWitness {
    disk: Arc<dyn Disk>,
    name: String,
    witness: Witness,
    /// What is known to be on the disk.
    stored: BTreeMap<String, WitnessState>,
    log_keys: Vec<VerifyingKey>,
}

impl DurableWitness {
    /// Opens a witness of the logs with these keys; `<folder>/state` is its memory.
    ///
    /// # Errors
    /// When the disk fails or the memory is damaged.
    pub fn open(
        disk: &Arc<dyn Disk>,
        folder: &str,
        key: SigningKey,
        log_keys: Vec<VerifyingKey>,
    ) -> Result<Self, WitnessError> {
        let name = format!("{folder}/state");
        let stored = match disk.read(&name)? {
            Some(bytes) => read(&bytes)?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            disk: Arc::clone(disk),
            name,
            witness: Witness::new(key, stored.clone()),
            stored,
            log_keys,
        })
    }

    /// The key that verifies its cosignatures.
    pub fn cosigner(&self) -> VerifyingKey {
        self.witness.cosigner()
    }

    /// The largest size of a log that it has vouched for.
    pub fn size(&self, origin: &str) -> u64 {
        self.witness.state(origin).map_or(0, |state| state.size)
    }

    /// Checks, stores, then cosigns with the time of this witness's own clock.
    ///
    /// # Errors
    /// A refusal by the protocol's rules, or a disk that did not take the state: no cosignature
    /// leaves then, and the next call stores again.
    pub fn cosign(
        &mut self,
        old_size: u64,
        proof: &[Hash],
        checkpoint: &[u8],
        now: Time,
    ) -> Result<Signature, WitnessError> {
        let outcome = self
            .witness
            .cosign(old_size, proof, checkpoint, &self.log_keys, now)?;
        if self.stored.get(&outcome.origin) != Some(&outcome.state) {
            let mut next = self.stored.clone();
            next.insert(outcome.origin, outcome.state);
            self.disk.replace(&self.name, &write(&next))?;
            self.stored = next;
        }
        Ok(outcome.signature)
    }
}

fn write(states: &BTreeMap<String, WitnessState>) -> Vec<u8> {
    let text = |(origin, state): (&String, &WitnessState)| {
        Checkpoint {
            origin: origin.clone(),
            size: state.size,
            root: state.root,
        }
        .to_text()
    };
    states
        .iter()
        .map(text)
        .collect::<Vec<_>>()
        .join("\n")
        .into_bytes()
}

fn read(bytes: &[u8]) -> Result<BTreeMap<String, WitnessState>, WitnessError> {
    let damaged = |what: &str| WitnessError::State(what.to_owned());
    let text = str::from_utf8(bytes).map_err(|_| damaged("not text"))?;
    let text = text.strip_suffix('\n').ok_or_else(|| damaged("no end"))?;
    let mut states = BTreeMap::new();
    for block in text.split("\n\n") {
        let Checkpoint { origin, size, root } = Checkpoint::parse(&format!("{block}\n"))
            .map_err(|error| damaged(&error.to_string()))?;
        if states.insert(origin, WitnessState { size, root }).is_some() {
            return Err(damaged("one log twice"));
        }
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::authority::CosignRequest;
    use crate::policy::fixture::{ORIGIN, World, grant, revoke, shared};
    use ca::disk::MemDisk;
    use ca::rng::SeededRng;

    fn witness(world: &World, disk: &MemDisk) -> Result<DurableWitness, WitnessError> {
        let (key, log) = (world.keys.witness(0), world.keys.log().verifying());
        DurableWitness::open(&shared(disk), "witness", key, vec![log])
    }

    /// A request to a witness that has cosigned `old` of the acts there are.
    fn request(world: &mut World, old: u64) -> CosignRequest {
        world.authority.conflict("east", old).unwrap();
        world.authority.request("east").unwrap()
    }

    fn ask(
        witness: &mut DurableWitness,
        request: &CosignRequest,
    ) -> Result<Signature, WitnessError> {
        let CosignRequest {
            old_size,
            proof,
            checkpoint,
            ..
        } = request;
        witness.cosign(*old_size, proof, checkpoint, Time::from_secs(10))
    }

    #[test]
    fn what_it_vouched_for_outlives_a_restart_and_binds_it() {
        let mut world = World::new();
        let disk = MemDisk::new();
        world.act(&grant("alice"));
        let first = request(&mut world, 0);
        world.act(&revoke("alice"));
        let second = request(&mut world, 0);
        ask(&mut witness(&world, &disk).unwrap(), &second).unwrap();

        let mut again = witness(&world, &disk).unwrap();
        assert_eq!(again.size(ORIGIN), 2);
        let error = ask(&mut again, &first).unwrap_err();
        let conflict = WitnessRefusal::Conflict { size: 2 };
        assert!(matches!(error, WitnessError::Refused(refused) if refused == conflict));

        let mut fork = World::of(&world.keys);
        fork.act(&grant("mallory"));
        fork.act(&grant("mallory"));
        let error = ask(&mut again, &request(&mut fork, 2)).unwrap_err();
        let split = WitnessRefusal::SplitView { size: 2 };
        assert!(matches!(error, WitnessError::Refused(refused) if refused == split));

        fork.act(&grant("mallory"));
        let error = ask(&mut again, &request(&mut fork, 2)).unwrap_err();
        assert!(matches!(
            error,
            WitnessError::Refused(WitnessRefusal::Inconsistent(_))
        ));
        assert_eq!(again.size(ORIGIN), 2);
    }

    #[test]
    fn no_cosignature_leaves_a_witness_whose_disk_did_not_take_its_state() {
        let mut world = World::new();
        let disk = MemDisk::new();
        let mut witness = witness(&world, &disk).unwrap();
        world.act(&grant("alice"));
        let first = request(&mut world, 0);
        disk.fail(true);
        assert!(matches!(
            ask(&mut witness, &first),
            Err(WitnessError::Disk(_))
        ));
        let second = request(&mut world, 1);
        assert!(
            ask(&mut witness, &second).is_err(),
            "remembered is not yet stored"
        );
        disk.fail(false);
        assert!(ask(&mut witness, &second).is_ok());
        assert!(disk.read("witness/state").unwrap().is_some());
    }

    #[test]
    fn whenever_the_power_goes_it_remembers_what_it_let_go() {
        for (seed, fuse) in (0..20).flat_map(|seed| (0..4).map(move |fuse| (seed, fuse))) {
            let mut world = World::new();
            let disk = MemDisk::new();
            let mut before = witness(&world, &disk).unwrap();
            disk.cut_power_after(fuse);
            let mut let_go = 0;
            for size in 1..=3 {
                world.act(&grant(&size.to_string()));
                if ask(&mut before, &request(&mut world, size - 1)).is_ok() {
                    let_go = size;
                }
            }
            disk.cut_power();
            disk.restore(&SeededRng::new(seed));
            let after = witness(&world, &disk).unwrap();
            assert!(after.size(ORIGIN) >= let_go, "seed {seed}, fuse {fuse}");
            assert_eq!(let_go, fuse.min(3));
        }
    }

    #[test]
    fn a_heartbeat_needs_no_write() {
        let mut world = World::new();
        let disk = MemDisk::new();
        let mut witness = witness(&world, &disk).unwrap();
        world.act(&grant("alice"));
        ask(&mut witness, &request(&mut world, 0)).unwrap();
        let syncs = disk.syncs();
        let beat = ask(&mut witness, &request(&mut world, 1));
        assert!(beat.is_ok() && disk.syncs() == syncs);
    }

    #[test]
    fn a_damaged_memory_stops_it() {
        let mut world = World::new();
        let disk = MemDisk::new();
        world.act(&grant("alice"));
        ask(
            &mut witness(&world, &disk).unwrap(),
            &request(&mut world, 0),
        )
        .unwrap();
        let good = disk.read("witness/state").unwrap().unwrap();
        let twice = [good.as_slice(), b"\n", good.as_slice()].concat();
        for bad in [&b""[..], b"\n", &good[..good.len() - 9], b"\xff\n", &twice] {
            disk.replace("witness/state", bad).unwrap();
            assert!(
                matches!(witness(&world, &disk), Err(WitnessError::State(_))),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn it_remembers_several_logs_apart() {
        let states = BTreeMap::from([
            (
                "a".to_owned(),
                WitnessState {
                    size: 1,
                    root: [1; 32],
                },
            ),
            (
                "b".to_owned(),
                WitnessState {
                    size: 2,
                    root: [2; 32],
                },
            ),
        ]);
        assert_eq!(read(&write(&states)).unwrap(), states);
    }
}
