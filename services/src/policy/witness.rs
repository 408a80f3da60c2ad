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
