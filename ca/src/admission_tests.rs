//! Claims about the order and the limits of the queue.

use super::*;
use crate::rng::{Rng as _, SeededRng};

const NOW: Time = Time::from_secs(1_000);
const SMALL: Limits = Limits {
    at_once: 1,
    resting: 2,
    renewals: 3,
    enrolments: 2,
};

fn id(number: u64) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://clinic.example/n/{number}")).unwrap()
}

/// A member whose leaf has so many seconds left.
fn member(number: u64, left: u64) -> Caller {
    Caller::renewing(&LeafFacts {
        spiffe_id: id(number),
        serial: vec![1],
        not_before: NOW,
        not_after: NOW + Duration::from_secs(left),
        leaf_sha256: [0; 32],
        issuer: Vec::new(),
    })
}

/// A queue whose one place at the pen is taken.
fn busy() -> (Admission, Ticket) {
    let mut queue = Admission::new(SMALL);
    queue.admit(member(1_000, 0)).unwrap();
    let served = queue.call().unwrap();
    (queue, served)
}

/// Serves everybody, one after another.
fn drain(queue: &mut Admission, mut served: Ticket) -> Vec<Ticket> {
    let mut order = Vec::new();
    loop {
        queue.leave(served);
        let Some(next) = queue.call() else {
            return order;
        };
        assert_eq!(queue.call(), None, "one at a time");
        order.push(next);
        served = next;
    }
}

#[test]
fn the_soonest_expiry_goes_first_and_equals_go_as_they_came() {
    let (mut queue, served) = busy();
    let [late, soon, as_soon] = [(1, 30), (2, 10), (3, 10)]
        .map(|(number, left)| queue.admit(member(number, left)).unwrap().ticket);
    assert_eq!(drain(&mut queue, served), [soon, as_soon, late]);
}

#[test]
fn a_full_queue_turns_away_whoever_has_most_time() {
    let (mut queue, served) = busy();
    let [first, second, third] = [(1, 10), (2, 20), (3, 30)]
        .map(|(number, left)| queue.admit(member(number, left)).unwrap().ticket);
    for left in [31, 30] {
        assert_eq!(queue.admit(member(4, left)), Err(Busy), "{left} s left");
    }
    let fourth = queue.admit(member(4, 29)).unwrap();
    assert_eq!(fourth.displaced, Some(third));
    assert_eq!(queue.waiting(), SMALL.renewals);
    assert_eq!(drain(&mut queue, served), [first, second, fourth.ticket]);
}

#[test]
fn an_identity_has_one_request_and_the_newest_is_the_one_that_counts() {
    let (mut queue, served) = busy();
    let older = queue.admit(member(1, 10)).unwrap().ticket;
    let newer = queue.admit(member(1, 40)).unwrap();
    assert_eq!((newer.displaced, queue.waiting()), (Some(older), 1));
    queue.leave(older);
    assert_eq!(queue.waiting(), 1, "it was gone already");
    assert_eq!(drain(&mut queue, served), [newer.ticket]);
}

#[test]
fn whoever_is_being_served_does_not_stand_in_line_as_well() {
    let (mut queue, served) = busy();
    assert_eq!(queue.admit(member(1_000, 0)), Err(Busy));
    queue.admit(member(1, 40)).unwrap();
    queue.leave(served);
    queue.call().unwrap();
    let again = queue.admit(member(1_000, 0));
    assert!(again.is_ok(), "others had their turn first");
}

#[test]
fn whoever_rests_lets_the_next_be_served_and_counts_as_its_identitys_one_request() {
    let (mut queue, first) = busy();
    let waits = queue.admit(member(1, 10)).unwrap().ticket;
    assert_eq!(queue.call(), None);
    queue.rest(first);
    assert_eq!(queue.call(), Some(waits));
    assert_eq!(
        queue.admit(member(1_000, 0)),
        Err(Busy),
        "it is not answered yet"
    );
    queue.leave(first);
    assert!(queue.admit(member(1_000, 0)).is_ok());
}

#[test]
fn with_as_many_at_rest_as_may_be_a_turn_lasts_until_the_answer() {
    let (mut queue, mut served) = busy();
    for number in 0..2 {
        queue.rest(served);
        queue.admit(member(number, 10)).unwrap();
        served = queue.call().unwrap();
    }
    queue.rest(served);
    let last = queue.admit(member(2, 10)).unwrap().ticket;
    assert_eq!(queue.call(), None, "two rest, and one keeps its turn");
    queue.leave(served);
    assert_eq!(queue.call(), Some(last));
}

#[test]
fn an_enrolment_passes_nobody_in_need_and_is_not_put_off_for_ever() {
    let (mut queue, served) = busy();
    let enrolment = queue.admit(Caller::enrolling(id(9), NOW)).unwrap().ticket;
    let patience = PATIENCE.as_secs();
    let need = queue.admit(member(1, patience - 1)).unwrap().ticket;
    let time = queue.admit(member(2, patience + 1)).unwrap().ticket;
    assert_eq!(drain(&mut queue, served), [need, enrolment, time]);
}

#[test]
fn a_crowd_of_enrolments_costs_no_member_its_place() {
    let (mut queue, _) = busy();
    for number in 0..100 {
        let admitted = queue.admit(Caller::enrolling(id(number), NOW));
        assert_eq!(admitted.is_ok(), number < 2, "{number}");
    }
    for number in 0..3 {
        // The same name with a join code is another errand, and displaces nothing.
        let admitted = queue.admit(member(number, 1_000)).unwrap();
        assert_eq!(admitted.displaced, None);
    }
    assert_eq!(queue.waiting(), SMALL.renewals + SMALL.enrolments);
}

#[test]
fn whoever_asks_and_however_often_no_more_wait_than_may() {
    let limits = Limits {
        at_once: 4,
        resting: 3,
        renewals: 16,
        enrolments: 8,
    };
    let (mut queue, rng) = (Admission::new(limits), SeededRng::new(7));
    let mut known = Vec::new();
    for _ in 0..20_000 {
        let (number, left) = (rng.below(5_000), rng.below(100));
        let caller = match rng.below(3) {
            0 => Caller::enrolling(id(number), NOW + Duration::from_secs(left)),
            _ => member(number, left),
        };
        if let Ok(admitted) = queue.admit(caller) {
            known.push(admitted.ticket);
            known.retain(|ticket| Some(*ticket) != admitted.displaced);
        }
        if rng.below(4) == 0 && !known.is_empty() {
            let gone = usize::try_from(rng.below(known.len() as u64)).unwrap();
            queue.leave(known.swap_remove(gone));
        }
        while let Some(called) = queue.call() {
            if rng.below(2) == 0 {
                queue.rest(called);
            }
        }
        assert!(queue.renewals.len() <= 16 && queue.enrolments.len() <= 8);
        assert!(queue.serving.len() <= 4 && queue.resting.len() <= 3);
        let called = queue.serving.len() + queue.resting.len();
        assert_eq!(queue.present.len(), queue.waiting() + called);
        assert_eq!(queue.present.len(), known.len());
    }
    known.into_iter().for_each(|ticket| queue.leave(ticket));
    assert!(queue.present.is_empty() && queue.serving.is_empty());
    assert!(queue.resting.is_empty());
    assert_eq!(queue.waiting(), 0);
}
