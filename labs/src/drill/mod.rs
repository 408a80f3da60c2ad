//! The drill: a test of how a service changes its secrets, from outside and in any language.
//!
//! It plays the target's authority and its callers: it writes the files that the target reads,
//! and then looks through the network alone, as a stranger would. It uses nothing of this
//! project's own CA, services or wire, so that it stands apart from what it may be pointed at,
//! and it never believes what a target says of itself: an answer rests on what was served.

pub mod answer;
pub mod authority;
pub mod case;
pub mod clock;
pub mod demo;
pub mod describe;
pub mod dial;
pub mod exhibit;
pub mod eyes;
pub mod file;
pub mod place;
pub mod plan;
pub mod planted;
pub mod process;
pub mod proof;
pub mod report;
pub mod run;
pub mod sampling;
pub mod stage;
pub mod tokens;
pub mod upstream;
