//! Who came back after its leaf had ended, and who waits to be confirmed.
//!
//! It follows from the journal, and decides nothing: see [`crate::way_back`]. Invariant: a return
//! that was replaced by another is confirmed no more.

use std::collections::BTreeMap;

use crate::clock::Time;
use crate::error::CaError;
use crate::identity::SpiffeId;
use crate::journaled::{Confirmed, Journaled, Returned};
use crate::nonce::unhex;

/// The last return of one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// What was journaled.
    pub returned: Returned,
    /// When it was confirmed.
    pub confirmed: Option<Time>,
}

/// The returns of a CA.
#[derive(Debug, Default)]
pub(crate) struct ReturnBook {
    last: BTreeMap<SpiffeId, Return>,
    /// For which key each serial was used, and until when lives what that bought.
    used: BTreeMap<String, ([u8; 32], Time)>,
}

impl ReturnBook {
    /// What the entries of a journal make of it.
    pub(crate) fn read(journal: &[Vec<u8>]) -> Result<Self, CaError> {
        let mut book = Self::default();
        for entry in journal {
            book.take(&Journaled::parse(entry).map_err(CaError::damaged)?)?;
        }
        Ok(book)
    }

    /// Takes note of an entry that is durable.
    pub(crate) fn take(&mut self, entry: &Journaled) -> Result<(), CaError> {
        match entry {
            Journaled::Returned(returned) => {
                let key = unhex(&returned.key_sha256);
                let key = key.ok_or_else(|| CaError::damaged("a return has no key"))?;
                let until = Time::from_secs(returned.not_after);
                self.used.insert(returned.serial.clone(), (key, until));
                let confirmed = None;
                let (id, returned) = (returned.spiffe_id.clone(), returned.clone());
                let of = Return {
                    returned,
                    confirmed,
                };
                self.last.insert(id, of);
            }
            Journaled::Confirmed(Confirmed {
                spiffe_id,
                serial,
                at_us,
                ..
            }) => {
                let last = self.last.get_mut(spiffe_id);
                if let Some(last) = last.filter(|last| last.returned.serial == *serial) {
                    last.confirmed = Some(Time::from_micros(*at_us));
                }
            }
            Journaled::Transition(_) | Journaled::Revoked(_) | Journaled::Secret(_) => {}
        }
        Ok(())
    }

    /// The last return of an identity.
    pub(crate) fn of(&self, id: &SpiffeId) -> Option<&Return> {
        self.last.get(id)
    }

    /// For which key that serial was used, and until when lives what it bought.
    pub(crate) fn used(&self, serial: &str) -> Option<([u8; 32], Time)> {
        self.used.get(serial).copied()
    }

    /// The last return of each identity.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Return> {
        self.last.values()
    }
}
