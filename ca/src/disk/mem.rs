//! A disk in memory that behaves like one: what was not synced may be lost, or torn, when the
//! power goes.
//!
//! A crash that only drops tasks is no crash: redb closes cleanly in `Drop`. So
//! [`MemDisk::cut_power`] first makes every open file fail, and [`MemDisk::restore`] then brings
//! back what a real disk could hold: everything synced, and any subset, torn at sectors, of the
//! rest.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};
use crate::rng::Rng;

/// A write is atomic up to this many bytes, as on a disk.
const SECTOR: usize = 512;

/// The power is off.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the disk has lost power")]
pub struct PowerLost;

#[derive(Clone, Debug)]
enum Change {
    Len(u64),
    Write(u64, Vec<u8>),
}

#[derive(Debug, Default)]
struct Content {
    /// What a reader sees.
    live: Vec<u8>,
    /// What survives for certain.
    synced: Vec<u8>,
    /// What was done since the last sync, in order.
    unsynced: Vec<Change>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Content>,
    /// Rises with each power cut: files opened before it stay dead.
    era: u64,
    off: bool,
    /// Changes left until the power goes by itself.
    fuse: Option<u64>,
    /// Bytes that all files together may hold.
    room: Option<u64>,
    /// Names that contain this are never synced: a planted bug.
    danger_skip_sync: Option<String>,
    failing: bool,
    syncs: u64,
}

/// The simulated disk of one node. It outlives the node's tasks.
#[derive(Clone, Debug, Default)]
pub struct MemDisk(Arc<Mutex<State>>);

impl MemDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the power away: from now on every open file fails, also for a clean close.
    pub fn cut_power(&self) {
        self.lock().off = true;
    }

    /// Takes the power away once `changes` more writes were taken, in the middle of whatever
    /// that is.
    pub fn cut_power_after(&self, changes: u64) {
        self.lock().fuse = Some(changes);
    }

    /// Brings the power back. Each change that was not synced is kept, lost or torn, as `rng`
    /// has it.
    pub fn restore(&self, rng: &dyn Rng) {
        let mut state = self.lock();
        for content in state.files.values_mut() {
            let mut survived = std::mem::take(&mut content.synced);
            for change in std::mem::take(&mut content.unsynced) {
                match (rng.below(3), change) {
                    (0, _) => {}
                    (1, Change::Write(offset, data)) => {
                        let sectors = data.len().div_ceil(SECTOR) as u64;
                        let kept = usize::try_from(rng.below(sectors + 1)).unwrap_or(0) * SECTOR;
                        put(&mut survived, offset, &data[..kept.min(data.len())]);
                    }
                    (_, change) => apply(&mut survived, &change),
                }
            }
            content.live.clone_from(&survived);
            content.synced = survived;
        }
        state.era += 1;
        state.off = false;
        state.fuse = None;
    }

    /// Lets all files together hold at most `bytes`, or as much as they like.
    pub fn limit(&self, bytes: Option<u64>) {
        self.lock().room = bytes;
    }

    /// How many bytes all files hold together.
    pub fn used(&self) -> u64 {
        let state = self.lock();
        let lengths = state.files.values().map(|it| it.live.len() as u64);
        lengths.sum()
    }

    /// Makes every write and sync fail with an input/output error, or stops doing so.
    pub fn fail(&self, failing: bool) {
        self.lock().failing = failing;
    }

    /// Plants a bug: files whose name contains `name` are never really synced.
    pub fn danger_skip_sync(&self, name: &str) {
        self.lock().danger_skip_sync = Some(name.to_owned());
    }

    /// How many syncs were asked for so far.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Names of all files, in order.
    pub fn names(&self) -> Vec<String> {
        self.lock().files.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for MemDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.powered(state.era)?;
        state.files.entry(name.to_owned()).or_default();
        Ok(Arc::new(MemFile {
            disk: self.clone(),
            name: name.to_owned(),
            era: state.era,
        }))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let state = self.lock();
        state.powered(state.era)?;
        Ok(state.files.get(name).map(|content| content.live.clone()))
    }

    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let era = state.era;
        state.change(era)?;
        state.fits(name, content.len() as u64)?;
        let durable = state.really_syncs(name);
        let file = state.files.entry(name.to_owned()).or_default();
        file.live = content.to_vec();
        if durable {
            file.synced.clone_from(&file.live);
            file.unsynced.clear();
        } else {
            file.unsynced
                .extend([Change::Len(0), Change::Write(0, content.to_vec())]);
        }
        state.syncs += 1;
        Ok(())
    }
}

impl State {
    fn powered(&self, era: u64) -> io::Result<()> {
        if self.off || era != self.era {
            Err(io::Error::other(PowerLost))
        } else {
            Ok(())
        }
    }

    /// Counts one change against the fuse, and fails if the disk cannot take it.
    fn change(&mut self, era: u64) -> io::Result<()> {
        self.powered(era)?;
        if self.failing {
            return Err(io::Error::other("input/output error"));
        }
        match self.fuse {
            Some(0) => {
                self.off = true;
                return self.powered(era);
            }
            Some(left) => self.fuse = Some(left - 1),
            None => {}
        }
        Ok(())
    }

    fn fits(&self, name: &str, len: u64) -> io::Result<()> {
        let others = self.files.iter().filter(|(other, _)| *other != name);
        let used: u64 = others.map(|(_, content)| content.live.len() as u64).sum();
        match self.room {
            Some(room) if used + len > room => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn really_syncs(&self, name: &str) -> bool {
        !self
            .danger_skip_sync
            .as_ref()
            .is_some_and(|skipped| name.contains(skipped.as_str()))
    }
}

#[derive(Debug)]
struct MemFile {
    disk: MemDisk,
    name: String,
    era: u64,
}

impl MemFile {
    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.change(self.era)?;
        let len = match &change {
            Change::Len(len) => *len,
            Change::Write(offset, data) => offset + data.len() as u64,
        };
        state.fits(&self.name, len)?;
        let content = state.files.entry(self.name.clone()).or_default();
        apply(&mut content.live, &change);
        content.unsynced.push(change);
        Ok(())
    }
}

impl DiskFile for MemFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.lock();
        state.powered(self.era)?;
        Ok(state
            .files
            .get(&self.name)
            .map_or(0, |content| content.live.len() as u64))
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.lock();
        state.powered(self.era)?;
        let live = state
            .files
            .get(&self.name)
            .map_or(&[][..], |content| &content.live);
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = live.get(from..).and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset, data.to_vec()))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::Len(len))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.change(self.era)?;
        state.syncs += 1;
        if state.really_syncs(&self.name)
            && let Some(content) = state.files.get_mut(&self.name)
        {
            for change in std::mem::take(&mut content.unsynced) {
                apply(&mut content.synced, &change);
            }
        }
        Ok(())
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Len(len) => bytes.resize(usize::try_from(*len).unwrap_or(usize::MAX), 0),
        Change::Write(offset, data) => put(bytes, *offset, data),
    }
}

fn put(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let from = usize::try_from(offset).unwrap_or(usize::MAX);
    if bytes.len() < from + data.len() {
        bytes.resize(from + data.len(), 0);
    }
    bytes[from..from + data.len()].copy_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;

    #[test]
    fn what_was_synced_survives_a_power_cut() {
        for seed in 0..50 {
            let disk = MemDisk::new();
            let file = disk.open("log").unwrap();
            file.write_at(0, b"kept").unwrap();
            file.sync().unwrap();
            file.write_at(4, b" perhaps").unwrap();
            disk.cut_power();
            assert!(
                file.sync().is_err(),
                "a clean close must not reach the disk"
            );
            disk.restore(&SeededRng::new(seed));
            assert!(file.len().is_err(), "files opened before the cut stay dead");
            assert!(disk.read("log").unwrap().unwrap().starts_with(b"kept"));
        }
    }

    #[test]
    fn what_was_not_synced_is_sometimes_lost() {
        let lost = |seed| {
            let disk = MemDisk::new();
            disk.open("log").unwrap().write_at(0, b"gone").unwrap();
            disk.cut_power();
            disk.restore(&SeededRng::new(seed));
            disk.read("log").unwrap().unwrap().is_empty()
        };
        assert!((0..50).any(lost) && !(0..50).all(lost));
    }

    #[test]
    fn a_full_disk_says_so_and_keeps_what_it_has() {
        let disk = MemDisk::new();
        disk.replace("a", b"12345678").unwrap();
        disk.limit(Some(10));
        let error = disk.replace("b", b"123").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.read("a").unwrap().unwrap(), b"12345678");
    }

    #[test]
    fn the_fuse_blows_in_the_middle() {
        let disk = MemDisk::new();
        let file = disk.open("log").unwrap();
        disk.cut_power_after(2);
        assert!(file.write_at(0, b"a").is_ok() && file.write_at(1, b"b").is_ok());
        assert!(file.write_at(2, b"c").is_err());
    }
}
