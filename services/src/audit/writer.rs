//! A node's audit log: gives each draft its place, and the chain its next link.
//!
//! `seq` counts from 0 without gaps and `prev` is the leaf hash of the entry before, over
//! restarts too. An entry is promised to somebody only when a commit that covers it returned:
//! what a power cut took before that takes its place in the count with it.

use std::sync::Arc;

use ca::disk::Disk;
use ca::tlog::log::{Log, LogError, Recovery};
use ca::tlog::note::SigningKey;

use super::draft::Draft;
use super::{FOLDER, origin};

/// Why an audit log cannot be opened, or not take a decision.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The key bears another name than this node's log.
    #[error("the key is called `{found}`, this node's audit log is `{expected}`")]
    ForeignKey {
        /// This node's log.
        expected: String,
        /// What the key is called.
        found: String,
    },
    /// The log under it refused.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// The audit log of one node.
#[derive(Debug)]
pub struct AuditLog {
    node: String,
    log: Log,
}

impl AuditLog {
    /// Opens or makes a node's log, cuts what was never committed, and signs the state that it
    /// begins with, so that a log without a checkpoint is a log that was never opened.
    ///
    /// # Errors
    /// When the key is not named as the log, the disk fails, or what is there was not signed.
    pub fn open(
        disk: &Arc<dyn Disk>,
        node: &str,
        key: SigningKey,
    ) -> Result<(Self, Recovery), AuditError> {
        let origin = origin(node);
        if key.name() != origin {
            return Err(AuditError::ForeignKey {
                expected: origin,
                found: key.name().to_owned(),
            });
        }
        let (mut log, recovery) = Log::open(disk, FOLDER, &origin, key)?;
        log.commit()?;
        let node = node.to_owned();
        Ok((Self { node, log }, recovery))
    }

    /// Takes a decision, which waits for the next commit, and says its `seq`.
    ///
    /// # Errors
    /// When it is longer than an entry may be, too much waits already, or the log has stopped.
    pub fn append(&mut self, draft: &Draft) -> Result<u64, AuditError> {
        let seq = self.log.size();
        let before = seq.checked_sub(1);
        let prev = before.and_then(|before| self.log.tree().leaf(before));
        let entry = draft.placed(&self.node, seq, prev);
        let bytes = serde_json::to_vec(&entry).expect("strings and numbers are always JSON");
        Ok(self.log.append(&bytes)?)
    }

    /// Makes everything taken so far durable, and says how many entries that are.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn commit(&mut self) -> Result<u64, AuditError> {
        Ok(self.log.commit()?.checkpoint.size)
    }

    /// How many entries it has, with those that wait for a commit.
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// How many entries are durable.
    pub fn committed(&self) -> u64 {
        self.log.committed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::specimen::{NODE, Place, draft};
    use super::*;
    use ca::keys::{Keys as _, RingKeys};

    #[test]
    fn count_and_chain_go_on_over_a_restart() {
        let place = Place::filled(2);
        let (mut log, recovery) = place.open().unwrap();
        assert_eq!((recovery.entries, log.size(), log.committed()), (2, 2, 2));
        assert_eq!(log.append(&draft("q2")).unwrap(), 2);
        assert_eq!(log.commit().unwrap(), 3);
        let entries = place.verify().unwrap();
        let requests: Vec<&str> = entries.iter().map(|e| e.request.as_str()).collect();
        assert_eq!(requests, ["q0", "q1", "q2"]);
        assert!(entries.iter().all(|entry| entry.node == NODE));
    }

    #[test]
    fn what_was_not_committed_gives_its_place_away() {
        let place = Place::filled(1);
        let (mut log, _) = place.open().unwrap();
        assert_eq!(log.append(&draft("lost")).unwrap(), 1);
        assert_eq!((log.size(), log.committed()), (2, 1));
        drop(log);
        let (mut log, _) = place.open().unwrap();
        assert_eq!(log.append(&draft("kept")).unwrap(), 1);
        log.commit().unwrap();
        assert_eq!(place.verify().unwrap()[1].request, "kept");
    }

    #[test]
    fn an_empty_log_is_signed_too() {
        let place = Place::filled(0);
        assert_eq!(place.verify(), Ok(vec![]));
    }

    #[test]
    fn another_nodes_key_is_refused() {
        let place = Place::new();
        let key = SigningKey::new("records.north/audit", &RingKeys.ed25519().unwrap()).unwrap();
        let error = AuditLog::open(&place.shared(), NODE, key).unwrap_err();
        assert!(matches!(error, AuditError::ForeignKey { .. }), "{error}");
    }

    #[test]
    fn a_draft_that_is_too_long_takes_no_place() {
        let place = Place::new();
        let (mut log, _) = place.open().unwrap();
        let error = log.append(&draft(&"x".repeat(70_000))).unwrap_err();
        let AuditError::Log(LogError::EntryTooLong(_)) = error else {
            panic!("{error}");
        };
        assert_eq!(log.append(&draft("q0")).unwrap(), 0);
        log.commit().unwrap();
        assert_eq!(place.verify().unwrap().len(), 1);
    }
}
