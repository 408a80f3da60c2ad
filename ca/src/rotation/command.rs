//! What the CA is told to do with its authorities, by an operator or by the schedule.
//!
//! A command names what is wanted; it decides nothing. Invariant: an override always has a reason.

use crate::profile::Validity;
use crate::rotation::{AuthorityKind, KeyRef, Reason};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Makes the next authority of a kind and publishes it. The active root signs an X.509 issuer,
    /// whose validity is cut to the root's.
    Prepare {
        /// What it will sign.
        kind: AuthorityKind,
        /// From when until when.
        validity: Validity,
        /// The name of its key.
        key: Option<KeyRef>,
    },
    /// The prepared one signs from now on, and its predecessor no more.
    Activate {
        /// What it signs.
        kind: AuthorityKind,
        /// Which one; without it, the one that is prepared.
        id: Option<u64>,
    },
    /// The active one signs no more: the prepared one takes over, as [`Act::Activate`] would have
    /// it. Somebody always signs, so without a prepared one this is refused.
    Retire {
        /// What it signs.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
    },
    /// Whoever has a leaf from it must renew now; it still verifies.
    Taint {
        /// What it signed.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
    },
    /// Nothing that it signed verifies from now on.
    Revoke {
        /// What it signed.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
    },
    /// The last step back. A prepared one is withdrawn, which revokes it: its certificate exists,
    /// and whoever took its key must not use it. With none prepared, the active one goes back to
    /// prepared and its predecessor signs again.
    RollBack {
        /// What it signs.
        kind: AuthorityKind,
    },
}

/// An act, and whether gates may be skipped for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What is to be done.
    pub act: Act,
    /// Why a gate that blocks may be skipped; without it, none may. Rules never are.
    pub override_reason: Option<Reason>,
}

impl Command {
    /// The same, with a reason to skip whatever gate blocks it.
    #[must_use]
    pub fn overriding(self, reason: Reason) -> Self {
        Self {
            act: self.act,
            override_reason: Some(reason),
        }
    }
}

impl From<Act> for Command {
    fn from(act: Act) -> Self {
        Self {
            act,
            override_reason: None,
        }
    }
}

impl Act {
    /// The kind that it is about.
    pub const fn kind(&self) -> AuthorityKind {
        match self {
            Self::Prepare { kind, .. }
            | Self::Activate { kind, .. }
            | Self::Retire { kind, .. }
            | Self::Taint { kind, .. }
            | Self::Revoke { kind, .. }
            | Self::RollBack { kind } => *kind,
        }
    }

    /// Its word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Prepare { .. } => "prepare",
            Self::Activate { .. } => "activate",
            Self::Retire { .. } => "retire",
            Self::Taint { .. } => "taint",
            Self::Revoke { .. } => "revoke",
            Self::RollBack { .. } => "roll-back",
        }
    }
}
