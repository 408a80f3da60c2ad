//! A replica's three files, and the order in which they are written.
//!
//! 1. `<folder>/entries`, framed as the log's own; synced before
//! 2. `<folder>/checkpoint`, the signed note over them with its cosignatures; replaced before
//! 3. `<folder>/enforced`, the text of the largest checkpoint ever enforced; replaced before
//!    anything is enforced.
//!
//! So the third never promises more than the first two hold, whenever the power goes, and if it
//! does then someone put an older policy back. An old copy of all three looks like a replica that
//! slept: only its old cosignature times, and so its as-of, give it away.

use std::sync::Arc;

use ca::disk::{Disk, DiskFile};
use ca::tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use ca::tlog::log::{LogError, verify_folder};
use ca::tlog::note::VerifyingKey;

use super::rejection::PolicyRefusal;

/// The files of one replica.
#[derive(Debug)]
pub(super) struct Store {
    disk: Arc<dyn Disk>,
    entries: Arc<dyn DiskFile>,
    checkpoint_name: String,
    enforced_name: String,
    /// Where the checkpoint's last entry ends.
    end: u64,
}

/// What was found on the disk, verified.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) checkpoint: Option<SignedCheckpoint>,
    pub(super) enforced: Option<Checkpoint>,
}

impl Store {
    /// Reads and verifies what is there, and cuts entries that no stored checkpoint covers.
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        folder: &str,
        log_key: &VerifyingKey,
    ) -> Result<(Self, Stored), PolicyRefusal> {
        let entries_name = format!("{folder}/entries");
        let checkpoint_name = format!("{folder}/checkpoint");
        let enforced_name = format!("{folder}/enforced");
        let bytes = disk.read(&entries_name)?.unwrap_or_default();
        let note = disk.read(&checkpoint_name)?;
        let enforced = disk
            .read(&enforced_name)?
            .as_deref()
            .map(read_mark)
            .transpose()?;
        let stored = verified(&bytes, note.as_deref(), enforced, log_key)?;
        let framed = stored.entries.iter().map(|entry| 2 + entry.len() as u64);
        let end: u64 = framed.sum();
        let entries = disk.open(&entries_name)?;
        if end < bytes.len() as u64 {
            entries.set_len(end)?;
            entries.sync()?;
        }
        let disk = Arc::clone(disk);
        Ok((
            Self {
                disk,
                entries,
                checkpoint_name,
                enforced_name,
                end,
            },
            stored,
        ))
    }

    /// Stores new entries and the checkpoint over them, which is then the one enforced.
    pub(super) fn extend(
        &mut self,
        entries: &[Vec<u8>],
        signed: &SignedCheckpoint,
    ) -> Result<(), PolicyRefusal> {
        let mut bytes = Vec::new();
        for entry in entries {
            let len = u16::try_from(entry.len()).expect("a parsed entry is at most 65 535 bytes");
            bytes.extend(len.to_be_bytes());
            bytes.extend(entry);
        }
        self.entries.write_at(self.end, &bytes)?;
        self.entries.sync()?;
        self.renew(signed)?;
        self.enforce(&signed.checkpoint)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Stores newer cosignatures of the checkpoint that is there.
    pub(super) fn renew(&self, signed: &SignedCheckpoint) -> Result<(), PolicyRefusal> {
        Ok(self
            .disk
            .replace(&self.checkpoint_name, &signed.to_bytes())?)
    }

    /// Remembers that this much is enforced.
    pub(super) fn enforce(&self, checkpoint: &Checkpoint) -> Result<(), PolicyRefusal> {
        let text = checkpoint.to_text();
        Ok(self.disk.replace(&self.enforced_name, text.as_bytes())?)
    }
}

fn read_mark(bytes: &[u8]) -> Result<Checkpoint, PolicyRefusal> {
    let damaged = |what: String| PolicyRefusal::Damaged(format!("the enforced mark: {what}"));
    let text = str::from_utf8(bytes).map_err(|error| damaged(error.to_string()))?;
    Checkpoint::parse(text).map_err(|error| damaged(error.to_string()))
}

fn verified(
    entries: &[u8],
    note: Option<&[u8]>,
    enforced: Option<Checkpoint>,
    log_key: &VerifyingKey,
) -> Result<Stored, PolicyRefusal> {
    let rolled_back = |offered| match &enforced {
        Some(mark) if offered < mark.size => Err(PolicyRefusal::RolledBack {
            offered,
            enforced: mark.size,
        }),
        _ => Ok(()),
    };
    let Some(note) = note else {
        rolled_back(0)?;
        return Ok(Stored {
            enforced,
            ..Stored::default()
        });
    };
    let checkpoint = SignedCheckpoint::open(note, log_key)?;
    rolled_back(checkpoint.checkpoint.size)?;
    let entries = verify_folder(entries, note, log_key);
    if let Err(LogError::Truncated { found, .. }) = entries {
        rolled_back(found)?;
    }
    Ok(Stored {
        entries: entries?,
        checkpoint: Some(checkpoint),
        enforced,
    })
}
