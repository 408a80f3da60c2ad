//! A log's files as a disk may give them back: torn, changed, cut, or another log's.
//!
//! Whatever is found there, nothing comes out that was not put in, and what does not verify is
//! left as it is.

use std::sync::{Arc, LazyLock};

use ca::clock::Time;
use ca::disk::{Disk, MemDisk};
use ca::tlog::log::{Log, LogError, verify_folder};
use ca::tlog::note::SigningKey;
use services::audit::draft::Draft;
use services::audit::entry::Entry;
use services::audit::verify::{AuditFlaw, verify};
use services::audit::writer::AuditLog;
use services::audit::{FOLDER, origin};
use services::refusal::Refusal;

use super::note;

const NODE: &str = "records.south";

/// How many decisions the log holds.
const DECISIONS: u64 = 5;

/// A log's two files, and what is in them.
pub struct Files {
    /// Framed entries.
    pub entries: Vec<u8>,
    /// The checkpoint over them.
    pub checkpoint: Vec<u8>,
    /// The checkpoint that the log began with, over nothing.
    pub first: Vec<u8>,
    leaves: Vec<Vec<u8>>,
    decisions: Vec<Entry>,
}

fn key() -> SigningKey {
    note::key(&origin(NODE), 9)
}

fn draft(seq: u64) -> Draft {
    Draft {
        request: format!("q{seq}"),
        principal: "alice".to_owned(),
        spiffe_id: "spiffe://clinic.example/user/alice".to_owned(),
        leaf: None,
        action: "read".to_owned(),
        resource: "r1".to_owned(),
        refusal: (seq % 2 == 1).then_some(Refusal::PolicyStale),
        policy_size: 7,
        policy_root: [9; 32],
        as_of: Time::from_secs(1_767_225_600),
        at: Time::from_secs(1_767_225_603),
    }
}

/// A node's log, whole.
pub static WHOLE: LazyLock<Files> = LazyLock::new(|| {
    let memory = MemDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    let read = |file: &str| {
        let content = memory.read(&format!("{FOLDER}/{file}"));
        content.ok().flatten().expect("the log wrote it")
    };
    let (mut log, _) = AuditLog::open(&disk, NODE, key()).expect("an empty disk is a log");
    let first = read("checkpoint");
    for seq in 0..DECISIONS {
        log.append(&draft(seq)).expect("there is room");
    }
    log.commit().expect("memory holds it");
    let (entries, checkpoint) = (read("entries"), read("checkpoint"));
    let key = key().verifying();
    Files {
        leaves: verify_folder(&entries, &checkpoint, &key).expect("it verifies"),
        decisions: verify(NODE, &entries, &checkpoint, &key).expect("it verifies"),
        entries,
        checkpoint,
        first,
    }
});

/// The two files that an input stands for: its first byte says which of them it is.
fn found(data: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (which, bytes) = data.split_first()?;
    Some(match which % 3 {
        0 => (bytes, Some(&WHOLE.checkpoint)),
        1 => (&WHOLE.entries, Some(bytes)),
        _ => (bytes, None),
    })
}

/// Recovery: what is opened is what was committed, and only its torn tail is cut.
pub fn log(data: &[u8]) {
    let Some((entries, checkpoint)) = found(data) else {
        return;
    };
    let memory = MemDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    let name = format!("{FOLDER}/entries");
    let put = |name: &str, content: &[u8]| memory.replace(name, content).expect("memory holds it");
    put(&name, entries);
    if let Some(checkpoint) = checkpoint {
        put(&format!("{FOLDER}/checkpoint"), checkpoint);
    }
    let left = || memory.read(&name).ok().flatten().unwrap_or_default();
    let audited = checkpoint.map(|note| verify_folder(entries, note, &key().verifying()));
    let open = || Log::open(&disk, FOLDER, &origin(NODE), key());
    match open() {
        Err(error) => {
            assert_eq!(left(), entries, "evidence is left as it is");
            assert!(audited.is_none_or(|audited| audited.is_err()), "{error}");
            if let LogError::Truncated { size, found } = error {
                assert!(found < size && size == DECISIONS);
            }
        }
        Ok((log, recovery)) => {
            let held: Vec<Vec<u8>> = log.entries(0..u64::MAX).map(<[u8]>::to_vec).collect();
            assert!(
                WHOLE.leaves.starts_with(&held),
                "more or other than was put in"
            );
            assert_eq!(recovery.entries, held.len() as u64);
            assert_eq!(log.committed(), log.size());
            assert_eq!(audited.transpose().ok().flatten().unwrap_or_default(), held);
            let kept = left();
            assert!(WHOLE.entries.starts_with(&kept) && entries.starts_with(&kept));
            assert_eq!(recovery.cut_bytes, (entries.len() - kept.len()) as u64);
            let (_, again) = open().expect("what was opened opens again");
            assert_eq!((again.entries, again.cut_bytes), (recovery.entries, 0));
        }
    }
}

/// An auditor's reading: what is read is what was decided.
pub fn audit(data: &[u8]) {
    let Some((entries, checkpoint)) = found(data) else {
        return;
    };
    let checkpoint = checkpoint.unwrap_or_default();
    let key = key().verifying();
    match verify(NODE, entries, checkpoint, &key) {
        Ok(read) => {
            assert!(
                WHOLE.decisions.starts_with(&read),
                "more or other than was decided"
            );
            assert!(entries.starts_with(&WHOLE.entries) || read.is_empty());
            let foreign = verify("records.north", entries, checkpoint, &key);
            assert_eq!(foreign, Err(AuditFlaw::BadSignature));
        }
        Err(AuditFlaw::Tampered { at }) => assert!(at < DECISIONS),
        Err(AuditFlaw::Truncated { promised, found }) => {
            assert!(found < promised && promised == DECISIONS);
        }
        Err(AuditFlaw::BadSignature) => {}
        Err(flaw) => panic!("the node never signed that: {flaw}"),
    }
}
