//! Requests taking turns: [`Admission`] for those who wait as tasks.
//!
//! It decides nothing: it wakes whoever is called, tells whoever is displaced that the CA is busy,
//! and takes out whoever was dropped, waiting, served or at rest. Invariant: every place that was
//! taken is given back, whatever becomes of the request's task.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::admission::{Admission, Caller, Limits, Ticket};
use crate::work::Busy;

#[derive(Debug)]
struct Hall {
    admission: Admission,
    /// Dropping one turns its request away.
    waiting: BTreeMap<Ticket, oneshot::Sender<()>>,
}

impl Hall {
    fn call(&mut self) {
        while let Some(ticket) = self.admission.call() {
            // Whoever waits leaves the hall when dropped: somebody is there to hear.
            if let Some(waiting) = self.waiting.remove(&ticket) {
                let _ = waiting.send(());
            }
        }
    }
}

/// The hall where requests wait for their turn. Cheap to clone; a clone is the same hall.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Mutex<Hall>>);

impl Turns {
    /// An empty hall.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Hall {
            admission: Admission::new(limits),
            waiting: BTreeMap::new(),
        })))
    }

    /// Waits for a turn. It lasts until [`Turn::rest`], or until what is returned is dropped, and
    /// the place in the hall until that.
    ///
    /// # Errors
    /// When the hall is full of those with less time, or becomes so, or the same identity asks
    /// again meanwhile.
    pub async fn wait(&self, caller: Caller) -> Result<Turn, Busy> {
        let (turn, called) = self.enter(caller)?;
        called.await.map_err(|_| Busy)?;
        Ok(turn)
    }

    /// How many are served at once.
    pub fn at_once(&self) -> usize {
        self.hall().admission.at_once()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.hall().admission.waiting()
    }

    fn enter(&self, caller: Caller) -> Result<(Turn, oneshot::Receiver<()>), Busy> {
        let mut hall = self.hall();
        let admitted = hall.admission.admit(caller)?;
        if let Some(displaced) = admitted.displaced {
            hall.waiting.remove(&displaced);
        }
        let (call, called) = oneshot::channel();
        hall.waiting.insert(admitted.ticket, call);
        hall.call();
        drop(hall);
        let (turns, ticket) = (self.clone(), admitted.ticket);
        Ok((Turn { turns, ticket }, called))
    }

    fn hall(&self) -> MutexGuard<'_, Hall> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the hall: first to wait, then to be served, and perhaps to rest.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    ticket: Ticket,
}

impl Turn {
    /// All is done but what is shared with others: the next may be served, if as many as may do
    /// not rest already. Who asked keeps its place in the hall until the turn is dropped.
    pub fn rest(&self) {
        let mut hall = self.turns.hall();
        hall.admission.rest(self.ticket);
        hall.call();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut hall = self.turns.hall();
        hall.waiting.remove(&self.ticket);
        hall.admission.leave(self.ticket);
        hall.call();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::{JoinHandle, yield_now};

    use super::*;
    use crate::clock::Time;
    use crate::identity::{LeafFacts, SpiffeId};

    const ONE: Limits = Limits {
        at_once: 1,
        resting: 1,
        renewals: 2,
        enrolments: 1,
    };

    /// A member whose leaf ends after so many seconds.
    fn member(number: u64, ends: u64) -> Caller {
        let id = format!("spiffe://clinic.example/n/{number}");
        Caller::renewing(&LeafFacts {
            spiffe_id: SpiffeId::parse(&id).unwrap(),
            serial: vec![1],
            not_before: Time::from_secs(0),
            not_after: Time::from_secs(ends),
            leaf_sha256: [0; 32],
            issuer: Vec::new(),
        })
    }

    /// A task that waits for its turn; on return it has come to where it goes no further.
    async fn waits(turns: &Turns, number: u64, ends: u64) -> JoinHandle<Result<Turn, Busy>> {
        let turns = turns.clone();
        let task = tokio::spawn(async move { turns.wait(member(number, ends)).await });
        settled().await;
        task
    }

    async fn settled() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn turns_are_taken_one_after_another_the_soonest_expiry_first() {
        let turns = Turns::new(ONE);
        let held = turns.wait(member(0, 0)).await.unwrap();
        let (late, soon) = (waits(&turns, 1, 30).await, waits(&turns, 2, 10).await);
        assert!(!late.is_finished() && !soon.is_finished());
        drop(held);
        let held = soon.await.unwrap().unwrap();
        settled().await;
        assert!(!late.is_finished(), "one at a time");
        drop(held);
        assert!(late.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn whoever_rests_wakes_the_next_and_is_in_the_hall_until_it_is_dropped() {
        let turns = Turns::new(ONE);
        let held = turns.wait(member(0, 0)).await.unwrap();
        let next = waits(&turns, 1, 10).await;
        held.rest();
        let served = next.await.unwrap().unwrap();
        assert_eq!(turns.wait(member(0, 0)).await.unwrap_err(), Busy);
        served.rest();
        let third = waits(&turns, 2, 10).await;
        assert!(!third.is_finished(), "one rests already");
        drop(held);
        settled().await;
        assert!(
            !third.is_finished(),
            "that place at rest is not taken by itself"
        );
        drop(served);
        assert!(third.await.unwrap().is_ok());
        assert!(turns.wait(member(0, 0)).await.is_ok());
    }

    #[tokio::test]
    async fn whoever_is_displaced_is_told_at_once() {
        let turns = Turns::new(ONE);
        let _held = turns.wait(member(0, 0)).await.unwrap();
        let (late, soon) = (waits(&turns, 1, 30).await, waits(&turns, 2, 10).await);
        let sooner = waits(&turns, 3, 5).await;
        assert_eq!(late.await.unwrap().unwrap_err(), Busy);
        let again = waits(&turns, 2, 10).await;
        assert_eq!(
            soon.await.unwrap().unwrap_err(),
            Busy,
            "replaced by a newer one"
        );
        assert!(!sooner.is_finished() && !again.is_finished());
        assert_eq!(turns.waiting(), 2);
    }

    #[tokio::test]
    async fn a_caller_that_is_dropped_gives_its_place_back() {
        let turns = Turns::new(ONE);
        let held = turns.wait(member(0, 0)).await.unwrap();
        let (gone, stays) = (waits(&turns, 1, 10).await, waits(&turns, 2, 30).await);
        gone.abort();
        settled().await;
        assert_eq!(turns.waiting(), 1);
        drop(held);
        let held = stays.await.unwrap().unwrap();
        let served = waits(&turns, 3, 10).await;
        drop(held);
        // Called, and dropped before it knows: the turn must not be lost with it.
        served.abort();
        settled().await;
        let next = tokio::time::timeout(Duration::from_secs(5), turns.wait(member(4, 10)));
        assert!(next.await.expect("the turn came back").is_ok());
    }

    #[tokio::test]
    async fn a_flood_leaves_nothing_behind() {
        let turns = Turns::new(ONE);
        let held = turns.wait(member(0, 0)).await.unwrap();
        let mut flood = Vec::new();
        for number in 1..2_000 {
            flood.push(waits(&turns, number % 700 + 1, 10_000 - number).await);
            assert!(turns.waiting() <= ONE.renewals);
            assert!(turns.hall().waiting.len() <= ONE.renewals);
        }
        flood.iter().for_each(JoinHandle::abort);
        settled().await;
        drop(held);
        let hall = turns.hall();
        assert_eq!((hall.waiting.len(), hall.admission.waiting()), (0, 0));
    }
}
