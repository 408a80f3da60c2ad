//! A log on disk: entries that, once committed, are there, and are what they were.
//!
//! `<folder>/entries` is a sequence of (length, two bytes big-endian; entry), as in an entry
//! bundle of C2SP tlog-tiles; `<folder>/checkpoint` is the signed note over them. The checkpoint is
//! written after the entries are synced, so it never promises what a power cut can take, and what
//! lies beyond it was promised to nobody. An entry is committed when [`Log::commit`] returned a
//! checkpoint that covers it, and not before.
//!
//! It refuses to open on entries that are not those of its checkpoint. It does not notice an older
//! checkpoint put back together with its older entries: only a witness does.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::checkpoint::{Checkpoint, InvalidCheckpoint, SignedCheckpoint};
pub use super::folder::verify_folder;
use super::note::SigningKey;
use super::tree::{Tree, leaf_hash};
use crate::disk::{Disk, DiskFile};

/// The most bytes that an entry may have.
pub const MAX_ENTRY: usize = u16::MAX as usize;

/// The most bytes that may wait for a commit, lengths included.
pub const MAX_PENDING: usize = 16 << 20;

/// Why a log cannot be opened, or not take an entry.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The checkpoint is malformed, of another log or not signed by this one.
    #[error("the log's checkpoint is not to be believed: {0}")]
    Checkpoint(#[from] InvalidCheckpoint),
    /// The disk failed.
    #[error("the log's disk failed: {0}")]
    Disk(#[from] io::Error),
    /// More than [`MAX_ENTRY`] bytes.
    #[error("an entry of {0} bytes is longer than {MAX_ENTRY}")]
    EntryTooLong(usize),
    /// More than [`MAX_PENDING`] bytes wait for a commit.
    #[error("more than {MAX_PENDING} bytes wait to be committed")]
    Full,
    /// There are entries, and nothing that says which.
    #[error("{0} bytes of entries without a checkpoint")]
    NoCheckpoint(u64),
    /// A sync failed earlier: what is on the disk is unknown until the log is opened again.
    #[error("the log stopped when its disk failed to sync: open it again")]
    Stopped,
    /// The entries are not those that were signed.
    #[error("the first {size} entries are not those of the checkpoint")]
    Tampered {
        /// The checkpoint's size.
        size: u64,
    },
    /// Entries that were committed are not there.
    #[error("the checkpoint promises {size} entries, there are {found}")]
    Truncated {
        /// The checkpoint's size.
        size: u64,
        /// How many whole entries there are.
        found: u64,
    },
}

/// What was found at opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Committed entries.
    pub entries: u64,
    /// Bytes beyond them that were cut: never committed, whole or torn.
    pub cut_bytes: u64,
}

/// An append-only log. It keeps all entries in memory.
#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    checkpoint_name: String,
    key: SigningKey,
    /// The content of the entries file, with what waits to be committed behind it.
    bytes: Vec<u8>,
    /// Where each entry lies in it, without its length.
    places: Vec<Range<usize>>,
    /// How many of the bytes are covered by the checkpoint.
    committed_bytes: usize,
    tree: Tree,
    checkpoint: Option<SignedCheckpoint>,
    stopped: bool,
}

impl Log {
    /// Opens or makes the log `origin` in a folder, and cuts what was never committed. The key
    /// must be named as the log.
    ///
    /// # Errors
    /// If the disk fails, or what is there is not what this log signed; then nothing was changed.
    pub fn open(
        disk: &Arc<dyn Disk>,
        folder: &str,
        origin: &str,
        key: SigningKey,
    ) -> Result<(Self, Recovery), LogError> {
        if key.name() != origin {
            return Err(LogError::Checkpoint(InvalidCheckpoint::Origin {
                expected: origin.to_owned(),
                found: key.name().to_owned(),
            }));
        }
        let entries_name = format!("{folder}/entries");
        let checkpoint_name = format!("{folder}/checkpoint");
        let mut bytes = disk.read(&entries_name)?.unwrap_or_default();
        let checkpoint = match disk.read(&checkpoint_name)? {
            Some(note) => Some(SignedCheckpoint::open(&note, &key.verifying())?),
            // The first commit begins with a checkpoint over nothing, so this is no crash.
            None if !bytes.is_empty() => return Err(LogError::NoCheckpoint(bytes.len() as u64)),
            None => None,
        };
        let signed = checkpoint.as_ref().map(|signed| &signed.checkpoint);
        let (places, tree) = recover(&bytes, signed)?;
        let end = places.last().map_or(0, |last| last.end);
        let recovery = Recovery {
            entries: tree.size(),
            cut_bytes: (bytes.len() - end) as u64,
        };
        let file = disk.open(&entries_name)?;
        if recovery.cut_bytes > 0 {
            file.set_len(end as u64)?;
            file.sync()?;
            bytes.truncate(end);
        }
        let log = Self {
            disk: Arc::clone(disk),
            file,
            checkpoint_name,
            key,
            bytes,
            places,
            committed_bytes: end,
            tree,
            checkpoint,
            stopped: false,
        };
        Ok((log, recovery))
    }

    /// Takes an entry, which waits for the next commit, and returns its index.
    ///
    /// # Errors
    /// If it is too long, too much waits already, or the log has stopped.
    pub fn append(&mut self, entry: &[u8]) -> Result<u64, LogError> {
        if self.stopped {
            return Err(LogError::Stopped);
        }
        let len = u16::try_from(entry.len()).map_err(|_| LogError::EntryTooLong(entry.len()))?;
        if self.bytes.len() - self.committed_bytes + 2 + entry.len() > MAX_PENDING {
            return Err(LogError::Full);
        }
        self.bytes.extend(len.to_be_bytes());
        let start = self.bytes.len();
        self.bytes.extend(entry);
        self.places.push(start..self.bytes.len());
        Ok(self.tree.push(leaf_hash(entry)))
    }

    /// Makes every entry taken so far durable, then signs and stores the checkpoint over them.
    /// With nothing new it returns the last one.
    ///
    /// # Errors
    /// If the disk fails. The entries still wait then, and committing may be tried again, unless
    /// it was the sync that failed: a disk that fails to sync may have lost what it holds.
    pub fn commit(&mut self) -> Result<SignedCheckpoint, LogError> {
        if self.stopped {
            return Err(LogError::Stopped);
        }
        if self.checkpoint.is_none() {
            self.publish(0)?;
        }
        if let Some(last) = &self.checkpoint
            && last.checkpoint.size == self.size()
        {
            return Ok(last.clone());
        }
        let waiting = &self.bytes[self.committed_bytes..];
        self.file.write_at(self.committed_bytes as u64, waiting)?;
        if let Err(error) = self.file.sync() {
            self.stopped = true;
            return Err(error.into());
        }
        let signed = self.publish(self.size())?;
        self.committed_bytes = self.bytes.len();
        Ok(signed)
    }

    fn publish(&mut self, size: u64) -> Result<SignedCheckpoint, LogError> {
        let checkpoint = Checkpoint {
            origin: self.key.name().to_owned(),
            size,
            root: self.tree.root_at(size).expect("a size that the tree has"),
        };
        let signed = SignedCheckpoint::sign(checkpoint, &self.key)?;
        self.disk
            .replace(&self.checkpoint_name, &signed.to_bytes())?;
        self.checkpoint = Some(signed.clone());
        Ok(signed)
    }

    /// How many entries it has, with those that wait for a commit.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// How many entries are committed.
    pub fn committed(&self) -> u64 {
        self.checkpoint
            .as_ref()
            .map_or(0, |signed| signed.checkpoint.size)
    }

    /// The tree over all entries, with those that wait for a commit.
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// An entry, committed or not.
    pub fn entry(&self, index: u64) -> Option<&[u8]> {
        let place = self.places.get(usize::try_from(index).ok()?)?;
        Some(&self.bytes[place.clone()])
    }

    /// The entries of a range, as far as they exist.
    pub fn entries(&self, range: Range<u64>) -> impl Iterator<Item = &[u8]> {
        let range = range.start..range.end.min(self.size());
        range.filter_map(|index| self.entry(index))
    }

    /// The last checkpoint; none before the first commit.
    pub const fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.checkpoint.as_ref()
    }
}

/// Finds the entries that a checkpoint promises, and proves them to be those.
fn recover(
    bytes: &[u8],
    signed: Option<&Checkpoint>,
) -> Result<(Vec<Range<usize>>, Tree), LogError> {
    let (mut places, mut tree) = (Vec::new(), Tree::new());
    let Some(signed) = signed else {
        return Ok((places, tree));
    };
    let mut at = 0;
    while tree.size() < signed.size {
        let place = place_at(bytes, at).ok_or(LogError::Truncated {
            size: signed.size,
            found: tree.size(),
        })?;
        tree.push(leaf_hash(&bytes[place.clone()]));
        at = place.end;
        places.push(place);
    }
    if tree.root() != signed.root {
        return Err(LogError::Tampered { size: signed.size });
    }
    Ok((places, tree))
}

/// Where the entry lies whose length is at `at`, if all of it is there.
fn place_at(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let (len, rest) = bytes.get(at..)?.split_first_chunk()?;
    let len = usize::from(u16::from_be_bytes(*len));
    (len <= rest.len()).then_some(at + 2..at + 2 + len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{FsDisk, MemDisk};
    use crate::keys::{Keys, RingKeys};
    use crate::tlog::note::VerifyingKey;

    const ORIGIN: &str = "north.example/audit";

    struct Place {
        disk: MemDisk,
        pkcs8: crate::keys::Pkcs8,
    }

    impl Place {
        fn new() -> Self {
            Self {
                disk: MemDisk::new(),
                pkcs8: RingKeys.ed25519().unwrap(),
            }
        }

        fn key(&self) -> SigningKey {
            SigningKey::new(ORIGIN, &self.pkcs8).unwrap()
        }

        fn verifying(&self) -> VerifyingKey {
            self.key().verifying()
        }

        fn open(&self) -> Result<(Log, Recovery), LogError> {
            let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
            Log::open(&disk, "audit", ORIGIN, self.key())
        }

        /// A log with these entries, committed one by one.
        fn filled(entries: &[&[u8]]) -> Self {
            let place = Self::new();
            let (mut log, _) = place.open().unwrap();
            for entry in entries {
                log.append(entry).unwrap();
                log.commit().unwrap();
            }
            place
        }

        fn read(&self, file: &str) -> Vec<u8> {
            self.disk.read(&format!("audit/{file}")).unwrap().unwrap()
        }

        fn put(&self, file: &str, content: &[u8]) {
            self.disk
                .replace(&format!("audit/{file}"), content)
                .unwrap();
        }

        fn verify(&self) -> Result<Vec<Vec<u8>>, LogError> {
            verify_folder(
                &self.read("entries"),
                &self.read("checkpoint"),
                &self.verifying(),
            )
        }
    }

    #[test]
    fn what_was_committed_is_there_again() {
        let place = Place::filled(&[b"one", b"", b"three"]);
        let (log, recovery) = place.open().unwrap();
        let expected = Recovery {
            entries: 3,
            cut_bytes: 0,
        };
        assert_eq!(recovery, expected);
        assert_eq!((log.size(), log.committed()), (3, 3));
        assert_eq!(log.entry(2), Some(&b"three"[..]));
        assert_eq!(log.entry(3), None);
        assert_eq!(log.entries(1..9).collect::<Vec<_>>(), [&b""[..], b"three"]);
        assert_eq!(log.checkpoint().unwrap().checkpoint.root, log.tree().root());
        assert_eq!(place.read("entries"), b"\0\x03one\0\0\0\x05three");
        assert_eq!(
            place.verify().unwrap(),
            [b"one".to_vec(), vec![], b"three".to_vec()]
        );
    }

    #[test]
    fn it_is_the_same_on_the_machines_own_files() {
        let folder = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(FsDisk::new(folder.path()));
        let place = Place::new();
        for round in 0..3_u64 {
            let (mut log, recovery) = Log::open(&disk, "audit", ORIGIN, place.key()).unwrap();
            let cut_bytes = if round == 0 { 0 } else { 6 };
            let entries = round;
            assert_eq!(recovery, Recovery { entries, cut_bytes });
            log.append(&round.to_be_bytes()).unwrap();
            log.commit().unwrap();
            let entries = disk.open("audit/entries").unwrap();
            entries
                .write_at(entries.len().unwrap(), b"\0\x09torn")
                .unwrap();
        }
    }

    #[test]
    fn what_was_not_committed_is_not_promised() {
        let place = Place::new();
        let (mut log, _) = place.open().unwrap();
        assert_eq!(log.checkpoint(), None);
        assert_eq!(log.commit().unwrap().checkpoint.size, 0);
        let syncs = place.disk.syncs();
        assert_eq!(log.commit().unwrap().checkpoint.size, 0);
        assert_eq!(place.disk.syncs(), syncs, "nothing new, nothing written");
        assert_eq!(log.append(b"one").unwrap(), 0);
        assert_eq!((log.size(), log.committed()), (1, 0));
        let (log, _) = place.open().unwrap();
        assert_eq!(log.size(), 0);
    }

    #[test]
    fn a_torn_tail_is_cut_and_reported() {
        let place = Place::filled(&[b"one", b"two"]);
        let whole = place.read("entries");
        for tail in [&b"\0"[..], b"\0\x09thr", b"\0\x05three", b"\0\0\0\0\0\0"] {
            place.put("entries", &[&whole, tail].concat());
            assert_eq!(place.verify().unwrap().len(), 2);
            let (mut log, recovery) = place.open().unwrap();
            assert_eq!(
                (recovery.entries, recovery.cut_bytes),
                (2, tail.len() as u64)
            );
            assert_eq!(place.read("entries"), whole);
            assert_eq!(log.append(b"next").unwrap(), 2);
        }
    }

    #[test]
    fn a_changed_entry_is_found_wherever_it_is() {
        let place = Place::filled(&[b"one", b"two", b"three"]);
        let whole = place.read("entries");
        for at in [2, 9, 14] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            place.put("entries", &changed);
            assert!(matches!(place.open(), Err(LogError::Tampered { size: 3 })));
            assert!(matches!(
                place.verify(),
                Err(LogError::Tampered { size: 3 })
            ));
            assert_eq!(place.read("entries"), changed, "evidence is left as it is");
        }
    }

    #[test]
    fn missing_entries_are_named() {
        let place = Place::filled(&[b"one", b"two", b"three"]);
        let whole = place.read("entries");
        for (len, there) in [(whole.len() - 1, 2), (10, 2), (5, 1), (1, 0), (0, 0)] {
            place.put("entries", &whole[..len]);
            for refused in [place.open().map(|_| ()), place.verify().map(|_| ())] {
                let Err(LogError::Truncated { size: 3, found }) = refused else {
                    panic!("{len} bytes: {refused:?}");
                };
                assert_eq!(found, there);
            }
        }
    }

    #[test]
    fn entries_without_a_checkpoint_are_not_thrown_away() {
        let place = Place::new();
        place.put("entries", b"\0\x03one");
        assert!(matches!(place.open(), Err(LogError::NoCheckpoint(5))));
    }

    #[test]
    fn another_logs_key_or_checkpoint_is_refused() {
        let mut place = Place::filled(&[b"one"]);
        let disk: Arc<dyn Disk> = Arc::new(place.disk.clone());
        let misnamed = Log::open(&disk, "audit", "other", place.key());
        assert!(matches!(
            misnamed,
            Err(LogError::Checkpoint(InvalidCheckpoint::Origin { .. }))
        ));
        place.pkcs8 = RingKeys.ed25519().unwrap();
        let refused = place.open();
        assert!(matches!(
            refused,
            Err(LogError::Checkpoint(InvalidCheckpoint::Note(_)))
        ));
    }

    #[test]
    fn an_older_state_put_back_whole_goes_unnoticed_here() {
        // Honest about what a log alone cannot see. The test of the same in `witness` shows who
        // does.
        let place = Place::filled(&[b"one"]);
        let older = ["entries", "checkpoint"].map(|file| (file, place.read(file)));
        let (mut log, _) = place.open().unwrap();
        log.append(b"two").unwrap();
        log.commit().unwrap();
        for (file, content) in older {
            place.put(file, &content);
        }
        assert_eq!(place.open().unwrap().1.entries, 1);
        assert_eq!(place.verify().unwrap().len(), 1);
    }

    #[test]
    fn a_failed_write_is_tried_again_and_a_full_disk_keeps_what_it_has() {
        let place = Place::filled(&[b"one"]);
        let (mut log, _) = place.open().unwrap();
        log.append(b"two").unwrap();
        place.disk.limit(Some(1));
        assert!(matches!(log.commit(), Err(LogError::Disk(_))));
        assert_eq!(log.committed(), 1);
        place.disk.limit(None);
        log.append(b"three").unwrap();
        assert_eq!(log.commit().unwrap().checkpoint.size, 3);
        assert_eq!(place.open().unwrap().0.entry(2), Some(&b"three"[..]));
    }

    #[test]
    fn a_failed_sync_stops_the_log() {
        let place = Place::filled(&[b"one"]);
        let (mut log, _) = place.open().unwrap();
        log.append(b"two").unwrap();
        place.disk.cut_power_after(1);
        assert!(matches!(log.commit(), Err(LogError::Disk(_))));
        assert!(matches!(log.commit(), Err(LogError::Stopped)));
        assert!(matches!(log.append(b"three"), Err(LogError::Stopped)));
        assert_eq!(log.committed(), 1);
    }

    #[test]
    fn what_is_too_long_or_too_much_is_refused() {
        let (mut log, _) = Place::new().open().unwrap();
        let long = vec![7; MAX_ENTRY + 1];
        assert!(matches!(
            log.append(&long),
            Err(LogError::EntryTooLong(65_536))
        ));
        let taken = (0..1_000)
            .take_while(|_| log.append(&long[1..]).is_ok())
            .count();
        assert_eq!(taken, MAX_PENDING / (2 + MAX_ENTRY));
        assert!(matches!(log.append(&long[1..]), Err(LogError::Full)));
        log.commit().unwrap();
        log.append(&long[1..]).unwrap();
    }
}
