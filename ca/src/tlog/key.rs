//! Keys of notes: Ed25519 signatures (type 0x01) and cosignature/v1 (type 0x04).
//!
//! A verifying key is a name, an algorithm and 32 bytes, and travels as a C2SP vkey. It refuses a
//! whole note for one wrong signature under its own name and id, and looks at no other. The name
//! of a cosigner is not in what it signs: one key pair, one cosigner.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::last_valid::LastValid;
use super::note::{InvalidNote, Note, Signature, is_name};
use crate::clock::Time;

/// What a key's signatures say. The order is that of the type bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Type 0x01: "this is the text".
    Ed25519,
    /// Type 0x04: "as of this time, this is the largest consistent tree that I saw".
    Cosignature,
}

impl Algorithm {
    const fn type_byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

/// Why something is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Key names are not empty and have no spaces, control characters or plus signs.
    #[error("`{0}` cannot be the name of a key")]
    Name(String),
    /// Not an Ed25519 private key in PKCS#8.
    #[error("not an Ed25519 private key in PKCS#8")]
    Pkcs8,
    /// Not of the form `name+id+key`.
    #[error("not a verifier key of the form `name+id+key`")]
    Form,
    /// An algorithm other than those of [`Algorithm`].
    #[error("signatures of type {0:#04x} are not known here")]
    Type(u8),
    /// The id is not the hash of the rest.
    #[error("the id {0:08x} is not that of the key")]
    Id(u32),
}

/// Whom to believe, and about what.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifyingKey {
    name: String,
    algorithm: Algorithm,
    id: u32,
    public: [u8; 32],
    last: LastValid,
}

impl VerifyingKey {
    fn new(name: &str, algorithm: Algorithm, public: [u8; 32]) -> Result<Self, InvalidKey> {
        if !is_name(name) {
            return Err(InvalidKey::Name(name.to_owned()));
        }
        let named = [name.as_bytes(), b"\n", &[algorithm.type_byte()], &public].concat();
        let hash = digest(&SHA256, &named);
        let start = hash.as_ref().first_chunk().expect("SHA-256 gives 32 bytes");
        Ok(Self {
            name: name.to_owned(),
            algorithm,
            id: u32::from_be_bytes(*start),
            public,
            last: LastValid::default(),
        })
    }

    /// Reads a vkey: `<name>+<id, 8 hex digits>+<base64 of type and key>`.
    ///
    /// # Errors
    /// Whatever about it is wrong.
    pub fn parse(vkey: &str) -> Result<Self, InvalidKey> {
        let (name, rest) = vkey.split_once('+').ok_or(InvalidKey::Form)?;
        let (id, encoded) = rest.split_once('+').ok_or(InvalidKey::Form)?;
        if id.len() != 8 || !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(InvalidKey::Form);
        }
        let id = u32::from_str_radix(id, 16).map_err(|_| InvalidKey::Form)?;
        let blob = BASE64_STANDARD
            .decode(encoded)
            .map_err(|_| InvalidKey::Form)?;
        let (kind, public) = blob.split_first().ok_or(InvalidKey::Form)?;
        let algorithm = match *kind {
            0x01 => Algorithm::Ed25519,
            0x04 => Algorithm::Cosignature,
            other => return Err(InvalidKey::Type(other)),
        };
        let public = public.try_into().map_err(|_| InvalidKey::Form)?;
        let key = Self::new(name, algorithm, public)?;
        if key.id == id {
            Ok(key)
        } else {
            Err(InvalidKey::Id(id))
        }
    }

    /// The key as text, for files and people.
    pub fn vkey(&self) -> String {
        let blob = [&[self.algorithm.type_byte()], self.public.as_slice()].concat();
        format!(
            "{}+{:08x}+{}",
            self.name,
            self.id,
            BASE64_STANDARD.encode(blob)
        )
    }

    /// Whose key it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The hash that tells this key from others of the same name.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// What its signatures say.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether a signature claims to be of this key.
    pub fn claims(&self, signature: &Signature) -> bool {
        signature.id() == self.id && signature.name() == self.name
    }

    /// Checks that this key signed the note, and gives the time of its cosignature: of several,
    /// the newest. An ordinary signature has no time.
    ///
    /// # Errors
    /// [`InvalidNote::Unsigned`] if it did not sign; [`InvalidNote::WrongSignature`] if any
    /// signature under its name and id is wrong.
    pub fn verify(&self, note: &Note) -> Result<Option<Time>, InvalidNote> {
        let claimed = note
            .signatures
            .iter()
            .filter(|signature| self.claims(signature));
        let times = claimed
            .map(|signature| self.check(&note.text, signature))
            .collect::<Result<Vec<_>, _>>()?;
        // `None` is less than any time.
        let newest = times.into_iter().max();
        newest.ok_or_else(|| InvalidNote::Unsigned(self.name.clone()))
    }

    /// Checks one signature that claims to be of this key.
    pub(super) fn check(
        &self,
        text: &str,
        signature: &Signature,
    ) -> Result<Option<Time>, InvalidNote> {
        let wrong = || InvalidNote::WrongSignature(self.name.clone());
        let verify = |message: &[u8], bytes: &[u8]| {
            if self.last.is(message, bytes) {
                return Ok(());
            }
            let key = UnparsedPublicKey::new(&ED25519, &self.public);
            key.verify(message, bytes).map_err(|_| wrong())?;
            self.last.set(message, bytes);
            Ok(())
        };
        match self.algorithm {
            Algorithm::Ed25519 => {
                verify(text.as_bytes(), signature.bytes())?;
                Ok(None)
            }
            Algorithm::Cosignature => {
                let (secs, bytes) = signature.bytes().split_first_chunk().ok_or_else(wrong)?;
                let secs = u64::from_be_bytes(*secs);
                if i64::try_from(secs).is_err() {
                    return Err(wrong());
                }
                verify(&cosigned(text, secs), bytes)?;
                Ok(Some(Time::from_secs(secs)))
            }
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.vkey())
    }
}

/// What a cosignature/v1 signs.
fn cosigned(text: &str, secs: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {secs}\n{text}").into_bytes()
}

/// A private key with a name.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    verifying: VerifyingKey,
    cosigner: VerifyingKey,
}

impl SigningKey {
    /// A key from PKCS#8 DER, with or without the public half (RFC 8410).
    ///
    /// # Errors
    /// If the name or the key is none.
    pub fn new(name: &str, ed25519_pkcs8: &[u8]) -> Result<Self, InvalidKey> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(ed25519_pkcs8)
            .map_err(|_| InvalidKey::Pkcs8)?;
        let public = pair.public_key().as_ref();
        let public = public.try_into().map_err(|_| InvalidKey::Pkcs8)?;
        Ok(Self {
            verifying: VerifyingKey::new(name, Algorithm::Ed25519, public)?,
            cosigner: VerifyingKey::new(name, Algorithm::Cosignature, public)?,
            pair,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.verifying.name()
    }

    /// The key that verifies what [`Self::sign_note`] makes.
    pub fn verifying(&self) -> VerifyingKey {
        self.verifying.clone()
    }

    /// The key that verifies what [`Self::cosign`] makes.
    pub fn cosigner(&self) -> VerifyingKey {
        self.cosigner.clone()
    }

    /// Signs a note's text, which ends in a newline.
    pub fn sign_note(&self, text: &str) -> Signature {
        let bytes = self.pair.sign(text.as_bytes()).as_ref().to_vec();
        Signature::new(self.name(), self.verifying.id(), bytes)
    }

    /// Cosigns a checkpoint's text at a time, rounded down to whole seconds.
    pub fn cosign(&self, text: &str, now: Time) -> Signature {
        let secs = now.as_secs();
        let signed = self.pair.sign(&cosigned(text, secs));
        let bytes = [&secs.to_be_bytes(), signed.as_ref()].concat();
        Signature::new(self.name(), self.cosigner.id(), bytes)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Keys, RingKeys};

    fn key(name: &str) -> SigningKey {
        SigningKey::new(name, &RingKeys.ed25519().unwrap()).unwrap()
    }

    fn note(text: &str, signatures: Vec<Signature>) -> Note {
        Note {
            text: text.to_owned(),
            signatures,
        }
    }

    #[test]
    fn a_signature_holds_for_its_text_and_key_alone() {
        let (key, other) = (key("log.example"), key("log.example"));
        let signed = note("text\n", vec![key.sign_note("text\n")]);
        assert_eq!(key.verifying().verify(&signed), Ok(None));
        let unsigned = InvalidNote::Unsigned("log.example".to_owned());
        assert_eq!(other.verifying().verify(&signed), Err(unsigned.clone()));
        assert_eq!(key.cosigner().verify(&signed), Err(unsigned));
        let changed = note("Text\n", signed.signatures);
        let wrong = InvalidNote::WrongSignature("log.example".to_owned());
        assert_eq!(key.verifying().verify(&changed), Err(wrong));
    }

    #[test]
    fn what_was_valid_once_makes_nothing_else_valid() {
        let (key, other) = (key("witness.example"), key("witness.example"));
        let now = Time::from_secs(1_679_315_147);
        let cosignature = key.cosign("text\n", now);
        let holds = |of: &VerifyingKey, text: &str, bytes: &[u8]| {
            let signature = Signature::new("witness.example", of.id(), bytes.to_vec());
            of.verify(&note(text, vec![signature])).is_ok()
        };
        let cosigner = key.cosigner();
        for _ in 0..2 {
            assert!(holds(&cosigner, "text\n", cosignature.bytes()));
            assert!(!holds(&cosigner, "Text\n", cosignature.bytes()));
            assert!(!holds(&other.cosigner(), "text\n", cosignature.bytes()));
            for place in 0..cosignature.bytes().len() {
                let mut changed = cosignature.bytes().to_vec();
                changed[place] ^= 1;
                assert!(!holds(&cosigner, "text\n", &changed), "byte {place}");
            }
        }
    }

    #[test]
    fn a_cosignature_carries_its_time_and_no_other() {
        let key = key("witness.example");
        let now = Time::from_micros(1_679_315_147_999_999);
        let mut cosignature = key.cosign("text\n", now);
        assert_eq!(cosignature.bytes().len(), 72);
        let cosigned = note("text\n", vec![cosignature.clone()]);
        let secs = Time::from_secs(1_679_315_147);
        assert_eq!(key.cosigner().verify(&cosigned), Ok(Some(secs)));
        let mut later = cosignature.bytes().to_vec();
        later[7] += 1;
        cosignature = Signature::new(key.name(), key.cosigner().id(), later);
        key.cosigner()
            .verify(&note("text\n", vec![cosignature]))
            .unwrap_err();
    }

    #[test]
    fn a_time_beyond_what_the_format_allows_is_refused() {
        let key = key("witness.example");
        for (secs, allowed) in [((1 << 63) - 1, true), (1_u64 << 63, false)] {
            let signed = key.pair.sign(&cosigned("text\n", secs));
            let bytes = [&secs.to_be_bytes(), signed.as_ref()].concat();
            let cosignature = Signature::new(key.name(), key.cosigner().id(), bytes);
            let verdict = key.cosigner().verify(&note("text\n", vec![cosignature]));
            assert_eq!(verdict.is_ok(), allowed, "at {secs}");
        }
    }

    #[test]
    fn the_newest_of_several_cosignatures_counts_and_a_wrong_one_spoils_all() {
        let key = key("witness.example");
        let at = |secs| key.cosign("text\n", Time::from_secs(secs));
        let both = note("text\n", vec![at(7), at(9), at(8)]);
        assert_eq!(key.cosigner().verify(&both), Ok(Some(Time::from_secs(9))));
        let wrong = key.cosign("other\n", Time::from_secs(7));
        key.cosigner()
            .verify(&note("text\n", vec![at(9), wrong]))
            .unwrap_err();
    }

    #[test]
    fn a_vkey_comes_back_and_a_changed_one_does_not() {
        let key = key("log.example/a");
        for verifying in [key.verifying(), key.cosigner()] {
            assert_eq!(VerifyingKey::parse(&verifying.vkey()), Ok(verifying));
        }
        let vkey = key.verifying().vkey();
        let renamed = vkey.replacen("log", "dog", 1);
        assert!(matches!(
            VerifyingKey::parse(&renamed),
            Err(InvalidKey::Id(_))
        ));
        for bad in [
            "",
            "a",
            "a+b",
            "a+00000000+",
            "a+0000000+AQ==",
            "a+00000000+AQ==",
        ] {
            assert_eq!(VerifyingKey::parse(bad), Err(InvalidKey::Form), "{bad}");
        }
        assert_eq!(
            VerifyingKey::parse("a+00000000+Ag=="),
            Err(InvalidKey::Type(2))
        );
        let name = SigningKey::new("a b", &RingKeys.ed25519().unwrap()).unwrap_err();
        assert_eq!(name, InvalidKey::Name("a b".to_owned()));
        assert_eq!(
            SigningKey::new("a", b"no key").unwrap_err(),
            InvalidKey::Pkcs8
        );
    }
}
