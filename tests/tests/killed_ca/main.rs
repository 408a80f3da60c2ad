//! A CA on real files, killed with `kill -9` again and again: what it acknowledged is there, and
//! nothing is half done.
//!
//! The child is this very program, run anew for its one ignored test: it issues, renews, revokes
//! and rotates, and says each thing on a pipe once it is done, before it goes on. The parent kills
//! it at a random moment, opens the same files, and compares. A killed process leaves the system's
//! cache behind, so that a missing sync cannot be seen here: the tests with power cuts see that.
//!
//! Sixty kills as a matter of course; `SCHISM_KILLS=1000` asks for more.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

mod check;
mod said;
mod work;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ca::rng::{Rng as _, SeededRng};

use check::Known;
use said::Said;

/// Kills as a matter of course.
const KILLS: u64 = 60;
/// Kills that one CA survives before the next is founded: the founding is killed as well.
const A_CA: u64 = 20;
/// The longest that the child is let work, by what it says.
const MOST_SAID: u64 = 24;
/// The longest that it is let work on after that.
const GRACE: Duration = Duration::from_millis(8);

/// A child that works on the CA in that folder.
fn child(folder: &Path) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command
        .args(["--exact", work::NAME, "--ignored", "--nocapture"])
        .env(work::FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// Lets a child work, kills it, and gives what it said.
fn killed(folder: &Path, rng: &SeededRng) -> Vec<Said> {
    let mut child = child(folder);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    // One of four is killed wherever it is by then, the founding included.
    let mut after = if rng.below(4) == 0 {
        0
    } else {
        rng.below(MOST_SAID)
    };
    while after > 0 {
        let line = lines.next().expect("it works until it is killed").unwrap();
        let word = Said::parse(&line);
        after -= u64::from(word.is_some());
        said.extend(word);
    }
    std::thread::sleep(rng.span(Duration::ZERO, GRACE));
    assert_eq!(
        child.try_wait().unwrap(),
        None,
        "it works until it is killed"
    );
    // SIGKILL, or what comes nearest to it: nothing is said, nothing is tidied.
    child.kill().unwrap();
    child.wait().unwrap();
    // What was in the pipe. A line that was cut has no end and is none.
    said.extend(lines.filter_map(|line| Said::parse(&line.unwrap())));
    said
}

#[test]
fn killed_at_any_moment_the_ca_keeps_what_it_acknowledged_and_does_nothing_by_halves() {
    let kills = std::env::var("SCHISM_KILLS").ok();
    let kills = kills.map_or(KILLS, |kills| kills.parse().unwrap());
    let mut counts = [0_usize; 4];
    for round in 0..kills.div_ceil(A_CA) {
        let folder = tempfile::tempdir().unwrap();
        let mut known = Known::default();
        for kill in 0..A_CA.min(kills - round * A_CA) {
            let seed = round * A_CA + kill;
            let said = killed(folder.path(), &SeededRng::new(seed));
            for word in &said {
                counts[word.place()] += 1;
            }
            let faults = known.check(folder.path(), said);
            assert!(faults.is_empty(), "kill {seed}: {}", faults.join("\n"));
        }
    }
    let [leaves, steps, revocations, asked] = counts;
    println!(
        "{kills} kills: {leaves} leaves, {steps} steps, {revocations} revocations, {asked} asked"
    );
    let few = usize::try_from(kills).unwrap();
    assert!(
        leaves > few && steps > few / 2 && revocations > few / 4,
        "too little was done to prove anything: {counts:?}"
    );
}

#[test]
fn an_acknowledgement_of_what_is_not_kept_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let honest = killed_once_it_has_done_everything(folder.path());
    let mut known = Known::default();
    assert_eq!(
        known.check(folder.path(), honest.clone()),
        Vec::<String>::new()
    );
    // Another CA of the same name, that was told nothing of what this one acknowledged.
    for place in 0..3 {
        let other = tempfile::tempdir().unwrap();
        let one = honest.iter().find(|word| word.place() == place).unwrap();
        let faults = Known::default().check(other.path(), vec![one.clone()]);
        assert!(!faults.is_empty(), "{one:?}");
    }
}

fn killed_once_it_has_done_everything(folder: &Path) -> Vec<Said> {
    let mut child = child(folder);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said: Vec<Said> = Vec::new();
    for line in lines {
        said.extend(Said::parse(&line.unwrap()));
        let done = |place| said.iter().filter(|word| word.place() == place).count();
        if (0..4).all(|place| done(place) > 1) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    said
}
