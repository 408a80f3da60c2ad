//! Claims about agents whose CA was away for longer than a leaf lives.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::crl::RevocationReason;
use crate::issue::{Confirm, Returns};
use crate::way_back;

/// Longer than a leaf of the lab lives, and shorter than a leaf and the grace.
const AWAY: Duration = Duration::from_secs(200);
/// Long enough for any retry of the lab's.
const SOON: Duration = Duration::from_secs(40);

fn clinic(confirm: Confirm) -> Clinic {
    let lab = CaConfig::lab(TrustDomain::new("clinic.example").unwrap());
    let grace = lab.returns.grace;
    Clinic::of(CaConfig {
        returns: Returns { grace, confirm },
        ..lab
    })
}

fn good(identity: &Identity, now: Time) -> bool {
    let held = identity.borrow().clone();
    held.is_some_and(|held| held.credential.facts.timely(now, Duration::ZERO).is_ok())
}

async fn first(identity: &mut Identity) -> Arc<Published> {
    let held = identity.wait_for(Option::is_some).await.unwrap();
    held.clone().unwrap()
}

fn waiting(clinic: &Clinic) -> usize {
    clinic.command(|ca, now| ca.waiting(now).len())
}

#[tokio::test(start_paused = true)]
async fn an_agent_comes_back_without_a_join_code() {
    let mut clinic = clinic(Confirm::AtOnce);
    let (clock, disk) = (clinic.clock.clone(), MemDisk::new());
    let mint = Mint {
        agents: clock.clone(),
        right: clock.clone(),
    };
    let bearers: Arc<dyn BearerSource> = Arc::new(mint);
    let (mut identity, _) = clinic.agent(&clock, &disk, Some(bearers));
    first(&mut identity).await;
    clinic.goes_away();
    tokio::time::sleep(AWAY).await;
    assert!(!good(&identity, clock.now()), "it was away for long enough");
    clinic.comes_back();
    tokio::time::sleep(SOON).await;
    stays_good(&clinic, &identity, "back").await;
    assert_eq!(disk.read("agent/back").unwrap().unwrap(), b"");
}

/// A mint that is shut for a while.
struct Shut {
    mint: Mint,
    shut: Arc<AtomicBool>,
}

impl BearerSource for Shut {
    fn bearer<'a>(
        &'a self,
        leaf: &'a Credential,
        trusted: &'a Arc<Trusted>,
    ) -> BoxFuture<'a, Result<Bearer, String>> {
        if self.shut.load(Ordering::Relaxed) {
            return Box::pin(async { Err("it is shut".to_owned()) });
        }
        self.mint.bearer(leaf, trusted)
    }
}

/// There is no way back here: what it comes back with is what it had got, and could not publish.
#[tokio::test(start_paused = true)]
async fn a_leaf_that_lacked_its_bearer_is_published_once_there_is_one() {
    let lab = CaConfig::lab(TrustDomain::new("clinic.example").unwrap());
    let returns = Returns {
        grace: Duration::ZERO,
        confirm: Confirm::ByHand,
    };
    let mut clinic = Clinic::of(CaConfig { returns, ..lab });
    let (clock, disk) = (clinic.clock.clone(), MemDisk::new());
    let (agents, right) = (clock.clone(), clock.clone());
    let shut = Arc::new(AtomicBool::new(false));
    let mint = Shut {
        mint: Mint { agents, right },
        shut: Arc::clone(&shut),
    };
    let (mut identity, _) = clinic.agent(&clock, &disk, Some(Arc::new(mint)));
    let held = first(&mut identity).await;
    shut.store(true, Ordering::Relaxed);
    let over = held.credential.facts.not_after + Duration::from_secs(10);
    clock.sleep_until(over).await;
    assert!(!good(&identity, clock.now()), "nothing was published");
    shut.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(good(&identity, clock.now()));
}

#[tokio::test(start_paused = true)]
async fn after_the_grace_an_agent_is_out_and_asks_no_more() {
    let mut clinic = clinic(Confirm::AtOnce);
    let (clock, disk) = (clinic.clock.clone(), MemDisk::new());
    let (mut identity, _) = clinic.agent(&clock, &disk, None);
    first(&mut identity).await;
    clinic.goes_away();
    let grace = clinic.command(|ca, _| ca.config.returns.grace);
    tokio::time::sleep(AWAY + grace).await;
    clinic.comes_back();
    tokio::time::sleep(SOON).await;
    assert!(!good(&identity, clock.now()));
    // Were it to ask still, a grace that is open again would let it in.
    clinic.command(|ca, _| ca.config.returns.grace = Duration::from_secs(3_600));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!good(&identity, clock.now()));
}

#[tokio::test(start_paused = true)]
async fn who_stands_apart_publishes_nothing_until_it_is_confirmed() {
    let mut clinic = clinic(Confirm::ByHand);
    let (clock, disk) = (clinic.clock.clone(), MemDisk::new());
    let (mut identity, _) = clinic.agent(&clock, &disk, None);
    let held = first(&mut identity).await;
    let kept = disk.read("agent/credential.json").unwrap();
    clinic.goes_away();
    tokio::time::sleep(AWAY).await;
    clinic.comes_back();
    // Longer than a leaf of the name apart lives: it is renewed meanwhile.
    for _ in 0..6 {
        tokio::time::sleep(SOON).await;
        let now = first(&mut identity).await;
        let same = now.credential.facts == held.credential.facts;
        assert!(same, "the last good identity stays");
        assert_eq!(waiting(&clinic), 1);
    }
    let last = disk.read("agent/credential.json").unwrap();
    assert_eq!(last, kept, "on the disk as well");
    let id = clinic.config.id.clone();
    let confirmed = clinic.command(|ca, now| ca.confirm(&id, None, now).map(drop));
    confirmed.unwrap();
    tokio::time::sleep(Duration::from_secs(100)).await;
    stays_good(&clinic, &identity, "confirmed").await;
    assert_eq!(disk.read("agent/apart.json").unwrap().unwrap(), b"");
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_stays_out() {
    let mut clinic = clinic(Confirm::ByHand);
    let (clock, disk) = (clinic.clock.clone(), MemDisk::new());
    let (mut identity, _) = clinic.agent(&clock, &disk, None);
    first(&mut identity).await;
    clinic.goes_away();
    tokio::time::sleep(AWAY).await;
    clinic.comes_back();
    tokio::time::sleep(SOON).await;
    let apart = way_back::apart(&clinic.config.id).unwrap();
    let reason = RevocationReason::KeyCompromise;
    let revoked = clinic.command(|ca, now| ca.revoke_workload(&apart, reason, now));
    assert!(!revoked.unwrap().is_empty());
    tokio::time::sleep(AWAY).await;
    assert_eq!(waiting(&clinic), 0);
    assert!(!good(&identity, clock.now()));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_starts_again_meanwhile_goes_on_where_it_was() {
    for confirm in [Confirm::AtOnce, Confirm::ByHand] {
        let mut clinic = clinic(confirm);
        let (clock, disk) = (clinic.clock.clone(), MemDisk::new());
        let (mut identity, agent) = clinic.agent(&clock, &disk, None);
        first(&mut identity).await;
        clinic.goes_away();
        tokio::time::sleep(AWAY).await;
        agent.abort();
        let (_, agent) = clinic.agent(&clock, &disk, None);
        tokio::time::sleep(SOON / 4).await;
        clinic.comes_back();
        tokio::time::sleep(SOON).await;
        agent.abort();
        let (identity, _agent) = clinic.agent(&clock, &disk, None);
        tokio::time::sleep(SOON).await;
        if confirm == Confirm::ByHand {
            assert!(identity.borrow().is_none(), "nobody is told of it");
            assert_eq!(waiting(&clinic), 1);
            let id = clinic.config.id.clone();
            let confirmed = clinic.command(|ca, now| ca.confirm(&id, None, now).map(drop));
            confirmed.unwrap();
            tokio::time::sleep(Duration::from_secs(100)).await;
        }
        stays_good(&clinic, &identity, "back").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_at_any_moment_of_the_way_back_strands_nobody() {
    let mut between = 0;
    for after in (0..120).map(|n| Duration::from_millis(n * 50)) {
        let mut clinic = clinic(Confirm::AtOnce);
        let (clock, disk) = (clinic.clock.clone(), MemDisk::new());
        let (mut identity, agent) = clinic.agent(&clock, &disk, None);
        first(&mut identity).await;
        clinic.goes_away();
        tokio::time::sleep(AWAY).await;
        clinic.comes_back();
        tokio::time::sleep(after).await;
        disk.cut_power();
        agent.abort();
        disk.restore(&SeededRng::new(7));
        let asked = disk.read("agent/back").unwrap().unwrap_or_default();
        between += u32::from(!asked.is_empty());
        let (identity, _agent) = clinic.agent(&clock, &disk, None);
        tokio::time::sleep(SOON).await;
        assert!(good(&identity, clock.now()), "stranded after {after:?}");
    }
    assert!(between > 5, "only {between} cuts met a return under way");
}
