//! What `schism ca budget` answers for the lab, tried on real agents, a real CA and real TLS in
//! virtual time: an outage as long as that takes no leaf and no revocation list from anybody.
//!
//! That the leaf's sum is not too small by more than a moment is proved with the worst luck there
//! is, in `ca::heal`. Here luck is what the seeds bring, and the cut comes at every moment of a
//! list's life.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ca::agent::{Agent, AgentConfig, Published};
use ca::budget::{Budget, CrlTerms, Limit, Terms, budget};
use ca::clock::Time;
use ca::identity::{SpiffeId, TrustDomain};
use ca::issue::{Ca, CaConfig};
use ca::net::Address;
use ca::renewal::Retry;
use ca::revocation::Revocation;
use ca::seams::Seams;
use labs::fabric::links::Cut;
use labs::fabric::sim::{SimFabric, Without};

const CA_PORT: u16 = 7001;
/// Members, and how far each one's clock is off, in microseconds: as far as the tolerance goes.
const MEMBERS: [(&str, i64); 4] = [("a", 500_000), ("b", -500_000), ("c", 500_000), ("d", 0)];
/// When the first cut is: lists have been renewed by then, and some leaves.
const CUT: Duration = Duration::from_secs(30);
/// How often a member looks at what it holds.
const LOOK: Duration = Duration::from_millis(50);
/// How long the world goes on after the heal.
const AFTER: Duration = Duration::from_secs(20);

/// Leaves of the lab, due before or in an outage: renewals bring new lists as well.
const SHORT: Duration = Duration::from_secs(100);
/// Leaves that are due in none: only what is followed brings new lists.
const LONG: Duration = Duration::from_secs(3_600);

/// The lab's settings, with leaves of that life.
fn settings(leaf_ttl: Duration) -> CaConfig {
    CaConfig {
        leaf_ttl,
        ..CaConfig::lab(TrustDomain::new("clinic.example").unwrap())
    }
}

/// What the command answers without words, or with that life of a leaf.
fn answer(leaf_ttl: Duration) -> Budget {
    let config = settings(leaf_ttl);
    let mut terms = Terms::of(&config);
    terms.crl = Some(CrlTerms::agents(config.crl_life, config.tolerance));
    budget(&terms).unwrap()
}

fn invite(seams: &Seams, settings: CaConfig) -> Vec<AgentConfig> {
    let (tolerance, domain) = (settings.tolerance, settings.trust_domain.clone());
    let mut ca = Ca::open(seams, settings).unwrap();
    let (bundle, now) = (ca.bundle(), seams.clock.now());
    let invited = MEMBERS.map(|(name, _)| {
        let id = SpiffeId::new(&domain, &format!("/{name}")).unwrap();
        AgentConfig {
            join_code: ca.new_join_code(&id, now).unwrap().reveal().to_owned(),
            id,
            ca: Address::new("ca", CA_PORT),
            ca_id: SpiffeId::new(&domain, ca::node::PATH).unwrap(),
            bundle: bundle.clone(),
            tolerance,
            revocation: Revocation::default(),
            retry: Retry::Window,
            swap: ca::agent::Swap::Whole,
        }
    });
    invited.into()
}

/// What of it does not count any more.
fn over(held: &Published, now: Time) -> Option<&'static str> {
    let tolerance = settings(SHORT).tolerance;
    if held.credential.facts.timely(now, tolerance).is_err() {
        return Some("leaf");
    }
    let mut lists = held.trusted.revocation.crls.iter();
    let stale = lists.any(|(_, list)| now > list.next_update() + tolerance);
    stale.then_some("list")
}

/// Says each thing that is over whenever it is looked at.
async fn watch(seams: Seams, config: AgentConfig, lost: Arc<Mutex<Vec<String>>>) {
    let name = config.id.path().to_owned();
    let (agent, published) = Agent::new(seams.clone(), config, None);
    let look = async {
        loop {
            seams.clock.sleep(LOOK).await;
            let held = published.borrow().clone();
            let what = held.and_then(|held| over(&held, seams.clock.now()));
            if let Some(what) = what {
                lost.lock().unwrap().push(format!("{what} of {name}"));
            }
        }
    };
    tokio::select! {
        () = agent.run() => {}
        () = look => {}
    }
}

/// What members lost by an outage that began `after` the first moment for it.
fn lost(leaf_ttl: Duration, seed: u64, after: Duration, outage: Duration) -> Vec<String> {
    let mut world = SimFabric::new(seed, Without::Nothing);
    let authority = world.place("ca").seams;
    let settings = settings(leaf_ttl);
    let invited = invite(&authority, settings.clone());
    world.host("ca", move || {
        let (seams, settings) = (authority.clone(), settings.clone());
        async move { Ok(ca::node::run(seams, settings, CA_PORT).await?) }
    });
    let lost = Arc::new(Mutex::new(Vec::new()));
    for ((name, _), config) in MEMBERS.into_iter().zip(invited) {
        let (seams, lost) = (world.place(name).seams, Arc::clone(&lost));
        world.host(name, move || {
            let (seams, config, lost) = (seams.clone(), config.clone(), Arc::clone(&lost));
            async move {
                watch(seams, config, lost).await;
                Ok(())
            }
        });
    }
    // Clocks are off from the first renewal on: an enrolment takes them as they are.
    world.run_until(Duration::from_secs(2)).unwrap();
    for (name, skew) in MEMBERS {
        world.skew(name, skew);
    }
    let both = |world: &SimFabric, act: fn(&SimFabric, &str, &str)| {
        for (name, _) in MEMBERS {
            act(world, name, "ca");
            act(world, "ca", name);
        }
    };
    world.run_until(CUT + after).unwrap();
    assert_eq!(
        *lost.lock().unwrap(),
        Vec::<String>::new(),
        "before the cut"
    );
    both(&world, |world, from, to| {
        world.links.cut(from, to, Cut::Drop)
    });
    world.run_until(CUT + after + outage).unwrap();
    both(&world, |world, from, to| {
        world.links.heal(from, to, Cut::Drop)
    });
    world.run_until(CUT + after + outage + AFTER).unwrap();
    let mut lost = lost.lock().unwrap().clone();
    lost.sort();
    lost.dedup();
    lost
}

/// Every second of the time between two lists, and the last moments before the next one.
fn phases() -> impl Iterator<Item = (u64, Duration)> {
    let coarse = (0..15).map(|secs| secs * 1_000);
    let fine = (0..10).map(|part| 14_500 + part * 50);
    (1..).zip(coarse.chain(fine).map(Duration::from_millis))
}

#[test]
fn an_outage_as_long_as_the_labs_budget_takes_no_leaf_and_no_list() {
    for leaf_ttl in [SHORT, LONG] {
        let answer = answer(leaf_ttl);
        assert_eq!(answer.limit, Limit::Crl);
        for (seed, after) in phases() {
            let lost = lost(leaf_ttl, seed, after, answer.safe);
            assert!(lost.is_empty(), "seed {seed}, cut at {after:?}: {lost:?}");
        }
    }
}

#[test]
fn an_outage_a_few_seconds_longer_takes_a_list_from_somebody() {
    // The answer may come at once instead of after all of its time, and the wait may be short.
    for leaf_ttl in [SHORT, LONG] {
        let longer = answer(leaf_ttl).safe + Duration::from_secs(8);
        let lost = phases().find_map(|(seed, after)| {
            let lost = lost(leaf_ttl, seed, after, longer);
            let lists = lost.iter().any(|what| what.starts_with("list"));
            lists.then_some(lost)
        });
        assert!(lost.is_some(), "leaves of {leaf_ttl:?}");
    }
}
