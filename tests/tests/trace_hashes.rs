//! Every built-in lab under ten seeds: the trace that it had when it was last looked at, wherever
//! this runs.
//!
//! `tests/trace_hashes.txt` holds a run a line. A change that is meant to change runs changes it
//! with them: `SCHISM_BLESS=1 cargo test --workspace --test trace_hashes`.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::{ControlFlow, RangeInclusive};
use std::path::{Path, PathBuf};
use std::thread;

use labs::catalog::{self, EmbeddedLab};
use labs::run::{RunRequest, run};
use labs::scenario::Scenario;
use labs::trace::trace_hash;
use services::policy::danger::Mutation;
use services::posture::Posture;

const SEEDS: RangeInclusive<u64> = 1..=10;

/// A run's name (lab, side and seed), and its hash.
type Hashes = BTreeMap<(String, &'static str, u64), String>;

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("trace_hashes.txt")
}

/// One side of a lab, from texts: its posture and its policy.
fn request(lab: &EmbeddedLab, side: &str, seed: u64, saved: fn(&str) -> String) -> RunRequest {
    let (posture, policy) = match side {
        "exposed" => (lab.exposed_posture, lab.exposed_policy),
        _ => (lab.solution_posture, lab.solution_policy),
    };
    RunRequest {
        scenario: Scenario::parse(lab.id, &saved(lab.lab_toml)).unwrap(),
        posture: Posture::parse(lab.id, &saved(posture)).unwrap().0,
        policy: saved(policy).trim_start_matches('\u{feff}').to_owned(),
        seed,
        mutation: Mutation::None,
    }
}

fn hash(request: &RunRequest) -> String {
    let ran = run(request, &mut |_| ControlFlow::Continue(())).unwrap();
    trace_hash(&ran.trace)
}

fn hashes(side: &'static str) -> Hashes {
    let mut hashes = Hashes::new();
    for lab in catalog::all() {
        for seed in SEEDS {
            let request = request(lab, side, seed, str::to_owned);
            hashes.insert((lab.id.to_owned(), side, seed), hash(&request));
        }
    }
    hashes
}

fn page(hashes: &Hashes) -> String {
    hashes.iter().fold(String::new(), |mut page, (run, hash)| {
        writeln!(page, "{} {} {} {hash}", run.0, run.1, run.2).unwrap();
        page
    })
}

/// Both sides, on two cores at once: a seed's trace is its own, whatever runs beside it.
#[expect(
    clippy::disallowed_methods,
    reason = "the order of the threads cannot show"
)]
fn both_sides() -> Hashes {
    let (mut found, solution) = thread::scope(|scope| {
        let solution = scope.spawn(|| hashes("solution"));
        (hashes("exposed"), solution.join().unwrap())
    });
    found.extend(solution);
    found
}

#[test]
fn every_lab_runs_as_it_did_when_it_was_last_looked_at() {
    let found = page(&both_sides());
    if std::env::var_os("SCHISM_BLESS").is_some() {
        fs::write(kept(), &found).unwrap();
    }
    let kept = fs::read_to_string(kept()).unwrap();
    let differs = |line: &&str| !kept.lines().any(|kept| kept == *line);
    let differing: Vec<&str> = found.lines().filter(differs).collect();
    assert!(
        found == kept,
        "these runs are not those of tests/trace_hashes.txt:\n{}\n\
         To see the first difference of a run: `schism demo LAB --seed N` with the program as it \
         was, then `schism rerun` of what it kept with the program as it is. If the difference is \
         meant: `SCHISM_BLESS=1 cargo test --workspace --test trace_hashes`.",
        if differing.is_empty() {
            "(none: it has lines that no run has)".to_owned()
        } else {
            differing.join("\n")
        }
    );
}

#[test]
fn a_lab_saved_on_another_system_leaves_the_same_trace() {
    // The policy's text is an entry of the log: its bytes differ here, and must not show.
    let elsewhere = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    for lab in catalog::all() {
        let here = request(lab, "solution", 1, str::to_owned);
        let there = request(lab, "solution", 1, elsewhere);
        assert_eq!(
            there.scenario.canonical_sha256(),
            here.scenario.canonical_sha256()
        );
        assert_eq!(there.posture.sha256(), here.posture.sha256());
        assert_ne!(there.policy, here.policy);
        assert_eq!(hash(&there), hash(&here), "{}", lab.id);
    }
}
