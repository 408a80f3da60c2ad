//! `ca::tlog` against independent implementations: `ct-merkle`, `tlog_tiles` and `signed_note`.
//!
//! They must agree on what is right and, with arbitrary and mutated input, on what is wrong; and
//! nothing that arrives as bytes may make ours panic.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine};
use ca::clock::Time;
use ca::disk::{Disk, MemDisk};
use ca::tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use ca::tlog::log::{Log, verify_folder};
use ca::tlog::note::{Note, Signature, SigningKey, VerifyingKey};
use ca::tlog::proof::{verify_consistency, verify_inclusion};
use ca::tlog::tree::{Hash, Tree, leaf_hash};
use ca::tlog::witness::Witness;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sha2::Sha256;
use signed_note::{StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::Hash as TheirHash;

/// Past 128, so that full and ragged trees of eight levels are among them.
const SIZES: u64 = 131;

type TheirTree = MemoryBackedTree<Sha256, [u8; 8]>;

fn trees(size: u64) -> (Tree, TheirTree) {
    let (mut ours, mut theirs) = (Tree::new(), TheirTree::new());
    for index in 0..size {
        ours.push(leaf_hash(&index.to_be_bytes()));
        theirs.push(index.to_be_bytes());
    }
    (ours, theirs)
}

#[test]
fn roots_and_proofs_are_those_of_ct_merkle() {
    let (whole, _) = trees(SIZES);
    for size in 1..=SIZES {
        let (tree, theirs) = trees(size);
        let root = tree.root();
        assert_eq!(root[..], theirs.root().as_bytes()[..], "at size {size}");
        assert_eq!(whole.root_at(size), Some(root));
        for index in 0..size {
            let proof = whole.inclusion(index, size).unwrap();
            let expected = theirs.prove_inclusion(usize::try_from(index).unwrap());
            assert_eq!(proof.concat(), expected.as_bytes(), "{index} of {size}");
            let leaf = leaf_hash(&index.to_be_bytes());
            assert_eq!(verify_inclusion(index, size, &leaf, &proof, &root), Ok(()));
        }
        for old in 1..=size {
            let proof = whole.consistency(old, size).unwrap();
            let expected = theirs.prove_consistency(usize::try_from(size - old).unwrap());
            assert_eq!(proof.concat(), expected.as_bytes(), "{old} to {size}");
            let old_root = whole.root_at(old).unwrap();
            assert_eq!(
                verify_consistency(old, &old_root, size, &root, &proof),
                Ok(())
            );
        }
    }
}

fn their_proof(proof: &[Hash]) -> Vec<TheirHash> {
    proof.iter().copied().map(TheirHash).collect()
}

/// A key of the same seed on both sides.
fn keys(name: &str, seed: [u8; 32]) -> (SigningKey, StandardSigner) {
    let header = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let pkcs8 = [&header[..], &seed].concat();
    let ours = SigningKey::new(name, &pkcs8).expect("any seed is a key");
    let secret = BASE64_STANDARD.encode([&[1], &seed[..]].concat());
    let id = ours.verifying().id();
    let theirs = StandardSigner::new(&format!("PRIVATE+KEY+{name}+{id:08x}+{secret}"));
    (ours, theirs.expect("the same key"))
}

/// Mostly one of these, sometimes anything.
fn one_of(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![30 => prop::sample::select(pieces).prop_map(str::to_owned), 1 => ".*"]
}

/// Texts that are nearly notes.
fn near_notes() -> impl Strategy<Value = String> {
    let text = one_of(&[
        "text\n",
        "a\n\nb\n",
        "\n",
        "",
        "text",
        "\u{2014} name AAAAAAA=\n",
        "t\r\n",
    ]);
    let blank = one_of(&["\n", "\n", "\n", "", "\n\n", " \n"]);
    let dash = one_of(&[
        "\u{2014} ",
        "\u{2014} ",
        "\u{2014} ",
        "\u{2014}",
        "- ",
        "\n",
    ]);
    let name = one_of(&["name", "a/b", "", "a+b", "a b", "a\u{a0}b", "a\u{7f}"]);
    let blob = one_of(&[
        "AAAAAAA=",
        "AAAAAAAA",
        "AAAAAA==",
        "AAAAAAB=",
        "AAAAAAA",
        "",
        " AAAAAAA=",
    ]);
    let end = one_of(&["\n", "\n", "\n", "\n", "", "\n\n", " \n"]);
    let line = (dash, name, blob, end)
        .prop_map(|(dash, name, blob, end)| format!("{dash}{name} {blob}{end}"));
    let lines = prop::collection::vec(line, 0..4);
    (text, blank, lines).prop_map(|(text, blank, lines)| text + &blank + &lines.concat())
}

/// Texts that are nearly checkpoints.
fn near_checkpoints() -> impl Strategy<Value = String> {
    const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let root = one_of(&[
        ROOT,
        ROOT,
        ROOT,
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jx\n",
        "",
    ]);
    let origin = one_of(&["origin\n", "a b\n", "\n", "origin", ""]);
    let size = one_of(&[
        "0\n",
        "7\n",
        "18446744073709551615\n",
        "18446744073709551616\n",
        "07\n",
        "+7\n",
        "-7\n",
        "7 \n",
        "7\r\n",
        "",
    ]);
    let rest = one_of(&[
        "",
        "",
        "extension\n",
        "one\ntwo\n",
        "\n",
        "one\n\ntwo\n",
        "open",
    ]);
    (origin, size, root, rest).prop_map(|(a, b, c, d)| a + &b + &c + &d)
}

/// The same cases in every run; `PROPTEST_CASES` asks for more of them.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn verdicts_on_mutated_inclusion_proofs_are_those_of_tlog_tiles(
        size in 1..SIZES, index in 0..SIZES, claimed in 0..SIZES, claimed_size in 1..2 * SIZES,
        keep in 0..10_usize, extra: bool, lie in 0..4,
    ) {
        let (tree, _) = trees(SIZES);
        let index = index % size;
        let (claimed, claimed_size) = match lie {
            0 => (index, size),
            1 => (claimed, size),
            2 => (index, claimed_size),
            _ => (claimed, claimed_size),
        };
        let mut proof = tree.inclusion(index, size).unwrap();
        proof.truncate(keep);
        proof.extend(extra.then_some([7; 32]));
        let (leaf, root) = (tree.leaf(index).unwrap(), tree.root_at(size).unwrap());
        let ours = verify_inclusion(claimed, claimed_size, &leaf, &proof, &root);
        let theirs = tlog_tiles::check_record(
            &their_proof(&proof), claimed_size, TheirHash(root), claimed, TheirHash(leaf));
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}, {:?}", ours, theirs);
    }

    #[test]
    fn verdicts_on_mutated_consistency_proofs_are_those_of_tlog_tiles(
        new in 1..SIZES, old in 1..SIZES, claimed in 1..SIZES, claimed_new in 1..2 * SIZES,
        keep in 0..10_usize, extra: bool, lie in 0..4,
    ) {
        let (tree, _) = trees(SIZES);
        let old = 1 + old % new;
        let (claimed, claimed_new) = match lie {
            0 => (old, new),
            1 => (claimed, new),
            2 => (old, claimed_new),
            _ => (claimed, claimed_new),
        };
        let mut proof = tree.consistency(old, new).unwrap();
        proof.truncate(keep);
        proof.extend(extra.then_some([7; 32]));
        let (old_root, new_root) = (tree.root_at(old).unwrap(), tree.root_at(new).unwrap());
        let ours = verify_consistency(claimed, &old_root, claimed_new, &new_root, &proof);
        let theirs = tlog_tiles::check_tree(
            &their_proof(&proof), claimed_new, TheirHash(new_root), claimed, TheirHash(old_root));
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}, {:?}", ours, theirs);
    }

    #[test]
    fn each_side_verifies_what_the_other_signed(
        text in "([^\\p{Cc}]{0,20}\n){1,5}", seed: [u8; 32], name in "[a-z./]{1,12}",
    ) {
        let (key, signer) = keys(&name, seed);
        let verifying = key.verifying();
        let ours = Note { text: text.clone(), signatures: vec![key.sign_note(&text)] };
        let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&signer]).unwrap();
        prop_assert_eq!(ours.to_bytes(), theirs.to_bytes());
        let received = signed_note::Note::from_bytes(&ours.to_bytes()).unwrap();
        let verifier = StandardVerifier::new(&verifying.vkey()).unwrap();
        let verifiers = VerifierList::new(vec![Box::new(verifier)]);
        prop_assert!(received.verify(&verifiers).is_ok());
        let received = Note::parse(&theirs.to_bytes()).unwrap();
        prop_assert_eq!(verifying.verify(&received), Ok(None));
    }

    #[test]
    fn notes_parse_where_signed_note_says_so(note in near_notes()) {
        let theirs = signed_note::Note::from_bytes(note.as_bytes());
        match Note::parse(note.as_bytes()) {
            Ok(ours) => {
                let theirs = theirs.unwrap();
                prop_assert_eq!(ours.text.as_bytes(), theirs.text());
                prop_assert_eq!(ours.to_bytes(), note.as_bytes());
            }
            Err(refused) => prop_assert!(theirs.is_err(), "{}", refused),
        }
    }

    #[test]
    fn checkpoints_parse_where_tlog_tiles_says_so(text in near_checkpoints()) {
        let theirs = tlog_tiles::Checkpoint::from_bytes(text.as_bytes());
        match Checkpoint::parse(&text) {
            Ok(ours) => {
                let theirs = theirs.unwrap();
                prop_assert_eq!(&ours.origin, theirs.origin());
                prop_assert_eq!(ours.size, theirs.size());
                prop_assert_eq!(ours.root, theirs.hash().0);
                prop_assert_eq!(format!("{}{}", ours.to_text(), theirs.extension()), text);
            }
            Err(refused) => prop_assert!(theirs.is_err(), "{}", refused),
        }
    }

    #[test]
    fn checkpoints_are_written_as_tlog_tiles_writes_them(
        origin in "[a-z./]{1,20}", size: u64, root: Hash,
    ) {
        let theirs = tlog_tiles::Checkpoint::new(&origin, size, TheirHash(root), "").unwrap();
        let ours = Checkpoint { origin, size, root };
        prop_assert_eq!(ours.to_text().into_bytes(), theirs.to_bytes());
        prop_assert_eq!(Checkpoint::parse(&ours.to_text()), Ok(ours));
    }

    #[test]
    fn vkeys_parse_where_signed_note_says_so(
        at in 0..90_usize, byte in "[ -~]", seed: [u8; 32],
    ) {
        let mut vkey = keys("log.example/a", seed).0.verifying().vkey();
        if at < vkey.len() {
            vkey.replace_range(at..=at, &byte);
        }
        let theirs = StandardVerifier::new(&vkey).is_ok();
        prop_assert_eq!(VerifyingKey::parse(&vkey).is_ok(), theirs, "{}", vkey);
    }

    #[test]
    fn no_proof_makes_a_verifier_panic(
        sizes: (u64, u64), small: (u8, u8), roots: (Hash, Hash), hashes in 0..70_usize,
    ) {
        let proof = vec![roots.0; hashes];
        let small = (u64::from(small.0), u64::from(small.1));
        for (a, b) in [sizes, small, (u64::MAX - small.0, u64::MAX - small.1)] {
            verify_inclusion(a, b, &roots.0, &proof, &roots.1).unwrap_err();
            // Alike by accident: both sizes zero or the same, and that is the only way.
            let _ = verify_consistency(a, &roots.0, b, &roots.1, &proof);
        }
    }

    #[test]
    fn no_bytes_make_a_parser_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".*", seed: [u8; 32],
        spoil in 0..400_usize,
    ) {
        let (key, _) = keys("log.example", seed);
        let mut witness = Witness::new(keys("witness", seed).0, BTreeMap::new());
        let (log_key, now) = (key.verifying(), Time::from_secs(7));
        let checkpoint = Checkpoint { origin: key.name().to_owned(), size: 3, root: [7; 32] };
        let mut spoilt = SignedCheckpoint::sign(checkpoint, &key).unwrap().to_bytes();
        let valid = spoilt.clone();
        if let Some(byte) = spoilt.get_mut(spoil) {
            *byte ^= 1 << (spoil % 8);
        }
        let _ = (Signature::parse(&text), VerifyingKey::parse(&text), Checkpoint::parse(&text));
        for note in [&bytes, text.as_bytes(), &spoilt] {
            if let Ok(parsed) = Note::parse(note) {
                prop_assert_eq!(parsed.to_bytes(), note);
            }
            if note != valid.as_slice() {
                prop_assert!(SignedCheckpoint::open(note, &log_key).is_err());
                let keys = std::slice::from_ref(&log_key);
                prop_assert!(witness.cosign(0, &[], note, keys, now).is_err());
            }
            for entries in [&bytes, &[][..]] {
                prop_assert!(verify_folder(entries, note, &log_key).is_err());
                let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
                disk.replace("l/checkpoint", note).unwrap();
                disk.replace("l/entries", entries).unwrap();
                let (again, _) = keys("log.example", seed);
                prop_assert!(Log::open(&disk, "l", "log.example", again).is_err());
            }
        }
    }
}
