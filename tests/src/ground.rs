//! The proving ground: thirteen hosts, everything that can go wrong, one hash.
//!
//! All the laboratory rests on the simulator, so this world uses each of its parts once: real
//! mTLS over the own connection loop, leaves renewed under traffic, redb on a disk that loses
//! power in mid-commit, a long cut and a one-way cut, a stepped clock, a held message, a storm.

use std::sync::Arc;
use std::time::Duration;

use ca::agent::AgentConfig;
use ca::bundle::Bundle;
use ca::identity::{SpiffeId, TrustDomain};
use ca::issue::{Ca, CaConfig};
use ca::net::Address;
use ca::renewal::Retry;
use ca::seams::Seams;
use labs::fabric::ledger::Ledger;
use labs::fabric::links::Cut;
use labs::fabric::post::{Post, Rule};
use labs::fabric::sim::{SimFabric, Without};
use labs::trace::{TraceEvent, trace_hash};

use crate::clerk::{self, Caller};

/// Where the ground's CA listens.
const CA_PORT: u16 = 7001;
/// The clerks, one a region.
pub const CLERKS: [&str; 3] = ["clerk-north", "clerk-south", "clerk-east"];
/// The callers; the stranger may not write.
pub const CALLERS: [&str; 9] = [
    "c1", "c2", "c3", "c4", "c5", "c6", "c7", "storm", "stranger",
];
/// How long a caller waits for an answer.
const DEADLINE: Duration = Duration::from_secs(1);
/// How many writes the storm makes at once.
pub const STORM: usize = 600;

/// What one run left behind.
pub struct Ran {
    /// Everything said, in order of true time.
    pub events: Vec<TraceEvent>,
    /// Everything said, in order of arrival.
    pub as_arrived: Vec<TraceEvent>,
    /// What the post office held when it was looked into.
    pub held: Vec<services::courier::Message>,
}

impl Ran {
    /// How often something ended so for a caller, between two true times in seconds.
    pub fn count(&self, who: &str, decision: &str, refusal: &str, from: u64, to: u64) -> usize {
        let during =
            |event: &&TraceEvent| (from * 1_000_000..to * 1_000_000).contains(&event.at_us);
        let is = |event: &&TraceEvent| {
            let event = &event.event;
            event.principal == who && event.decision == decision && event.refusal == refusal
        };
        self.events.iter().filter(during).filter(is).count()
    }

    /// How often `kind` was said by anyone.
    pub fn said(&self, kind: &str) -> usize {
        self.events
            .iter()
            .filter(|event| event.event.kind == kind)
            .count()
    }

    /// The hash of the run.
    pub fn hash(&self) -> String {
        trace_hash(&self.events)
    }
}

/// Trust domain of the ground.
fn domain() -> TrustDomain {
    TrustDomain::new("ground.example").expect("a valid name")
}

/// The CA's settings: leaves short enough to be renewed under traffic.
pub fn settings() -> CaConfig {
    let mut settings = CaConfig::lab(domain());
    settings.leaf_ttl = Duration::from_secs(80);
    settings.stagger = Duration::from_secs(15);
    settings
}

/// Opens the CA's disk once, for a join code a node.
pub fn invite(seams: &Seams, nodes: &[&str]) -> Vec<AgentConfig> {
    let mut ca = Ca::open(seams, settings()).expect("an empty disk");
    let bundle: Bundle = ca.bundle();
    let now = seams.clock.now();
    let mut invited = Vec::new();
    for node in nodes {
        let user = if CLERKS.contains(node) {
            String::new()
        } else {
            "/user".to_owned()
        };
        let id = SpiffeId::new(&domain(), &format!("{user}/{node}")).expect("a plain name");
        let code = ca.new_join_code(&id, now).expect("an open CA");
        invited.push(AgentConfig {
            id,
            ca: Address::new("ca", CA_PORT),
            ca_id: SpiffeId::new(&domain(), ca::node::PATH).expect("a plain name"),
            join_code: code.reveal().to_owned(),
            bundle: bundle.clone(),
            tolerance: Duration::from_millis(500),
            revocation: ca::revocation::Revocation::default(),
            retry: Retry::Window,
            swap: ca::agent::Swap::Whole,
        });
    }
    invited
}

/// Runs the CA of the ground.
pub async fn run_ca(seams: Seams) -> Result<(), ca::error::CaError> {
    ca::node::run(seams, settings(), CA_PORT).await
}

fn clerk_of(caller: &str) -> &'static str {
    match caller {
        "c1" | "c2" | "stranger" => "clerk-north",
        "c3" | "c4" | "c5" => "clerk-south",
        _ => "clerk-east",
    }
}

/// Runs the whole ground once.
pub fn run(seed: u64, without: Without) -> Ran {
    let mut world = SimFabric::new(seed, without);
    let post = Post::default();
    let authority = world.place("ca").seams;
    let names: Vec<&str> = CLERKS.into_iter().chain(CALLERS).collect();
    let invited = invite(&authority, &names);
    world.host("ca", move || {
        let seams = authority.clone();
        async move { Ok(run_ca(seams).await?) }
    });
    for config in invited {
        let name = config
            .id
            .path()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let seams = world.place(&name).seams;
        let courier = post.clone();
        world.host(&name.clone(), move || {
            let (seams, config) = (seams.clone(), config.clone());
            let (courier, name) = (Arc::new(courier.clone()), name.clone());
            async move {
                if name.starts_with("clerk") {
                    clerk::serve(seams, config).await?;
                } else {
                    let clerk = clerk_of(&name);
                    let caller = Caller::start(seams.clone(), courier, config, clerk).await;
                    live(caller, &name, seams).await;
                }
                Ok(())
            }
        });
    }
    let held = afflict(&mut world, &post);
    let ledger: &Ledger = &world.ledger;
    Ran {
        events: ledger.sorted(),
        as_arrived: ledger.as_arrived(),
        held,
    }
}

/// A caller's life: a write and a read each half second; the storm waits for its hour.
async fn live(caller: Caller, name: &str, seams: Seams) {
    let caller = Arc::new(caller);
    if name == "storm" {
        caller.call("read", DEADLINE).await;
        seams
            .clock
            .sleep_until(labs::fabric::EPOCH + Duration::from_secs(53))
            .await;
        for _ in 0..STORM {
            let caller = Arc::clone(&caller);
            tokio::spawn(async move { caller.call("write", DEADLINE).await });
        }
        std::future::pending::<()>().await;
    }
    loop {
        caller.call("write", DEADLINE).await;
        caller.call("read", DEADLINE).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What goes wrong, and when.
fn afflict(world: &mut SimFabric, post: &Post) -> Vec<services::courier::Message> {
    let rule = Rule {
        kind: "write".to_owned(),
        from: Some("c1".to_owned()),
        to: None,
    };
    let others: Vec<String> = world
        .names()
        .into_iter()
        .filter(|name| name != "clerk-south")
        .collect();
    let mut held = Vec::new();
    let until = |world: &mut SimFabric, millis: u64| {
        world
            .run_until(Duration::from_millis(millis))
            .expect("no host ends");
    };
    let seconds = |world: &mut SimFabric, seconds: u64| until(world, seconds * 1_000);
    seconds(world, 3);
    post.hold(rule.clone());
    until(world, 3_600);
    held.extend(post.held());
    post.release(&rule);
    seconds(world, 8);
    for other in &others {
        world.links.cut(other, "clerk-south", Cut::Drop);
        world.links.cut("clerk-south", other, Cut::Drop);
    }
    seconds(world, 10);
    world.links.cut("clerk-east", "c6", Cut::Drop);
    seconds(world, 15);
    world.links.heal("clerk-east", "c6", Cut::Drop);
    seconds(world, 20);
    world.skew("clerk-north", 300_000_000);
    seconds(world, 25);
    world.skew("clerk-north", 0);
    seconds(world, 30);
    if let Some(place) = world.at("clerk-north") {
        place.disk.cut_power_after(4);
    }
    seconds(world, 32);
    world.crash("clerk-north", true);
    seconds(world, 34);
    world.restart("clerk-north");
    seconds(world, 48);
    for other in &others {
        world.links.heal(other, "clerk-south", Cut::Drop);
        world.links.heal("clerk-south", other, Cut::Drop);
    }
    seconds(world, 60);
    held
}

/// How long each answered call of one caller took, in microseconds of true time, in a world where
/// nothing goes wrong.
pub fn round_trips(seed: u64, without: Without) -> Vec<u64> {
    let mut world = SimFabric::new(seed, without);
    let authority = world.place("ca").seams;
    let invited = invite(&authority, &["clerk-north", "c1"]);
    world.host("ca", move || {
        let seams = authority.clone();
        async move { Ok(run_ca(seams).await?) }
    });
    let took = Arc::new(std::sync::Mutex::new(Vec::new()));
    for config in invited {
        let name = config
            .id
            .path()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let seams = world.place(&name).seams;
        let took = Arc::clone(&took);
        world.host(&name.clone(), move || {
            let (seams, config, took) = (seams.clone(), config.clone(), Arc::clone(&took));
            let clerk = name.starts_with("clerk");
            async move {
                if clerk {
                    return clerk::serve(seams, config).await;
                }
                let courier = Arc::new(services::courier::Direct);
                let caller = Caller::start(seams.clone(), courier, config, "clerk-north").await;
                caller.call("read", DEADLINE).await;
                for _ in 0..100 {
                    let began = seams.clock.now();
                    caller.call("read", DEADLINE).await;
                    let spent = u64::try_from(seams.clock.now().since(began).as_micros());
                    took.lock()
                        .expect("one thread")
                        .push(spent.expect("a short time"));
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                std::future::pending().await
            }
        });
    }
    world
        .run_until(Duration::from_secs(20))
        .expect("no host ends");
    Arc::try_unwrap(took).map_or_else(
        |took| took.lock().expect("one thread").clone(),
        |took| took.into_inner().expect("one thread"),
    )
}

/// How many answered writes a store has forgotten after the power went in the middle of a later
/// one. `unsynced` plants a bug: files of that name are never synced.
pub fn forgotten(seed: u64, unsynced: Option<&str>) -> u64 {
    let mut world = SimFabric::new(seed, Without::Nothing);
    let place = world.place("clerk");
    if let Some(name) = unsynced {
        place.disk.danger_skip_sync(name);
    }
    let answered = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let found = Arc::new(std::sync::atomic::AtomicU64::new(u64::MAX));
    let (seams, wrote, saw) = (place.seams, Arc::clone(&answered), Arc::clone(&found));
    world.host("clerk", move || {
        let (seams, wrote, saw) = (seams.clone(), Arc::clone(&wrote), Arc::clone(&saw));
        async move {
            let store = clerk::Counts::open(&*seams.disk)?;
            saw.store(store.count("n")?, std::sync::atomic::Ordering::Relaxed);
            loop {
                // Once the power is gone nothing answers; the crash follows.
                let Ok(version) = store.add("n") else {
                    std::future::pending().await
                };
                wrote.store(version, std::sync::atomic::Ordering::Relaxed);
                seams.clock.sleep(Duration::from_millis(7)).await;
            }
        }
    });
    world
        .run_until(Duration::from_secs(1))
        .expect("no host ends");
    place.disk.cut_power_after(3 + seed);
    world
        .run_until(Duration::from_secs(2))
        .expect("no host ends");
    world.crash("clerk", true);
    let promised = answered.load(std::sync::atomic::Ordering::Relaxed);
    world.restart("clerk");
    world
        .run_until(world.elapsed() + Duration::from_millis(5))
        .map_or(promised, |()| {
            promised.saturating_sub(found.load(std::sync::atomic::Ordering::Relaxed))
        })
}
