//! Claims about the authority: what it acknowledges, and what a power cut leaves.

use super::*;
use crate::policy::fixture::{KeyRing, ORIGIN, World, doctors, grant, open, revoke, shared};
use crate::policy::quorum::danger::unwitnessed;
use ca::disk::MemDisk;

#[test]
fn an_act_is_pending_until_a_quorum_of_distinct_witnesses_cosigned_it() {
    let mut world = World::new();
    let size = world.act(&grant("alice"));
    assert_eq!(
        world.authority.acknowledged_size(),
        0,
        "durable is not acknowledged"
    );
    world.cosign(0, 10);
    world.cosign(0, 11);
    assert_eq!(
        world.authority.acknowledged_size(),
        0,
        "one witness twice is one witness"
    );
    world.cosign(2, 12);
    assert_eq!(world.authority.acknowledged_size(), size);
    assert_eq!(world.authority.as_of(), Some(Time::from_secs(11)));
}

#[test]
fn nobody_is_told_of_a_pending_act() {
    let mut world = World::new();
    assert_eq!(world.authority.update_since(0), None);
    let told = world.acknowledged(&grant("alice"), 10, 0);
    world.act(&revoke("alice"));
    world.cosign(1, 20);
    assert_eq!(world.authority.update_since(0), Some(told));
    assert_eq!(world.authority.update_since(1).unwrap().entries.len(), 0);
    assert_eq!(
        world.authority.update_since(2),
        None,
        "a follower ahead of what is known"
    );
}

#[test]
fn a_late_answer_for_an_older_checkpoint_lowers_nothing() {
    let mut world = World::new();
    world.act(&grant("alice"));
    let old = world.authority.request("south").unwrap();
    world.act(&grant("bob"));
    world.cosign(0, 10);
    world.cosign(1, 10);
    assert_eq!(world.authority.acknowledged_size(), 2);
    assert!(
        world.carry(2, &old, Time::from_secs(11)),
        "south has seen neither"
    );
    assert_eq!(world.authority.acknowledged_size(), 2);
    assert_eq!(world.authority.as_of(), Some(Time::from_secs(10)));
}

#[test]
fn acts_that_overtake_each_other_are_acknowledged_at_the_size_that_has_the_quorum() {
    let mut world = World::new();
    world.act(&grant("alice"));
    let early = world.authority.request("east").unwrap();
    let also = world.authority.request("north").unwrap();
    world.act(&grant("bob"));
    world.carry(0, &early, Time::from_secs(10));
    world.carry(1, &also, Time::from_secs(10));
    assert_eq!(world.authority.acknowledged_size(), 1);
    assert_eq!(world.authority.update_since(0).unwrap().entries.len(), 1);
}

#[test]
fn a_heartbeat_renews_the_as_of_and_an_overtaken_answer_does_not_age_it() {
    let mut world = World::new();
    world.acknowledged(&grant("alice"), 10, 0);
    let slow = world.authority.request("east").unwrap();
    let slow = world.witnesses[0].cosign(1, &[], &slow.checkpoint, Time::from_secs(15));
    world.cosign(0, 20);
    world.cosign(1, 21);
    assert_eq!(world.authority.as_of(), Some(Time::from_secs(20)));
    world.authority.cosigned("east", 1, slow.unwrap()).unwrap();
    assert_eq!(world.authority.as_of(), Some(Time::from_secs(20)));
}

#[test]
fn after_a_restart_acts_are_pending_again_and_then_acknowledged() {
    let mut world = World::new();
    world.acknowledged(&doctors(), 10, 0);
    world.act(&grant("alice"));
    world.authority = open(&world.keys, &world.disk).unwrap();
    assert_eq!(world.authority.acknowledged_size(), 0);
    assert_eq!(world.authority.committed_size(), 2);
    world.cosign(0, 20);
    world.cosign(1, 20);
    assert_eq!(world.authority.acknowledged_size(), 2);
    assert_eq!(world.authority.state.memberships().len(), 1);
}

#[test]
fn a_log_that_was_put_back_is_known_by_what_its_witnesses_remember() {
    let mut world = World::new();
    world.acknowledged(&grant("alice"), 10, 0);
    let files = ["policy/entries", "policy/checkpoint"];
    let old = files.map(|name| world.disk.read(name).unwrap().unwrap());
    world.acknowledged(&revoke("alice"), 11, 0);
    let disk = MemDisk::new();
    for (name, content) in files.iter().zip(old) {
        disk.replace(name, &content).unwrap();
    }
    let mut put_back = open(&world.keys, &disk).unwrap();
    let error = put_back
        .conflict("north", world.witnesses[1].size(ORIGIN))
        .unwrap_err();
    assert!(
        matches!(
            error,
            AuthorityError::RolledBack {
                size: 2,
                own: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn what_is_no_act_is_refused_and_leaves_nothing_behind() {
    let mut world = World::new();
    let append = |world: &mut World, bytes: &[u8]| world.authority.append(bytes).unwrap_err();
    assert!(matches!(
        append(&mut world, b"{}"),
        AuthorityError::Entry(_)
    ));
    let bad = Entry::PutPolicy {
        policy: "permit (principal is Ghost, action, resource);".into(),
        entities: Vec::new(),
    };
    let bad = bad.to_bytes().unwrap();
    assert!(matches!(
        append(&mut world, &bad),
        AuthorityError::Policy(_)
    ));
    let lists = [
        r#"{"kind":"put-entities","entities":[]}"#,
        r#"{"kind":"put-entities","entities":[{"type":"List","id":"a","members":["x y"]}]}"#,
        r#"{"kind":"put-entities","entities":[{"type":"Role","id":"doctor","members":[]}]}"#,
    ];
    for bytes in lists {
        let refused = append(&mut world, bytes.as_bytes());
        assert!(matches!(refused, AuthorityError::Entry(_)), "{bytes}");
    }
    assert_eq!(world.authority.commit().unwrap().checkpoint.size, 0);
    assert_eq!(world.authority.state, PolicyState::default());
}

#[test]
fn cosignatures_of_strangers_or_over_something_else_are_refused() {
    let mut world = World::new();
    world.act(&grant("alice"));
    let request = world.authority.request("east").unwrap();
    let text = "clinic.example/policy\n1\nAAAA\n";
    let other = world.keys.witness(0).cosign(text, Time::from_secs(9));
    let error = world
        .authority
        .cosigned("east", request.size, other)
        .unwrap_err();
    assert!(matches!(
        error,
        AuthorityError::Cosignature(InvalidNote::WrongSignature(_))
    ));
    let good = world.witnesses[0].cosign(0, &request.proof, &request.checkpoint, Time::default());
    let good = good.unwrap();
    let error = world
        .authority
        .cosigned("north", request.size, good.clone())
        .unwrap_err();
    assert!(matches!(
        error,
        AuthorityError::Cosignature(InvalidNote::Unsigned(_))
    ));
    let error = world
        .authority
        .cosigned("west", request.size, good)
        .unwrap_err();
    assert!(matches!(error, AuthorityError::UnknownWitness(_)));
    assert_eq!(world.authority.acknowledged_size(), 0);
}

#[test]
fn checkpoints_that_gather_too_little_are_given_up_for_newer_ones() {
    let mut world = World::new();
    world.acknowledged(&grant("alice"), 10, 0);
    for n in 0..2 * MAX_GATHERING {
        world.act(&grant(&n.to_string()));
        world.cosign(0, 11);
    }
    assert_eq!(world.authority.gathering.len(), MAX_GATHERING);
    assert_eq!(world.authority.update_since(0).unwrap().entries.len(), 1);
}

#[test]
fn without_witnesses_an_act_is_acknowledged_as_soon_as_it_is_durable() {
    let keys = KeyRing::new();
    let quorum = unwitnessed(Vec::new()).unwrap();
    let disk = shared(&MemDisk::new());
    let opened = Authority::open(&disk, "policy", keys.log(), quorum, Mutation::None);
    let (mut authority, _) = opened.unwrap();
    authority
        .append(&grant("alice").to_bytes().unwrap())
        .unwrap();
    assert_eq!(authority.acknowledged_size(), 0);
    authority.commit().unwrap();
    assert_eq!(authority.acknowledged_size(), 1);
}
