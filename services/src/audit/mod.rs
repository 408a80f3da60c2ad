//! The signed record of every decision, one log a node.
//!
//! A node writes [`entry::Entry`]s through [`group::AuditWriter`], which makes many durable at
//! once; [`verify::verify`] reads them back for whoever does not trust the node. A log is called
//! after its node, so that one node's log never passes for another's.

pub mod draft;
pub mod entry;
pub mod group;
pub mod verify;
pub mod writer;

#[cfg(test)]
mod specimen;

/// The folder of a node's audit log on its disk.
pub const FOLDER: &str = "audit";

/// The log's name, which its key must bear.
pub fn origin(node: &str) -> String {
    format!("{node}/audit")
}
