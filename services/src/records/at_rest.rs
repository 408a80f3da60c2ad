//! Records at rest: each sealed under its region's data key, by the version that is in use.
//!
//! A store that seals takes nothing from its disk that is not sealed. Invariants: what is written
//! is under the version in use at that moment; which versions anything is under is counted when
//! nobody writes, so that what was counted as under none stays so.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use ca::keys::Keys;
use prost::Message as _;
use proto::records::v1::Record;
use redb::{ReadableDatabase as _, ReadableTable as _};
use ring::aead::NONCE_LEN;

use super::{RECORDS, Store, StoreError};
use crate::secret::seal::{self, Place};
use crate::secret::{SecretName, Secrets};

/// What a store seals with.
pub(super) struct Sealing {
    pub(super) name: SecretName,
    pub(super) secrets: Secrets,
    keys: Arc<dyn Keys>,
}

impl Sealing {
    /// With that secret of these; nonces are made of what `keys` gives.
    pub(super) fn new(name: SecretName, secrets: Secrets, keys: Arc<dyn Keys>) -> Self {
        Self {
            name,
            secrets,
            keys,
        }
    }

    pub(super) fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let held = self.secrets.get(&self.name);
        let none = || StoreError::KeyUnknown {
            id: place.id.to_owned(),
            version: 0,
        };
        let version = held.active.ok_or_else(none)?;
        let key = held.versions.get(&version).ok_or_else(none)?;
        let drawn = self.keys.secret().map_err(|_| StoreError::NoRandomness)?;
        let nonce = drawn.first_chunk::<NONCE_LEN>();
        let nonce = nonce.ok_or(StoreError::NoRandomness)?;
        let sealed = seal::seal((version, key), *nonce, place, plain);
        sealed.map_err(|_| StoreError::Damaged(place.id.to_owned()))
    }

    pub(super) fn open(&self, place: Place<'_>, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
        let damaged = || StoreError::Damaged(place.id.to_owned());
        let version = seal::version(bytes).ok_or_else(damaged)?;
        let held = self.secrets.get(&self.name);
        let none = || StoreError::KeyUnknown {
            id: place.id.to_owned(),
            version,
        };
        let key = held.versions.get(&version).ok_or_else(none)?;
        seal::open(key, place, bytes).map_err(|_| damaged())
    }
}

impl Store {
    /// The versions of the data key that something here is under. It needs no key.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn under(&self) -> Result<BTreeSet<u64>, StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.stored()?;
        let versions = all.iter().filter_map(|(_, bytes)| seal::version(bytes));
        Ok(versions.collect())
    }

    /// Seals anew, with the version in use, at most so many of the records that are under another
    /// one. Gives how many there were; what cannot be opened is left as it is.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn reseal(&self, most: usize) -> Result<usize, StoreError> {
        let Some(sealing) = &self.sealing else {
            return Ok(0);
        };
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let held = sealing.secrets.get(&sealing.name);
        let Some(active) = held.active else {
            return Ok(0);
        };
        let all = self.stored()?;
        let behind = all.iter().filter(|(_, bytes)| {
            let version = seal::version(bytes).filter(|version| *version != active);
            version.is_some_and(|version| held.versions.contains_key(&version))
        });
        let mut records = Vec::new();
        for (id, bytes) in behind {
            match self.read(id, bytes) {
                Ok(record) => records.push(record),
                Err(StoreError::Damaged(_)) => tracing::warn!(id, "a record does not open"),
                Err(error) => return Err(error),
            }
            if records.len() == most {
                break;
            }
        }
        if !records.is_empty() {
            self.put(&records)?;
        }
        Ok(records.len())
    }

    /// Everything as it lies there, by id.
    pub(super) fn stored(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let transaction = self.database.begin_read().map_err(redb::Error::from)?;
        let table = match transaction.open_table(RECORDS) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            other => other.map_err(redb::Error::from)?,
        };
        let mut stored = Vec::new();
        for entry in table.iter().map_err(redb::Error::from)? {
            let (id, bytes) = entry.map_err(redb::Error::from)?;
            stored.push((id.value().to_owned(), bytes.value().to_vec()));
        }
        Ok(stored)
    }

    /// What lies there under that id, as a record.
    pub(super) fn read(&self, id: &str, bytes: &[u8]) -> Result<Record, StoreError> {
        let damaged = |_| StoreError::Damaged(id.to_owned());
        let region = &self.region;
        match &self.sealing {
            None => Record::decode(bytes).map_err(damaged),
            Some(sealing) => {
                let plain = sealing.open(Place { region, id }, bytes)?;
                Record::decode(&*plain).map_err(damaged)
            }
        }
    }

    /// A record as it is to lie there.
    pub(super) fn written(&self, record: &Record) -> Result<Vec<u8>, StoreError> {
        let (region, id, plain) = (&self.region, &record.id, record.encode_to_vec());
        match &self.sealing {
            None => Ok(plain),
            Some(sealing) => sealing.seal(Place { region, id }, &plain),
        }
    }
}

#[cfg(test)]
#[path = "at_rest_tests.rs"]
mod tests;
