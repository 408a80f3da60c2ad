//! What a reply may rely on: shared syncs, full queues, dead disks and power cuts.

use ca::clock::BoxFuture;
use ca::rng::{Rng as _, SeededRng};
use ca::work::Busy;

use super::super::specimen::{Place, draft};
use super::*;

fn seams(place: &Place) -> Seams {
    Seams {
        disk: place.shared(),
        ..Seams::real(".")
    }
}

fn start(place: &Place) -> AuditWriter {
    let (log, _) = place.open().unwrap();
    AuditWriter::start(log, &seams(place))
}

fn requests(place: &Place) -> Vec<String> {
    let entries = place.verify().unwrap();
    entries.into_iter().map(|entry| entry.request).collect()
}

#[tokio::test]
async fn a_reply_under_sync_has_its_entry_on_the_disk() {
    let place = Place::new();
    let writer = start(&place);
    for n in 0..3 {
        let recorded = writer.record(draft(&format!("q{n}")), Durability::Sync);
        assert_eq!(recorded.await, Ok(Some(n)));
        assert_eq!(requests(&place).len() as u64, n + 1);
    }
}

#[tokio::test]
async fn those_who_wait_together_share_a_sync() {
    let place = Place::new();
    let writer = start(&place);
    let before = place.disk.syncs();
    let mut waiting = tokio::task::JoinSet::new();
    for n in 0..100 {
        let writer = writer.clone();
        waiting.spawn(async move { writer.record(draft(&n.to_string()), Durability::Sync).await });
    }
    let answers = waiting.join_all().await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let syncs = place.disk.syncs() - before;
    assert!(syncs <= 4, "{syncs} syncs for 100 entries");
    assert_eq!(requests(&place).len(), 100);
}

#[tokio::test]
async fn a_flush_waits_for_what_nobody_waited_for() {
    let place = Place::new();
    let writer = start(&place);
    for n in 0..5 {
        let recorded = writer.record(draft(&n.to_string()), Durability::Async);
        assert_eq!(recorded.await, Ok(None));
    }
    assert!(requests(&place).is_empty());
    writer.flush().await.unwrap();
    assert_eq!(requests(&place), ["0", "1", "2", "3", "4"]);
    assert_eq!(writer.lost(), 0);
}

#[tokio::test]
async fn the_last_handle_gone_commits_what_is_queued() {
    let place = Place::new();
    let writer = start(&place);
    writer
        .record(draft("last"), Durability::Async)
        .await
        .unwrap();
    drop(writer);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(requests(&place), ["last"]);
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let place = Place::new();
    let writer = start(&place);
    for n in 0..QUEUE {
        let recorded = writer.record(draft(&n.to_string()), Durability::Async);
        assert_eq!(recorded.await, Ok(None));
    }
    for durability in [Durability::Sync, Durability::Batch, Durability::Async] {
        let refused = writer.record(draft("over"), durability).await;
        assert_eq!(refused, Err(AuditUnavailable));
    }
    writer.flush().await.unwrap_err();
    tokio::task::yield_now().await;
    assert!(writer.record(draft("next"), Durability::Sync).await.is_ok());
    assert_eq!(requests(&place).len(), QUEUE + 1);
}

#[tokio::test]
async fn a_draft_that_is_too_long_is_refused_alone() {
    let place = Place::new();
    let writer = start(&place);
    let long = writer.record(draft(&"x".repeat(70_000)), Durability::Sync);
    let short = writer.record(draft("short"), Durability::Sync);
    let (long, short) = tokio::join!(long, short);
    assert_eq!((long, short), (Err(AuditUnavailable), Ok(Some(0))));
}

#[tokio::test]
async fn after_a_failed_commit_everything_is_refused_until_a_restart() {
    let place = Place::filled(1);
    let writer = start(&place);
    place.disk.fail(true);
    let unheard = writer.record(draft("unheard"), Durability::Async).await;
    let batch = writer.record(draft("batch"), Durability::Batch);
    let sync = writer.record(draft("sync"), Durability::Sync);
    let (batch, sync) = tokio::join!(batch, sync);
    assert_eq!(unheard, Ok(None));
    assert_eq!((batch, sync), (Ok(Some(2)), Err(AuditUnavailable)));
    assert_eq!(writer.lost(), 2);
    place.disk.fail(false);
    for durability in [Durability::Sync, Durability::Batch, Durability::Async] {
        let refused = writer.record(draft("later"), durability).await;
        assert_eq!(refused, Err(AuditUnavailable));
    }
    writer.flush().await.unwrap_err();
    let again = start(&place);
    let recorded = again.record(draft("again"), Durability::Sync).await;
    assert_eq!(recorded, Ok(Some(1)));
    assert_eq!(requests(&place), ["q0", "again"]);
}

/// A node that has no time the first two times that it is asked.
#[derive(Debug, Default)]
struct BusyTwice(AtomicU64);

impl Work for BusyTwice {
    fn charge(&self, kind: Kind) -> BoxFuture<'_, Result<(), Busy>> {
        assert_eq!(kind, Kind::Append);
        let turn = self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(if turn < 2 {
            Err(Busy)
        } else {
            Ok(())
        }))
    }
}

#[tokio::test]
async fn a_busy_node_commits_later_and_pays_once_a_group() {
    let place = Place::new();
    let (log, _) = place.open().unwrap();
    let work = Arc::new(BusyTwice::default());
    let seams = Seams {
        work: Arc::clone(&work) as Arc<dyn Work>,
        ..seams(&place)
    };
    let writer = AuditWriter::start(log, &seams);
    let one = writer.record(draft("one"), Durability::Sync);
    let two = writer.record(draft("two"), Durability::Sync);
    assert_eq!(tokio::join!(one, two), (Ok(Some(0)), Ok(Some(1))));
    assert_eq!(work.0.load(Ordering::Relaxed), 3);
}

/// A node that never gets its turn.
#[derive(Debug)]
struct Stuck;

impl Work for Stuck {
    fn charge(&self, _: Kind) -> BoxFuture<'_, Result<(), Busy>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn batch_waits_for_a_place_and_sync_for_the_disk() {
    let place = Place::new();
    let (log, _) = place.open().unwrap();
    let seams = Seams {
        work: Arc::new(Stuck),
        ..seams(&place)
    };
    let writer = AuditWriter::start(log, &seams);
    let mut sync = Box::pin(writer.record(draft("sync"), Durability::Sync));
    let batch = writer.record(draft("batch"), Durability::Batch);
    tokio::select! {
        biased;
        answer = &mut sync => panic!("nothing was committed: {answer:?}"),
        answer = batch => assert_eq!(answer, Ok(Some(1))),
    }
    assert!(requests(&place).is_empty());
}

/// Records until the power goes, and says which of those that were answered well are not there
/// after it came back; `None` if the log did not even open.
async fn missing_after_power_cut(seed: u64, durability: Durability, bug: bool) -> Option<usize> {
    let place = Place::filled(1);
    let rng = SeededRng::new(seed);
    if bug {
        place.disk.danger_skip_sync("audit/entries");
    }
    let writer = start(&place);
    place.disk.cut_power_after(1 + rng.below(40));
    let mut heard = Vec::new();
    for round in 0..20 {
        let mut group = tokio::task::JoinSet::new();
        for n in 0..=rng.below(3) {
            let (writer, request) = (writer.clone(), format!("{round}.{n}"));
            group.spawn(async move {
                let recorded = writer.record(draft(&request), durability).await;
                recorded.is_ok().then_some(request)
            });
        }
        heard.extend(group.join_all().await.into_iter().flatten());
    }
    place.disk.cut_power();
    place.disk.restore(&rng);
    let (log, _) = place.open().ok()?;
    drop(log);
    let there = requests(&place);
    let missing = heard.iter().filter(|request| !there.contains(request));
    Some(missing.count())
}

#[tokio::test]
async fn what_was_answered_under_sync_survives_a_power_cut() {
    for seed in 0..100 {
        let missing = missing_after_power_cut(seed, Durability::Sync, false).await;
        assert_eq!(missing, Some(0), "seed {seed}");
    }
}

#[tokio::test]
async fn a_missing_sync_is_caught() {
    let mut caught = 0;
    for seed in 0..100 {
        let missing = missing_after_power_cut(seed, Durability::Sync, true).await;
        caught += u32::from(missing != Some(0));
    }
    assert!(caught > 0);
}

#[tokio::test]
async fn what_was_answered_under_async_may_be_lost() {
    let mut lost = 0;
    for seed in 0..100 {
        let missing = missing_after_power_cut(seed, Durability::Async, false).await;
        lost += missing.expect("what was committed still opens");
    }
    assert!(lost > 0);
}
