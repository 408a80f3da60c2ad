//! The CA's door, as strangers and guests find it: who may stay how long, who keeps out whom, and
//! what a clock that was stepped does to it.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ca::agent::AgentConfig;
use ca::conn::{Connection, DialError, MAX_HANDSHAKES, dial};
use ca::seams::Seams;
use ca::tls::Trust;
use ca::trusted::Trusted;
use labs::fabric::TrueTime;
use labs::fabric::sim::{SimFabric, Without};
use proto::ca::v1::RenewRequest;
use proto::ca::v1::identity_client::IdentityClient;
use tests::ground::{invite, run_ca};
use tonic::Code;

/// What a host saw: true time in milliseconds, and whether it was well.
type Seen = Arc<Mutex<Vec<(u64, bool)>>>;

/// Who comes to the door.
const HOSTS: [&str; 2] = ["guest", "lurker"];

/// A world with the ground's CA; each of [`HOSTS`] runs `software`.
fn world<F, Fut>(software: F) -> SimFabric
where
    F: Fn(&'static str, Seams, AgentConfig) -> Fut + Clone + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let mut world = SimFabric::new(7, Without::Nothing);
    let authority = world.place("ca").seams;
    let invited = invite(&authority, &HOSTS);
    world.host("ca", move || {
        let seams = authority.clone();
        async move { Ok(run_ca(seams).await?) }
    });
    for (name, config) in HOSTS.into_iter().zip(invited) {
        let (seams, software) = (world.place(name).seams, software.clone());
        world.host(name, move || {
            let running = software(name, seams.clone(), config.clone());
            async move {
                running.await;
                std::future::pending().await
            }
        });
    }
    world
}

/// Dials the CA as nobody.
async fn knock(seams: &Seams, config: &AgentConfig) -> Result<Connection, DialError> {
    let trust = Trust {
        clock: Arc::clone(&seams.clock),
        tolerance: config.tolerance,
    };
    let trusted = Arc::new(Trusted::of(config.bundle.clone()));
    dial(seams, &trust, (None, &trusted), &config.ca, &config.ca_id).await
}

/// Notes down each half second whether `well` says so.
async fn watch(seen: &Seen, mut well: impl AsyncFnMut() -> bool) {
    loop {
        let is_well = well().await;
        let now = TrueTime::Sim.micros() / 1_000;
        seen.lock().unwrap().push((now, is_well));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn run(mut world: SimFabric, blows: &[(u64, i64)], until: u64) {
    for (at, skew_us) in blows {
        world.run_until(Duration::from_secs(*at)).unwrap();
        for name in world.names() {
            world.skew(&name, *skew_us);
        }
    }
    world.run_until(Duration::from_secs(until)).unwrap();
}

#[test]
fn a_connection_without_a_certificate_ends_soon() {
    let seen = Seen::default();
    let heard = Arc::clone(&seen);
    let world = world(move |name, seams, config| {
        let heard = Arc::clone(&heard);
        async move {
            if name != "guest" {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            let connection = knock(&seams, &config).await.unwrap();
            watch(&heard, async || {
                let mut client = IdentityClient::new(connection.clone());
                let answer = client.renew(RenewRequest::default()).await;
                answer.unwrap_err().code() == Code::Unauthenticated
            })
            .await;
        }
    });
    run(world, &[], 20);
    let seen = seen.lock().unwrap();
    let last = seen.iter().filter(|(_, open)| *open).map(|(at, _)| *at);
    let last = last.max().unwrap();
    assert!((5_000..=8_500).contains(&last), "open until {last} ms");
    assert!(seen.iter().any(|(at, open)| *at > 10_000 && !open));
}

#[test]
fn silent_dials_keep_nobody_out() {
    let seen = Seen::default();
    let heard = Arc::clone(&seen);
    let world = world(move |name, seams, config| {
        let heard = Arc::clone(&heard);
        async move {
            if name == "guest" {
                tokio::time::sleep(Duration::from_secs(1)).await;
                watch(&heard, async || knock(&seams, &config).await.is_ok()).await;
            }
            // Every two seconds as many as there is room for, and not a word on any of them.
            let mut silent = Vec::new();
            loop {
                for _ in 0..MAX_HANDSHAKES {
                    silent.push(seams.net.dial(&config.ca).await);
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
    });
    run(world, &[], 20);
    let seen = seen.lock().unwrap();
    assert!(seen.len() > 20, "{seen:?}");
    assert!(seen.iter().all(|(_, let_in)| *let_in), "{seen:?}");
}

#[test]
fn a_ca_whose_clock_goes_forward_and_back_has_a_leaf_for_either_time() {
    let seen = Seen::default();
    let heard = Arc::clone(&seen);
    let world = world(move |name, seams, config| {
        let heard = Arc::clone(&heard);
        async move {
            if name == "guest" {
                tokio::time::sleep(Duration::from_secs(1)).await;
                watch(&heard, async || knock(&seams, &config).await.is_ok()).await;
            }
        }
    });
    // Everybody's clock: who knocks agrees with the CA on the time.
    run(world, &[(5, 300_000_000), (20, 0)], 40);
    let seen = seen.lock().unwrap();
    let well = |from: u64, to: u64| {
        let during = seen.iter().filter(|(at, _)| (from..to).contains(at));
        let answers: Vec<bool> = during.map(|(_, is_well)| *is_well).collect();
        assert!(answers.len() > 4, "{answers:?}");
        answers.into_iter().all(|is_well| is_well)
    };
    assert!(well(1_000, 5_000), "before: {seen:?}");
    assert!(well(12_000, 20_000), "ahead: {seen:?}");
    assert!(well(27_000, 40_000), "right again: {seen:?}");
}
