//! Notes and checkpoints: what is read is written back byte for byte, and what verifies was signed.

use std::sync::LazyLock;

use ca::clock::Time;
use ca::tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use ca::tlog::note::{Note, Signature, SigningKey, VerifyingKey};
use ca::tlog::tree::leaf_hash;

/// The log's name.
const ORIGIN: &str = "log.example";

/// Who cosigns: one key pair each.
const WITNESSES: [&str; 3] = ["w.east", "w.north", "w.south"];

/// When they do.
const TIMES: [Time; 2] = [
    Time::from_secs(1_767_225_600),
    Time::from_secs(1_767_225_601),
];

/// An Ed25519 key whose seed is one byte, for what needs no secret.
pub fn key(name: &str, seed: u8) -> SigningKey {
    let head = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let pkcs8 = [&head[..], &[seed; 32]].concat();
    SigningKey::new(name, &pkcs8).expect("any 32 bytes are an Ed25519 key")
}

fn log_key() -> SigningKey {
    key(ORIGIN, 1)
}

fn witnesses() -> Vec<SigningKey> {
    let keys = WITNESSES.iter().zip(2..);
    keys.map(|(name, seed)| key(name, seed)).collect()
}

/// Everything that these keys ever signed: by size, with the cosignatures of some.
pub static SIGNED: LazyLock<Vec<SignedCheckpoint>> = LazyLock::new(|| {
    let signed = [0, 1, 5, 8].map(|size: u64| {
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: leaf_hash(&size.to_be_bytes()),
        };
        let signed = SignedCheckpoint::sign(checkpoint, &log_key());
        let mut signed = signed.expect("the key is the log's");
        for (witness, key) in witnesses().iter().enumerate().take(size as usize) {
            let at = TIMES[witness % TIMES.len()];
            let cosignature = key.cosign(&signed.note.text, at);
            signed.add(cosignature).expect("there is room");
        }
        signed
    });
    signed.to_vec()
});

static KEYS: LazyLock<Vec<VerifyingKey>> = LazyLock::new(|| {
    let cosigners = witnesses().into_iter().map(|key| key.cosigner());
    cosigners.chain([log_key().verifying()]).collect()
});

/// Whether this text was ever signed.
fn was_signed(text: &str) -> Option<&'static SignedCheckpoint> {
    SIGNED.iter().find(|signed| signed.note.text == text)
}

/// A note, a line of one, or a key.
pub fn note(data: &[u8]) {
    if let Ok(note) = Note::parse(data) {
        assert_eq!(note.to_bytes(), data);
        assert!(note.text.ends_with('\n') && !note.signatures.is_empty());
        for signature in &note.signatures {
            assert_eq!(
                Signature::parse(&signature.to_string()).as_ref(),
                Ok(signature)
            );
        }
        for key in &*KEYS {
            if key.verify(&note).is_ok() {
                assert!(
                    was_signed(&note.text).is_some(),
                    "forged for {}",
                    key.name()
                );
            }
        }
    }
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Ok(signature) = Signature::parse(text) {
        assert_eq!(signature.to_string(), text);
    }
    if let Ok(key) = VerifyingKey::parse(text) {
        assert!(key.vkey().eq_ignore_ascii_case(text));
        assert_eq!(VerifyingKey::parse(&key.vkey()), Ok(key));
    }
}

/// A signed checkpoint, or the text of one.
pub fn checkpoint(data: &[u8]) {
    if let Ok(Ok(read)) = str::from_utf8(data).map(Checkpoint::parse) {
        let text = read.to_text();
        assert!(data.starts_with(text.as_bytes()));
        assert_eq!(Checkpoint::parse(&text), Ok(read));
    }
    let Ok(opened) = SignedCheckpoint::open(data, &log_key().verifying()) else {
        return;
    };
    assert_eq!(opened.to_bytes(), data);
    let known = was_signed(&opened.note.text).expect("forged");
    assert_eq!(opened.checkpoint, known.checkpoint);
    let (Ok(found), Ok(given)) = (opened.cosignatures(&KEYS), known.cosignatures(&KEYS)) else {
        return;
    };
    assert!(found.is_sorted_by(|a, b| a.0 < b.0), "each witness once");
    for cosignature in &found {
        assert!(given.contains(cosignature), "forged: {cosignature:?}");
    }
}
