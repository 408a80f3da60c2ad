//! What the CA must not forget: its issuer, its root's certificate, its log's key, and the hashes
//! of join codes. In redb, on the disk seam.
//!
//! The root's private key is not in here but in a file of its own, which may be carried away:
//! issuing does not need it. Invariant: a join code's use is durable before this says so.

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
use crate::keys::Pkcs8;

/// Most join codes that are remembered at one time.
pub(crate) const MAX_JOIN_CODES: u64 = 10_000;
/// How long an expired code is remembered, so that its name is still "expired" or "used".
const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);

const FORMAT: u32 = 1;
const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
const JOIN_CODES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("join-codes");

/// The CA's own material.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    format: u32,
    pub(crate) trust_domain: TrustDomain,
    pub(crate) bundle_generation: u64,
    root_certificate: String,
    pub(crate) issuer_generation: u64,
    pub(crate) issuer_not_before_s: u64,
    pub(crate) issuer_not_after_s: u64,
    issuer_certificate: String,
    issuer_key: String,
    log_key: String,
}

impl State {
    /// `root` and `issuer` are certificates, `issuer_key` and `log_key` PKCS#8.
    pub(crate) fn new(
        trust_domain: &TrustDomain,
        root: &[u8],
        issuer: &crate::authority::Issuer,
        log_key: &[u8],
    ) -> Self {
        Self {
            format: FORMAT,
            trust_domain: trust_domain.clone(),
            bundle_generation: 1,
            root_certificate: BASE64.encode(root),
            issuer_generation: issuer.generation(),
            issuer_not_before_s: issuer.validity().not_before().as_secs(),
            issuer_not_after_s: issuer.validity().not_after().as_secs(),
            issuer_certificate: BASE64.encode(issuer.certificate()),
            issuer_key: BASE64.encode(&**issuer.key()),
            log_key: BASE64.encode(log_key),
        }
    }

    pub(crate) fn root_certificate(&self) -> Result<Vec<u8>, CaError> {
        decoded("root's certificate", &self.root_certificate)
    }

    pub(crate) fn issuer_certificate(&self) -> Result<Vec<u8>, CaError> {
        decoded("issuer's certificate", &self.issuer_certificate)
    }

    pub(crate) fn issuer_key(&self) -> Result<Pkcs8, CaError> {
        decoded("issuer's key", &self.issuer_key).map(Zeroizing::new)
    }

    pub(crate) fn log_key(&self) -> Result<Pkcs8, CaError> {
        decoded("log's key", &self.log_key).map(Zeroizing::new)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.issuer_key.zeroize();
        self.log_key.zeroize();
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
        }
        transaction.commit().map_err(down)
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
