//! Dials of rotation: whom the CA waits for when it moves its authorities on, and how a member
//! comes back to it.
//!
//! `activate`, `revoke` and `way_back` are the CA's settings, the others every agent's. Nothing
//! here enforces anything.

use std::time::Duration;

use ca::agent::{self, Swap};
use ca::issue::{Confirm, Returns};
use ca::renewal::{self, Retry};
use ca::rotation::{Gates, Heed, danger};

words! {
    /// When a prepared authority begins to sign.
    Activation {
        /// Once every live member has acknowledged it.
        Acknowledged = "acknowledged",
        /// When it is told to.
        Immediately = "immediately",
    }
}

words! {
    /// When an authority is revoked.
    Withdrawal {
        /// Once nothing alive depends on it.
        Converged = "converged",
        /// When it is told to.
        Immediately = "immediately",
    }
}

words! {
    /// When a renewal that failed is tried again.
    Retrying {
        /// At a random moment of a window that narrows as the leaf's end comes near.
        Window = "window",
        /// After the same short wait, each time.
        Fixed = "fixed",
    }
}

words! {
    /// What is published when a leaf was renewed.
    Swapping {
        /// The leaf and a token over it, as one.
        Whole = "whole",
        /// The leaf at once; the token when its own time has come.
        ByParts = "by-parts",
    }
}

words! {
    /// Whether somebody comes back whose leaf has ended.
    WayBack {
        /// Nobody does without a new join code: a lapse is an end.
        None = "none",
        /// Whoever still has the last leaf's key does, for a few minutes.
        Proof = "proof",
    }
}

/// How long after its end a leaf's key counts as proof, where it does.
const GRACE: Duration = Duration::from_secs(3 * 60);

/// Dials of rotation: how the CA moves its authorities on, and how members come to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// When a prepared authority begins to sign.
    pub activate: Activation,
    /// When an authority is revoked.
    pub revoke: Withdrawal,
    /// When a renewal that failed is tried again.
    pub retry: Retrying,
    /// What is published when a leaf was renewed.
    pub swap: Swapping,
    /// Whether somebody comes back whose leaf has ended.
    pub way_back: WayBack,
}

impl Rotation {
    /// The gates as the CA's settings have them.
    pub fn gates(&self) -> Gates {
        let nobody = Heed::Nobody(danger::Immediately);
        Gates {
            activate: match self.activate {
                Activation::Acknowledged => Heed::Members,
                Activation::Immediately => nobody,
            },
            revoke: match self.revoke {
                Withdrawal::Converged => Heed::Members,
                Withdrawal::Immediately => nobody,
            },
        }
    }

    /// The way back as the CA's settings have it. The proof is enough by itself: nobody attends a
    /// laboratory's outages.
    pub const fn returns(&self) -> Returns {
        Returns {
            grace: match self.way_back {
                WayBack::None => Duration::ZERO,
                WayBack::Proof => GRACE,
            },
            confirm: Confirm::AtOnce,
        }
    }

    /// How an agent brings a renewed leaf into use.
    pub const fn swapping(&self) -> Swap {
        match self.swap {
            Swapping::Whole => Swap::Whole,
            Swapping::ByParts => Swap::ByParts(agent::danger::ByParts),
        }
    }

    /// How an agent tries again.
    pub const fn retrying(&self) -> Retry {
        match self.retry {
            Retrying::Window => Retry::Window,
            Retrying::Fixed => Retry::Fixed(renewal::danger::Fixed),
        }
    }
}
