//! `ca::tlog` against data that others published: Merkle proofs, good and spoilt, from
//! transparency-dev/merkle; signed notes from Go's `sumdb/note`; a public log's checkpoint with the
//! cosignature of a public witness.
//!
//! The Merkle files are found through `SCHISM_VECTORS`. Without them the test says that it is
//! skipped, and under `SCHISM_REQUIRE_VECTORS=1` it fails. No file is passed over: a folder that is
//! empty or not known is a failure too.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};
use ca::clock::Time;
use ca::tlog::checkpoint::SignedCheckpoint;
use ca::tlog::note::{Algorithm, Note, SigningKey, VerifyingKey};
use ca::tlog::proof::{verify_consistency, verify_inclusion};
use ca::tlog::tree::Hash;
use serde_json::Value;

/// The folder of the vectors, if there is one.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn vectors() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let named = env::var_os("SCHISM_VECTORS").map(PathBuf::from);
    let folder = named
        .unwrap_or_else(|| root.join("../shared/vectors"))
        .join("merkle");
    if folder.is_dir() {
        return Some(folder);
    }
    let required = env::var("SCHISM_REQUIRE_VECTORS").is_ok_and(|value| value == "1");
    assert!(!required, "no Merkle vectors at {}", folder.display());
    println!(
        "SKIPPED: no Merkle vectors at {}; set SCHISM_VECTORS",
        folder.display()
    );
    None
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("a vector of the known form")
        .map(|entry| entry.expect("a vector of the known form").path());
    let mut entries: Vec<PathBuf> = entries.collect();
    entries.sort();
    assert!(!entries.is_empty(), "nothing in {}", folder.display());
    entries
}

fn number(vector: &Value, field: &str) -> u64 {
    vector[field].as_u64().expect("a vector of the known form")
}

/// A hash of another length is refused by the type itself.
fn hash(value: &Value) -> Option<Hash> {
    BASE64_STANDARD
        .decode(value.as_str().expect("a vector of the known form"))
        .expect("a vector of the known form")
        .try_into()
        .ok()
}

fn proof(vector: &Value) -> Option<Vec<Hash>> {
    match &vector["proof"] {
        Value::Null => Some(Vec::new()),
        hashes => hashes
            .as_array()
            .expect("a vector of the known form")
            .iter()
            .map(hash)
            .collect(),
    }
}

fn inclusion_holds(vector: &Value) -> Option<bool> {
    let (leaf, root) = (hash(&vector["leafHash"])?, hash(&vector["root"])?);
    let (index, size) = (number(vector, "leafIdx"), number(vector, "treeSize"));
    Some(verify_inclusion(index, size, &leaf, &proof(vector)?, &root).is_ok())
}

fn consistency_holds(vector: &Value) -> Option<bool> {
    let (old_root, new_root) = (hash(&vector["root1"])?, hash(&vector["root2"])?);
    let (old, new) = (number(vector, "size1"), number(vector, "size2"));
    Some(verify_consistency(old, &old_root, new, &new_root, &proof(vector)?).is_ok())
}

#[test]
fn every_published_proof_is_judged_as_published() {
    let Some(merkle) = vectors() else { return };
    for kind in entries(&merkle) {
        let holds = match kind.file_name().and_then(|name| name.to_str()) {
            Some("inclusion") => inclusion_holds,
            Some("consistency") => consistency_holds,
            _ => panic!("{} is not exercised by any test", kind.display()),
        };
        let (mut good, mut spoilt) = (0, 0);
        for file in entries(&kind).iter().flat_map(|folder| entries(folder)) {
            let vector: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            let refused = vector["wantErr"].as_bool().unwrap();
            let held = holds(&vector).unwrap_or(false);
            assert_eq!(held, !refused, "{}: {}", file.display(), vector["desc"]);
            *(if refused { &mut spoilt } else { &mut good }) += 1;
        }
        println!("{}: {good} good, {spoilt} spoilt", kind.display());
        assert!(
            good > 0 && spoilt > 0,
            "{} has only one kind",
            kind.display()
        );
    }
}

/// A key from its seed, in the PKCS#8 of RFC 8410 that has no public half.
fn key(name: &str, seed: &[u8]) -> SigningKey {
    let header = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    SigningKey::new(name, &[header, seed].concat()).expect("any seed is a key")
}

const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";

#[test]
fn the_published_note_is_signed_byte_for_byte() {
    let private = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let peter = key(
        "PeterNeumann",
        &BASE64_STANDARD.decode(private).unwrap()[1..],
    );
    let enoch = key("EnochRoot", &[0; 32]);
    let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(peter.verifying().vkey(), vkey);
    assert_eq!(enoch.verifying().id(), 0xaf0c_fe78);
    let note = Note {
        text: TEXT.to_owned(),
        signatures: vec![peter.sign_note(TEXT), enoch.sign_note(TEXT)],
    };
    let published = format!(
        "{TEXT}\n\
         \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNX\
         gKvqfqdngotpRZb6KE6RyyBwJnAM=\n\
         \u{2014} EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG0\
         1oOTGwnWLox33WWd1RvMc+QQ=\n"
    );
    assert_eq!(note.to_bytes(), published.as_bytes());
    let parsed = Note::parse(published.as_bytes()).unwrap();
    assert_eq!(VerifyingKey::parse(vkey).unwrap().verify(&parsed), Ok(None));
    assert_eq!(enoch.verifying().verify(&parsed), Ok(None));
    let spoilt = published.replacen("cryptography", "Cryptography", 1);
    let spoilt = Note::parse(spoilt.as_bytes()).unwrap();
    peter.verifying().verify(&spoilt).unwrap_err();
}

/// A checkpoint of a public Certificate Transparency log, with its log's and a witness's signature
/// (type 0x04) among others.
const PUBLIC: &str = "\
arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

\u{2014} arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzb\
C3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
\u{2014} witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+\
/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
\u{2014} remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobW\
X9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
";

#[test]
fn a_public_logs_checkpoint_and_its_witness_are_believed() {
    let log = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+\
               AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";
    let witness = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";
    let log = VerifyingKey::parse(log).unwrap();
    let witness = VerifyingKey::parse(witness).unwrap();
    assert_eq!(witness.algorithm(), Algorithm::Cosignature);
    let signed = SignedCheckpoint::open(PUBLIC.as_bytes(), &log).unwrap();
    assert_eq!(signed.checkpoint.size, 1_432_088_532);
    let cosigned = ("remora.n621.de".to_owned(), Time::from_secs(1_779_573_024));
    assert_eq!(
        signed.cosignatures(std::slice::from_ref(&witness)),
        Ok(vec![cosigned])
    );
    assert_eq!(signed.to_bytes(), PUBLIC.as_bytes());
    let other = PUBLIC.replacen("1432088532", "1432088533", 1);
    SignedCheckpoint::open(other.as_bytes(), &log).unwrap_err();
    witness
        .verify(&Note::parse(other.as_bytes()).unwrap())
        .unwrap_err();
}
