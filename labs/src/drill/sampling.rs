//! Asking again and again: until when a path still served, and how many requests a change cost.
//!
//! What is asked, and what time it is, come from outside, so that nothing here knows a network or
//! a clock. No figure is finer than the samples were: the step that is told is the widest gap
//! really left around the last success, never the one that was wished for.

mod load;
#[cfg(test)]
mod paths_tests;
mod probe;
mod sample;
#[cfg(test)]
mod tests;
mod watch;

use std::time::{Duration, Instant};

pub use load::{Caller, Lane, Load, Loaded, Once, under};
pub use probe::{Established, New, Open, Probe, Resumed};
pub use sample::Sample;
pub use watch::{Sampled, Watch};

/// The time that a watch and a load go by.
pub trait Pace: Send + Sync {
    /// Now.
    fn now(&self) -> Instant;

    /// Waits until then; not at all if it is past.
    fn until(&self, moment: Instant) -> impl Future<Output = ()> + Send;
}

/// The machine's own time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Real;

impl Pace for Real {
    fn now(&self) -> Instant {
        super::clock::instant()
    }

    async fn until(&self, moment: Instant) {
        let left = moment.saturating_duration_since(self.now());
        if left > Duration::ZERO {
            tokio::time::sleep(left).await;
        }
    }
}
