//! Why a command was not followed: a rule that no reason overrides, or a gate, and who keeps it
//! shut.
//!
//! Every refusal has a name that never changes. A message names the first few that block and
//! counts the rest. It says nothing of keys.

use std::fmt;

use serde::Serialize;

use crate::clock::Time;
use crate::rotation::{AuthorityKind, Blocker, Phase};

/// How many of those who block a message names.
const NAMED: usize = 3;

/// Why a command was not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The active one is neither tainted nor revoked: nobody would sign.
    #[error("{kind} authority {id} is active: activate a successor first")]
    ActiveNeedsSuccessor {
        /// What it signs.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
    },
    /// One is prepared already.
    #[error("{kind} authority {id} is prepared already")]
    AlreadyPrepared {
        /// What it signs.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
    },
    /// A gate is shut. This alone can be overridden.
    #[error("blocked: {}", Named(by))]
    Blocked {
        /// Everyone who blocks, in order of name.
        by: Vec<Blocker>,
    },
    /// Its end has passed.
    #[error("{kind} authority {id} expired at {not_after}")]
    Expired {
        /// What it signs.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
        /// Its last moment.
        not_after: Time,
    },
    /// What is to be made would have no time to live, perhaps since its root has none.
    #[error("the new {kind} authority would end at {not_after}, before it lived")]
    Lifeless {
        /// What it would sign.
        kind: AuthorityKind,
        /// Its last moment.
        not_after: Time,
    },
    /// An issuer needs an active root.
    #[error("no root authority is active, which an issuer is signed by")]
    NoActiveRoot,
    /// There is no such authority, or not any more.
    #[error("there is no {kind} authority {id}")]
    NoSuchAuthority {
        /// What it would sign.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
    },
    /// Its validity has not begun.
    #[error("{kind} authority {id} is not valid before {not_before}")]
    NotYetValid {
        /// What it signs.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
        /// Its first moment.
        not_before: Time,
    },
    /// None of this kind is prepared.
    #[error("no {0} authority is prepared")]
    NothingPrepared(AuthorityKind),
    /// None is prepared, and none that was just retired could take over again.
    #[error("there is no step of the {0} authorities to roll back")]
    NothingToRollBack(AuthorityKind),
    /// The root has an issuer that signs, or will.
    #[error("root authority {root} has x509 authority {issuer} under it, which is {phase}")]
    RootInUse {
        /// The root.
        root: u64,
        /// The issuer.
        issuer: u64,
        /// The issuer's phase.
        phase: Phase,
    },
    /// It is in a phase from where this is no step.
    #[error("{kind} authority {id} is {phase}: {act} does not apply")]
    WrongPhase {
        /// What it signs.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
        /// The phase it is in.
        phase: Phase,
        /// What was asked for.
        act: &'static str,
    },
}

impl Refused {
    /// Its name, as journals and clients see it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ActiveNeedsSuccessor { .. } => "active-needs-successor",
            Self::AlreadyPrepared { .. } => "already-prepared",
            Self::Blocked { .. } => "blocked",
            Self::Expired { .. } => "authority-expired",
            Self::Lifeless { .. } => "lifeless",
            Self::NoActiveRoot => "no-active-root",
            Self::NoSuchAuthority { .. } => "no-such-authority",
            Self::NotYetValid { .. } => "authority-not-yet-valid",
            Self::NothingPrepared(_) => "nothing-prepared",
            Self::NothingToRollBack(_) => "nothing-to-roll-back",
            Self::RootInUse { .. } => "root-in-use",
            Self::WrongPhase { .. } => "wrong-phase",
        }
    }

    /// Who blocks; nobody if it was a rule.
    pub fn blockers(&self) -> &[Blocker] {
        match self {
            Self::Blocked { by } => by,
            _ => &[],
        }
    }

    /// The last moment that the gate stays shut if nobody does anything; nothing for a rule.
    pub fn clears_after(&self) -> Option<Time> {
        self.blockers().iter().map(Blocker::until).max()
    }
}

/// A refusal as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// Its name.
    pub refusal: &'static str,
    /// It in words.
    pub message: String,
    /// Everyone who blocks, in order of name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<Blocker>,
}

impl From<Refused> for Obstacle {
    fn from(refused: Refused) -> Self {
        Self {
            refusal: refused.name(),
            message: refused.to_string(),
            blocked_by: match refused {
                Refused::Blocked { by } => by,
                _ => Vec::new(),
            },
        }
    }
}

struct Named<'a>(&'a [Blocker]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, blocker) in self.0.iter().take(NAMED).enumerate() {
            let between = if at == 0 { "" } else { "; " };
            write!(f, "{between}{blocker}")?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}
