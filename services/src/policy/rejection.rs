//! Why a replica does not enforce what it was given, or what it found on its own disk.

use std::io;

use ca::tlog::checkpoint::InvalidCheckpoint;
use ca::tlog::log::LogError;
use ca::tlog::proof::InvalidProof;

use super::entry::InvalidEntry;
use super::fold::StateFull;
use super::view::InvalidPolicy;
use crate::refusal::Refusal;

/// Why a replica keeps to the policy that it has.
#[derive(Debug, thiserror::Error)]
pub enum PolicyRefusal {
    /// The checkpoint is malformed, another log's, not signed by the log, or a known witness's
    /// cosignature on it is wrong.
    #[error("the policy's checkpoint is not to be believed: {0}")]
    Checkpoint(#[from] InvalidCheckpoint),
    /// The disk failed; what is enforced has not changed.
    #[error("the policy's disk failed: {0}")]
    Disk(#[from] io::Error),
    /// What is on the disk is not what the replica stored.
    #[error("the policy on the disk is damaged: {0}")]
    Damaged(String),
    /// An entry that is none, under a valid checkpoint.
    #[error("entry {index}: {error}")]
    Entry {
        /// Where it is in the log.
        index: u64,
        /// What is wrong with it.
        error: InvalidEntry,
    },
    /// Two roots for one size, both signed by the log: a portable proof that it told two stories.
    #[error("two policy logs of size {size}: the log was forked")]
    Fork {
        /// The size that has two roots.
        size: u64,
    },
    /// The state would grow beyond its bounds.
    #[error("entry {index}: {error}")]
    Full {
        /// Where the entry is in the log.
        index: u64,
        /// What there would be too much of.
        error: StateFull,
    },
    /// Entries are missing between what is enforced and what was given.
    #[error("entries from {from} on, but only {own} are here: some are missing")]
    Gap {
        /// Index of the first entry given.
        from: u64,
        /// How many are enforced.
        own: u64,
    },
    /// The checkpoint is not proven to extend what is enforced.
    #[error("not proven to extend the policy enforced here: {0}")]
    Inconsistent(#[from] InvalidProof),
    /// The entries end before or after the checkpoint's end.
    #[error("{entries} entries from {from} on do not end at the checkpoint's size {size}")]
    Miscounted {
        /// Index of the first entry given.
        from: u64,
        /// How many were given.
        entries: usize,
        /// The checkpoint's size.
        size: u64,
    },
    /// The policies as they stand at the checkpoint are invalid.
    #[error(transparent)]
    Policy(#[from] InvalidPolicy),
    /// Less than what was enforced before.
    #[error("a policy of {offered} entries, after {enforced} were enforced: rolled back")]
    RolledBack {
        /// The size offered, or found.
        offered: u64,
        /// The largest size ever enforced here.
        enforced: u64,
    },
    /// The entries are not those that the checkpoint's root stands for.
    #[error("the entries do not hash to the checkpoint's root at size {size}")]
    Tampered {
        /// The size at which the hashes part.
        size: u64,
    },
    /// Too few distinct known witnesses cosigned.
    #[error("cosigned by {valid} known witnesses, {needed} are needed")]
    Unwitnessed {
        /// How many did.
        valid: usize,
        /// How many must.
        needed: usize,
    },
}

impl PolicyRefusal {
    /// What a request is refused with because of this, where there is a name for it.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::RolledBack { .. } => Some(Refusal::PolicyRolledBack),
            Self::Unwitnessed { .. } => Some(Refusal::PolicyUnwitnessed),
            Self::Policy(_) => Some(Refusal::PolicyError),
            Self::Checkpoint(_)
            | Self::Disk(_)
            | Self::Damaged(_)
            | Self::Entry { .. }
            | Self::Fork { .. }
            | Self::Full { .. }
            | Self::Gap { .. }
            | Self::Inconsistent(_)
            | Self::Miscounted { .. }
            | Self::Tampered { .. } => None,
        }
    }
}

impl From<LogError> for PolicyRefusal {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Checkpoint(error) => Self::Checkpoint(error),
            LogError::Disk(error) => Self::Disk(error),
            LogError::Tampered { size } => Self::Tampered { size },
            other => Self::Damaged(other.to_string()),
        }
    }
}
