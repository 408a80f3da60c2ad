//! `no-permit-after-revoke`: nobody revoked is let in later than was promised.
//!
//! It judges acts on the policy, as [`super::exposure`] measures. It judges the loss of a
//! principal's only role: only a grant of the same role ends it, and whether another role held
//! meanwhile let somebody in is not known. A policy or entities that a scenario says revoke
//! somebody do so from *their* acknowledgement to the end of the run; no policy is evaluated here.
//! A posture that promises nothing is held to the exposure that the scenario expects; a success for
//! which neither says anything is measured, and leaves the verdict unknown, as does a run in which
//! nobody revoked asked again.

use super::Finding;
use super::revocation::{Rule, judge};
use crate::history::{ActKind, History, Placed};

/// The invariant's name.
pub const NAME: &str = "no-permit-after-revoke";

/// Judges the history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let rule = Rule {
        name: NAME,
        concerns: |act| !matches!(act.kind, ActKind::Leaf | ActKind::Authority),
        promise: History::promise,
        nobody: "nobody was revoked",
    };
    judge(placed, &rule)
}

#[cfg(test)]
mod tests;
