//! A revoked leaf, and a withdrawn issuer, on the far side of a connection that is open: how long
//! they are still served, from the revocation at the CA to the last answer, on a network with real
//! TLS. Where nobody asks for lists, it is until the leaf ends: that is the control.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ca::crl::RevocationReason;
use ca::identity::SpiffeId;
use ca::issue::Ca;
use ca::revocation::Revocation;
use ca::rotation::{Act, AuthorityKind, Command, Reason};
use labs::fabric::TrueTime;
use labs::fabric::sim::{SimFabric, Without};
use services::courier::Direct;
use tests::clerk::{self, Caller};
use tests::ground::{invite, settings};

/// When the blow falls, in true milliseconds.
const BLOW: u64 = 12_000;
const CLERK: &str = "clerk-north";

/// When `c1` was served, in true milliseconds, in a world where `blow` falls upon the CA.
fn served(asks: &Revocation, blow: impl FnOnce(&mut Ca)) -> Vec<u64> {
    let mut world = SimFabric::new(7, Without::Nothing);
    let authority = world.place("ca").seams;
    let invited = invite(&authority, &[CLERK, "c1"]);
    let ca = Arc::new(Mutex::new(Ca::open(&authority, settings()).unwrap()));
    let shared = Arc::clone(&ca);
    world.host("ca", move || {
        let (seams, ca) = (authority.clone(), Arc::clone(&shared));
        async move { Ok(ca::node::serve(seams, ca, 7001).await?) }
    });
    let served = Arc::new(Mutex::new(Vec::new()));
    for (name, mut config) in [CLERK, "c1"].into_iter().zip(invited) {
        config.revocation = asks.clone();
        let (seams, served) = (world.place(name).seams, Arc::clone(&served));
        world.host(name, move || {
            let (seams, config, served) = (seams.clone(), config.clone(), Arc::clone(&served));
            async move {
                if name == CLERK {
                    return clerk::serve(seams, config).await;
                }
                let caller = Caller::start(seams, Arc::new(Direct), config, CLERK).await;
                loop {
                    if caller.call("read", Duration::from_secs(1)).await.is_some() {
                        served.lock().unwrap().push(TrueTime::Sim.micros() / 1_000);
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
    }
    world.run_until(Duration::from_millis(BLOW)).unwrap();
    blow(&mut ca.lock().unwrap());
    world.run_until(Duration::from_secs(40)).unwrap();
    let served = served.lock().unwrap();
    served.clone()
}

fn revoke_c1(ca: &mut Ca) {
    let id = SpiffeId::parse("spiffe://ground.example/user/c1").unwrap();
    let now = labs::fabric::EPOCH + Duration::from_millis(BLOW);
    let revoked = ca.revoke_workload(&id, RevocationReason::KeyCompromise, now);
    assert_eq!(revoked.unwrap().len(), 1);
}

#[test]
fn a_revoked_leaf_is_served_no_more_on_its_open_connection_within_a_second() {
    let served = served(&Revocation::default(), revoke_c1);
    assert!(served.iter().any(|at| *at > BLOW - 200), "{served:?}");
    let last = served.last().unwrap();
    assert!(*last < BLOW + 1_000, "served {} ms after it", last - BLOW);
}

#[test]
fn where_nobody_asks_for_lists_a_revoked_leaf_is_served_on() {
    let served = served(&Revocation::ignore(), revoke_c1);
    assert!(*served.last().unwrap() > BLOW + 20_000, "{served:?}");
}

#[test]
fn an_issuer_that_is_withdrawn_by_override_takes_its_leaves_with_it() {
    let served = served(&Revocation::default(), |ca| {
        let now = labs::fabric::EPOCH + Duration::from_millis(BLOW);
        let reason = || Reason::new("the issuer's key was stolen").unwrap();
        let prepare = ca.prepare_act(AuthorityKind::X509, now);
        let (kind, id) = (AuthorityKind::X509, 1);
        for act in [
            prepare,
            Act::Activate { kind, id: None },
            Act::Revoke { kind, id },
        ] {
            ca.command(&Command::from(act).overriding(reason()), now)
                .unwrap();
        }
    });
    let last = served.last().unwrap();
    assert!(*last < BLOW + 1_000, "served {} ms after it", last - BLOW);
}
