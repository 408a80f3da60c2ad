//! The transparency log: the one primitive under everything that must not be unsaid.
//!
//! An RFC 6962 Merkle [`tree`] over opaque entries, [`proof`]s about it, C2SP signed [`note`]s,
//! the [`checkpoint`] that a log signs, the [`log`] on disk, and the [`witness`] that cosigns. It
//! knows nothing of what an entry means.
//!
//! What it cannot do: a log alone, its key included, cannot show that it was put back to an older
//! state of itself. Older entries under an older checkpoint are a valid log. Only someone else's
//! memory shows it: a witness's, or that of anyone who kept a later checkpoint.

pub mod checkpoint;
mod folder;
mod key;
mod last_valid;
pub mod log;
pub mod note;
#[cfg(test)]
mod power;
pub mod proof;
pub mod tree;
pub mod witness;
