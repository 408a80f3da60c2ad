//! Claims about agents and their CA over a network, a clock and a disk of the test's own.
//!
//! Time is tokio's, paused, so hours cost nothing; bytes take [`LATENCY`] each way. It tests
//! what becomes of an agent whose clock jumps or whose power goes, and no certificate's content.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::agent::{Agent, AgentConfig, Bearer, BearerSource, Published};
use crate::bundle::Bundle;
use crate::clock::{BoxFuture, Clock, Time};
use crate::credential::Credential;
use crate::disk::{Disk, MemDisk};
use crate::identity::{SpiffeId, TrustDomain};
use crate::issue::{Ca, CaConfig};
use crate::net::Address;
use crate::revocation::Revocation;
use crate::rng::SeededRng;
use crate::seams::Seams;
use crate::tls::Trust;
use crate::trusted::Trusted;

mod missed_root;
mod tainted;
mod told;
mod way_back;
mod wire;

use self::wire::OnePort;

/// What every clock shows at first, but for its skew.
const NOW: Time = Time::from_secs(1_800_000_000);
/// How long bytes are under way.
const LATENCY: Duration = Duration::from_millis(20);
/// How far a clock jumps.
const JUMP: Duration = Duration::from_secs(300);
const PORT: u16 = 7443;

/// Now, as tokio has it: the paused time of the test.
fn elapsed() -> Instant {
    tokio::time::sleep(Duration::ZERO).deadline()
}

/// The time since the test began, and how far this clock is ahead of it.
#[derive(Clone, Debug)]
struct JumpyClock {
    began: Instant,
    ahead: watch::Sender<Duration>,
}

impl JumpyClock {
    fn new() -> Self {
        Self {
            began: elapsed(),
            ahead: watch::Sender::new(Duration::ZERO),
        }
    }

    /// Jumps ahead, and back to the truth after `lasting`.
    async fn jump(&self, lasting: Duration) {
        self.ahead.send_replace(JUMP);
        tokio::time::sleep(lasting).await;
        self.ahead.send_replace(Duration::ZERO);
    }
}

impl Clock for JumpyClock {
    fn now(&self) -> Time {
        NOW + elapsed().duration_since(self.began) + *self.ahead.borrow()
    }

    fn sleep_until(&self, deadline: Time) -> BoxFuture<'_, ()> {
        let mut jumped = self.ahead.subscribe();
        Box::pin(async move {
            loop {
                let left = deadline.since(self.now());
                if left.is_zero() {
                    return;
                }
                tokio::select! {
                    biased;
                    _ = jumped.changed() => {}
                    () = tokio::time::sleep(left) => {}
                }
            }
        })
    }
}

/// A CA that runs, and one workload that it has a join code for.
struct Clinic {
    net: OnePort,
    ca: Arc<Mutex<Ca>>,
    /// What serves it.
    serving: AbortHandle,
    /// The CA's clock.
    clock: JumpyClock,
    config: AgentConfig,
    /// All of it ends with the clinic.
    running: JoinSet<()>,
}

impl Clinic {
    fn new() -> Self {
        Self::of(CaConfig::lab(TrustDomain::new("clinic.example").unwrap()))
    }

    fn of(ca_config: CaConfig) -> Self {
        let (net, clock) = (OnePort::default(), JumpyClock::new());
        let domain = ca_config.trust_domain.clone();
        let id = |path| SpiffeId::new(&domain, path).unwrap();
        let seams = seams(&net, &clock, &MemDisk::new());
        let mut ca = Ca::open(&seams, ca_config.clone()).unwrap();
        let config = AgentConfig {
            id: id("/records.south"),
            ca: Address::new("ca", PORT),
            ca_id: id(crate::node::PATH),
            join_code: (ca.new_join_code(&id("/records.south"), NOW).unwrap())
                .reveal()
                .to_owned(),
            bundle: ca.bundle(),
            tolerance: ca_config.tolerance,
            revocation: Revocation::default(),
            retry: crate::renewal::Retry::Window,
            swap: crate::agent::Swap::Whole,
        };
        let (mut running, ca) = (JoinSet::new(), Arc::new(Mutex::new(ca)));
        let serve = crate::node::serve(seams, Arc::clone(&ca), PORT);
        let serving = running.spawn(async move { serve.await.unwrap() });
        Self {
            net,
            ca,
            serving,
            clock,
            config,
            running,
        }
    }

    /// The CA goes away: nobody reaches it any more.
    fn goes_away(&self) {
        self.serving.abort();
        self.net.shut();
    }

    /// The CA is there again.
    fn comes_back(&mut self) {
        let seams = seams(&self.net, &self.clock, &MemDisk::new());
        let serve = crate::node::serve(seams, Arc::clone(&self.ca), PORT);
        self.serving = self.running.spawn(async move { serve.await.unwrap() });
    }

    /// Commands the CA.
    fn command<T>(&self, what: impl FnOnce(&mut Ca, Time) -> T) -> T {
        what(&mut self.ca.lock().unwrap(), self.clock.now())
    }

    /// Starts the workload's agent, with what the disk holds.
    fn agent(
        &mut self,
        clock: &JumpyClock,
        disk: &MemDisk,
        bearers: Option<Arc<dyn BearerSource>>,
    ) -> (Identity, AbortHandle) {
        let seams = seams(&self.net, clock, disk);
        let (agent, identity) = Agent::new(seams, self.config.clone(), bearers);
        (identity, self.running.spawn(agent.run()))
    }
}

type Identity = watch::Receiver<Option<Arc<Published>>>;

fn seams(net: &OnePort, clock: &JumpyClock, disk: &MemDisk) -> Seams {
    Seams {
        clock: Arc::new(clock.clone()),
        disk: Arc::new(disk.clone()),
        net: Arc::new(net.clone()),
        rng: Arc::new(SeededRng::new(7)),
        ..Seams::real("never-written")
    }
}

/// Bearers that last from now on a clock that is right, and no longer than a leaf needs to be due.
struct Mint {
    agents: JumpyClock,
    right: JumpyClock,
}

impl BearerSource for Mint {
    fn bearer<'a>(
        &'a self,
        _: &'a Credential,
        _: &'a Arc<Trusted>,
    ) -> BoxFuture<'a, Result<Bearer, String>> {
        Box::pin(async move {
            let expires = self.right.now() + Duration::from_secs(20);
            tokio::time::sleep(LATENCY).await;
            Ok(Bearer {
                key: "k1".into(),
                text: "bearer".into(),
                obtained: self.agents.now(),
                expires,
            })
        })
    }
}

/// A mint whose customer's clock jumps while it is asked for the nth time, which fails.
struct Midway {
    mint: Mint,
    asked: AtomicU32,
    nth: u32,
}

impl BearerSource for Midway {
    fn bearer<'a>(
        &'a self,
        leaf: &'a Credential,
        trusted: &'a Arc<Trusted>,
    ) -> BoxFuture<'a, Result<Bearer, String>> {
        if self.asked.fetch_add(1, Ordering::Relaxed) != self.nth {
            return self.mint.bearer(leaf, trusted);
        }
        let clock = self.mint.agents.clone();
        Box::pin(async move {
            tokio::time::sleep(LATENCY).await;
            tokio::spawn(async move { clock.jump(LATENCY * 2).await });
            tokio::time::sleep(LATENCY).await;
            Err("out of paper".to_owned())
        })
    }
}

/// From now to the end of two more leaves, what is held is good at each time.
async fn stays_good(clinic: &Clinic, identity: &Identity, what: &str) {
    for second in 0..200 {
        let (held, now) = (identity.borrow().clone().unwrap(), clinic.clock.now());
        let timely = held.credential.facts.timely(now, Duration::ZERO);
        assert!(timely.is_ok(), "{what}, {second} s later: {timely:?}");
        if let Some(bearer) = &held.bearer {
            let good = bearer.obtained <= now && now < bearer.expires;
            assert!(good, "{what}, {second} s later: {bearer:?}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// An agent whose clock jumps ahead for that long has recovered ten seconds later.
async fn lives_through_a_jump(lasting: Duration, bearers: bool) {
    let mut clinic = Clinic::new();
    let clock = JumpyClock::new();
    let mint = Mint {
        agents: clock.clone(),
        right: clinic.clock.clone(),
    };
    let bearers = bearers.then(|| Arc::new(mint) as Arc<dyn BearerSource>);
    let (mut identity, _) = clinic.agent(&clock, &MemDisk::new(), bearers);
    identity.wait_for(Option::is_some).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    clock.jump(lasting).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    stays_good(&clinic, &identity, &format!("a jump of {lasting:?}")).await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_half_way_through_a_jump_is_planned_again() {
    for nth in 1..=12 {
        let mut clinic = Clinic::new();
        let clock = JumpyClock::new();
        let mint = Mint {
            agents: clock.clone(),
            right: clinic.clock.clone(),
        };
        let midway = Midway {
            mint,
            asked: AtomicU32::new(0),
            nth,
        };
        let (mut identity, _) = clinic.agent(&clock, &MemDisk::new(), Some(Arc::new(midway)));
        identity.wait_for(Option::is_some).await.unwrap();
        stays_good(&clinic, &identity, &format!("a jump in attempt {nth}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_outlives_every_jump_of_its_clock() {
    for lasting in (1..=30).map(|tenths| Duration::from_millis(tenths * 100)) {
        lives_through_a_jump(lasting, false).await;
        lives_through_a_jump(lasting, true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_ca_whose_clock_jumped_is_somebody_again_within_a_second() {
    let clinic = Clinic::new();
    tokio::time::sleep(Duration::from_secs(2)).await;
    clinic.clock.jump(Duration::from_millis(300)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let AgentConfig {
        ca, ca_id, bundle, ..
    } = &clinic.config;
    let clock = JumpyClock::new();
    let trust = Trust {
        clock: Arc::new(clock.clone()),
        tolerance: clinic.config.tolerance,
    };
    let seams = seams(&clinic.net, &clinic.clock, &MemDisk::new());
    let trusted = Arc::new(Trusted::of(Bundle::clone(bundle)));
    let dialled = crate::conn::dial(&seams, &trust, (None, &trusted), ca, ca_id).await;
    assert!(dialled.is_ok(), "{:?}", dialled.err());
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_at_any_moment_of_enrolment_strands_nobody() {
    let mut between = 0;
    for after in (0..=60).map(|n| Duration::from_millis(n * 5)) {
        let mut clinic = Clinic::new();
        let (clock, disk) = (JumpyClock::new(), MemDisk::new());
        let (identity, agent) = clinic.agent(&clock, &disk, None);
        tokio::time::sleep(after).await;
        disk.cut_power();
        agent.abort();
        disk.restore(&SeededRng::new(7));
        let asked = |disk: &MemDisk| disk.read("agent/asked").unwrap().unwrap_or_default();
        between += u32::from(!asked(&disk).is_empty());
        assert!(asked(&disk).is_empty() || identity.borrow().is_none());
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (mut identity, _agent) = clinic.agent(&clock, &disk, None);
        let first = tokio::time::timeout(JUMP, identity.wait_for(Option::is_some)).await;
        assert!(first.is_ok(), "stranded by a power cut after {after:?}");
        assert_eq!(asked(&disk), b"", "after {after:?}");
    }
    assert!(between > 5, "only {between} cuts met a request under way");
}

#[tokio::test(start_paused = true)]
async fn a_new_join_code_is_asked_for_a_new_key() {
    let mut clinic = Clinic::new();
    let (clock, disk) = (JumpyClock::new(), MemDisk::new());
    let kept = || disk.read("agent/asked").unwrap().unwrap();
    let mut seen = Vec::new();
    for join_code in ["join-1", "join-1", "join-2"] {
        clinic.config.join_code = join_code.to_owned();
        let (_, agent) = clinic.agent(&clock, &disk, None);
        tokio::time::sleep(Duration::from_secs(1)).await;
        agent.abort();
        seen.push(kept());
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[1][32..], seen[2][32..]);
}

#[path = "agent_tests/offered.rs"]
mod offered;
