//! Claims about token keys in motion: what members hold, what signs, and what is waited for.

use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::csr;
use crate::disk::MemDisk;
use crate::identity::{SpiffeId, TrustDomain};
use crate::issue::CaConfig;
use crate::keys::{Keys as _, RingKeys};
use crate::rotation::Phase;
use crate::seams::Seams;
use crate::token_keys::SIGNER;

const NOW: Time = Time::from_secs(1_800_000_000);
const JWT: AuthorityKind = AuthorityKind::Jwt;

fn id(path: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://clinic.example{path}")).unwrap()
}

fn open(disk: &MemDisk, now: Time) -> Ca {
    let seams = Seams {
        clock: Arc::new(ManualClock::new(now)),
        disk: Arc::new(disk.clone()),
        ..Seams::real("never-written")
    };
    let domain = TrustDomain::new("clinic.example").unwrap();
    Ca::open(&seams, CaConfig::lab(domain)).unwrap()
}

fn joins(ca: &mut Ca, path: &str, now: Time) {
    let code = ca.new_join_code(&id(path), now).unwrap();
    let csr = csr::request(&RingKeys.p256().unwrap()).unwrap();
    ca.enroll(code.reveal(), &csr, now).unwrap();
}

/// The names of the keys that verify, and of the one that signs.
fn keys(ca: &Ca) -> (Vec<String>, String) {
    let announced = ca.announced();
    let announced = announced.borrow();
    let set: serde_json::Value = serde_json::from_str(&announced.jwks).unwrap();
    let names = set["keys"].as_array().unwrap().iter();
    let names = names.map(|key| key["kid"].as_str().unwrap().to_owned());
    let signing = announced.signing.as_ref().unwrap();
    (names.collect(), signing.kid().to_owned())
}

fn blocked(result: Result<Vec<Transition>, CaError>) -> String {
    match result {
        Err(CaError::Rotation(refused @ Refused::Blocked { .. })) => refused.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_key_is_held_by_everyone_before_it_signs_and_until_its_last_token_has_ended() {
    let disk = MemDisk::new();
    let mut ca = open(&disk, NOW);
    joins(&mut ca, SIGNER, NOW);
    joins(&mut ca, "/records.south", NOW);
    let tell = |ca: &mut Ca| {
        for path in [SIGNER, "/records.south"] {
            let generation = ca.bundle().generation;
            ca.acknowledge(&id(path), generation);
        }
    };
    tell(&mut ca);
    let (first, old) = keys(&ca);
    assert_eq!(first, std::slice::from_ref(&old));
    ca.signs_with(&id(SIGNER), &old, NOW);
    let generation = ca.bundle().generation;
    ca.command(&ca.prepare_act(JWT, NOW).into(), NOW).unwrap();
    let (both, signing) = keys(&ca);
    assert_eq!((both.len(), &signing), (2, &old), "held, and not used yet");
    assert!(ca.bundle().generation > generation);
    let activate = Command::from(Act::Activate {
        kind: JWT,
        id: None,
    });
    let why = blocked(ca.command(&activate, NOW));
    assert!(why.contains("holds generation"), "{why}");
    tell(&mut ca);
    ca.command(&activate, NOW).unwrap();
    let new = keys(&ca).1;
    assert_ne!(new, old);

    // It is the same after a restart, but for what members say again.
    drop(ca);
    let mut ca = open(&disk, NOW);
    assert_eq!(keys(&ca), (both, new.clone()));
    let revoke = Command::from(Act::Revoke { kind: JWT, id: 1 });
    let life = ca.config().token_life;
    let later = NOW + Duration::from_secs(30);
    for (said, why) in [(None, "has not said"), (Some(&old), "has not said")] {
        if let Some(said) = said {
            ca.signs_with(&id(SIGNER), said, NOW);
        }
        let blocked = blocked(ca.command(&revoke, later));
        assert!(blocked.contains(why), "{blocked}");
    }
    ca.signs_with(&id(SIGNER), &new, later);
    ca.signs_with(&id(SIGNER), &new, later + life);
    // Its connection was made anew, and it was given what it has.
    ca.gave_key(&id(SIGNER), &new);
    let blocked = blocked(ca.command(&revoke, later + life));
    assert!(blocked.contains("tokens signed with it live"), "{blocked}");
    let after = later + life + Duration::from_micros(1);
    ca.command(&revoke, after).unwrap();
    assert_eq!(keys(&ca), (vec![new.clone()], new));
}

#[test]
fn token_keys_move_on_by_themselves_in_their_time() {
    let disk = MemDisk::new();
    let mut ca = open(&disk, NOW);
    let life = ca.config().issuer_ttl;
    let phases = |ca: &Ca| -> Vec<Phase> {
        let slots = ca.status(NOW).slots.into_iter();
        let jwt = slots.filter(|it| it.slot.kind == JWT);
        jwt.map(|it| it.slot.phase).collect()
    };
    ca.tend(NOW + life / 3).unwrap();
    assert_eq!(phases(&ca), [Phase::Active]);
    ca.tend(NOW + life / 2 + Duration::from_secs(1)).unwrap();
    assert_eq!(phases(&ca), [Phase::Active, Phase::Prepared]);
    ca.tend(NOW + life * 5 / 6 + Duration::from_secs(1))
        .unwrap();
    assert_eq!(phases(&ca), [Phase::Retired, Phase::Active]);
    ca.tend(NOW + life).unwrap();
    assert_eq!(phases(&ca), [Phase::Revoked, Phase::Active]);
}

#[test]
fn who_was_given_another_key_may_sign_with_any_until_it_says_so() {
    let mut ca = open(&MemDisk::new(), NOW);
    joins(&mut ca, SIGNER, NOW);
    let first = keys(&ca).1;
    ca.signs_with(&id(SIGNER), &first, NOW);
    ca.gave_key(&id(SIGNER), &first);
    assert_eq!(ca.signing[&id(SIGNER)], (1, NOW), "the same key");
    ca.gave_key(&id(SIGNER), "another");
    assert!(ca.signing.is_empty());
}

#[test]
fn a_name_that_no_key_has_says_nothing_of_what_signs() {
    let mut ca = open(&MemDisk::new(), NOW);
    ca.signs_with(&id(SIGNER), "nobody", NOW);
    assert!(ca.signing.is_empty());
}
