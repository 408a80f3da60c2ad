//! A witness: it remembers the largest state of each log, and cosigns only what extends it.
//!
//! The checks and their order are those of `add-checkpoint` in C2SP tlog-witness v1.0.0. It does
//! no input or output: it returns the new state beside the cosignature, and the caller stores the
//! state *before* it lets the cosignature go. Otherwise a witness that lost power would cosign a
//! second history.

use std::collections::BTreeMap;

use super::checkpoint::{Checkpoint, InvalidCheckpoint};
use super::note::{InvalidNote, Note, Signature, SigningKey, VerifyingKey};
use super::proof::{InvalidProof, verify_consistency};
use super::tree::{Hash, empty_root};
use crate::clock::Time;

/// What a witness remembers of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WitnessState {
    /// The largest size that it cosigned.
    pub size: u64,
    /// The root at that size.
    pub root: Hash,
}

impl WitnessState {
    /// Of a log of which nothing was cosigned.
    fn nothing() -> Self {
        Self {
            size: 0,
            root: empty_root(),
        }
    }
}

/// What the caller does next: store `state` for `origin`, and then let `signature` go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignOutcome {
    /// Which log.
    pub origin: String,
    /// What to remember of it.
    pub state: WitnessState,
    /// The cosignature over the checkpoint.
    pub signature: Signature,
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessRefusal {
    /// What was sent is not a checkpoint.
    #[error("not a checkpoint: {0}")]
    Malformed(#[from] InvalidCheckpoint),
    /// No key of this log is known here.
    #[error("`{0}` is not a log that is witnessed here")]
    UnknownOrigin(String),
    /// None of the log's known keys signed.
    #[error("the checkpoint is not signed by `{0}`")]
    Unsigned(String),
    /// The proof would start behind its end.
    #[error("the old size {old} is larger than the checkpoint's {new}")]
    OldLarger {
        /// The old size that was sent.
        old: u64,
        /// The checkpoint's size.
        new: u64,
    },
    /// The proof starts elsewhere than where this witness is. A log that was put back meets this.
    #[error("the last size cosigned here is {size}")]
    Conflict {
        /// Where a proof must start.
        size: u64,
    },
    /// Another root at a size that was cosigned: two histories, both signed by the log.
    #[error("another root was cosigned here at size {size}")]
    SplitView {
        /// The size that has two roots.
        size: u64,
    },
    /// The checkpoint is not proven to extend what was cosigned.
    #[error("not proven to extend the last checkpoint cosigned here: {0}")]
    Inconsistent(#[from] InvalidProof),
}

impl WitnessRefusal {
    /// The status that the protocol over HTTP has for it.
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::OldLarger { .. } => 400,
            Self::Unsigned(_) => 403,
            Self::UnknownOrigin(_) => 404,
            Self::Conflict { .. } | Self::SplitView { .. } => 409,
            Self::Inconsistent(_) => 422,
        }
    }
}

/// A witness's key and memory.
#[derive(Debug)]
pub struct Witness {
    key: SigningKey,
    states: BTreeMap<String, WitnessState>,
}

impl Witness {
    /// A witness that remembers these states, by origin.
    pub const fn new(key: SigningKey, states: BTreeMap<String, WitnessState>) -> Self {
        Self { key, states }
    }

    /// The key that verifies its cosignatures.
    pub fn cosigner(&self) -> VerifyingKey {
        self.key.cosigner()
    }

    /// What it remembers of a log.
    pub fn state(&self, origin: &str) -> Option<WitnessState> {
        self.states.get(origin).copied()
    }

    /// Cosigns a log's checkpoint, if it extends, by `proof` from `old_size`, what was cosigned
    /// before. A log is witnessed if one of `log_keys` is named as its origin.
    ///
    /// The state in memory moves at once, so that no second call can pass on the old one. If the
    /// caller then fails to store it, it lets no cosignature go; a witness that remembers more
    /// than it said is safe.
    ///
    /// # Errors
    /// The first rule of the protocol that is broken; then nothing has changed.
    pub fn cosign(
        &mut self,
        old_size: u64,
        proof: &[Hash],
        checkpoint_bytes: &[u8],
        log_keys: &[VerifyingKey],
        now: Time,
    ) -> Result<CosignOutcome, WitnessRefusal> {
        let (note, checkpoint) = signed_by_log(checkpoint_bytes, log_keys)?;
        let Checkpoint { origin, size, root } = checkpoint;
        if old_size > size {
            return Err(WitnessRefusal::OldLarger {
                old: old_size,
                new: size,
            });
        }
        let last = self.state(&origin).unwrap_or_else(WitnessState::nothing);
        if old_size != last.size {
            return Err(WitnessRefusal::Conflict { size: last.size });
        }
        if size == last.size && size > 0 && root != last.root {
            return Err(WitnessRefusal::SplitView { size });
        }
        verify_consistency(last.size, &last.root, size, &root, proof)?;
        let state = WitnessState { size, root };
        self.states.insert(origin.clone(), state);
        Ok(CosignOutcome {
            origin,
            state,
            signature: self.key.cosign(&note.text, now),
        })
    }
}

/// Reads a checkpoint that one of its log's keys signed. Unlike a client, a witness does not mind
/// a wrong signature beside a valid one.
fn signed_by_log(
    bytes: &[u8],
    log_keys: &[VerifyingKey],
) -> Result<(Note, Checkpoint), WitnessRefusal> {
    let malformed = |error: InvalidNote| WitnessRefusal::Malformed(error.into());
    let note = Note::parse(bytes).map_err(malformed)?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    let mut keys = log_keys
        .iter()
        .filter(|key| key.name() == checkpoint.origin)
        .peekable();
    if keys.peek().is_none() {
        return Err(WitnessRefusal::UnknownOrigin(checkpoint.origin));
    }
    if keys.any(|key| key.verify(&note).is_ok()) {
        Ok((note, checkpoint))
    } else {
        Err(WitnessRefusal::Unsigned(checkpoint.origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Keys, RingKeys};
    use crate::tlog::checkpoint::SignedCheckpoint;
    use crate::tlog::tree::{Tree, leaf_hash};

    const ORIGIN: &str = "policy.example";

    fn key(name: &str) -> SigningKey {
        SigningKey::new(name, &RingKeys.ed25519().unwrap()).unwrap()
    }

    fn at(secs: u64) -> Time {
        Time::from_secs(secs)
    }

    /// A log that signs whatever it is told to, and its witness.
    struct Pair {
        log: SigningKey,
        witness: Witness,
    }

    impl Pair {
        fn new() -> Self {
            Self {
                log: key(ORIGIN),
                witness: Witness::new(key("witness.example"), BTreeMap::new()),
            }
        }

        fn signed(&self, tree: &Tree, size: u64) -> Vec<u8> {
            let checkpoint = Checkpoint {
                origin: ORIGIN.to_owned(),
                size,
                root: tree.root_at(size).unwrap(),
            };
            SignedCheckpoint::sign(checkpoint, &self.log)
                .unwrap()
                .to_bytes()
        }

        fn ask(&mut self, tree: &Tree, old: u64, size: u64) -> Result<CosignOutcome, u16> {
            let signed = self.signed(tree, size);
            let proof = tree.consistency(old, size).unwrap_or_default();
            let keys = [key(ORIGIN).verifying(), self.log.verifying()];
            let outcome = self.witness.cosign(old, &proof, &signed, &keys, at(7));
            outcome.map_err(|refusal| refusal.http_status())
        }
    }

    fn tree(entries: &[&str]) -> Tree {
        let mut tree = Tree::new();
        for entry in entries {
            tree.push(leaf_hash(entry.as_bytes()));
        }
        tree
    }

    #[test]
    fn a_growing_log_is_cosigned_and_so_is_its_silence() {
        let mut pair = Pair::new();
        let tree = tree(&["a", "b", "c", "d", "e"]);
        for (old, size) in [(0, 0), (0, 3), (3, 3), (3, 5), (5, 5)] {
            let outcome = pair.ask(&tree, old, size).unwrap();
            let root = tree.root_at(size).unwrap();
            assert_eq!(outcome.origin, ORIGIN);
            assert_eq!(outcome.state, WitnessState { size, root });
            assert_eq!(pair.witness.state(ORIGIN), Some(outcome.state));
            let bytes = pair.signed(&tree, size);
            let mut signed = SignedCheckpoint::open(&bytes, &pair.log.verifying()).unwrap();
            let accepted = signed.accept(outcome.signature, &pair.witness.cosigner());
            assert_eq!(accepted, Ok(at(7)));
        }
    }

    #[test]
    fn a_log_that_was_put_back_is_refused() {
        let mut pair = Pair::new();
        let before = tree(&["a", "revoke mallory", "c"]);
        pair.ask(&before, 0, 3).unwrap();
        let remembered = pair.witness.state(ORIGIN);
        // Its own older state, as the log remembers it and as the witness does.
        assert_eq!(pair.ask(&before, 1, 1), Err(409));
        assert_eq!(pair.ask(&before, 0, 1), Err(409));
        assert_eq!(pair.ask(&before, 3, 1), Err(400));
        // Another history from there, shorter, as long, and longer than what was cosigned.
        let fork = tree(&["a", "grant mallory", "c", "d"]);
        assert_eq!(pair.ask(&fork, 1, 2), Err(409));
        assert_eq!(pair.ask(&fork, 3, 3), Err(409));
        assert_eq!(pair.ask(&fork, 3, 4), Err(422));
        assert_eq!(pair.witness.state(ORIGIN), remembered);
    }

    #[test]
    fn refusals_say_what_was_wrong() {
        let mut pair = Pair::new();
        let (short, fork) = (tree(&["a", "b"]), tree(&["a", "c"]));
        pair.ask(&short, 0, 2).unwrap();
        let keys = [pair.log.verifying()];
        let mut ask = |old, proof: &[Hash], bytes: &[u8], keys: &[VerifyingKey]| {
            pair.witness
                .cosign(old, proof, bytes, keys, at(7))
                .unwrap_err()
        };
        let sign = |tree: &Tree, key: &SigningKey| {
            let (size, root) = (tree.size(), tree.root());
            let origin = key.name().to_owned();
            SignedCheckpoint::sign(Checkpoint { origin, size, root }, key)
                .unwrap()
                .to_bytes()
        };
        let signed = sign(&short, &pair.log);
        assert_eq!(
            ask(0, &[], &signed, &keys),
            WitnessRefusal::Conflict { size: 2 }
        );
        let split = ask(2, &[], &sign(&fork, &pair.log), &keys);
        assert_eq!(split, WitnessRefusal::SplitView { size: 2 });
        let padded = ask(2, &[[0; 32]], &signed, &keys);
        assert!(matches!(padded, WitnessRefusal::Inconsistent(_)));
        let stranger = ask(0, &[], &sign(&short, &key("x")), &keys);
        assert_eq!(stranger, WitnessRefusal::UnknownOrigin("x".to_owned()));
        let impostor = ask(2, &[], &sign(&short, &key(ORIGIN)), &keys);
        assert_eq!(impostor, WitnessRefusal::Unsigned(ORIGIN.to_owned()));
        assert_eq!(ask(2, &[], b"nonsense", &keys).http_status(), 400);
    }

    #[test]
    fn an_empty_log_has_the_empty_root() {
        let mut pair = Pair::new();
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: 0,
            root: [7; 32],
        };
        let signed = SignedCheckpoint::sign(checkpoint, &pair.log)
            .unwrap()
            .to_bytes();
        let keys = [pair.log.verifying()];
        let refused = pair
            .witness
            .cosign(0, &[], &signed, &keys, at(7))
            .unwrap_err();
        assert_eq!(refused.http_status(), 422);
        assert_eq!(pair.witness.state(ORIGIN), None);
    }
}
