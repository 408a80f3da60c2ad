//! `no-permit-after-revoke`: nobody revoked is let in later than was promised.
//!
//! It judges acts on the policy, as [`super::exposure`] measures. It judges the loss of a
//! principal's only role: only a grant of the same role ends it, and whether another role held
//! meanwhile let somebody in is not known. A policy or entities that a scenario says revoke
//! somebody do so from *their* acknowledgement to the end of the run; no policy is evaluated here.
//! Whoever was logged out asks for nothing more, as the scenario was checked: what is let in after
//! that in their name is a copied token's doing. What is promised of it is promised by a posture
//! that looks at log-outs, and by no other.
//! A posture that promises nothing is held to the exposure that the scenario expects; a success for
//! which neither says anything is measured, and leaves the verdict unknown, as does a run in which
//! nobody revoked asked again.

use super::Finding;
use super::revocation::{Rule, judge};
use crate::history::{ActKind, Placed};

/// The invariant's name.
pub const NAME: &str = "no-permit-after-revoke";

/// Judges the history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let rule = Rule {
        name: NAME,
        concerns: |act| {
            let others = [
                ActKind::Leaf,
                ActKind::Authority,
                ActKind::Expiry,
                ActKind::Rogue,
            ];
            !others.contains(&act.kind)
        },
        nobody: "nobody was revoked",
    };
    judge(placed, &rule)
}

#[cfg(test)]
mod tests;
