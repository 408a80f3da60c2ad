//! What an authority tells a replica: entries, and the checkpoint and proof that make them count.
//!
//! An update proves itself; whoever carries it need not be trusted with anything but delivery.

use ca::tlog::tree::Hash;

/// The most entries in one update. It ends at a checkpoint that a quorum cosigned, and only the
/// newest one is kept: so a replica that is further behind than this cannot be told in steps.
pub const MAX_UPDATE_ENTRIES: usize = 1 << 20;

/// Entries up to a checkpoint, none of them in a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Index of the first entry below; the size that the consistency proof starts from.
    pub from: u64,
    /// Contiguous entries, the last of them the checkpoint's last.
    pub entries: Vec<Vec<u8>>,
    /// The signed note: the log's checkpoint with its cosignatures.
    pub checkpoint: Vec<u8>,
    /// Consistency proof from size `from` to the checkpoint's size.
    pub consistency: Vec<Hash>,
}
