//! The clock seam: one clock a node, and everything that reads the time reads it here.
//!
//! Certificates, tokens, cosignatures, audit entries and timers all follow a node's own [`Clock`],
//! so that a clock set wrong is wrong everywhere at once, as in life. [`Time`] is a wall-clock
//! reading; nothing here promises that it only rises.

use std::fmt;
use std::future::Future;
use std::ops::{Add, Sub};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A boxed future that may borrow its maker.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Microseconds since the Unix epoch, UTC, leap seconds ignored as POSIX does. Written down as that
/// number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Time(u64);

impl Time {
    /// A time from microseconds since the Unix epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// A time from whole seconds since the Unix epoch; saturates far in the future.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Where a node reads the time, and waits for it.
pub trait Clock: Send + Sync + fmt::Debug {
    /// This node's idea of now.
    fn now(&self) -> Time;

    /// Waits until this clock shows `deadline` or later; a step of the clock is noticed.
    fn sleep_until(&self, deadline: Time) -> BoxFuture<'_, ()>;

    /// Waits until this clock shows `deadline`, but no longer than `most` of elapsed time, and not
    /// at all if it shows less than `last_seen`, the latest that was planned by. Then, or if it
    /// comes to show less, it is true that what was planned must be planned again.
    fn wait<'a>(
        &'a self,
        deadline: Time,
        most: Duration,
        last_seen: &'a mut Time,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            if self.now() >= *last_seen {
                tokio::select! {
                    biased;
                    () = self.sleep_until(deadline) => {}
                    () = tokio::time::sleep(most) => {}
                }
            }
            let now = self.now();
            let set_back = now < *last_seen;
            *last_seen = now;
            set_back
        })
    }

    /// Waits for a span of elapsed time, whatever becomes of this clock meanwhile: a clock that is
    /// set back an hour must not stop a heartbeat for an hour.
    fn sleep(&self, span: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// How long one sleep may last before the wall clock is read again: a laptop that slept, or a
/// clock that was stepped, must not leave a renewal waiting for ever.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn now(&self) -> Time {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Time::from_micros(micros(since))
    }

    fn sleep_until(&self, deadline: Time) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let left = deadline.since(self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LOOK_AGAIN)).await;
            }
        })
    }
}

/// A clock that stands still until it is set. For tests of pure logic's drivers.
#[derive(Debug)]
pub struct ManualClock(tokio::sync::watch::Sender<Time>);

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Time) -> Self {
        Self(tokio::sync::watch::Sender::new(start))
    }

    /// Sets the clock, forwards or back, and wakes whoever waits on it.
    pub fn set(&self, now: Time) {
        self.0.send_replace(now);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        *self.0.borrow()
    }

    fn sleep_until(&self, deadline: Time) -> BoxFuture<'_, ()> {
        let mut seen = self.0.subscribe();
        Box::pin(async move {
            // The sender lives in `self`, which this future borrows: waiting cannot fail.
            let _ = seen.wait_for(|now| *now >= deadline).await;
        })
    }
}

/// Shows a node's clock to rustls.
#[derive(Debug)]
pub struct RustlsTime(pub Arc<dyn Clock>);

impl rustls::time_provider::TimeProvider for RustlsTime {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let since = Duration::from_micros(self.0.now().as_micros());
        Some(rustls::pki_types::UnixTime::since_unix_epoch(since))
    }
}
