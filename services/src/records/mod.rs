//! A clinic's records, in three regions: the thing worth protecting.
//!
//! Writes are answered at home and travel to the other regions afterwards; the higher version
//! wins, and of two equal ones that of the later region by name. Every record says under which
//! policy it was last written, and is neither shown nor changed under an older one. Where a region
//! has a data key, its records lie sealed under it.

mod at_rest;
mod grpc;
mod notices;
mod replicate;
mod sweep;

use std::sync::{Arc, Mutex, PoisonError};

use ca::disk::{Disk, database};
use ca::keys::Keys;
use proto::records::v1::Record;
use redb::{Database, ReadableDatabase, TableDefinition};

pub use grpc::RecordsService;
pub use notices::NoticesService;
pub use replicate::{ReplicationService, Replicator};
pub use sweep::sweep;

use self::at_rest::Sealing;
use crate::secret::{InvalidSecretName, SecretName, Secrets, at_rest};

const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
/// The longest identifier of a record, in bytes.
pub const MAX_ID: usize = 128;
/// With how many a record can be shared.
pub const MAX_SHARED: usize = 256;
/// The highest version that is believed and given: a write a microsecond for a century stays below.
const MAX_VERSION: u64 = 1 << 52;
/// The longest text of a record, in bytes.
pub const MAX_TEXT: usize = 64 * 1024;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] redb::Error),
    /// What is stored is not a record.
    #[error("record `{0}` is damaged")]
    Damaged(String),
    /// Its versions are used up: no peer would believe the next.
    #[error("record `{0}` has no version left above {MAX_VERSION}")]
    Exhausted(String),
    /// What is stored is under a version of the data key that is not held here; 0: none is in use.
    #[error("record `{id}`: version {version} of the data key is not held here")]
    KeyUnknown {
        /// Which record.
        id: String,
        /// Which version.
        version: u64,
    },
    /// The machine has no randomness to seal with.
    #[error("no randomness to seal a record with")]
    NoRandomness,
    /// It was written under a newer policy than that of the permit.
    #[error("record `{id}` was written under {mark} entries of the policy, not {permitted}")]
    PolicyBehind {
        /// Which record.
        id: String,
        /// Entries of the policy that it was last written under.
        mark: u64,
        /// Entries of the policy that the permit is of.
        permitted: u64,
    },
}

/// One region's records. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    region: String,
    database: Arc<Database>,
    /// One writer at a time: a version is read and raised as one.
    turn: Arc<Mutex<()>>,
    sealing: Option<Arc<Sealing>>,
}

impl Store {
    /// Opens a region's records on a disk.
    ///
    /// # Errors
    /// When the disk fails or holds something else.
    pub fn open(disk: &dyn Disk, region: &str) -> Result<Self, StoreError> {
        let database = Arc::new(database(disk, "records.redb")?);
        Ok(Self {
            region: region.to_owned(),
            database,
            turn: Arc::default(),
            sealing: None,
        })
    }

    /// The same, with its records sealed under the region's data key of these secrets.
    ///
    /// # Errors
    /// When the region's name does not fit into a secret's.
    pub fn sealed(self, secrets: Secrets, keys: Arc<dyn Keys>) -> Result<Self, InvalidSecretName> {
        let name = at_rest(&self.region)?;
        Ok(Self {
            sealing: Some(Arc::new(Sealing::new(name, secrets, keys))),
            ..self
        })
    }

    /// Which secret its records are sealed with, if they are.
    pub(crate) fn sealed_with(&self) -> Option<(SecretName, Secrets)> {
        let sealing = self.sealing.as_ref()?;
        Some((sealing.name.clone(), sealing.secrets.clone()))
    }

    /// A record, if there is one.
    ///
    /// # Errors
    /// When the disk fails or the record is damaged.
    pub fn get(&self, id: &str) -> Result<Option<Record>, StoreError> {
        let transaction = self.database.begin_read().map_err(redb::Error::from)?;
        let table = match transaction.open_table(RECORDS) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            other => other.map_err(redb::Error::from)?,
        };
        let Some(stored) = table.get(id).map_err(redb::Error::from)? else {
            return Ok(None);
        };
        self.read(id, stored.value()).map(Some)
    }

    /// A record, if there is one, as it may be shown under a policy of that size.
    ///
    /// # Errors
    /// When it was written under a newer policy, the disk fails or the record is damaged.
    pub fn shown(&self, id: &str, policy_size: u64) -> Result<Option<Record>, StoreError> {
        let record = self.get(id)?;
        let mark = record.as_ref().map_or(0, |record| record.policy_size);
        if mark > policy_size {
            return Err(StoreError::PolicyBehind {
                id: id.to_owned(),
                mark,
                permitted: policy_size,
            });
        }
        Ok(record)
    }

    /// Changes a record, or makes it, under a policy of that size; durable on return. Gives what
    /// it became.
    ///
    /// # Errors
    /// When it was written under a newer policy, its versions are used up, the disk fails or the
    /// record is damaged.
    pub fn change(
        &self,
        id: &str,
        policy_size: u64,
        change: impl FnOnce(&mut Record),
    ) -> Result<Record, StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut record = self.shown(id, policy_size)?.unwrap_or_default();
        // What is acknowledged here must be one that the other regions take.
        if record.version >= MAX_VERSION {
            return Err(StoreError::Exhausted(id.to_owned()));
        }
        change(&mut record);
        id.clone_into(&mut record.id);
        record.home.clone_from(&self.region);
        record.version += 1;
        record.policy_size = policy_size;
        self.put(&[record.clone()])?;
        Ok(record)
    }

    /// Takes what is newer than what is here. Gives how many were.
    ///
    /// # Errors
    /// When the disk fails or a record here is damaged.
    pub fn take(&self, offered: &[Record]) -> Result<u32, StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut newer = Vec::new();
        for record in offered {
            let rank = |record: &Record| (record.version, record.home.clone());
            if self
                .get(&record.id)?
                .is_none_or(|here| rank(&here) < rank(record))
            {
                newer.push(record.clone());
            }
        }
        if !newer.is_empty() {
            self.put(&newer)?;
        }
        Ok(u32::try_from(newer.len()).unwrap_or(u32::MAX))
    }

    /// Every record whose latest write was made here, of those that open: after a crash nobody else
    /// may know of it.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn own(&self) -> Result<Vec<Record>, StoreError> {
        let mut own = Vec::new();
        for (id, stored) in self.stored()? {
            match self.read(&id, &stored) {
                Ok(record) if record.home == self.region => own.push(record),
                Ok(_) => {}
                // What does not open cannot be offered, and holds up nothing that can.
                Err(error @ (StoreError::Damaged(_) | StoreError::KeyUnknown { .. })) => {
                    tracing::warn!(%error, "a record is not offered");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(own)
    }

    fn put(&self, records: &[Record]) -> Result<(), StoreError> {
        let transaction = self.database.begin_write().map_err(redb::Error::from)?;
        let mut table = transaction.open_table(RECORDS).map_err(redb::Error::from)?;
        for record in records {
            let bytes = self.written(record)?;
            table
                .insert(&*record.id, &*bytes)
                .map_err(redb::Error::from)?;
        }
        drop(table);
        Ok(transaction.commit().map_err(redb::Error::from)?)
    }
}

/// True if a record from elsewhere is within every bound.
pub(crate) fn is_record(record: &Record) -> bool {
    let name = |name: &String| name.len() <= MAX_ID;
    is_id(&record.id)
        && record.text.len() <= MAX_TEXT
        && record.version <= MAX_VERSION
        && name(&record.home)
        && record.shared_with.len() <= MAX_SHARED
        && record.shared_with.iter().all(name)
}

/// True if an identifier may name a record.
pub fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use ca::disk::MemDisk;
    use ca::rng::SeededRng;

    use super::*;

    #[test]
    fn what_was_written_under_a_newer_policy_is_not_changed_under_an_older_one() {
        let store = Store::open(&MemDisk::new(), "south").unwrap();
        let written = store.change("r1", 5, |_| {}).unwrap();
        let refused = store.change("r1", 4, |record| record.text.clear());
        let behind = matches!(refused, Err(StoreError::PolicyBehind { mark: 5, .. }));
        assert!(behind, "{refused:?}");
        assert_eq!(store.get("r1").unwrap(), Some(written));
        assert_eq!(store.change("r1", 6, |_| {}).unwrap().policy_size, 6);
    }

    #[test]
    fn after_a_power_cut_a_region_still_knows_what_it_has_to_offer() {
        for seed in 0..20 {
            let disk = MemDisk::new();
            let store = Store::open(&disk, "south").unwrap();
            assert_eq!(store.own().unwrap(), [], "nothing yet");
            let written = store.change("r1", 1, |_| {}).unwrap();
            store.change("r2", 1, |_| {}).unwrap();
            let home = "north".to_owned();
            let newer = Record {
                id: "r2".to_owned(),
                version: 2,
                home,
                ..Record::default()
            };
            store.take(&[newer]).unwrap();
            disk.cut_power();
            drop(store);
            disk.restore(&SeededRng::new(seed));
            let again = Store::open(&disk, "south").unwrap();
            assert_eq!(again.own().unwrap(), [written], "seed {seed}");
        }
    }
}
