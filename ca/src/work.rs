//! The work seam: what a node's labour costs.
//!
//! On real hardware the processor charges for itself, and [`RealWork`] does nothing. A simulated
//! node has infinite speed unless something takes virtual time, so the simulated seam holds the
//! caller for the measured cost behind a bounded queue: this is how overload exists there.

use std::fmt;

use crate::clock::BoxFuture;

/// What is being done. The costs of each in virtual time are the fabric's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Making a log durable.
    Append,
    /// One cosignature, with its proof checked and its state made durable.
    Cosign,
    /// One access decision.
    Decide,
    /// One TLS handshake with client certificate.
    Handshake,
    /// One certificate from a signing request.
    Issue,
    /// One token signed.
    SignToken,
    /// One token verified, uncached.
    VerifyToken,
}

/// The queue before this work is full: try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("busy: the queue is full")]
pub struct Busy;

/// What stands between a node and its next piece of work.
pub trait Work: Send + Sync + fmt::Debug {
    /// Waits for a turn and for the work's cost, or refuses at once when too many wait already.
    fn charge(&self, kind: Kind) -> BoxFuture<'_, Result<(), Busy>>;
}

/// Real hardware.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealWork;

impl Work for RealWork {
    fn charge(&self, _: Kind) -> BoxFuture<'_, Result<(), Busy>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
