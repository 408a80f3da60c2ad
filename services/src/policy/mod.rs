//! Who may do what: a signed, witnessed log of acts, and views of it that know how old they are.
//!
//! [`authority`] appends, [`witness`] vouches, [`replica`] verifies and folds, [`view`] decides.
//! All of it is synchronous and reads no clock and no network: drivers hand in messages and `now`.
//! An act is acknowledged once a quorum of witnesses cosigned a checkpoint that contains it, and a
//! replica's as-of is the quorum's: see [`freshness`] for why that bounds what a revoked principal
//! can still do.

pub mod attest;
pub mod authority;
pub mod check;
pub mod danger;
mod depth;
pub mod entry;
pub mod fold;
pub mod follow;
pub mod freshness;
pub mod lists;
mod parts;
pub mod quorum;
mod rejection;
pub mod replica;
pub mod serve;
mod store;
pub mod update;
pub mod view;
mod vocabulary;
pub mod witness;

#[cfg(test)]
mod argument;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod offers;
#[cfg(test)]
mod power;

pub use vocabulary::{actions, schema_freshness};
