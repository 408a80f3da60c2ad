//! The fabrics: what connects nodes, and what goes wrong between them.
//!
//! The same node code runs on each. [`sim`] is one process in virtual time from a seed;
//! [`local`] is real sockets on loopback in real time. Both put [`links`] between a node and its
//! bytes, so that a cut is the same cut on either. What a node may touch is its
//! [`ca::seams::Seams`]; everything else here belongs to the laboratory.

pub mod labour;
pub mod ledger;
pub mod links;
pub mod local;
pub mod post;
pub mod sim;
pub mod skew;
mod wreck;

use std::time::Duration;

use ca::clock::Time;

/// Node-clock time at true time zero: 2026-01-01T00:00:00Z. Every simulated run begins here.
pub const EPOCH: Time = Time::from_secs(1_767_225_600);

/// How true time is read.
#[derive(Clone, Copy, Debug)]
pub enum TrueTime {
    /// Virtual time of the simulation that the caller runs in.
    Sim,
    /// Real time since the run began.
    Local(tokio::time::Instant),
}

impl TrueTime {
    /// Starts counting real time.
    #[expect(
        clippy::disallowed_methods,
        reason = "the fabric is where true time comes from"
    )]
    pub fn local() -> Self {
        Self::Local(tokio::time::Instant::now())
    }

    /// True time since the run began.
    pub fn elapsed(self) -> Duration {
        match self {
            Self::Sim => turmoil::sim_elapsed().unwrap_or_default(),
            Self::Local(start) => start.elapsed(),
        }
    }

    /// The same in microseconds.
    pub fn micros(self) -> u64 {
        u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
