//! Where there are no groups of processes: what is started is ended alone, by its handle.
//!
//! It refuses to end anything by its number, since nobody could tell whose the number is.

use tokio::process::Command;

/// Nothing to prepare: the handle kills when it is dropped.
pub(super) const fn own(_: &mut Command) {}

/// Nobody can be told to end.
pub(super) const fn end(_: u32) {}

/// Nobody is killed by a number.
pub(super) const fn kill(_: u32) {}

/// Nobody tells.
pub(super) const fn boot() -> Option<String> {
    None
}

/// Nobody tells.
pub(super) const fn born(_: u32) -> Option<String> {
    None
}
