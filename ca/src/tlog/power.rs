//! Power cuts in the middle of a log's life, on the disk that loses and tears what was not synced.
//!
//! For many seeds, and at every change on the way: whatever a returned checkpoint covers is there
//! after the power is back, and nothing is half there. The same check with a sync left out must
//! find a loss, or it would find nothing.

use std::sync::Arc;

use super::log::{Log, LogError, verify_folder};
use super::note::SigningKey;
use crate::disk::{Disk, MemDisk};
use crate::keys::{Keys, Pkcs8, RingKeys};
use crate::rng::{Rng, SeededRng};

const ORIGIN: &str = "north.example/audit";
const SEEDS: u64 = 40;
/// Enough changes to reach the third life's commits.
const FUSES: u64 = 24;

fn open(disk: &MemDisk, pkcs8: &Pkcs8) -> Result<Log, LogError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let key = SigningKey::new(ORIGIN, pkcs8).expect("a key that ring made");
    Log::open(&disk, "audit", ORIGIN, key).map(|(log, _)| log)
}

/// Appends and commits until the power goes. Returns everything appended, and how much of it a
/// returned checkpoint covers.
fn live(log: &mut Log, rng: &dyn Rng) -> (Vec<Vec<u8>>, u64) {
    let mut appended: Vec<Vec<u8>> = log.entries(0..log.size()).map(<[u8]>::to_vec).collect();
    let mut promised = log.committed();
    for _ in 0..20 {
        for _ in 0..=rng.below(4) {
            // Long enough to tear at a sector.
            let len = usize::try_from(rng.below(1_500)).unwrap();
            let byte = u8::try_from(rng.below(256)).unwrap();
            if log.append(&vec![byte; len]).is_ok() {
                appended.push(vec![byte; len]);
            }
        }
        match log.commit() {
            Ok(signed) => promised = signed.checkpoint.size,
            Err(_) => break,
        }
    }
    (appended, promised)
}

/// Three lives of one log, each ended by a power cut. Says what was lost, if anything.
fn outlives(disk: &MemDisk, pkcs8: &Pkcs8, seed: u64, fuse: u64) -> Result<(), String> {
    let rng = SeededRng::new(seed);
    let mut promised = 0;
    let mut appended: Vec<Vec<u8>> = Vec::new();
    for life in 0..4 {
        let mut log = open(disk, pkcs8).map_err(|error| format!("life {life}: {error}"))?;
        if log.committed() < promised {
            return Err(format!(
                "life {life}: {} of {promised} entries",
                log.committed()
            ));
        }
        let found: Vec<&[u8]> = log.entries(0..u64::MAX).collect();
        if log.size() != log.committed() || found != appended[..found.len()] {
            return Err(format!("life {life}: other entries than were appended"));
        }
        let (entries, checkpoint) = (disk.read("audit/entries"), disk.read("audit/checkpoint"));
        if let Some(checkpoint) = checkpoint.expect("the power is on") {
            let entries = entries.expect("the power is on").unwrap_or_default();
            let framed: usize = found.iter().map(|entry| 2 + entry.len()).sum();
            assert_eq!(entries.len(), framed, "a tail was left");
            let key = SigningKey::new(ORIGIN, pkcs8).expect("a key that ring made");
            let verified = verify_folder(&entries, &checkpoint, &key.verifying());
            assert_eq!(verified.expect("a log that opens, verifies"), found);
        }
        disk.cut_power_after(fuse + rng.below(8));
        (appended, promised) = live(&mut log, &rng);
        disk.cut_power();
        drop(log);
        disk.restore(&rng);
    }
    Ok(())
}

fn losses(plant: Option<&str>) -> Vec<String> {
    let pkcs8 = RingKeys.ed25519().expect("the machine has randomness");
    let mut losses = Vec::new();
    for seed in 0..SEEDS {
        for fuse in 0..FUSES {
            let disk = MemDisk::new();
            if let Some(name) = plant {
                disk.danger_skip_sync(name);
            }
            if let Err(loss) = outlives(&disk, &pkcs8, seed, fuse) {
                losses.push(format!("seed {seed}, fuse {fuse}, {loss}"));
            }
        }
    }
    losses
}

#[test]
fn no_power_cut_takes_a_committed_entry() {
    assert_eq!(losses(None), Vec::<String>::new());
}

#[test]
fn a_deleted_sync_loses_an_entry() {
    assert!(!losses(Some("entries")).is_empty());
}

#[test]
fn an_unsynced_checkpoint_loses_an_entry() {
    assert!(!losses(Some("checkpoint")).is_empty());
}
