//! Checkpoints (C2SP tlog-checkpoint v1.0.0): what a log promises about itself, signed.
//!
//! A checkpoint is believed only with the signature of its own log: the key's name is the log's
//! origin, so that one log's checkpoint never passes for another's. Cosignatures are counted by
//! witness name, never by signature line.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};

use super::note::{
    Algorithm, InvalidNote, MAX_SIGNATURES, Note, Signature, SigningKey, VerifyingKey,
};
use super::tree::Hash;
use crate::clock::Time;

/// Why a checkpoint is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCheckpoint {
    /// Not a note, or not signed as asked.
    #[error(transparent)]
    Note(#[from] InvalidNote),
    /// The note's text is not an origin, a size and a root.
    #[error("not a checkpoint: {0}")]
    Text(&'static str),
    /// The checkpoint of another log.
    #[error("a checkpoint of `{found}`, not of `{expected}`")]
    Origin {
        /// The log that was asked for.
        expected: String,
        /// The log that it is of.
        found: String,
    },
}

/// A log's state: how many entries, and the root over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Reads a checkpoint's text. Extension lines are allowed, and mean nothing here.
    ///
    /// # Errors
    /// [`InvalidCheckpoint::Text`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidCheckpoint> {
        let wrong = InvalidCheckpoint::Text;
        let lines = text
            .strip_suffix('\n')
            .ok_or(wrong("no newline at the end"))?;
        let mut lines = lines.split('\n');
        let origin = lines.next().unwrap_or_default();
        if origin.is_empty() {
            return Err(wrong("no origin"));
        }
        let digits = lines.next().ok_or(wrong("no size"))?;
        let size: u64 = digits.parse().map_err(|_| wrong("the size is no number"))?;
        if size.to_string() != digits {
            return Err(wrong("the size is not in its shortest form"));
        }
        let root = lines.next().ok_or(wrong("no root"))?;
        let root = BASE64_STANDARD
            .decode(root)
            .ok()
            .and_then(|root| root.try_into().ok());
        let root = root.ok_or(wrong("the root is not 32 bytes in base64"))?;
        if lines.any(str::is_empty) {
            return Err(wrong("an empty line"));
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }

    /// The text that is signed.
    pub fn to_text(&self) -> String {
        let root = BASE64_STANDARD.encode(self.root);
        format!("{}\n{}\n{root}\n", self.origin, self.size)
    }
}

/// A checkpoint with its log's signature, which was checked, and perhaps with cosignatures, which
/// [`Self::cosignatures`] checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What is promised.
    pub checkpoint: Checkpoint,
    /// The note that promises it.
    pub note: Note,
}

impl SignedCheckpoint {
    /// Signs a checkpoint as its log.
    ///
    /// # Errors
    /// [`InvalidCheckpoint::Origin`] if the key is not named as the log.
    pub fn sign(checkpoint: Checkpoint, log_key: &SigningKey) -> Result<Self, InvalidCheckpoint> {
        same_origin(log_key.name(), &checkpoint.origin)?;
        let text = checkpoint.to_text();
        let signatures = vec![log_key.sign_note(&text)];
        Ok(Self {
            checkpoint,
            note: Note { text, signatures },
        })
    }

    /// Reads a signed checkpoint of the log with this key.
    ///
    /// # Errors
    /// If it is malformed, of another log, or not validly signed by the key.
    pub fn open(bytes: &[u8], log_key: &VerifyingKey) -> Result<Self, InvalidCheckpoint> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse(&note.text)?;
        same_origin(log_key.name(), &checkpoint.origin)?;
        log_key.verify(&note)?;
        Ok(Self { checkpoint, note })
    }

    /// Which of these witnesses cosigned, and when: the newest time of each name, ordered by
    /// name. Signatures of keys that are not among them are ignored.
    ///
    /// # Errors
    /// If a signature under one of their names and ids is wrong: then nothing here counts.
    pub fn cosignatures(
        &self,
        witnesses: &[VerifyingKey],
    ) -> Result<Vec<(String, Time)>, InvalidCheckpoint> {
        let mut newest = BTreeMap::new();
        for witness in witnesses {
            if witness.algorithm() != Algorithm::Cosignature {
                continue;
            }
            match witness.verify(&self.note) {
                Ok(time) => {
                    let latest = newest.entry(witness.name().to_owned()).or_insert(time);
                    *latest = time.max(*latest);
                }
                Err(InvalidNote::Unsigned(_)) => {}
                Err(wrong) => return Err(wrong.into()),
            }
        }
        let timed = newest
            .into_iter()
            .filter_map(|(name, time)| Some((name, time?)));
        Ok(timed.collect())
    }

    /// Adds a signature as it is, in the place of an earlier one of the same name and id. One
    /// that came over a network goes through [`Self::accept`].
    ///
    /// # Errors
    /// [`InvalidNote::TooManySignatures`] if the note is full.
    pub fn add(&mut self, signature: Signature) -> Result<(), InvalidNote> {
        let signatures = &mut self.note.signatures;
        let same = |old: &Signature| old.id() == signature.id() && old.name() == signature.name();
        if let Some(old) = signatures.iter_mut().find(|old| same(old)) {
            *old = signature;
        } else if signatures.len() < MAX_SIGNATURES {
            signatures.push(signature);
        } else {
            return Err(InvalidNote::TooManySignatures);
        }
        Ok(())
    }

    /// Adds a witness's cosignature once it is found valid, and gives its time.
    ///
    /// # Errors
    /// If it is not this witness's, or not over this checkpoint; then nothing was added.
    pub fn accept(
        &mut self,
        cosignature: Signature,
        witness: &VerifyingKey,
    ) -> Result<Time, InvalidNote> {
        let unsigned = || InvalidNote::Unsigned(witness.name().to_owned());
        if !witness.claims(&cosignature) {
            return Err(unsigned());
        }
        let time = witness.check(&self.note.text, &cosignature)?;
        self.add(cosignature)?;
        time.ok_or_else(unsigned)
    }

    /// The signed note, as it is stored and sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.note.to_bytes()
    }
}

fn same_origin(expected: &str, found: &str) -> Result<(), InvalidCheckpoint> {
    if expected == found {
        return Ok(());
    }
    Err(InvalidCheckpoint::Origin {
        expected: expected.to_owned(),
        found: found.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Keys, RingKeys};
    use crate::tlog::tree::leaf_hash;

    fn key(name: &str) -> SigningKey {
        SigningKey::new(name, &RingKeys.ed25519().unwrap()).unwrap()
    }

    fn signed(key: &SigningKey) -> SignedCheckpoint {
        let checkpoint = Checkpoint {
            origin: key.name().to_owned(),
            size: 7,
            root: leaf_hash(b"root"),
        };
        SignedCheckpoint::sign(checkpoint, key).unwrap()
    }

    fn at(secs: u64) -> Time {
        Time::from_secs(secs)
    }

    #[test]
    fn a_checkpoint_comes_back_and_only_under_its_own_key() {
        let (log, other) = (key("log.example"), key("other.example"));
        let signed = signed(&log);
        let opened = SignedCheckpoint::open(&signed.to_bytes(), &log.verifying());
        assert_eq!(opened, Ok(signed.clone()));
        let refused = SignedCheckpoint::open(&signed.to_bytes(), &other.verifying());
        assert!(matches!(refused, Err(InvalidCheckpoint::Origin { .. })));
        let impostor = key("log.example").verifying();
        let refused = SignedCheckpoint::open(&signed.to_bytes(), &impostor);
        assert!(matches!(
            refused,
            Err(InvalidCheckpoint::Note(InvalidNote::Unsigned(_)))
        ));
        assert!(SignedCheckpoint::sign(signed.checkpoint, &other).is_err());
    }

    #[test]
    fn malformed_texts_are_refused() {
        let root = BASE64_STANDARD.encode(leaf_hash(b""));
        let parses = |text: String| Checkpoint::parse(&text).is_ok();
        assert!(parses(format!("o\n0\n{root}\n")));
        assert!(parses(format!(
            "o\n18446744073709551615\n{root}\nextension\nanother\n"
        )));
        for text in [
            String::new(),
            "o\n".to_owned(),
            "o\n1\n".to_owned(),
            format!("o\n1\n{root}"),
            format!("\n1\n{root}\n"),
            format!("o\n01\n{root}\n"),
            format!("o\n+1\n{root}\n"),
            format!("o\n-1\n{root}\n"),
            format!("o\n18446744073709551616\n{root}\n"),
            format!("o\n1\n{}\n", &root[4..]),
            format!("o\n1\n{root}\n\n"),
            format!("o\n1\n{root}\nextension\n\nafter\n"),
        ] {
            assert!(!parses(text.clone()), "{text:?}");
        }
    }

    #[test]
    fn a_witness_counts_once_however_often_it_signs() {
        let (log, north, south) = (key("log.example"), key("north"), key("south"));
        let north_again = key("north");
        let mut signed = signed(&log);
        let text = signed.note.text.clone();
        for (witness, secs) in [(&north, 5), (&north_again, 6), (&south, 4)] {
            let cosignature = witness.cosign(&text, at(secs));
            assert_eq!(
                signed.accept(cosignature, &witness.cosigner()),
                Ok(at(secs))
            );
        }
        let known = [north_again.cosigner(), north.cosigner(), south.cosigner()];
        let counted = vec![("north".to_owned(), at(6)), ("south".to_owned(), at(4))];
        assert_eq!(signed.cosignatures(&known), Ok(counted));
        assert_eq!(
            signed.cosignatures(&known[1..2]).unwrap(),
            [("north".to_owned(), at(5))]
        );
        assert_eq!(signed.cosignatures(&[north.verifying()]), Ok(vec![]));
        let reopened = SignedCheckpoint::open(&signed.to_bytes(), &log.verifying()).unwrap();
        assert_eq!(reopened, signed);
    }

    #[test]
    fn a_newer_cosignature_replaces_and_a_wrong_one_is_not_accepted() {
        let (log, north, south) = (key("log.example"), key("north"), key("south"));
        let mut signed = signed(&log);
        let text = signed.note.text.clone();
        signed
            .accept(north.cosign(&text, at(5)), &north.cosigner())
            .unwrap();
        signed
            .accept(north.cosign(&text, at(9)), &north.cosigner())
            .unwrap();
        assert_eq!(signed.note.signatures.len(), 2);
        let before = signed.clone();
        let elsewhere = north.cosign("other\n", at(10));
        signed
            .accept(elsewhere.clone(), &north.cosigner())
            .unwrap_err();
        signed
            .accept(elsewhere.clone(), &south.cosigner())
            .unwrap_err();
        assert_eq!(signed, before);
        signed.add(elsewhere).unwrap();
        signed.cosignatures(&[north.cosigner()]).unwrap_err();
        assert_eq!(signed.cosignatures(&[south.cosigner()]), Ok(vec![]));
    }

    #[test]
    fn a_note_takes_no_more_signatures_than_it_may() {
        let mut signed = signed(&key("log.example"));
        for index in 1..MAX_SIGNATURES {
            signed
                .add(Signature::parse(&format!("\u{2014} n{index} AAAAAAA=")).unwrap())
                .unwrap();
        }
        let one_more = Signature::parse("\u{2014} m AAAAAAA=").unwrap();
        assert_eq!(signed.add(one_more), Err(InvalidNote::TooManySignatures));
        Note::parse(&signed.to_bytes()).unwrap();
    }
}
