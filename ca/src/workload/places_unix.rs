//! Who has how many connections to the socket, and who goes when there are too many.
//!
//! Anybody on the machine may connect, so silence must keep nobody out: where a place is wanted and
//! there is none, a connection with no call under way gives way, of the user who has most of them.
//! What was dropped is counted and told in one line a period, so that nobody can fill the log.
//! Invariant: a connection with a call under way never gives way to another.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::{oneshot, watch};

use super::lock;

/// Connections at once.
pub const MAX_CONNECTIONS: usize = 512;
/// Connections of one user at once: no user keeps out the others.
pub const MAX_OF_ONE_USER: usize = 128;

/// The calls of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    /// How many there ever were.
    pub(super) begun: u64,
    /// How many are not answered to their end.
    pub(super) under_way: usize,
}

/// One call; it is over when dropped.
#[derive(Debug)]
pub(super) struct Call(Arc<watch::Sender<Calls>>);

impl Call {
    pub(super) fn begin(calls: &Arc<watch::Sender<Calls>>) -> Self {
        calls.send_modify(|calls| {
            calls.begun += 1;
            calls.under_way += 1;
        });
        Self(Arc::clone(calls))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.send_modify(|calls| calls.under_way -= 1);
    }
}

/// A taken place, as the others see it. Dropping it ends its connection.
#[derive(Debug)]
struct Seat {
    uid: u32,
    calls: Arc<watch::Sender<Calls>>,
    _stay: oneshot::Sender<Infallible>,
}

impl Seat {
    fn is_silent(&self) -> bool {
        self.calls.borrow().under_way == 0
    }
}

#[derive(Debug, Default)]
struct Taken {
    /// In the order in which they were taken.
    seats: BTreeMap<u64, Seat>,
    next: u64,
}

impl Taken {
    fn of(&self, uid: u32) -> usize {
        self.seats.values().filter(|seat| seat.uid == uid).count()
    }

    /// The oldest silent one of the user who has most of them; of `only`, if it says whose.
    fn silent(&self, only: Option<u32>) -> Option<u64> {
        let silent = self.seats.iter().filter(|(_, seat)| seat.is_silent());
        let silent: Vec<_> = silent
            .filter(|(_, seat)| only.is_none_or(|uid| uid == seat.uid))
            .collect();
        let mut many: BTreeMap<u32, usize> = BTreeMap::new();
        for (_, seat) in &silent {
            *many.entry(seat.uid).or_default() += 1;
        }
        let worst = silent.iter().max_by_key(|(number, seat)| {
            let of_user = many.get(&seat.uid).copied();
            (of_user, Reverse(**number))
        });
        worst.map(|(number, _)| **number)
    }
}

/// All places, and what was told of those that were lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    taken: Arc<Mutex<Taken>>,
    lost: Arc<Mutex<Lost>>,
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    number: u64,
    /// Its calls.
    pub(super) calls: Arc<watch::Sender<Calls>>,
    /// Ends, with an error, once the connection has to.
    pub(super) give_way: oneshot::Receiver<Infallible>,
}

impl Places {
    /// A place for one more of that user; nothing if nobody can give way.
    pub(super) fn take(&self, uid: u32) -> Option<Place> {
        let mut taken = lock(&self.taken);
        let only = (taken.of(uid) >= MAX_OF_ONE_USER).then_some(uid);
        if only.is_some() || taken.seats.len() >= MAX_CONNECTIONS {
            let Some(silent) = taken.silent(only) else {
                lock(&self.lost).too_many += 1;
                return None;
            };
            taken.seats.remove(&silent);
            lock(&self.lost).gave_way += 1;
        }
        let (stay, give_way) = oneshot::channel();
        let calls = Arc::new(watch::Sender::default());
        let number = taken.next;
        taken.next += 1;
        let seat = Seat {
            uid,
            calls: Arc::clone(&calls),
            _stay: stay,
        };
        taken.seats.insert(number, seat);
        Some(Place {
            places: self.clone(),
            number,
            calls,
            give_way,
        })
    }

    /// Notes a caller whom the system does not name.
    pub(super) fn nameless(&self) {
        lock(&self.lost).nameless += 1;
    }

    /// What was lost since this was asked last, if anything was.
    pub(super) fn lost(&self) -> Option<Lost> {
        let lost = std::mem::take(&mut *lock(&self.lost));
        (lost != Lost::default()).then_some(lost)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It is gone already if it gave way.
        lock(&self.places.taken).seats.remove(&self.number);
    }
}

/// Connections that were dropped, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// There was no place, and none who could give way.
    pub(super) too_many: u64,
    /// They were silent, and another came.
    pub(super) gave_way: u64,
    /// The system does not say who called.
    pub(super) nameless: u64,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.too_many, "too many"),
            (self.gave_way, "silent while others waited"),
            (self.nameless, "of nobody that the system names"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, why)| format!("{count} {why}")).collect();
        write!(f, "connections dropped: {}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    /// So many places of one user, each with a call under way if it `calls`.
    fn many(places: &Places, uid: u32, most: usize, calls: bool) -> Vec<(Place, Option<Call>)> {
        let taken = (0..most).map_while(|_| places.take(uid));
        taken
            .map(|place| {
                let call = calls.then(|| Call::begin(&place.calls));
                (place, call)
            })
            .collect()
    }

    #[test]
    fn one_user_keeps_out_no_other_and_places_come_back() {
        let places = Places::default();
        let first = many(&places, 0, MAX_CONNECTIONS, true);
        assert_eq!(first.len(), MAX_OF_ONE_USER);
        let users = u32::try_from(MAX_CONNECTIONS / MAX_OF_ONE_USER).unwrap();
        let others = (1..users).map(|uid| many(&places, uid, MAX_OF_ONE_USER, true));
        let others: Vec<_> = others.collect();
        assert!(others.iter().all(|own| own.len() == MAX_OF_ONE_USER));
        assert!(places.take(users).is_none(), "there is an end to it");
        drop(first);
        assert!(places.take(users).is_some());
        drop(others);
        assert!(lock(&places.taken).seats.is_empty());
    }

    #[test]
    fn who_is_silent_gives_way_and_first_those_who_have_most() {
        let places = Places::default();
        let mut silent: Vec<_> = (0..4)
            .map(|uid| many(&places, uid, MAX_OF_ONE_USER, false))
            .collect();
        let gone = |own: &mut Vec<(Place, Option<Call>)>| {
            let heard = own.iter_mut().map(|it| it.0.give_way.try_recv());
            heard.filter(|it| *it == Err(TryRecvError::Closed)).count()
        };
        let mut late = many(&places, 9, 4, false);
        assert_eq!(late.len(), 4, "silence keeps nobody out");
        let lost = silent.iter_mut().map(gone).collect::<Vec<_>>();
        assert_eq!(lost, [1; 4], "one of each who has most");
        assert_eq!(gone(&mut late), 0);
        let said = places.lost().unwrap();
        assert_eq!((said.gave_way, said.too_many), (4, 0));
        // Among one user's own, too; and never one with a call under way.
        let places = Places::default();
        let calling = many(&places, 1, MAX_OF_ONE_USER - 1, true);
        let mut quiet = many(&places, 1, 1, false);
        let (next, _) = many(&places, 1, 1, false).remove(0);
        assert_eq!(gone(&mut quiet), 1);
        let _call = Call::begin(&next.calls);
        assert!(places.take(1).is_none());
        drop(calling);
        assert!(places.take(1).is_some());
    }

    #[test]
    fn what_is_dropped_is_counted_and_told_once() {
        let places = Places::default();
        assert_eq!(places.lost(), None);
        let _calling = many(&places, 0, MAX_OF_ONE_USER, true);
        (0..1000).for_each(|_| assert!(places.take(0).is_none()));
        places.nameless();
        let said = places.lost().unwrap().to_string();
        assert_eq!(
            said,
            "connections dropped: 1000 too many, 1 of nobody that the system names"
        );
        assert_eq!(places.lost(), None, "it is told once");
    }
}
