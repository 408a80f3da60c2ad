//! Virtual labour: the work seam of a simulated node.
//!
//! Each node does one thing at a time and keeps a bounded queue. The costs are measured: medians of
//! `cargo bench -p tests` on one of two noisy cores (x86-64, a virtual disk), two digits each. They
//! are part of a run's meaning: a change to them changes trace hashes, so another machine's figures
//! do not belong here.
//!
//! | work | bench line |
//! |---|---|
//! | append | `append/audit log, 1 entries` |
//! | cosign | `cosign/cosign` |
//! | decide | `decide/policy view, 10 memberships` |
//! | handshake | `unary/a new connection, both ends` |
//! | issue | `issue/renew through log, on disk` |
//! | sign a token | `token/sign` |
//! | verify a token | `token/verify, cold` |

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ca::clock::BoxFuture;
use ca::work::{Busy, Kind, Work};

use super::TrueTime;

/// What one piece of work takes.
pub const fn cost(kind: Kind) -> Duration {
    Duration::from_micros(match kind {
        Kind::Append => 660,
        Kind::Cosign => 550,
        Kind::Decide => 5,
        Kind::Handshake => 670,
        Kind::Issue => 880,
        Kind::SignToken => 28,
        Kind::VerifyToken => 54,
    })
}

/// How much work may wait before a node says that it is busy.
pub const QUEUE: usize = 64;

/// Debts smaller than this are carried, not slept: tokio's timers count in milliseconds.
const GRAIN: u64 = 1_000;

#[derive(Debug, Default)]
struct Desk {
    /// True time at which everything taken so far is done, in microseconds.
    free_at: u64,
    waiting: usize,
    /// How many times as long everything takes; 0 is as 1.
    times: u32,
}

/// One simulated node's labour.
#[derive(Clone, Debug)]
pub struct QueuedWork {
    truth: TrueTime,
    desk: Arc<Mutex<Desk>>,
}

impl QueuedWork {
    /// An idle node.
    pub fn new(truth: TrueTime) -> Self {
        Self {
            truth,
            desk: Arc::default(),
        }
    }

    /// From now on everything takes so many times as long.
    pub fn slow(&self, times: u32) {
        self.desk().times = times;
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place in the queue; says for how long the caller must wait.
    fn take(&self, kind: Kind) -> Result<Duration, Busy> {
        let now = self.truth.micros();
        let mut desk = self.desk();
        if desk.waiting >= QUEUE {
            return Err(Busy);
        }
        let cost = cost(kind).saturating_mul(desk.times.max(1));
        let cost = u64::try_from(cost.as_micros()).unwrap_or(u64::MAX);
        desk.free_at = desk.free_at.max(now).saturating_add(cost);
        Ok(Duration::from_micros(desk.free_at - now))
    }
}

impl Work for QueuedWork {
    fn charge(&self, kind: Kind) -> BoxFuture<'_, Result<(), Busy>> {
        Box::pin(async move {
            let wait = self.take(kind)?;
            if wait >= Duration::from_micros(GRAIN) {
                let _place = Place::take(self);
                tokio::time::sleep(wait).await;
            }
            Ok(())
        })
    }
}

/// A place in the queue, given back also when the caller gives up.
struct Place<'a>(&'a QueuedWork);

impl<'a> Place<'a> {
    fn take(work: &'a QueuedWork) -> Self {
        work.desk().waiting += 1;
        Self(work)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.desk().waiting -= 1;
    }
}
