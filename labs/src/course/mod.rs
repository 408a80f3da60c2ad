//! The course: what stands between a learner and a lab.
//!
//! Everything of a learner's is theirs: it is written whole or not at all, and nothing here touches
//! the source of a lab.

pub mod admit;
pub mod check;
pub mod desk;
pub mod explain;
pub(crate) mod lint;
pub(crate) mod new;
pub mod own;
pub mod progress;
pub mod trial;
pub mod variant;
