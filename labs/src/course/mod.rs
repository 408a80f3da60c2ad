//! The course: what stands between a learner and a lab.
//!
//! Everything of a learner's is theirs: it is written whole or not at all, and nothing here touches
//! the source of a lab.

pub mod admit;
pub mod answer;
pub mod blank;
pub mod check;
pub mod desk;
pub mod difference;
pub mod drawn;
pub mod explain;
pub mod hints;
pub(crate) mod lint;
pub(crate) mod new;
pub mod own;
pub mod path;
pub mod progress;
pub mod quiz;
pub mod shrink;
pub mod trial;
pub mod untried;
pub mod variant;
