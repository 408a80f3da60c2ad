//! The argument for the bound, as a test: *no checkpoint without an acknowledged act gains an
//! as-of later than the acknowledgement.*
//!
//! Any two quorums share a witness. It signed the act's checkpoint before the acknowledgement, and
//! afterwards signs no smaller one. So of the k times that a smaller checkpoint needs, at least one
//! is from before the acknowledgement, and the k-th newest is no newer; rounding down only ages it.
//!
//! Here the authority, the witnesses and the replica are the real ones. The adversary orders,
//! delays and repeats every message, and hands the replica the youngest note that can be put
//! together. Two planted bugs must break the property, or the test would prove nothing.

use std::time::Duration;

use ca::clock::Time;
use ca::disk::MemDisk;
use ca::rng::{Rng, SeededRng};
use ca::tlog::checkpoint::SignedCheckpoint;

use super::authority::CosignRequest;
use super::danger::Mutation;
use super::fixture::{KeyRing, ORIGIN, WITNESSES, World, doctors, grant, revoke, shared};
use super::replica::{Replica, Trust};

/// Two requests a witness: for the checkpoint with the revocation, or for the one before it.
const MOVES: u64 = 6;
/// Between two moves: not a whole second, so that rounding matters.
const STEP: Duration = Duration::from_millis(700);
const START: Time = Time::from_micros(1_000_300_000);

/// What came of one order of messages.
#[derive(Debug)]
struct Outcome {
    /// When the revocation was acknowledged, if it was.
    acknowledged: Option<Time>,
    /// The youngest as-of that a replica without the revocation can be brought to.
    without: Time,
}

impl Outcome {
    fn keeps_the_bound(&self) -> bool {
        self.acknowledged
            .is_none_or(|acknowledged| self.without <= acknowledged)
    }
}

/// Plays moves: move `m` lets witness `m % 3` answer the old request if `m < 3`, else the new one.
fn play(keys: &KeyRing, moves: &[u64], bug: Mutation) -> Outcome {
    let mut world = World::with(keys, bug);
    world.act(&doctors());
    world.act(&grant("mallory"));
    for who in 0..3 {
        world.cosign(who, 1_000);
    }
    let mut told = world.authority.update_since(0).unwrap();
    let ask = |world: &World| WITNESSES.map(|name| world.authority.request(name).unwrap());
    let old = ask(&world);
    let size = world.act(&revoke("mallory"));
    let new = ask(&world);
    let mut now = START;
    let mut acknowledged = (world.authority.acknowledged_size() >= size).then_some(now);
    for chosen in moves {
        now = now + STEP;
        let who = usize::try_from(chosen % 3).unwrap();
        let request = if *chosen < 3 { &old[who] } else { &new[who] };
        if *chosen < 3 {
            told.checkpoint = renewed(&mut world, &told.checkpoint, who, request, now);
        } else {
            carry(&mut world, who, request, now);
        }
        if acknowledged.is_none() && world.authority.acknowledged_size() >= size {
            acknowledged = Some(now);
        }
    }
    let trust = Trust {
        bug,
        ..keys.trust()
    };
    let mut replica = Replica::open(&shared(&MemDisk::new()), "policy", trust, now).unwrap();
    let applied = replica.apply(&told, now).unwrap();
    Outcome {
        acknowledged,
        without: applied.as_of,
    }
}

fn carry(world: &mut World, who: usize, request: &CosignRequest, now: Time) {
    // The witness may have moved on: the proof then starts where it is.
    let at = world.witnesses[who].size(ORIGIN);
    let again = CosignRequest {
        old_size: at,
        proof: Vec::new(),
        ..request.clone()
    };
    let request = if at == request.size { &again } else { request };
    world.carry(who, request, now);
}

/// The old note with this witness's cosignature of now, if the witness still gives it.
fn renewed(
    world: &mut World,
    note: &[u8],
    who: usize,
    request: &CosignRequest,
    now: Time,
) -> Vec<u8> {
    let CosignRequest {
        old_size,
        proof,
        checkpoint,
        ..
    } = request;
    let Ok(signature) = world.witnesses[who].cosign(*old_size, proof, checkpoint, now) else {
        return note.to_vec();
    };
    let log = world.keys.log().verifying();
    let mut signed = SignedCheckpoint::open(note, &log).unwrap();
    signed.add(signature).unwrap();
    signed.to_bytes()
}

/// Every order of `length` messages, as digits.
fn orders(length: u32) -> impl Iterator<Item = Vec<u64>> {
    (0..MOVES.pow(length)).map(move |n| (0..length).map(|at| n / MOVES.pow(at) % MOVES).collect())
}

#[test]
fn no_policy_without_an_acknowledged_revocation_looks_younger_than_the_acknowledgement() {
    let keys = KeyRing::new();
    let mut acknowledged = 0;
    let rng = SeededRng::new(7);
    let long = (0..300).map(|_| (0..12).map(|_| rng.below(MOVES)).collect());
    for moves in orders(4).chain(long) {
        let outcome = play(&keys, &moves, Mutation::None);
        assert!(outcome.keeps_the_bound(), "{moves:?}: {outcome:?}");
        acknowledged += u32::from(outcome.acknowledged.is_some());
    }
    assert!(
        acknowledged > 300,
        "acknowledged in only {acknowledged} orders: proves little"
    );
}

#[test]
fn an_as_of_from_one_witness_breaks_the_bound() {
    let keys = KeyRing::new();
    // North and south acknowledge; east never hears, and signs the old checkpoint once more.
    let moves = [4, 5, 0];
    assert!(play(&keys, &moves, Mutation::None).keeps_the_bound());
    assert!(!play(&keys, &moves, Mutation::AsOfFromOneWitness).keeps_the_bound());
}

#[test]
fn an_acknowledgement_before_the_quorum_breaks_the_bound() {
    let keys = KeyRing::new();
    // Durable, and no witness has heard: two of them sign the old checkpoint once more.
    let moves = [0, 1];
    assert!(play(&keys, &moves, Mutation::None).keeps_the_bound());
    assert!(!play(&keys, &moves, Mutation::AckBeforeQuorum).keeps_the_bound());
}
