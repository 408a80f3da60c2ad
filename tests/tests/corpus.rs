//! The inputs that the fuzzers began with, and those that they ever found fault with: each holds
//! its property, in every run of the tests.
//!
//! `tests/fuzz/seeds/<target>/` is made by the last test here; `tests/fuzz/regressions/<target>/`
//! is kept by hand. The catalogue's own files are inputs too.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

mod seeds;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use tests::properties::{ALL, Property, state, workload};
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

/// The inputs that do not hold a property.
fn faults(name: &str, property: Property, paths: &[PathBuf]) -> Vec<String> {
    let fails = |path: &&PathBuf| {
        let input = fs::read(path).unwrap();
        catch_unwind(|| property(&input)).is_err()
    };
    let failing = paths.iter().filter(fails);
    failing
        .map(|path| format!("{name}: {}", path.display()))
        .collect()
}

#[test]
fn every_input_that_was_kept_holds_its_property() {
    let mut found = Vec::new();
    for (name, property) in ALL {
        let [seeds, kept] = ["seeds", "regressions"].map(|it| files(&root().join(it).join(name)));
        assert!(!seeds.is_empty(), "{name} has no seed");
        found.extend(faults(name, property, &[seeds, kept].concat()));
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn what_was_kept_as_good_is_good_still() {
    let kept = |path: &str| fs::read(root().join("seeds").join(path)).unwrap();
    for (name, good) in [("next", true), ("last-list", true), ("forked", false)] {
        assert_eq!(
            state::is_news(&kept(&format!("state/{name}"))),
            good,
            "{name}"
        );
    }
    for (name, good) in [("good", true), ("for-others", false), ("unsigned", false)] {
        assert_eq!(
            workload::is_valid(&kept(&format!("workload/{name}"))),
            good,
            "{name}"
        );
    }
}

#[test]
fn every_file_of_the_catalogue_holds_the_properties_of_texts() {
    let catalogue = files(&root().join("../../labs/catalog"));
    assert!(catalogue.len() > 10);
    let texts = ["policy", "posture", "scenario"];
    for (name, property) in ALL.into_iter().filter(|(name, _)| texts.contains(name)) {
        assert_eq!(faults(name, property, &catalogue), Vec::<String>::new());
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

#[test]
#[ignore = "writes tests/fuzz/seeds/, what is not there yet"]
fn write_the_seeds() {
    for (target, name, content) in seeds::all() {
        let path = root().join("seeds").join(target).join(name);
        if !path.exists() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
}
