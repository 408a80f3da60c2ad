//! The course: what stands between a learner and a lab.
//!
//! Everything of a learner's is theirs: it is written whole or not at all, and nothing here touches
//! the source of a lab.

pub mod admit;
pub mod answer;
pub mod check;
pub mod desk;
pub mod explain;
pub mod own;
pub mod progress;
pub mod shrink;
pub mod trial;
pub mod variant;
