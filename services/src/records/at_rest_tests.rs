//! Claims about records at rest: what lies on the disk, what opens it, and what is left of it when
//! a version is withdrawn.

use std::collections::BTreeMap;

use ca::disk::MemDisk;
use ca::keys::RingKeys;
use tokio::sync::watch;

use super::*;
use crate::secret::{Held, at_rest, held};

type Given = watch::Sender<Arc<BTreeMap<SecretName, Held>>>;

/// The south's records on that disk, under these versions of its data key.
fn south(disk: &MemDisk, versions: Held) -> (Store, Given, Secrets) {
    let own = [(at_rest("south").unwrap(), versions)].into();
    let (secrets, given) = Secrets::by_hand(own);
    let store = Store::open(disk, "south").unwrap();
    let store = store.sealed(secrets.clone(), Arc::new(RingKeys)).unwrap();
    (store, given, secrets)
}

fn give(given: &Given, versions: Held) {
    given.send_replace(Arc::new([(at_rest("south").unwrap(), versions)].into()));
}

fn write(store: &Store, id: &str, text: &str) -> Record {
    let write = |record: &mut Record| record.text = text.to_owned();
    store.change(id, 1, write).unwrap()
}

fn unknown<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> u64 {
    match answer {
        Err(StoreError::KeyUnknown { version, .. }) => version,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_lies_on_the_disk_is_sealed_and_opens_under_its_version_alone() {
    let disk = MemDisk::new();
    let (store, given, _) = south(&disk, held(1, &[1]));
    let written = write(&store, "r1", "allergic to penicillin");
    assert_eq!(store.get("r1").unwrap(), Some(written.clone()));
    let (_, bytes) = store.stored().unwrap().remove(0);
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    assert!(!holds(b"penicillin"));
    assert_eq!(store.own().unwrap(), std::slice::from_ref(&written));
    give(&given, held(2, &[2]));
    assert_eq!(unknown(store.get("r1")), 1);
    assert_eq!(
        unknown(store.change("r1", 1, |_| {})),
        1,
        "it is not overwritten"
    );
    assert_eq!(
        unknown(store.take(&[Record {
            version: 9,
            ..written.clone()
        }])),
        1
    );
    give(&given, held(2, &[1, 2]));
    assert_eq!(store.get("r1").unwrap(), Some(written));
}

#[test]
fn a_record_put_in_anothers_place_and_one_that_is_not_sealed_are_damaged() {
    let disk = MemDisk::new();
    let (store, _given, _) = south(&disk, held(1, &[1]));
    write(&store, "r1", "one");
    let (_, bytes) = store.stored().unwrap().remove(0);
    let damaged = |answer| matches!(answer, Err(StoreError::Damaged(_)));
    assert!(damaged(store.read("r2", &bytes)));
    let plain = Record {
        id: "r1".to_owned(),
        ..Record::default()
    };
    assert!(damaged(store.read("r1", &plain.encode_to_vec())));
}

#[test]
fn before_a_version_is_known_nothing_is_written() {
    let (store, given, _) = south(&MemDisk::new(), Held::default());
    assert_eq!(unknown(store.change("r1", 1, |_| {})), 0);
    assert!(store.stored().unwrap().is_empty());
    give(&given, held(1, &[1]));
    write(&store, "r1", "now");
}

#[test]
fn after_a_rotation_everything_is_sealed_anew_and_says_the_same() {
    let (store, given, _) = south(&MemDisk::new(), held(1, &[1]));
    let records: Vec<Record> = (0..5)
        .map(|n| write(&store, &format!("r{n}"), "x"))
        .collect();
    assert_eq!(store.reseal(2).unwrap(), 0, "nothing is behind");
    give(&given, held(2, &[1, 2]));
    write(&store, "r5", "new");
    assert_eq!(store.under().unwrap(), [1, 2].into());
    assert_eq!([2, 2, 1, 0].map(|_| store.reseal(2).unwrap()), [2, 2, 1, 0]);
    assert_eq!(store.under().unwrap(), [2].into());
    give(&given, held(2, &[2]));
    for record in records {
        assert_eq!(store.get(&record.id).unwrap(), Some(record));
    }
}

#[test]
fn what_cannot_be_opened_is_left_as_it_is_and_counted() {
    let (store, given, _) = south(&MemDisk::new(), held(1, &[1]));
    write(&store, "r1", "lost");
    give(&given, held(2, &[2]));
    write(&store, "r2", "kept");
    assert_eq!(store.reseal(9).unwrap(), 0);
    assert_eq!(store.under().unwrap(), [1, 2].into());
    assert!(store.get("r2").unwrap().is_some());
}

/// One flipped bit must not keep every other record under the old version.
#[test]
fn a_record_that_does_not_open_keeps_no_other_from_being_sealed_anew_or_offered() {
    let (store, given, _) = south(&MemDisk::new(), held(1, &[1]));
    for id in ["r1", "r2", "r3"] {
        write(&store, id, "x");
    }
    let (_, mut bytes) = store.stored().unwrap().remove(0);
    *bytes.last_mut().unwrap() ^= 1;
    let transaction = store.database.begin_write().unwrap();
    let mut table = transaction.open_table(RECORDS).unwrap();
    table.insert("r1", &*bytes).unwrap();
    drop(table);
    transaction.commit().unwrap();
    assert!(matches!(store.get("r1"), Err(StoreError::Damaged(_))));
    give(&given, held(2, &[1, 2]));
    assert_eq!([2, 0].map(|_| store.reseal(2).unwrap()), [2, 0]);
    assert_eq!(store.under().unwrap(), [1, 2].into(), "it is counted");
    assert_eq!(store.own().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_version_in_use_counts_before_anything_is_written_under_it() {
    let (store, given, secrets) = south(&MemDisk::new(), Held::default());
    let seams = ca::seams::Seams::real("never-written");
    tokio::spawn(super::super::sweep(store, seams));
    tokio::task::yield_now().await;
    give(&given, held(1, &[1]));
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(secrets.said(&at_rest("south").unwrap()), Some([1].into()));
}

#[tokio::test(start_paused = true)]
async fn the_sweep_says_what_is_in_use_once_it_has_moved_everything() {
    let (store, given, secrets) = south(&MemDisk::new(), held(1, &[1]));
    write(&store, "r1", "x");
    let seams = ca::seams::Seams::real("never-written");
    tokio::spawn(super::super::sweep(store.clone(), seams));
    tokio::task::yield_now().await;
    give(&given, held(2, &[1, 2]));
    assert_eq!(secrets.said(&at_rest("south").unwrap()), None);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(secrets.said(&at_rest("south").unwrap()), Some([2].into()));
    assert_eq!(store.under().unwrap(), [2].into());
}
