//! A replica's restarts: after a clean end, after power cuts at every write, and on files that
//! someone put back.
//!
//! Whatever an apply returned is enforced again after the power is back; with a sync left out the
//! same check must find a loss, or it would find nothing.

use ca::clock::Time;
use ca::disk::{Disk, MemDisk};
use ca::rng::SeededRng;

use super::fixture::{World, doctors, grant, only, revoke, shared};
use super::replica::{PolicyRefusal, Replica};
use super::update::Update;
use super::view::Verdict;

const NOW: Time = Time::from_secs(100);
const FILES: [&str; 3] = ["policy/entries", "policy/checkpoint", "policy/enforced"];

fn open(world: &World, disk: &MemDisk) -> Result<Replica, PolicyRefusal> {
    Replica::open(&shared(disk), "policy", world.keys.trust(), NOW)
}

/// A policy, a grant and its revocation: what a follower is told at each step, a heartbeat last.
fn story(world: &mut World) -> [Update; 4] {
    [
        world.acknowledged(&doctors(), 10, 0),
        world.acknowledged(&grant("mallory"), 20, 1),
        world.acknowledged(&revoke("mallory"), 30, 2),
        {
            world.cosign(0, 40);
            world.cosign(2, 41);
            world.authority.update_since(3).unwrap()
        },
    ]
}

fn files(disk: &MemDisk) -> [Vec<u8>; 3] {
    FILES.map(|name| disk.read(name).unwrap().unwrap())
}

fn put_back(disk: &MemDisk, which: usize, content: &[u8]) {
    disk.replace(FILES[which], content).unwrap();
}

#[test]
fn after_a_restart_the_same_is_enforced_as_of_the_stored_cosignatures() {
    let (mut world, disk) = (World::new(), MemDisk::new());
    let updates = story(&mut world);
    let mut replica = open(&world, &disk).unwrap();
    for update in &updates {
        replica.apply(update, NOW).unwrap();
    }
    let (before, after) = (replica.view(), open(&world, &disk).unwrap().view());
    assert_eq!(
        (before.mark(), before.as_of()),
        (after.mark(), after.as_of())
    );
    assert_eq!(after.as_of(), Time::from_secs(40));
    assert_eq!(after.decide("mallory", "read", "r1"), Verdict::Deny);
}

#[test]
fn a_policy_put_back_on_the_disk_is_refused_by_name() {
    let (mut world, disk) = (World::new(), MemDisk::new());
    let updates = story(&mut world);
    let mut replica = open(&world, &disk).unwrap();
    replica.apply(&updates[0], NOW).unwrap();
    replica.apply(&updates[1], NOW).unwrap();
    let old = files(&disk);
    replica.apply(&updates[2], NOW).unwrap();
    let new = files(&disk);

    for putting in [&[0, 1][..], &[0], &[1]] {
        for which in putting {
            put_back(&disk, *which, &old[*which]);
        }
        let refusal = open(&world, &disk).unwrap_err();
        let expected = PolicyRefusal::RolledBack {
            offered: 2,
            enforced: 3,
        };
        assert_eq!(refusal.to_string(), expected.to_string(), "{putting:?}");
        for which in [0, 1, 2] {
            put_back(&disk, which, &new[which]);
        }
    }
    put_back(&disk, 2, &old[2]);
    assert_eq!(
        open(&world, &disk).unwrap().size(),
        3,
        "an older mark alone takes nothing back"
    );
    assert_eq!(files(&disk)[2], new[2]);
}

#[test]
fn a_disk_put_back_whole_is_as_old_as_its_cosignatures() {
    let (mut world, disk) = (World::new(), MemDisk::new());
    let updates = story(&mut world);
    let mut replica = open(&world, &disk).unwrap();
    replica.apply(&updates[0], NOW).unwrap();
    replica.apply(&updates[1], NOW).unwrap();
    let old = files(&disk);
    replica.apply(&updates[2], NOW).unwrap();
    for (which, content) in old.iter().enumerate() {
        put_back(&disk, which, content);
    }
    assert_eq!(
        open(&world, &disk).unwrap().view().as_of(),
        Time::from_secs(20)
    );
}

#[test]
fn files_that_are_not_what_was_stored_are_refused() {
    let (mut world, disk) = (World::new(), MemDisk::new());
    let updates = story(&mut world);
    let mut replica = open(&world, &disk).unwrap();
    for update in &updates[..3] {
        replica.apply(update, NOW).unwrap();
    }
    let good = files(&disk);
    let refused = |which: usize, content: &[u8]| {
        put_back(&disk, which, content);
        let refusal = open(&world, &disk).unwrap_err();
        put_back(&disk, which, &good[which]);
        refusal
    };
    let mut flipped = good[0].clone();
    flipped[20] ^= 1;
    assert!(matches!(
        refused(0, &flipped),
        PolicyRefusal::Tampered { size: 3 }
    ));
    assert!(matches!(refused(1, b"?"), PolicyRefusal::Checkpoint(_)));
    assert!(matches!(refused(2, b"?"), PolicyRefusal::Damaged(_)));
    let lonely = only(&updates[2], &world.keys, &["east"]).checkpoint;
    assert!(matches!(
        refused(1, &lonely),
        PolicyRefusal::Unwitnessed {
            valid: 1,
            needed: 2
        }
    ));
    let mut other = World::of(&world.keys);
    other.acknowledged(&grant("mallory"), 10, 0);
    let text = other.authority.commit().unwrap().checkpoint.to_text();
    assert!(matches!(
        refused(2, text.as_bytes()),
        PolicyRefusal::Fork { size: 1 }
    ));
    assert_eq!(open(&world, &disk).unwrap().size(), 3);
}

/// Applies until the power goes, and says what was lost, if anything.
fn outlives(world: &World, updates: &[Update], disk: &MemDisk, fuse: u64, seed: u64) -> bool {
    let mut enforced = 0;
    disk.cut_power_after(fuse);
    if let Ok(mut replica) = open(world, disk) {
        for update in updates {
            if let Ok(applied) = replica.apply(update, NOW) {
                enforced = applied.size;
            }
        }
    }
    disk.cut_power();
    disk.restore(&SeededRng::new(seed));
    let Ok(mut again) = open(world, disk) else {
        return false;
    };
    let kept = again.size() >= enforced;
    // And it goes on from there.
    let rest = world.authority.update_since(again.size()).unwrap();
    kept && again
        .apply(&rest, NOW)
        .is_ok_and(|applied| applied.size == 3)
}

#[test]
fn whenever_the_power_goes_what_was_enforced_is_enforced_again() {
    let mut world = World::new();
    let updates = story(&mut world);
    for seed in 0..20 {
        for fuse in 0..16 {
            let disk = MemDisk::new();
            assert!(
                outlives(&world, &updates, &disk, fuse, seed),
                "seed {seed}, fuse {fuse}"
            );
        }
    }
}

#[test]
fn with_a_sync_left_out_something_is_lost() {
    let mut world = World::new();
    let updates = story(&mut world);
    for name in FILES {
        let lost = (0..40).any(|seed| {
            let disk = MemDisk::new();
            disk.danger_skip_sync(name);
            !outlives(&world, &updates, &disk, 16, seed)
        });
        assert!(lost, "`{name}` need not be synced, it seems");
    }
}
