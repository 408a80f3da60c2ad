//! The course and the instrument: what runs scenarios, what is judged of them, and how it is told.
//!
//! A scenario and a posture go in; a history comes out; verdicts rest on the history alone. No
//! service knows that it is being watched.

pub mod catalog;
pub mod cli;
pub mod course;
pub mod drill;
pub mod fabric;
pub mod history;
pub mod invariant;
pub mod rehearsal;
pub mod report;
pub mod run;
pub mod scenario;
pub mod trace;
pub mod workspace;
