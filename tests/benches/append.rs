//! What it costs to make decisions durable: one, and a group of 64 that shares its syncs.
//!
//! The floor writes and syncs the same bytes to one file. The log does more: it signs a checkpoint
//! and replaces the last one, durable too. Files lie under the build's own folder, because a
//! machine's temporary one may be memory, where a sync is free.

mod pace;

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;

use ca::clock::Time;
use ca::disk::{Disk, FsDisk, MemDisk};
use ca::keys::{Keys, RingKeys};
use ca::tlog::note::SigningKey;
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup};
use services::audit::draft::Draft;
use services::audit::writer::AuditLog;
use services::audit::{FOLDER, origin};
use tempfile::TempDir;

const NODE: &str = "records.south";
/// Where a log ends and a new one begins: it keeps its entries in memory.
const LONGEST: u64 = 100_000;

fn draft() -> Draft {
    Draft {
        request: "mallory-17".to_owned(),
        principal: "mallory".to_owned(),
        spiffe_id: "spiffe://clinic.example/user/mallory".to_owned(),
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

fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build's folder is writable")
}

fn open(disk: &Arc<dyn Disk>) -> AuditLog {
    let key = RingKeys.ed25519().expect("the machine has randomness");
    let key = SigningKey::new(&origin(NODE), &key).expect("a new key is an Ed25519 key");
    let (log, _) = AuditLog::open(disk, NODE, key).expect("an empty folder takes a new log");
    log
}

fn append(log: &mut AuditLog, drafts: &[Draft]) {
    for draft in drafts {
        log.append(draft).expect("a short draft");
    }
    log.commit().expect("the disk holds");
}

/// A log on the machine's disk.
struct Book {
    log: AuditLog,
    _folder: TempDir,
}

impl Book {
    fn new() -> Self {
        let folder = folder();
        let disk: Arc<dyn Disk> = Arc::new(FsDisk::new(folder.path()));
        Self {
            log: open(&disk),
            _folder: folder,
        }
    }
}

/// The bytes that a log makes of these drafts.
fn bytes(drafts: &[Draft]) -> Vec<u8> {
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
    append(&mut open(&disk), drafts);
    let entries = disk.read(&format!("{FOLDER}/entries"));
    entries
        .expect("memory holds")
        .expect("a log with entries has a file")
}

fn floor(group: &mut BenchmarkGroup<'_, WallTime>, drafts: &[Draft]) {
    let (bytes, folder) = (bytes(drafts), folder());
    let path = folder.path().join("entries");
    let file = RefCell::new(File::create(path).expect("the build's folder is writable"));
    let longest = LONGEST * bytes.len() as u64 / drafts.len() as u64;
    let begin_anew = || {
        let mut file = file.borrow_mut();
        if file.stream_position().expect("a file has an end") > longest {
            file.set_len(0).expect("the disk holds");
            file.rewind().expect("a file has a beginning");
        }
    };
    let write = |()| {
        let mut file = file.borrow_mut();
        file.write_all(&bytes).expect("the disk holds");
        file.sync_data().expect("the disk holds");
    };
    let name = format!("floor: write + fdatasync, {} entries", drafts.len());
    group.bench_function(name, |bencher| {
        bencher.iter_batched(begin_anew, write, BatchSize::PerIteration);
    });
}

fn main() {
    let mut criterion = pace::criterion();
    let mut group = criterion.benchmark_group("append");
    for count in [1, 64] {
        let drafts = vec![draft(); count];
        floor(&mut group, &drafts);
        let book = RefCell::new(Book::new());
        let begin_anew = || {
            if book.borrow().log.size() > LONGEST {
                book.replace(Book::new());
            }
        };
        let write = |()| append(&mut book.borrow_mut().log, &drafts);
        group.bench_function(format!("audit log, {count} entries"), |bencher| {
            bencher.iter_batched(begin_anew, write, BatchSize::PerIteration);
        });
    }
    group.finish();
    criterion.final_summary();
}
