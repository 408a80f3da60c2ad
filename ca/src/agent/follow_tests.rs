//! What an agent takes from the CA, and what not.

use std::collections::BTreeSet;
use std::time::Duration;

use proto::ca::v1::IdentityReply;

use super::*;
use crate::agent::AgentConfig;
use crate::clock::ManualClock;
use crate::clock::Time;
use crate::disk::MemDisk;
use crate::identity::{SpiffeId, TrustDomain};
use crate::issue::{Ca, CaConfig};
use crate::net::Address;
use crate::seams::Seams;

const NOW: Time = Time::from_secs(1_800_000_000);

/// A CA, an agent that knows its bundle, and who that is.
fn met() -> (Ca, Agent, SpiffeId) {
    let domain = TrustDomain::new("clinic.example").unwrap();
    let seams = || Seams {
        clock: Arc::new(ManualClock::new(NOW)),
        disk: Arc::new(MemDisk::new()),
        ..Seams::real("never-written")
    };
    let ca = Ca::open(&seams(), CaConfig::lab(domain.clone())).unwrap();
    let id = |path| SpiffeId::new(&domain, path).unwrap();
    let config = AgentConfig {
        id: id("/records.south"),
        ca: Address::new("ca", 1),
        ca_id: id(crate::node::PATH),
        join_code: String::new(),
        bundle: ca.bundle(),
        tolerance: Duration::ZERO,
        revocation: Revocation::default(),
        retry: crate::renewal::Retry::Window,
        swap: crate::agent::Swap::Whole,
    };
    (
        ca,
        Agent::new(seams(), config, None).0,
        id("/records.south"),
    )
}

/// An agent that holds the clinic's bundle under that generation.
fn holding(agent: &Agent, generation: u64) {
    let bundle = Bundle {
        generation,
        ..agent.config.bundle.clone()
    };
    *agent.locked() = Arc::new(Trusted::of(bundle));
}

#[test]
fn a_bundle_older_than_the_one_held_is_not_taken_however_young_the_first_was() {
    let (mut ca, agent, id) = met();
    let mut offered = |held: u64, generation: u64, roots: Option<Vec<Vec<u8>>>| {
        let (key, csr) = agent.request().unwrap();
        let code = ca.new_join_code(&id, NOW).unwrap();
        let issued = ca.enroll(code.reveal(), &csr, NOW).unwrap();
        holding(&agent, held);
        let mut reply = IdentityReply::from(issued);
        let bundle = reply.state.as_mut().unwrap().bundle.as_mut().unwrap();
        bundle.generation = generation;
        bundle.roots.extend(roots.unwrap_or_default());
        agent.accept(2, key, reply)
    };
    for (held, generation) in [(1, 1), (1, 4), (3, 3)] {
        assert!(offered(held, generation, None).is_ok());
    }
    let rolled_back = offered(3, 2, None).unwrap_err();
    let why = "bundle of `clinic.example` rolled back: generation 2 after 3";
    assert_eq!(rolled_back.to_string(), why);
    let forked = offered(3, 3, Some(vec![vec![1]]));
    assert!(matches!(forked, Err(AgentError::State(_))), "{forked:?}");
}

#[test]
fn what_is_believed_comes_back_from_disk_and_never_falls_behind_the_join_codes_bundle() {
    let (ca, agent, _) = met();
    let mut state = State::from(&**ca.announced().borrow());
    state.bundle.as_mut().unwrap().generation = 5;
    state.tainted = vec![vec![7; 32]];
    agent.believe(state).unwrap();
    let kept = agent.beliefs();
    *agent.locked() = Arc::default();
    agent.remember();
    let (now, before) = (agent.beliefs(), kept);
    assert_eq!(
        (&now.bundles, &now.tainted),
        (&before.bundles, &before.tainted)
    );
    let numbers = |trusted: &Trusted| -> Vec<u64> {
        let lists = trusted.revocation.crls.iter();
        lists.map(|(_, crl)| crl.number()).collect()
    };
    assert_eq!(numbers(&now), numbers(&before));
    assert_eq!(numbers(&now).len(), 2, "the root's and the issuer's");
    assert_eq!(agent.own_bundle().generation, 5);
    let newer = AgentConfig {
        bundle: Bundle {
            generation: 6,
            ..agent.own_bundle()
        },
        ..agent.config.clone()
    };
    let (later, _) = Agent::new(agent.seams, newer, None);
    later.remember();
    assert_eq!(later.own_bundle().generation, 6);
}

#[test]
fn token_keys_go_with_a_newer_invitation_and_stay_with_any_other() {
    let (ca, agent, _) = met();
    let mut state = State::from(&**ca.announced().borrow());
    state.bundle.as_mut().unwrap().generation = 5;
    state.tainted_keys = vec!["k1".to_owned()];
    agent.believe(state).unwrap();
    let kept = agent.beliefs();
    assert!(!kept.token_keys.is_empty());
    let nothing = (Arc::from(""), BTreeSet::new());
    for (generation, keys) in [
        (4, (Arc::clone(&kept.token_keys), kept.tainted_keys.clone())),
        (5, (Arc::clone(&kept.token_keys), kept.tainted_keys.clone())),
        (6, nothing),
    ] {
        let bundle = Bundle {
            generation,
            ..agent.own_bundle()
        };
        let config = AgentConfig {
            bundle,
            ..agent.config.clone()
        };
        let (invited, _) = Agent::new(agent.seams.clone(), config, None);
        invited.remember();
        let now = invited.beliefs();
        let held = (Arc::clone(&now.token_keys), now.tainted_keys.clone());
        assert_eq!(held, keys, "an invitation of generation {generation}");
    }
}

#[test]
fn a_broken_state_is_not_taken_and_nothing_of_it_is_kept() {
    let (ca, agent, _) = met();
    let whole = State::from(&**ca.announced().borrow());
    let before = agent.beliefs();
    let mut foreign = whole.clone();
    foreign.bundle.as_mut().unwrap().trust_domain = "rival.example".to_owned();
    let mut crowded = whole.clone();
    crowded.bundle.as_mut().unwrap().roots = vec![vec![1]; 17];
    let mut short = whole.clone();
    short.tainted = vec![vec![7; 31]];
    let mut empty = whole;
    empty.bundle = None;
    for state in [foreign, crowded, short, empty] {
        assert!(matches!(agent.believe(state), Err(AgentError::State(_))));
    }
    assert!(Arc::ptr_eq(&before, &agent.beliefs()));
    let kept = Trusted::load(&*agent.seams.disk, BELIEFS).unwrap();
    assert!(kept.is_none(), "{kept:?}");
}

#[test]
fn a_full_disk_keeps_no_revocation_from_being_in_force_and_none_is_acknowledged() {
    let (mut ca, mut agent, id) = met();
    let disk = MemDisk::new();
    agent.seams.disk = Arc::new(disk.clone());
    agent
        .believe(State::from(&**ca.announced().borrow()))
        .unwrap();
    let code = ca.new_join_code(&id, NOW).unwrap();
    let leaf = ca.enroll(code.reveal(), &agent.request().unwrap().1, NOW);
    let reason = crate::crl::RevocationReason::KeyCompromise;
    ca.revoke_workload(&id, reason, NOW).unwrap();
    disk.fail(true);
    let told = State::from(&**ca.announced().borrow());
    assert!(matches!(
        agent.believe(told.clone()),
        Err(AgentError::Disk(_))
    ));
    let facts = leaf.unwrap().facts;
    assert!(agent.beliefs().revocation.crls.revokes(&facts));
    assert_eq!(
        agent.acknowledgeable(),
        None,
        "not on the next stream either"
    );
    disk.fail(false);
    agent.believe(told).unwrap();
    let kept = Trusted::load(&disk, BELIEFS).unwrap().unwrap();
    assert!(kept.revocation.crls.revokes(&facts), "kept once it can be");
    assert_eq!(agent.acknowledgeable(), Some(ca.bundle().generation));
}
