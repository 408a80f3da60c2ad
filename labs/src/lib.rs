//! placeholder
pub mod fabric;
//! The course and the instrument: scenarios, and what is made of them.

pub mod catalog;
pub mod scenario;
