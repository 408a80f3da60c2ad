//! A node with an audit log, for the tests.

use std::sync::Arc;

use ca::clock::Time;
use ca::disk::{Disk, MemDisk};
use ca::keys::{Keys as _, Pkcs8, RingKeys};
use ca::tlog::log::Recovery;
use ca::tlog::note::{SigningKey, VerifyingKey};

use super::draft::Draft;
use super::entry::Entry;
use super::verify::{AuditFlaw, verify};
use super::writer::{AuditError, AuditLog};
use super::{FOLDER, origin};

/// The node's name.
pub(super) const NODE: &str = "records.south";

/// A permit for this request.
pub(super) fn draft(request: &str) -> Draft {
    Draft {
        request: request.to_owned(),
        principal: "alice".to_owned(),
        spiffe_id: "spiffe://clinic.example/user/alice".to_owned(),
        leaf: None,
        action: "read".to_owned(),
        resource: "r1".to_owned(),
        refusal: None,
        policy_size: 7,
        policy_root: [9; 32],
        as_of: Time::from_secs(1_767_225_600),
        at: Time::from_secs(1_767_225_603),
    }
}

/// A node's disk and its log's key.
pub(super) struct Place {
    pub(super) disk: MemDisk,
    pkcs8: Pkcs8,
}

impl Place {
    pub(super) fn new() -> Self {
        Self {
            disk: MemDisk::new(),
            pkcs8: RingKeys.ed25519().unwrap(),
        }
    }

    /// A place with `count` committed entries, for requests `q0`, `q1`, ...
    pub(super) fn filled(count: u64) -> Self {
        let place = Self::new();
        let (mut log, _) = place.open().unwrap();
        for n in 0..count {
            log.append(&draft(&format!("q{n}"))).unwrap();
        }
        log.commit().unwrap();
        place
    }

    pub(super) fn key(&self) -> SigningKey {
        SigningKey::new(&origin(NODE), &self.pkcs8).unwrap()
    }

    pub(super) fn verifying(&self) -> VerifyingKey {
        self.key().verifying()
    }

    pub(super) fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }

    pub(super) fn open(&self) -> Result<(AuditLog, Recovery), AuditError> {
        AuditLog::open(&self.shared(), NODE, self.key())
    }

    pub(super) fn read(&self, file: &str) -> Vec<u8> {
        let name = format!("{FOLDER}/{file}");
        self.disk.read(&name).unwrap().unwrap_or_default()
    }

    /// What an auditor finds on the disk.
    pub(super) fn verify(&self) -> Result<Vec<Entry>, AuditFlaw> {
        let (entries, checkpoint) = (self.read("entries"), self.read("checkpoint"));
        verify(NODE, &entries, &checkpoint, &self.verifying())
    }
}
