//! What the CA must not forget: its journal, its authorities' certificates and keys, its log's key,
//! and the hashes of join codes. In redb, on the disk seam.
//!
//! A root's private key is not in here but in a file of its own, which may be carried away:
//! issuing does not need it. Invariant: nothing is said to be done before it is durable, and a
//! journal's entry comes with the key that it speaks of or not at all.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use zeroize::{Zeroize, Zeroizing};

use crate::clock::Time;
use crate::disk::{self, Disk};
use crate::error::{CaError, IssueRefusal};
use crate::identity::TrustDomain;
use crate::join::JoinRecord;
use crate::journaled::Journaled;
use crate::keys::Pkcs8;

/// Most join codes that are remembered at one time.
pub(crate) const MAX_JOIN_CODES: u64 = 10_000;
/// How long an expired code is remembered, so that its name is still "expired" or "used".
const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

const FORMAT: u32 = 2;
const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
const JOURNAL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");
const MATERIAL: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("material");
/// Numbers of revocation lists, by authority.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
/// Other trust domains, by name.
const FEDERATED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("federated");
const JOIN_CODES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("join-codes");

/// What a CA is founded with.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    format: u32,
    pub(crate) trust_domain: TrustDomain,
    log_key: String,
}

impl State {
    /// `log_key` is PKCS#8.
    pub(crate) fn new(trust_domain: &TrustDomain, log_key: &[u8]) -> Self {
        Self {
            format: FORMAT,
            trust_domain: trust_domain.clone(),
            log_key: BASE64.encode(log_key),
        }
    }

    pub(crate) fn log_key(&self) -> Result<Pkcs8, CaError> {
        decoded("log's key", &self.log_key).map(Zeroizing::new)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.log_key.zeroize();
    }
}

/// What belongs to one authority: its certificate, or a root's list, and the key that may be kept
/// here.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Material {
    certificate: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl Material {
    /// A certificate in DER, and its key as PKCS#8.
    pub(crate) fn new(certificate: &[u8], key: Option<&Pkcs8>) -> Self {
        Self {
            certificate: BASE64.encode(certificate),
            key: key.map(|key| BASE64.encode(&**key)),
        }
    }

    pub(crate) fn certificate(&self) -> Result<Vec<u8>, CaError> {
        decoded("certificate of an authority", &self.certificate)
    }

    pub(crate) fn key(&self) -> Result<Option<Pkcs8>, CaError> {
        let key = self.key.as_ref();
        let key = key.map(|key| decoded("key of an authority", key));
        Ok(key.transpose()?.map(Zeroizing::new))
    }
}

impl Drop for Material {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

pub(crate) fn decoded(what: &str, text: &str) -> Result<Vec<u8>, CaError> {
    BASE64
        .decode(text)
        .map_err(|_| CaError::Damaged(format!("the {what} is not base64")))
}

/// The database.
#[derive(Debug)]
pub(crate) struct Store(Database);

impl Store {
    /// Opens the database.
    pub(crate) fn open(disk: &dyn Disk, name: &str) -> Result<Self, CaError> {
        Ok(Self(disk::database(disk, name)?))
    }

    /// The material, if this store was ever set up.
    pub(crate) fn state(&self) -> Result<Option<State>, CaError> {
        let transaction = self.0.begin_read().map_err(down)?;
        let table = match transaction.open_table(STATE) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(down(error)),
        };
        let Some(bytes) = table.get("ca").map_err(down)? else {
            return Ok(None);
        };
        let state: State = parsed("the CA's state", bytes.value())?;
        if state.format != FORMAT {
            let what = format!("the CA's state has format {}", state.format);
            return Err(CaError::Damaged(what));
        }
        Ok(Some(state))
    }

    /// Sets the store up, with an empty table of join codes.
    pub(crate) fn set_up(&self, state: &State) -> Result<(), CaError> {
        let bytes = Zeroizing::new(serde_json::to_vec(state).map_err(CaError::encoding)?);
        let transaction = self.0.begin_write().map_err(down)?;
        {
            let mut table = transaction.open_table(STATE).map_err(down)?;
            table.insert("ca", &**bytes).map_err(down)?;
            transaction.open_table(JOIN_CODES).map_err(down)?;
            transaction.open_table(JOURNAL).map_err(down)?;
            transaction.open_table(MATERIAL).map_err(down)?;
            transaction.open_table(NUMBERS).map_err(down)?;
        }
        transaction.commit().map_err(down)
    }

    /// The entries of the journal after the first so many, in order.
    pub(crate) fn journal(&self, after: u64) -> Result<Vec<Vec<u8>>, CaError> {
        let transaction = self.0.begin_read().map_err(down)?;
        let table = transaction.open_table(JOURNAL).map_err(down)?;
        let entries = table.range(after..).map_err(down)?;
        entries
            .map(|entry| Ok(entry.map_err(down)?.1.value().to_vec()))
            .collect()
    }

    /// Adds to the journal, with what the entries speak of: all of it or none, durable on return.
    pub(crate) fn write_journal(
        &self,
        entries: &[Journaled],
        material: &[(String, Material)],
    ) -> Result<(), CaError> {
        self.write_and_erase(entries, material, &[])
    }

    /// As [`Self::write_journal`], and forgets what is kept under these names, in the same step.
    /// The database's file may hold the bytes for longer, in pages that are not yet used again.
    pub(crate) fn write_and_erase(
        &self,
        entries: &[Journaled],
        material: &[(String, Material)],
        erased: &[String],
    ) -> Result<(), CaError> {
        let transaction = self.0.begin_write().map_err(down)?;
        {
            let mut journal = transaction.open_table(JOURNAL).map_err(down)?;
            for (at, entry) in (journal.len().map_err(down)?..).zip(entries) {
                let bytes = serde_json::to_vec(entry).map_err(CaError::encoding)?;
                journal.insert(at, &*bytes).map_err(down)?;
            }
            let mut table = transaction.open_table(MATERIAL).map_err(down)?;
            for (name, material) in material {
                let bytes = serde_json::to_vec(material).map_err(CaError::encoding)?;
                let bytes = Zeroizing::new(bytes);
                table.insert(&**name, &**bytes).map_err(down)?;
            }
            for name in erased {
                table.remove(&**name).map_err(down)?;
            }
        }
        transaction.commit().map_err(down)
    }

    /// What is kept under a name.
    pub(crate) fn material(&self, name: &str) -> Result<Option<Material>, CaError> {
        let transaction = self.0.begin_read().map_err(down)?;
        let table = transaction.open_table(MATERIAL).map_err(down)?;
        let found = table.get(name).map_err(down)?;
        found
            .map(|bytes| parsed("an authority's material", bytes.value()))
            .transpose()
    }

    /// What is kept of other trust domains, in order of their names.
    pub(crate) fn federated(&self) -> Result<Vec<(String, Vec<u8>)>, CaError> {
        let transaction = self.0.begin_read().map_err(down)?;
        let table = match transaction.open_table(FEDERATED) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(down(error)),
        };
        let kept = table.iter().map_err(down)?;
        kept.map(|kept| {
            let (name, bytes) = kept.map_err(down)?;
            Ok((name.value().to_owned(), bytes.value().to_vec()))
        })
        .collect()
    }

    /// Keeps this of another trust domain in the place of what was kept. Durable on return.
    pub(crate) fn put_federated(&self, domain: &str, bytes: &[u8]) -> Result<(), CaError> {
        let transaction = self.0.begin_write().map_err(down)?;
        {
            let mut table = transaction.open_table(FEDERATED).map_err(down)?;
            table.insert(domain, bytes).map_err(down)?;
        }
        transaction.commit().map_err(down)
    }

    /// The next number of an authority's revocation list. Durable on return, so none is given
    /// twice.
    pub(crate) fn raise_number(&self, authority: &str) -> Result<u64, CaError> {
        let transaction = self.0.begin_write().map_err(down)?;
        let number = {
            let mut table = transaction.open_table(NUMBERS).map_err(down)?;
            let last = table.get(authority).map_err(down)?.map(|last| last.value());
            let number = last.unwrap_or_default() + 1;
            table.insert(authority, number).map_err(down)?;
            number
        };
        transaction.commit().map_err(down)?;
        Ok(number)
    }

    /// Remembers a new code, and forgets codes that expired long ago.
    pub(crate) fn add_join_code(
        &self,
        digest: &[u8; 32],
        record: &JoinRecord,
        now: Time,
    ) -> Result<(), CaError> {
        let transaction = self.0.begin_write().map_err(down)?;
        {
            let mut table = transaction.open_table(JOIN_CODES).map_err(down)?;
            if table.len().map_err(down)? >= MAX_JOIN_CODES {
                let stale =
                    |record: &JoinRecord| now > Time::from_micros(record.expires_us) + REMEMBER;
                table
                    .retain(|_, bytes| !parsed("", bytes).is_ok_and(|record| stale(&record)))
                    .map_err(down)?;
            }
            let waiting = table.len().map_err(down)?;
            if waiting >= MAX_JOIN_CODES {
                let waiting = usize::try_from(waiting).unwrap_or(usize::MAX);
                return Err(IssueRefusal::TooManyJoinCodes(waiting).into());
            }
            let bytes = serde_json::to_vec(record).map_err(CaError::encoding)?;
            table.insert(digest, bytes.as_slice()).map_err(down)?;
        }
        transaction.commit().map_err(down)
    }

    /// What is known of a code, usable or not.
    pub(crate) fn join_code(&self, digest: &[u8; 32]) -> Result<JoinRecord, CaError> {
        let transaction = self.0.begin_read().map_err(down)?;
        let table = transaction.open_table(JOIN_CODES).map_err(down)?;
        known(&table, digest)
    }

    /// Uses a code up for a leaf. On return that is durable; at an error the code may or may not be
    /// used.
    pub(crate) fn use_join_code(
        &self,
        digest: &[u8; 32],
        leaf: &[u8],
        now: Time,
    ) -> Result<(), CaError> {
        let transaction = self.0.begin_write().map_err(down)?;
        {
            let mut table = transaction.open_table(JOIN_CODES).map_err(down)?;
            let mut record = known(&table, digest)?;
            record.usable(now)?;
            record.used_us = Some(now.as_micros());
            record.leaf = Some(BASE64.encode(leaf));
            let bytes = serde_json::to_vec(&record).map_err(CaError::encoding)?;
            table.insert(digest, bytes.as_slice()).map_err(down)?;
        }
        transaction.commit().map_err(down)
    }
}

fn known(
    table: &impl ReadableTable<&'static [u8; 32], &'static [u8]>,
    digest: &[u8; 32],
) -> Result<JoinRecord, CaError> {
    let bytes = table.get(digest).map_err(down)?;
    let bytes = bytes.ok_or(IssueRefusal::JoinCodeUnknown)?;
    parsed("a join code's record", bytes.value())
}

fn parsed<T: for<'a> Deserialize<'a>>(what: &str, bytes: &[u8]) -> Result<T, CaError> {
    // Not serde's own words: they may quote a key.
    serde_json::from_slice(bytes).map_err(|_| CaError::Damaged(format!("{what} cannot be read")))
}

fn down(error: impl Into<redb::Error>) -> CaError {
    CaError::Store(error.into())
}
