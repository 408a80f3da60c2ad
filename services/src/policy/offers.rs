//! What a replica is offered, and what it makes of it: every refusal, by name, and the negative of
//! each. A refused update changes nothing.

use std::sync::Arc;
use std::time::Duration;

use super::entry::{Entity, Entry};
use super::fixture::{KeyRing, World, cosigned_by, doctors, grant, only, revoke, shared};
use super::quorum::danger::unwitnessed;
use super::replica::{Applied, PolicyRefusal, Replica, Trust};
use super::update::Update;
use super::view::Verdict;
use crate::refusal::Refusal;
use ca::clock::Time;
use ca::disk::MemDisk;
use ca::tlog::note::SigningKey;

const NOW: Time = Time::from_secs(100);

fn replica(keys: &KeyRing, disk: &MemDisk) -> Result<Replica, PolicyRefusal> {
    Replica::open(&shared(disk), "policy", keys.trust(), NOW)
}

fn fresh(keys: &KeyRing) -> Replica {
    replica(keys, &MemDisk::new()).unwrap()
}

/// A replica that enforces two entries, as of 10 s.
fn two() -> (World, Replica, MemDisk) {
    let (mut world, disk) = (World::new(), MemDisk::new());
    let mut replica = replica(&world.keys, &disk).unwrap();
    world.act(&doctors());
    let update = world.acknowledged(&grant("alice"), 10, 0);
    replica.apply(&update, NOW).unwrap();
    (world, replica, disk)
}

/// What the update is refused with, after which nothing may have changed.
fn refused(replica: &mut Replica, update: &Update) -> PolicyRefusal {
    let before = replica.view();
    let refusal = replica.apply(update, NOW).unwrap_err();
    assert!(
        Arc::ptr_eq(&before, &replica.view()),
        "refused, so nothing has changed"
    );
    assert_eq!(before.size(), replica.size());
    refusal
}

#[test]
fn it_begins_with_nothing_and_permits_nothing() {
    let view = fresh(&KeyRing::new()).view();
    assert_eq!((view.size(), view.as_of()), (0, Time::default()));
    assert_eq!(view.decide("alice", "read", "r1"), Verdict::Deny);
}

#[test]
fn acts_are_enforced_in_order_and_all_at_once() {
    let (mut world, mut replica, _) = two();
    let before = replica.view();
    assert_eq!(before.decide("alice", "read", "r1"), Verdict::Permit);
    let update = world.acknowledged(&revoke("alice"), 12, 2);
    let applied = replica.apply(&update, NOW).unwrap();
    assert_eq!(
        applied,
        Applied {
            size: 3,
            as_of: Time::from_secs(12),
            grew: true
        }
    );
    assert_eq!(replica.view().decide("alice", "read", "r1"), Verdict::Deny);
    assert_eq!(
        before.decide("alice", "read", "r1"),
        Verdict::Permit,
        "a view never changes"
    );
}

/// Two entries are two checkpoints, and a replica may stand between them for as long as a cut
/// lasts; what one entry puts, no replica has half of.
#[test]
fn what_one_entry_puts_is_enforced_all_at_once() {
    let policy = r#"permit (principal in Role::"doctor", action, resource);
        forbid (principal, action, resource)
        when { List::"suspended".members.contains(principal) };"#;
    let suspended = || {
        let (id, members) = ("suspended".to_owned(), ["alice".to_owned()].into());
        vec![Entity::List { id, members }]
    };
    let put = |entities| {
        let policy = policy.to_owned();
        Entry::PutPolicy { policy, entities }
    };
    let asked = |replica: &Replica| replica.view().decide("alice", "read", "r1");

    let (mut world, mut replica, _) = two();
    let rule = world.acknowledged(&put(Vec::new()), 11, 2);
    let entities = suspended();
    let list = world.acknowledged(&Entry::PutEntities { entities }, 12, 3);
    replica.apply(&rule, NOW).unwrap();
    assert!(matches!(asked(&replica), Verdict::Error(_)));
    replica.apply(&list, NOW).unwrap();
    assert_eq!(asked(&replica), Verdict::Deny);

    let (mut world, mut replica, _) = two();
    let both = world.acknowledged(&put(suspended()), 11, 2);
    assert_eq!(asked(&replica), Verdict::Permit);
    replica.apply(&both, NOW).unwrap();
    assert_eq!(asked(&replica), Verdict::Deny);
}

#[test]
fn a_heartbeat_raises_the_as_of_alone_and_an_old_one_does_not_lower_it() {
    let (mut world, mut replica, _) = two();
    let old = world.authority.update_since(2).unwrap();
    world.cosign(0, 20);
    world.cosign(1, 21);
    let beat = world.authority.update_since(2).unwrap();
    let raised = Applied {
        size: 2,
        as_of: Time::from_secs(20),
        grew: false,
    };
    assert_eq!(replica.apply(&beat, NOW).unwrap(), raised);
    assert_eq!(replica.apply(&old, NOW).unwrap(), raised);
}

#[test]
fn what_was_applied_before_or_overlaps_is_no_error() {
    let (mut world, mut replica, _) = two();
    let again = world.authority.update_since(0).unwrap();
    assert!(!replica.apply(&again, NOW).unwrap().grew);
    for from in [0, 1] {
        let update = world.acknowledged(&grant("bob"), 11, from);
        assert!(replica.apply(&update, NOW).unwrap().grew);
    }
    assert_eq!(replica.size(), 4);
}

#[test]
fn a_gap_is_refused() {
    let (mut world, mut replica, _) = two();
    world.act(&revoke("alice"));
    let update = world.acknowledged(&grant("bob"), 11, 3);
    let refusal = refused(&mut replica, &update);
    assert!(
        matches!(refusal, PolicyRefusal::Gap { from: 3, own: 2 }),
        "{refusal}"
    );
}

#[test]
fn entries_that_do_not_end_at_the_checkpoint_are_refused() {
    let (mut world, mut replica, _) = two();
    let good = world.acknowledged(&revoke("alice"), 11, 2);
    let mut short = good.clone();
    short.entries.pop();
    let mut long = good;
    long.entries.push(grant("mallory").to_bytes().unwrap());
    for update in [
        short,
        long,
        Update {
            from: u64::MAX,
            ..world.authority.update_since(2).unwrap()
        },
    ] {
        let refusal = refused(&mut replica, &update);
        assert!(
            matches!(
                refusal,
                PolicyRefusal::Miscounted { .. } | PolicyRefusal::Gap { .. }
            ),
            "{refusal}"
        );
    }
}

#[test]
fn two_roots_for_one_size_are_a_fork() {
    let (world, mut replica, _) = two();
    let mut other = World::of(&world.keys);
    other.act(&doctors());
    let update = other.acknowledged(&grant("mallory"), 50, 0);
    assert!(matches!(
        refused(&mut replica, &update),
        PolicyRefusal::Fork { size: 2 }
    ));
    let beat = other.authority.update_since(2).unwrap();
    assert!(matches!(
        refused(&mut replica, &beat),
        PolicyRefusal::Fork { size: 2 }
    ));
}

#[test]
fn a_longer_log_that_does_not_contain_this_one_is_refused() {
    let (world, mut replica, _) = two();
    let mut other = World::of(&world.keys);
    other.act(&doctors());
    other.act(&grant("mallory"));
    let update = other.acknowledged(&grant("mallory"), 50, 2);
    assert!(matches!(
        refused(&mut replica, &update),
        PolicyRefusal::Inconsistent(_)
    ));
    let all = other.authority.update_since(0).unwrap();
    assert!(matches!(
        refused(&mut replica, &all),
        PolicyRefusal::Tampered { size: 2 }
    ));
}

#[test]
fn a_smaller_policy_is_rolled_back_however_well_it_is_signed() {
    let (mut world, mut replica, _) = two();
    let old = world.authority.update_since(0).unwrap();
    replica
        .apply(&world.acknowledged(&revoke("alice"), 12, 2), NOW)
        .unwrap();
    // The witnesses' own keys, signing the old checkpoint once more, change nothing.
    let old = cosigned_by(&old, &world.keys, &world.keys.witness(0), 99);
    let refusal = refused(&mut replica, &old);
    assert!(matches!(
        refusal,
        PolicyRefusal::RolledBack {
            offered: 2,
            enforced: 3
        }
    ));
    assert_eq!(refusal.refusal(), Some(Refusal::PolicyRolledBack));
}

#[test]
fn only_distinct_known_witnesses_make_a_quorum() {
    let (mut world, mut replica, _) = two();
    let keys = world.keys.clone();
    let update = world.acknowledged(&revoke("alice"), 12, 2);
    let one = only(&update, &keys, &["east"]);
    let twice = cosigned_by(&one, &keys, &keys.witness(0), 13);
    let stranger = cosigned_by(&one, &keys, &KeyRing::new().witness(1), 13);
    let west = SigningKey::new("west", &KeyRing::new().log).unwrap();
    let outsider = cosigned_by(&one, &keys, &west, 13);
    for update in [only(&update, &keys, &[]), one, twice, stranger, outsider] {
        let refusal = refused(&mut replica, &update);
        assert!(
            matches!(refusal, PolicyRefusal::Unwitnessed { needed: 2, .. }),
            "{refusal}"
        );
        assert_eq!(refusal.refusal(), Some(Refusal::PolicyUnwitnessed));
    }
    assert!(
        replica
            .apply(&only(&update, &keys, &["east", "south"]), NOW)
            .is_ok()
    );
}

#[test]
fn bad_signatures_are_refused() {
    let (mut world, mut replica, _) = two();
    let update = world.acknowledged(&revoke("alice"), 12, 2);
    let text = String::from_utf8(update.checkpoint.clone()).unwrap();
    // Another checkpoint's signatures, the log's or a witness's, do not fit this one.
    let other = world.acknowledged(&grant("bob"), 12, 2);
    let other = String::from_utf8(other.checkpoint).unwrap();
    for name in ["clinic", "north"] {
        let line = |note: &str| {
            let start = format!("\u{2014} {name}");
            note.lines()
                .find(|line| line.starts_with(&start))
                .unwrap()
                .to_owned()
        };
        let checkpoint = text.replace(&line(&text), &line(&other)).into_bytes();
        let refusal = refused(
            &mut replica,
            &Update {
                checkpoint,
                ..update.clone()
            },
        );
        assert!(
            matches!(refusal, PolicyRefusal::Checkpoint(_)),
            "{name}: {refusal}"
        );
    }
    let checkpoint = b"nonsense".to_vec();
    let refusal = refused(
        &mut replica,
        &Update {
            checkpoint,
            ..update
        },
    );
    assert!(matches!(refusal, PolicyRefusal::Checkpoint(_)));
}

#[test]
fn a_tampered_entry_is_refused() {
    let (mut world, mut replica, _) = two();
    let mut update = world.acknowledged(&revoke("alice"), 12, 2);
    update.entries[0] = grant("mallory").to_bytes().unwrap();
    assert!(matches!(
        refused(&mut replica, &update),
        PolicyRefusal::Tampered { size: 3 }
    ));
    let mut overlap = world.authority.update_since(1).unwrap();
    overlap.entries[0] = grant("mallory").to_bytes().unwrap();
    assert!(matches!(
        refused(&mut replica, &overlap),
        PolicyRefusal::Tampered { size: 2 }
    ));
    let mut proof = world.authority.update_since(2).unwrap();
    proof.consistency[0][0] ^= 1;
    assert!(matches!(
        refused(&mut replica, &proof),
        PolicyRefusal::Inconsistent(_)
    ));
}

#[test]
fn a_time_that_has_not_come_makes_no_policy_young() {
    let (mut world, mut replica, _) = two();
    world.cosign(0, 20);
    let beat = world.authority.update_since(2).unwrap();
    let liar = world.keys.witness(1);
    let beat = cosigned_by(
        &only(&beat, &world.keys, &["east", "south"]),
        &world.keys,
        &liar,
        9_999,
    );
    // Two honest times are left, of 20 s and 10 s.
    assert_eq!(
        replica.apply(&beat, NOW).unwrap().as_of,
        Time::from_secs(10)
    );
    let none = Replica::apply(
        &mut fresh(&world.keys),
        &world.authority.update_since(0).unwrap(),
        Time::from_secs(5),
    );
    assert_eq!(
        none.unwrap().as_of,
        Time::default(),
        "a clock far behind knows no age"
    );
}

/// A clock that was set back comes to the time of the policy that is held, and that is no news.
#[test]
fn a_quorum_from_the_future_makes_the_age_unknown_until_one_is_not_and_a_liar_makes_none() {
    let (mut world, mut replica, _) = two();
    let (bound, tolerance) = (Duration::from_secs(5), Duration::from_millis(500));
    let stale = |replica: &Replica, now| {
        let view = replica.view();
        assert_eq!(
            view.is_ahead(now, tolerance),
            view.is_stale(now, bound, tolerance)
        );
        view.is_ahead(now, tolerance)
    };
    let (then, now) = (Time::from_secs(11), Time::from_secs(60));
    world.cosign(0, 60);
    world.cosign(1, 60);
    let beat = world.authority.update_since(2).unwrap();
    assert!(!stale(&replica, then), "it was young at 11 s");
    let applied = replica.apply(&beat, then).unwrap();
    assert_eq!(applied.as_of, Time::from_secs(10), "no younger for it");
    assert!(stale(&replica, then), "and 11 s is not the time");
    replica.apply(&beat, now).unwrap();
    assert!(!stale(&replica, now), "the clock is right again");
    let (mut world, mut replica, _) = two();
    world.cosign(0, 9_999);
    let beat = world.authority.update_since(2).unwrap();
    replica.apply(&beat, then).unwrap();
    assert!(!stale(&replica, then), "one fast witness is no quorum");
}

#[test]
fn without_witnesses_a_policy_is_as_old_as_its_arrival() {
    let mut world = World::new();
    let update = only(&world.acknowledged(&doctors(), 10, 0), &world.keys, &[]);
    let trust = Trust {
        quorum: unwitnessed(Vec::new()).unwrap(),
        ..world.keys.trust()
    };
    let disk = shared(&MemDisk::new());
    let mut replica = Replica::open(&disk, "policy", trust, NOW).unwrap();
    assert_eq!(replica.apply(&update, NOW).unwrap().as_of, NOW);
}
