//! Dials of rotation: whom the CA waits for when it moves its authorities on, and how a member
//! comes back to it.
//!
//! The first two are the CA's settings, the third every agent's. Nothing here enforces anything.

use ca::agent::{self, Swap};
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
