//! The root of trust: what it takes to be someone, and to prove what was said.
//!
//! It owns the seams ([`clock`], [`net`], [`disk`], [`keys`], [`work`], [`rng`], [`journal`]):
//! everything a node may ask of the world outside itself. It knows no service and no lab.

pub mod clock;
pub mod disk;
pub mod journal;
pub mod keys;
pub mod net;
pub mod rng;
pub mod seams;
pub mod tlog;
pub mod work;
