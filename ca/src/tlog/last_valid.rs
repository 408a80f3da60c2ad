//! The last signature that a key found valid, so that it is not checked again and again.
//!
//! A checkpoint is passed on with every new cosignature, and the others stand in it still. It
//! remembers no refusal. Invariant: what it answers for was valid, to the byte, for that message.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// A message and its signature. Clones of a key share it; it is no part of what the key is, and
/// makes no two keys differ.
#[derive(Clone, Default)]
pub(super) struct LastValid(Arc<Mutex<Option<[Vec<u8>; 2]>>>);

impl LastValid {
    /// Whether this is what was found valid last.
    pub(super) fn is(&self, message: &[u8], signature: &[u8]) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref()
            .is_some_and(|last| *last == [message, signature])
    }

    /// Remembers what was found valid.
    pub(super) fn set(&self, message: &[u8], signature: &[u8]) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some([message.to_vec(), signature.to_vec()]);
    }
}

impl Ord for LastValid {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

impl PartialOrd for LastValid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for LastValid {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for LastValid {}
