//! Rotation: one state machine for everything that signs, roots, X.509 issuers and JWT keys alike,
//! and for the versions of a secret.
//!
//! ```text
//! prepared --activate--> active --(its successor's activation)--> retired --> tainted --> revoked
//!     ^                    |  ^                                      |  |                    ^
//!     +-----roll back------+  +---------------roll back--------------+  +-----converged------+
//! ```
//!
//! An authority is made *prepared*: members hold it and nothing is signed with it. Activation makes
//! it the one signer of its kind and retires the last one, which still verifies. A tainted one
//! still verifies too, but whoever holds a leaf from it must renew. A revoked one verifies nothing.
//! A retired or tainted authority signs no certificate and no token any more; its revocation lists
//! it signs to its end.
//!
//! Everything here is a function of (slots, command, facts, now). It holds no key, reads no clock
//! and writes nothing: [`decide`] says what would happen, the caller makes that durable, and only
//! then [`Slots::after`] says what is. Rules can never be skipped. Gates, which ask whether anyone
//! would be cut off, can be, for a reason that is kept.
//!
//! Invariants: after the first set-up one authority of each kind is active, at most one is
//! prepared; the generation rises with each change of what members must hold, and never falls; no
//! id is given twice; nobody is cut off without a reason in the journal.

mod command;
mod decide;
mod due;
mod gate;
mod gates;
mod phase;
mod reason;
mod refused;
mod renewal_slot;
mod rules;
#[cfg(test)]
mod sample;
mod slot;
mod slots;
mod status;
mod transition;
#[cfg(test)]
mod walk;

pub use command::{Act, Command};
pub use decide::decide;
pub use due::{Alarm, Lead, Pace, Schedule, Timing, alarms, due, next_look};
pub use gate::{Blocker, Facts, LiveLeaf, Member, Signs, Uses};
pub use gates::{Gates, Heed, danger};
pub use phase::{AuthorityKind, Phase, UnknownKind};
pub use reason::{InvalidReason, MAX_REASON, Reason};
pub use refused::{Obstacle, Refused};
pub use renewal_slot::renewal_slot;
pub use slot::{InvalidKeyRef, KeyRef, MAX_KEY_REF, Slot};
pub use slots::{REMEMBERED, Slots};
pub use status::{Next, SlotStatus, Status, status};
pub use transition::{Birth, Transition, Unfit};
