//! A bundle change until a thousand agents have acknowledged it: real agents and TLS, one machine.
//!
//! Each agent reads the whole state, keeps it and says so. The floor is what none of them can do
//! without: the message, written and read for every agent, without a network. Disks are in memory.
//! Run with the tests, it is a smaller fleet, once.

mod pace;

use std::hint::black_box;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ca::agent::{Agent, AgentConfig};
use ca::clock::{Clock as _, SystemClock};
use ca::disk::MemDisk;
use ca::identity::{SpiffeId, TrustDomain};
use ca::issue::{Ca, CaConfig};
use ca::net::Address;
use ca::renewal::Retry;
use ca::revocation::Revocation;
use ca::rotation::{Act, AuthorityKind, Command};
use ca::seams::Seams;
use criterion::Criterion;
use labs::fabric::TrueTime;
use labs::fabric::local::LocalFabric;
use prost::Message as _;
use proto::ca::v1::State;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

const CA_PORT: u16 = 7440;
const HOUR: Duration = Duration::from_secs(60 * 60);
/// How often it is looked whether everyone has it.
const LOOK: Duration = Duration::from_millis(2);

/// How many agents there are: few, where it is only to be seen that this runs.
fn agents() -> usize {
    let measured = std::env::args().any(|word| word == "--bench");
    if measured { 1_000 } else { 20 }
}

fn domain() -> TrustDomain {
    TrustDomain::new("clinic.example").expect("a plain name is a trust domain")
}

fn id(path: &str) -> SpiffeId {
    SpiffeId::new(&domain(), path).expect("a plain path names a workload")
}

fn seams(fabric: &LocalFabric, name: &str) -> Seams {
    let (seams, _) = fabric.place(name, Path::new(""));
    Seams {
        disk: Arc::new(MemDisk::new()),
        ..seams
    }
}

/// A CA and its fleet, under way in `local`.
fn fleet(local: &LocalSet, size: usize) -> Arc<Mutex<Ca>> {
    let fabric = LocalFabric::new(SystemClock.now());
    let own = seams(&fabric, "ca");
    let config = CaConfig {
        leaf_ttl: HOUR,
        crl_life: HOUR,
        join_ttl: HOUR,
        ..CaConfig::lab(domain())
    };
    let ca = Ca::open(&own, config).expect("an empty disk takes a new CA");
    let ca = Arc::new(Mutex::new(ca));
    let served = ca::node::serve(own, Arc::clone(&ca), CA_PORT);
    local.spawn_local(async move { served.await.expect("the CA serves") });
    for number in 0..size {
        let seams = seams(&fabric, &format!("agent-{number}"));
        let mut opened = ca.lock().expect("the CA is sound");
        let id = id(&format!("/agent-{number}"));
        let code = opened.new_join_code(&id, seams.clock.now());
        let config = AgentConfig {
            id,
            ca: Address::new("ca", CA_PORT),
            ca_id: self::id(ca::node::PATH),
            join_code: code.expect("room for a code").reveal().to_owned(),
            bundle: opened.bundle(),
            tolerance: Duration::from_millis(500),
            revocation: Revocation::default(),
            retry: Retry::Window,
            swap: ca::agent::Swap::Whole,
        };
        local.spawn_local(Agent::new(seams, config, None).0.run());
    }
    ca
}

/// Waits until so many agents, and the CA's own leaf, hold the newest state.
async fn everyone(ca: &Mutex<Ca>, size: usize) {
    loop {
        let status = {
            let ca = ca.lock().expect("the CA is sound");
            ca.status(SystemClock.now())
        };
        if status.up_to_date > size {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn order(ca: &Mutex<Ca>, act: Act) {
    let mut ca = ca.lock().expect("the CA is sound");
    let command = Command::from(act);
    ca.command(&command, SystemClock.now())
        .expect("nothing is in its way");
}

/// A root prepared, which all must hold before it signs; then withdrawn, unmeasured.
async fn changed(ca: &Mutex<Ca>, size: usize) -> Duration {
    let kind = AuthorityKind::Root;
    let prepare = {
        let ca = ca.lock().expect("the CA is sound");
        ca.prepare_act(kind, SystemClock.now())
    };
    let began = TrueTime::local();
    order(ca, prepare);
    everyone(ca, size).await;
    let took = began.elapsed();
    order(ca, Act::RollBack { kind });
    everyone(ca, size).await;
    took
}

fn floor(criterion: &mut Criterion, ca: &Mutex<Ca>, size: usize) {
    let announced = ca.lock().expect("the CA is sound").announced();
    let state = State::from(&**announced.borrow());
    let line = format!("floor: the state written and read {size} times");
    criterion.bench_function(&line, |bencher| {
        bencher.iter(|| {
            for _ in 0..size {
                let sent = black_box(&state).encode_to_vec();
                black_box(State::decode(&*sent).expect("our own message"));
            }
        });
    });
}

fn main() {
    let mut criterion = pace::criterion().sample_size(10);
    let size = agents();
    let runtime = Runtime::new().expect("threads");
    let local = LocalSet::new();
    let ca = fleet(&local, size);
    local.block_on(&runtime, everyone(&ca, size));
    floor(&mut criterion, &ca, size);
    let line = format!("a root prepared, acknowledged by {size} agents");
    criterion.bench_function(&line, |bencher| {
        bencher.iter_custom(|times| {
            let measured = async {
                let mut took = Duration::ZERO;
                for _ in 0..times {
                    took += changed(&ca, size).await;
                }
                took
            };
            local.block_on(&runtime, measured)
        });
    });
    criterion.final_summary();
}
