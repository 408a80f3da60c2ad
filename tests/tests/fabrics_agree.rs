//! One little scenario on two fabrics: virtual time and turmoil, real time and loopback sockets.
//! Times differ, decisions may not.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::sync::Arc;
use std::time::Duration;

use ca::agent::AgentConfig;
use ca::seams::Seams;
use labs::fabric::links::{Cut, Links};
use labs::fabric::local::LocalFabric;
use labs::fabric::sim::{SimFabric, Without};
use labs::fabric::{EPOCH, TrueTime};
use labs::trace::TraceEvent;
use services::courier::Direct;
use tests::clerk::{self, Caller};
use tests::ground::{invite, run_ca};

const NODES: [&str; 3] = ["clerk-north", "c1", "stranger"];
const PATIENCE: Duration = Duration::from_millis(500);
/// When the link between c1 and its clerk is cut and healed: longer than keep-alive bears.
const CUT: Duration = Duration::from_millis(2_000);
const HEAL: Duration = Duration::from_millis(6_500);

/// What a caller does, and when, in milliseconds of true time.
fn plan(caller: &str) -> &'static [(u64, &'static str)] {
    match caller {
        "c1" => &[
            (1_000, "write"),
            (1_500, "read"),
            (2_500, "write"),
            (4_000, "read"),
            (8_000, "write"),
        ],
        _ => &[(1_200, "write"), (1_700, "read"), (2_700, "write")],
    }
}

async fn live(seams: Seams, config: AgentConfig, name: String, truth: TrueTime) {
    let caller = Caller::start(seams, Arc::new(Direct), config, "clerk-north").await;
    for (at, action) in plan(&name) {
        let wait = Duration::from_millis(*at).saturating_sub(truth.elapsed());
        tokio::time::sleep(wait).await;
        caller.call(action, PATIENCE).await;
    }
    std::future::pending::<()>().await;
}

/// How each call ended, by caller and number.
fn decisions(events: &[TraceEvent]) -> Vec<String> {
    let calls = events
        .iter()
        .map(|event| &event.event)
        .filter(|event| event.kind == "call");
    let mut said: Vec<String> = calls
        .map(|call| {
            format!(
                "{} {} {} {}",
                call.request, call.action, call.decision, call.refusal
            )
        })
        .collect();
    said.sort();
    said
}

fn name_of(config: &AgentConfig) -> String {
    config
        .id
        .path()
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn both(links: &Links, act: impl Fn(&Links, &str, &str)) {
    act(links, "c1", "clerk-north");
    act(links, "clerk-north", "c1");
}

fn simulated() -> Vec<String> {
    let mut world = SimFabric::new(1, Without::Nothing);
    let authority = world.place("ca").seams;
    let invited = invite(&authority, &NODES);
    world.host("ca", move || {
        let seams = authority.clone();
        async move { Ok(run_ca(seams).await?) }
    });
    for config in invited {
        let name = name_of(&config);
        let seams = world.place(&name).seams;
        world.host(&name.clone(), move || {
            let (seams, config, name) = (seams.clone(), config.clone(), name.clone());
            async move {
                if name.starts_with("clerk") {
                    return clerk::serve(seams, config).await;
                }
                live(seams, config, name, TrueTime::Sim).await;
                Ok(())
            }
        });
    }
    world.run_until(CUT).unwrap();
    both(&world.links, |links, from, to| {
        links.cut(from, to, Cut::Drop)
    });
    world.run_until(HEAL).unwrap();
    both(&world.links, |links, from, to| {
        links.heal(from, to, Cut::Drop)
    });
    world.run_until(Duration::from_secs(10)).unwrap();
    decisions(&world.ledger.sorted())
}

async fn on_loopback() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let world = LocalFabric::new(EPOCH);
    let (authority, _) = world.place("ca", folder.path());
    let invited = invite(&authority, &NODES);
    let truth = world.truth();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn_local(async move { drop(run_ca(authority).await) });
    for config in invited {
        let name = name_of(&config);
        let (seams, _) = world.place(&name, folder.path());
        if name.starts_with("clerk") {
            tasks.spawn_local(async move { drop(clerk::serve(seams, config).await) });
        } else {
            tasks.spawn_local(live(seams, config, name, truth));
        }
    }
    tokio::time::sleep(CUT.saturating_sub(truth.elapsed())).await;
    both(&world.links, |links, from, to| {
        links.cut(from, to, Cut::Drop)
    });
    tokio::time::sleep(HEAL.saturating_sub(truth.elapsed())).await;
    both(&world.links, |links, from, to| {
        links.heal(from, to, Cut::Drop)
    });
    tokio::time::sleep(Duration::from_secs(10).saturating_sub(truth.elapsed())).await;
    decisions(&world.ledger.sorted())
}

#[test]
fn loopback_sockets_and_the_simulation_decide_alike() {
    let expected = [
        "c1-0 write served ",
        "c1-1 read served ",
        "c1-2 write unanswered ",
        "c1-3 read unanswered ",
        "c1-4 write served ",
        "stranger-0 write refused permission-denied",
        "stranger-1 read served ",
        "stranger-2 write refused permission-denied",
    ];
    assert_eq!(simulated(), expected);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    assert_eq!(local.block_on(&runtime, on_loopback()), expected);
}
