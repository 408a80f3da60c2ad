//! The simulator's own proof. If one of these is red, no verdict of any lab means anything.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::process::{Command, Stdio};

use labs::fabric::labour::QUEUE;
use labs::fabric::sim::Without;
use tests::ground::{self, STORM};

/// What the child process is asked to run: seeds `first..last`.
const SEEDS: &str = "SCHISM_GROUND_SEEDS";

#[test]
fn everything_that_went_wrong_was_felt_and_healed() {
    let ran = ground::run(7, Without::Nothing);
    let kinds: Vec<&str> = ran.held.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, ["write"], "one message was held and seen");
    assert!(
        ran.count("c1", "unanswered", "", 3, 5) == 0,
        "and arrived once it was let go"
    );
    for (who, from, to) in [("c3", 9, 47), ("c4", 9, 47), ("c6", 12, 15)] {
        assert_eq!(
            ran.count(who, "served", "", from, to),
            0,
            "{who} is cut off"
        );
        assert!(
            ran.count(who, "served", "", to + 2, 53) > 0,
            "{who} is served after the heal"
        );
    }
    assert!(
        ran.count("c7", "served", "", 10, 15) > 5,
        "a one-way cut is one link's"
    );
    assert_eq!(
        ran.count("c1", "served", "", 21, 25),
        0,
        "a clerk 300 s ahead trusts no leaf"
    );
    assert!(
        ran.count("c1", "served", "", 26, 30) > 0,
        "and does again once its clock is right"
    );
    assert!(
        ran.count("c1", "served", "", 36, 60) > 10,
        "a clerk that lost power comes back"
    );
    assert!(ran.count("stranger", "refused", "permission-denied", 0, 60) > 10);
    assert_eq!(
        ran.count("stranger", "served", "", 0, 60),
        served_reads(&ran, "stranger")
    );
    assert!(ran.said("renewed") >= 12 && ran.said("renewal-failed") > 0);
    let failed = |who| {
        let ends = [
            ("unanswered", ""),
            ("refused", "unavailable"),
            ("refused", "connection-lost"),
        ];
        ends.iter()
            .map(|(end, why)| ran.count(who, end, why, 1, 52))
            .sum::<usize>()
    };
    assert_eq!(
        failed("c7"),
        0,
        "leaves are renewed under traffic and no call notices"
    );
}

fn served_reads(ran: &ground::Ran, who: &str) -> usize {
    let reads = |event: &&labs::trace::TraceEvent| {
        event.event.principal == who
            && event.event.action == "read"
            && event.event.decision == "served"
    };
    ran.events.iter().filter(reads).count()
}

#[test]
fn a_storm_overloads_a_queue() {
    let (with, without) = (
        ground::run(3, Without::Nothing),
        ground::run(3, Without::Work),
    );
    let busy = with.count("storm", "refused", "busy", 53, 60);
    // A connection lets about a hundred calls through at once, and the queue holds 64 of them.
    assert!(busy > QUEUE / 2, "{busy} of {STORM} were turned away");
    assert_eq!(
        without.count("storm", "refused", "busy", 53, 60),
        0,
        "without Work none is"
    );
}

#[test]
fn events_stand_in_the_order_of_time() {
    let in_order_as_they_arrive = [5, 6, 7].map(|seed| {
        let ran = ground::run(seed, Without::Nothing);
        assert!(ran.events.is_sorted_by_key(|event| event.at_us));
        ran.as_arrived.is_sorted_by_key(|event| event.at_us)
    });
    assert!(
        in_order_as_they_arrive.contains(&false),
        "as they arrive they do not"
    );
}

#[test]
fn a_wall_clock_in_the_trace_changes_the_hash() {
    let hash = |without| ground::run(5, without).hash();
    assert_eq!(hash(Without::Nothing), hash(Without::Nothing));
    assert_ne!(hash(Without::VirtualTime), hash(Without::VirtualTime));
}

#[test]
fn a_link_has_one_latency_for_the_whole_run() {
    // Without it every message draws from one source, and what one node writes shifts another.
    let spread = |without| {
        let round_trips = ground::round_trips(11, without);
        let (low, high) = (round_trips.iter().min(), round_trips.iter().max());
        high.zip(low).map(|(high, low)| high - low)
    };
    assert!(
        spread(Without::Nothing) <= Some(10_000),
        "two ticks: the grain of the network"
    );
    assert!(spread(Without::FixedLatency) > Some(10_000));
}

#[test]
fn a_power_cut_in_mid_commit_loses_no_answered_write() {
    for seed in 1..=5 {
        assert_eq!(ground::forgotten(seed, None), 0, "seed {seed}");
    }
    let planted = (1..=20)
        .filter(|seed| ground::forgotten(*seed, Some("counts")) > 0)
        .count();
    assert!(
        planted > 0,
        "with redb's sync planted away, an answered write is forgotten"
    );
}

#[test]
#[ignore = "the other half of the next test, run by it in processes of their own"]
fn child() {
    let Ok(range) = std::env::var(SEEDS) else {
        return;
    };
    let (first, last) = range.split_once("..").expect("first..last");
    let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
    for seed in first..last {
        println!("hash {seed} {}", ground::run(seed, Without::Nothing).hash());
    }
}

#[test]
fn fifty_seeds_give_equal_hashes_in_two_processes_one_of_them_under_load() {
    let seeds = "1..51";
    let quiet = hashes(seeds);
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let burners: Vec<_> = (0..cores)
        .map(|_| {
            let mut burn = Command::new("sh");
            burn.args(["-c", "while :; do :; done"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let loaded = hashes(seeds);
    for mut burner in burners {
        burner.kill().unwrap();
        burner.wait().unwrap();
    }
    assert_eq!(quiet.len(), 50);
    let distinct: std::collections::BTreeSet<_> = quiet.iter().collect();
    assert_eq!(distinct.len(), 50, "each seed is another run");
    assert_eq!(quiet, loaded);
}

fn hashes(seeds: &str) -> Vec<String> {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(SEEDS, seeds)
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stderr)
    );
    let out = String::from_utf8(child.stdout).unwrap();
    out.lines()
        .filter(|line| line.starts_with("hash "))
        .map(str::to_owned)
        .collect()
}
