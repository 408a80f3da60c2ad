//! A hand-made demonstration: the exposed run and the solution's, with all their figures known.
//!
//! Mallory and Alice ask in the south each second, a read at the second and a write at the half,
//! Nadia in the north each second. The revocation is acknowledged at 12.12 s, the cut heals at
//! 45 s.

use crate::history::sample::Sample;
use crate::history::{History, Renewal};
use crate::report::{DemoFacts, DemoReport, RunFacts, RunReport};

/// Mallory is let in until the heal, and Alice always.
pub(crate) fn exposed() -> Sample {
    let mut sample = Sample::new(60);
    sample.promise_nothing();
    play(&mut sample, [45, 45], [99, 99]);
    sample
}

/// Mallory reads until 19 s and writes until 14 s; Alice is refused from there to the heal.
pub(crate) fn solution() -> Sample {
    let mut sample = Sample::new(60);
    play(&mut sample, [20, 14], [20, 14]);
    sample
}

/// `mallory` and `alice`: from which second on reads and writes are refused.
fn play(sample: &mut Sample, mallory: [u64; 2], alice: [u64; 2]) {
    sample.revoke("mallory", 12_000_000, Some(12_120_000));
    for at in 1..58 {
        for (half, action) in [(0, "read"), (1, "write")] {
            let at_us = at * 1_000_000 + half * 500_000;
            let which = usize::from(half == 1);
            let id = |who: &str| format!("{who}-{}", at * 2 + half);
            let late = at >= mallory[which];
            ask(
                sample,
                late,
                &id("mallory"),
                "attack",
                "mallory",
                action,
                at_us,
            );
            let late = (alice[which]..45).contains(&at);
            ask(
                sample,
                late,
                &id("alice"),
                "legit",
                "alice",
                action,
                at_us + 100_000,
            );
        }
        let id = format!("nadia-{at}");
        ask(
            sample,
            false,
            &id,
            "legit",
            "nadia",
            "read",
            at * 1_000_000 + 200_000,
        );
        sample.move_to(&id, "north");
    }
    for (at, ok) in [(4, true), (20, false), (22, false), (50, true)] {
        let node = "records.south".to_owned();
        sample.history.renewals.push(Renewal {
            node,
            at_us: at * 1_000_000,
            ok,
        });
    }
    sample.history.rpcs = 1_234;
    sample.history.bytes_about = 4_299_999;
}

fn ask(sample: &mut Sample, late: bool, id: &str, tag: &str, who: &str, action: &str, us: u64) {
    if late {
        sample.refused(id, tag, who, action, us);
    } else {
        sample.served(id, tag, who, action, us);
    }
}

/// The runs' reports: the first is called exposed, the others solution; one alone is solution.
pub(crate) fn judged(histories: &[&History]) -> Vec<RunReport> {
    let name = |at| {
        if at == 0 && histories.len() > 1 {
            "exposed"
        } else {
            "solution"
        }
    };
    let facts = |at| RunFacts {
        posture: name(at).to_owned(),
        posture_sha256: "ab".repeat(32),
        trace_hash: "cd".repeat(32),
        wall_ms: 210,
    };
    (0..)
        .zip(histories)
        .map(|(at, history)| RunReport::judge(history, facts(at)))
        .collect()
}

/// The whole demonstration.
pub(crate) fn demo(histories: &[&History]) -> DemoReport {
    let facts = DemoFacts {
        drawn: String::new(),
        version: "0.1.0".to_owned(),
        lab: "stale-acl".to_owned(),
        title: "Revoked in the north, welcome in the south".to_owned(),
        seed: 7,
        fabric: "sim".to_owned(),
        scenario_sha256: "ef".repeat(32),
        next: vec!["schism lab start stale-acl".to_owned()],
    };
    DemoReport::judge(facts, judged(histories), histories)
}
