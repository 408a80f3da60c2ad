//! The inputs that the fuzzers began with, and those that they ever found fault with: each holds
//! its property, in every run of the tests.
//!
//! `tests/fuzz/seeds/<target>/` is made by the last test here; `tests/fuzz/regressions/<target>/`
//! is kept by hand. The catalogue's own files are inputs too.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use ca::keys::{Keys as _, RingKeys};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SanType};
use services::posture::Posture;
use tests::properties::{ALL, Property, csr, folder, note, token};
use toml::Table;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Every file at or below a folder, in order; none if it is not there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn holds(property: Property, path: &Path) {
    let input = fs::read(path).unwrap();
    let held = catch_unwind(|| property(&input));
    assert!(held.is_ok(), "of {}", path.display());
}

#[test]
fn every_input_that_was_kept_holds_its_property() {
    for (name, property) in ALL {
        let kept = ["seeds", "regressions"].map(|folder| files(&root().join(folder).join(name)));
        assert!(!kept[0].is_empty(), "{name} has no seed");
        for path in kept.iter().flatten() {
            holds(property, path);
        }
    }
}

#[test]
fn every_file_of_the_catalogue_holds_the_properties_of_texts() {
    let catalogue = files(&root().join("../../labs/catalog"));
    assert!(catalogue.len() > 10);
    for (name, property) in ALL {
        if ["policy", "posture", "scenario"].contains(&name) {
            for path in &catalogue {
                holds(property, path);
            }
        }
    }
}

#[test]
fn every_property_has_its_target_and_every_folder_its_property() {
    let names = BTreeSet::from(ALL.map(|(name, _)| name.to_owned()));
    let manifest: Table = fs::read_to_string(root().join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let targets = manifest["bin"].as_array().unwrap().iter();
    let targets: BTreeSet<String> = targets
        .map(|bin| {
            let name = bin["name"].as_str().unwrap().to_owned();
            let path = root().join("targets").join(format!("{name}.rs"));
            let text = fs::read_to_string(&path).unwrap();
            assert!(
                text.contains(&format!("::{name}(data)")),
                "{}",
                path.display()
            );
            name
        })
        .collect();
    assert_eq!(targets, names);
    for folder in ["seeds", "regressions"] {
        for path in files(&root().join(folder)) {
            let target = path.parent().unwrap().file_name().unwrap();
            assert!(
                names.contains(target.to_str().unwrap()),
                "{}",
                path.display()
            );
        }
    }
}

/// A request that asks for a name, or to be a CA; the first asks for nothing.
fn requests() -> [Vec<u8>; 3] {
    let key = KeyPair::generate().unwrap();
    let asking = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = CertificateParams::default();
        change(&mut params);
        params.serialize_request(&key).unwrap().der().to_vec()
    };
    let name = csr::ALICE.to_string();
    [
        ca::csr::request(&RingKeys.p256().unwrap()).unwrap(),
        asking(&|params| {
            let uri = name.as_str().try_into().unwrap();
            params.subject_alt_names = vec![SanType::URI(uri)];
        }),
        asking(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
    ]
}

/// Small inputs from which a fuzzer finds its way: target, name, content.
fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let mut seed = |target, name: &str, content: &[u8]| {
        seeds.push((target, name.to_owned(), content.to_vec()));
    };
    let whole = &*folder::WHOLE;
    let torn = [&whole.entries[..], b"\0\x09{\"no"].concat();
    for target in ["audit", "log"] {
        seed(target, "whole", &[&[0], &whole.entries[..]].concat());
        seed(target, "torn", &[&[0], &torn[..]].concat());
        seed(
            target,
            "checkpoint",
            &[&[1], &whole.checkpoint[..]].concat(),
        );
        seed(target, "first", &[&[1], &whole.first[..]].concat());
        seed(target, "unsigned", &[&[2], &whole.entries[..]].concat());
    }
    for signed in &*note::SIGNED {
        let size = format!("size-{}", signed.checkpoint.size);
        for target in ["checkpoint", "note"] {
            seed(target, &size, &signed.to_bytes());
        }
        let more = format!("{}more\n", signed.checkpoint.to_text());
        seed("checkpoint", &format!("{size}-text"), more.as_bytes());
    }
    let key = note::key("log.example", 1);
    seed("note", "vkey", key.verifying().vkey().as_bytes());
    seed(
        "note",
        "line",
        key.sign_note("text\n").to_string().as_bytes(),
    );
    for (name, input) in [
        ("inclusion", &[0, 39, 3, 3][..]),
        ("inclusion-changed", &[0, 39, 3, 3, 1, 0, 1]),
        ("consistency", &[1, 7, 8, 0]),
        ("consistency-forked", &[1, 7, 8, 1, 2, 0]),
        ("included-in-nothing", &[2, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("consistent-with-nothing", &[3, 0, 0, 0, 0, 0, 0, 0, 1]),
    ] {
        seed("proof", name, input);
    }
    seed(
        "entry",
        "grant",
        br#"{"kind":"grant","principal":"alice","role":"doctor"}"#,
    );
    seed(
        "entry",
        "revoke",
        br#"{"kind":"revoke","principal":"alice","role":"doctor"}"#,
    );
    let policy = "permit (principal in Role::\"nurse\", action == Action::\"read\", resource);\n";
    let forbid = format!("{policy}forbid (principal, action, resource) when {{ 1 + 1 == 3 }};\n");
    seed("policy", "permit", policy.as_bytes());
    seed("policy", "forbid", forbid.as_bytes());
    let put = serde_json::json!({ "kind": "put-policy", "policy": policy });
    seed("entry", "put-policy", put.to_string().as_bytes());
    let hardened = Posture::hardened().canonical();
    seed("posture", "hardened", hardened.as_bytes());
    let sections = b"[policy]\nfreshness = { read = \"10s\", share = \"latest\" }\nquorum = 2\n";
    seed("posture", "sections", sections);
    for (name, request) in ["plain", "named", "asks-for-ca"].iter().zip(requests()) {
        seed("csr", name, &request);
    }
    seed("jwks", "ours", token::key_set().as_bytes());
    seed(
        "token",
        "good",
        format!("{}\n", token::issued()[0]).as_bytes(),
    );
    seed("token", "three", token::issued().join("\r\n").as_bytes());
    seeds
}

#[test]
#[ignore = "writes tests/fuzz/seeds/, what is not there yet"]
fn write_the_seeds() {
    for (target, name, content) in seeds() {
        let path = root().join("seeds").join(target).join(name);
        if !path.exists() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
}
