//! A node's clock: true time, plus how wrong this node is.
//!
//! A step of the clock wakes whoever sleeps on it, so that a renewal timed for noon notices when
//! noon jumps. The laboratory keeps the record of every step, to translate a node's times back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ca::clock::{BoxFuture, Clock, Time};
use tokio::sync::watch;

use super::TrueTime;

/// How wrong one clock is, and has been. Microseconds; positive is fast.
#[derive(Clone, Debug)]
pub struct Skew {
    now: Arc<watch::Sender<i64>>,
    steps: Arc<Mutex<Vec<(u64, i64)>>>,
}

impl Default for Skew {
    fn default() -> Self {
        let now = Arc::new(watch::Sender::new(0));
        Self {
            now,
            steps: Arc::new(Mutex::new(vec![(0, 0)])),
        }
    }
}

impl Skew {
    /// Steps the clock at true time `at_us` to be `skew_us` away from the truth.
    pub fn step(&self, at_us: u64, skew_us: i64) {
        self.steps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((at_us, skew_us));
        self.now.send_replace(skew_us);
    }

    /// Every step so far: (true time, skew from then on), both in microseconds.
    pub fn steps(&self) -> Vec<(u64, i64)> {
        self.steps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// One node's clock in a fabric.
#[derive(Clone, Debug)]
pub struct NodeClock {
    epoch: Time,
    truth: TrueTime,
    skew: Skew,
}

impl NodeClock {
    /// A clock that shows `epoch` at true time zero.
    pub const fn new(epoch: Time, truth: TrueTime, skew: Skew) -> Self {
        Self { epoch, truth, skew }
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Time {
        let truth = self.epoch + self.truth.elapsed();
        Time::from_micros(
            truth
                .as_micros()
                .saturating_add_signed(*self.skew.now.borrow()),
        )
    }

    fn sleep_until(&self, deadline: Time) -> BoxFuture<'_, ()> {
        let mut stepped = self.skew.now.subscribe();
        Box::pin(async move {
            loop {
                stepped.mark_unchanged();
                let left = deadline.since(self.now());
                if left.is_zero() {
                    return;
                }
                tokio::select! {
                    biased;
                    _ = stepped.changed() => {}
                    () = tokio::time::sleep(left.max(Duration::from_millis(1))) => {}
                }
            }
        })
    }
}
