//! placeholder
pub mod fabric;
//! The course and the instrument: scenarios, and what is made of them.

pub mod catalog;
pub mod scenario;
//! The course and the instrument: histories of runs, what is judged of them, and how it is told.

pub mod history;
pub mod invariant;
pub mod report;
pub mod trace;
