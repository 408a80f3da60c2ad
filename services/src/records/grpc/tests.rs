//! Records and the policy that they were written under, and what wakes an open stream.

use std::sync::OnceLock;
use std::time::Duration;

use ca::clock::{BoxFuture, Clock as _, ManualClock};
use ca::seams::Seams;
use ca::work::{Busy, Kind, Work};
use tokio_stream::StreamExt as _;

use super::*;
use crate::guard::REFUSAL;
use crate::policy::authority::Authority;
use crate::policy::entry::Entry;
use crate::policy::follow::Follower;
use crate::posture::{Freshness, Freshnesses, HEARTBEAT, Posture};
use crate::specimen::{NOW, POLICY_SIZE, Specimen};

/// A clinic under a policy of [`POLICY_SIZE`] with one record, written under `policy_size`.
fn clinic(policy_size: u64) -> (Specimen, RecordsService) {
    clinic_where(policy_size, |_| {})
}

/// The same, with its seams as `adapt` leaves them.
fn clinic_where(policy_size: u64, adapt: impl FnOnce(&mut Seams)) -> (Specimen, RecordsService) {
    let mut posture = Posture::hardened();
    posture.policy.freshness = Freshnesses::all(Freshness::Any);
    let node = Specimen::new(posture, adapt);
    let guard = node.guard();
    let service = service(&node, guard, policy_size);
    (node, service)
}

fn service(node: &Specimen, guard: Arc<Guard>, policy_size: u64) -> RecordsService {
    let store = Store::open(&*node.member.start.seams.disk, "south").unwrap();
    let text = "allergic to penicillin".to_owned();
    let write = |record: &mut Record| record.text = text;
    store.change("r1", policy_size, write).unwrap();
    let replicator = Replicator::start(&node.member, &[]);
    let changed = Arc::new(watch::Sender::new(0));
    RecordsService::new(guard, store, replicator, Recheck::Message, changed)
}

/// The refusal's name, or nothing where it was served.
fn refused<T>(answer: Result<T, Status>) -> Option<String> {
    let status = answer.err()?;
    let name = status.metadata().get(REFUSAL).unwrap();
    Some(name.to_str().unwrap().to_owned())
}

/// What one action on the record hears. Sharing needs an authority to ask.
async fn hears(node: &Specimen, service: &RecordsService, action: &str) -> Option<String> {
    let (id, at_least) = ("r1".to_owned(), 0);
    match action {
        "read" => {
            let read = node.asks(ReadRequest { id, at_least });
            refused(Records::read(service, read).await)
        }
        "watch" => {
            let watch = node.asks(WatchRequest { id, at_least });
            let mut stream = match Records::watch(service, watch).await {
                Ok(stream) => stream.into_inner(),
                refusal => return refused(refusal),
            };
            refused(stream.next().await.expect("a first message"))
        }
        _ => {
            let text = "new".to_owned();
            let write = node.asks(WriteRequest { id, text, at_least });
            refused(Records::write(service, write).await)
        }
    }
}

const ACTIONS: [&str; 3] = ["read", "watch", "write"];

async fn heard(node: &Specimen, service: &RecordsService) -> [Option<String>; 3] {
    let mut heard = [const { None }; 3];
    for (action, heard) in ACTIONS.iter().zip(&mut heard) {
        *heard = hears(node, service, action).await;
    }
    heard
}

#[tokio::test]
async fn what_was_written_under_a_newer_policy_is_not_touched_under_an_older_one() {
    let (node, service) = clinic(POLICY_SIZE + 1);
    let behind = Some("policy-behind".to_owned());
    assert_eq!(
        heard(&node, &service).await,
        [(); 3].map(|()| behind.clone())
    );
    let (node, service) = clinic(POLICY_SIZE);
    assert_eq!(heard(&node, &service).await, [(); 3].map(|()| None));
}

/// While a decision waits for its entry, the record comes from a region that is ahead.
#[derive(Default)]
struct Meanwhile(OnceLock<Store>);

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meanwhile").finish_non_exhaustive()
    }
}

impl Work for Meanwhile {
    fn charge(&self, kind: Kind) -> BoxFuture<'_, Result<(), Busy>> {
        if let (Kind::Append, Some(store)) = (kind, self.0.get()) {
            store.take(&[ahead(store)]).unwrap();
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The record as a region wrote it that has one entry more.
fn ahead(store: &Store) -> Record {
    Record {
        version: 9,
        home: "north".to_owned(),
        policy_size: POLICY_SIZE + 1,
        ..store.get("r1").unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_record_that_gets_ahead_after_the_decision_is_neither_shown_nor_changed() {
    for action in ACTIONS {
        let meanwhile = Arc::new(Meanwhile::default());
        let work = Arc::<Meanwhile>::clone(&meanwhile);
        let (node, service) = clinic_where(POLICY_SIZE, |seams| seams.work = work);
        let newer = ahead(&service.store);
        assert!(meanwhile.0.set(service.store.clone()).is_ok());
        let answer = hears(&node, &service, action).await;
        assert_eq!(answer.as_deref(), Some("policy-behind"), "{action}");
        assert_eq!(service.store.get("r1").unwrap(), Some(newer), "{action}");
    }
}

#[tokio::test]
async fn a_record_carries_the_policy_that_it_was_last_written_under() {
    let (node, service) = clinic(1);
    heard(&node, &service).await;
    let record = service.store.get("r1").unwrap().unwrap();
    assert_eq!(record.policy_size, POLICY_SIZE);
}

#[tokio::test]
async fn an_open_stream_stops_at_a_record_from_a_newer_policy() {
    let (node, service) = clinic(POLICY_SIZE);
    let watch = node.asks(WatchRequest {
        id: "r1".to_owned(),
        at_least: 0,
    });
    let stream = Records::watch(&service, watch).await.unwrap();
    let mut stream = stream.into_inner();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(first.record.unwrap().version, 1);
    // As it comes from a region that is ahead.
    service.store.take(&[ahead(&service.store)]).unwrap();
    service.changed.send_modify(|change| *change += 1);
    let next = stream.next().await.unwrap();
    assert_eq!(refused(next).as_deref(), Some("policy-behind"));
}

/// A stream of alice's under way, its first message heard, and what may happen to it.
struct Open {
    clock: Arc<ManualClock>,
    follower: Follower,
    authority: Authority,
    stream: <RecordsService as Records>::WatchStream,
}

impl Open {
    async fn under(freshness: Freshness, tolerance: Duration) -> Self {
        let mut posture = Posture::hardened();
        posture.policy.freshness = Freshnesses::all(freshness);
        posture.tls.tolerance = tolerance;
        let clock = Arc::new(ManualClock::new(NOW));
        let own = Arc::<ManualClock>::clone(&clock);
        let node = Specimen::new(posture, |seams| seams.clock = own);
        let (guard, follower, authority) = node.followed();
        let service = service(&node, guard, POLICY_SIZE);
        let (id, at_least) = ("r1".to_owned(), 0);
        let watch = node.asks(WatchRequest { id, at_least });
        let mut stream = Records::watch(&service, watch).await.unwrap().into_inner();
        stream.next().await.unwrap().unwrap();
        Self {
            clock,
            follower,
            authority,
            stream,
        }
    }

    /// A heartbeat of the feed: the policy is vouched for again, and brings what is new.
    fn beat(&self) {
        self.clock.set(self.clock.now() + HEARTBEAT);
        let update = self.authority.update_since(POLICY_SIZE).unwrap();
        self.follower.enforce(&update).unwrap();
    }

    /// What comes within three heartbeats.
    async fn next(&mut self) -> Option<Result<WatchReply, Status>> {
        let next = tokio::time::timeout(HEARTBEAT * 3, self.stream.next()).await;
        next.ok()?
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_vouched_for_again_says_nothing_and_an_entry_says_it_at_once() {
    for freshness in [Freshness::Any, Freshness::Within(HEARTBEAT * 3)] {
        let mut open = Open::under(freshness, Duration::from_millis(500)).await;
        for _ in 0..5 {
            open.beat();
            assert!(open.next().await.is_none());
        }
        let (principal, role) = ("bob".to_owned(), "nurse".to_owned());
        let grant = Entry::Grant { principal, role }.to_bytes().unwrap();
        open.authority.append(&grant).unwrap();
        open.authority.commit().unwrap();
        open.beat();
        let message = open.stream.next().await.unwrap().unwrap();
        assert_eq!(message.policy_size, POLICY_SIZE + 1);
        assert!(open.next().await.is_none(), "and says it once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_out_ends_an_open_stream_as_soon_as_it_is_known() {
    let mut open = Open::under(Freshness::Any, Duration::from_millis(500)).await;
    let (principal, before) = ("alice".to_owned(), NOW.as_secs());
    let log_out = Entry::LogOut { principal, before }.to_bytes().unwrap();
    open.authority.append(&log_out).unwrap();
    open.authority.commit().unwrap();
    open.beat();
    let end = open.stream.next().await.expect("an end");
    assert_eq!(refused(end).as_deref(), Some("token-revoked"));
    assert!(open.stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_what_it_was_let_in_by_though_nothing_comes() {
    let (short, long) = (Duration::from_millis(500), Duration::from_secs(10));
    let bound = Freshness::Within(Duration::from_secs(5));
    for (freshness, tolerance, after, refusal) in [
        (bound, short, 6, "policy-stale"),
        (Freshness::Any, short, 61, "certificate-expired"),
        (Freshness::Any, long, 63, "token-expired"),
    ] {
        let mut open = Open::under(freshness, tolerance).await;
        assert!(open.next().await.is_none());
        open.clock.set(NOW + Duration::from_secs(after));
        let end = open.next().await.expect("an end");
        assert_eq!(refused(end).as_deref(), Some(refusal));
        assert!(open.stream.next().await.is_none(), "{refusal} ends it");
    }
}
