//! The signed record of every decision, one log a node.

pub mod entry;
