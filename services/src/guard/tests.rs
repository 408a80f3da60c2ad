//! What a permit is worth when its audit entry is slow, and a token after a log-out: nothing. And
//! whom the CA is told of.

use std::io;
use std::sync::Mutex;

use ca::clock::{BoxFuture, Clock, ManualClock};
use ca::disk::{Disk, DiskFile, MemDisk};
use ca::work::{Busy, Work};

use super::*;
use crate::policy::entry::Entry;
use crate::posture::{Posture, Reconcile, TokenStatus};
use crate::specimen::{NOW, Specimen};

/// A disk on which every sync lasts `stall` of a node's clock.
#[derive(Debug)]
struct SlowDisk {
    disk: MemDisk,
    clock: Arc<ManualClock>,
    stall: Arc<Mutex<Duration>>,
}

impl Disk for SlowDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let (file, clock) = (self.disk.open(name)?, Arc::clone(&self.clock));
        let stall = Arc::clone(&self.stall);
        Ok(Arc::new(SlowFile { file, clock, stall }))
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.disk.read(name)
    }

    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.disk.replace(name, content)
    }
}

#[derive(Debug)]
struct SlowFile {
    file: Arc<dyn DiskFile>,
    clock: Arc<ManualClock>,
    stall: Arc<Mutex<Duration>>,
}

impl DiskFile for SlowFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.clock
            .set(self.clock.now() + *self.stall.lock().unwrap());
        self.file.sync()
    }
}

/// What alice hears who reads `after` the policy's as-of, on a disk whose syncs last `stall`.
async fn heard(freshness: Freshness, after: Duration, stall: Duration) -> Result<(), String> {
    let mut posture = Posture::hardened();
    posture.policy.freshness = crate::posture::Freshnesses::all(freshness);
    let (slow, disk) = (Arc::new(Mutex::new(Duration::ZERO)), MemDisk::new());
    let clock = Arc::new(ManualClock::new(NOW));
    let node = Specimen::new(posture, |seams| {
        seams.clock = Arc::<ManualClock>::clone(&clock);
        seams.disk = Arc::new(SlowDisk {
            disk: disk.clone(),
            clock: Arc::clone(&clock),
            stall: Arc::clone(&slow),
        });
    });
    let guard = node.guard();
    clock.set(NOW + after);
    *slow.lock().unwrap() = stall;
    let answer = guard.admit::<Read, _>(&node.asks(()), "r1", 0).await;
    let (_, permit) = answer.map_err(|status| status.message().to_owned())?;
    assert_eq!(permit.policy_size(), crate::specimen::POLICY_SIZE);
    Ok(())
}

const BOUND: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_permit_that_outlived_its_bound_while_the_disk_stalled_is_not_let_go() {
    let within = Freshness::Within(BOUND);
    let (early, short) = (Duration::from_secs(4), Duration::from_millis(900));
    assert_eq!(heard(within, early, short).await, Ok(()));
    let (late, tolerance) = (Duration::from_millis(4_900), Duration::from_millis(500));
    assert_eq!(
        heard(within, late, tolerance).await,
        Ok(()),
        "within tolerance"
    );
    let unavailable = Err("audit-unavailable".to_owned());
    assert_eq!(heard(within, late, short).await, unavailable);
}

#[tokio::test]
async fn a_refusal_keeps_its_name_however_long_it_waited() {
    let (within, stale) = (Freshness::Within(BOUND), Err("policy-stale".to_owned()));
    for stall in [Duration::ZERO, RECORD * 2] {
        assert_eq!(heard(within, BOUND * 2, stall).await, stale);
    }
}

#[tokio::test]
async fn no_permit_waits_longer_for_its_entry_than_the_deadline() {
    let over = RECORD + Duration::from_millis(1);
    assert_eq!(heard(Freshness::Any, Duration::ZERO, RECORD).await, Ok(()));
    let unavailable = Err("audit-unavailable".to_owned());
    assert_eq!(
        heard(Freshness::Any, Duration::ZERO, over).await,
        unavailable
    );
}

/// A node that never gets round to its log.
#[derive(Debug)]
struct Stuck;

impl Work for Stuck {
    fn charge(&self, kind: Kind) -> BoxFuture<'_, Result<(), Busy>> {
        Box::pin(async move {
            match kind {
                Kind::Append => std::future::pending().await,
                _ => Ok(()),
            }
        })
    }
}

#[tokio::test]
async fn a_log_that_never_answers_is_a_refusal() {
    let mut posture = Posture::hardened();
    posture.policy.freshness = crate::posture::Freshnesses::all(Freshness::Any);
    let node = Specimen::new(posture, |seams| seams.work = Arc::new(Stuck));
    let (guard, request) = (node.guard(), node.asks(()));
    let answer = tokio::time::timeout(RECORD * 5, guard.admit::<Read, _>(&request, "r1", 0)).await;
    let refused = answer.expect("an answer").expect_err("no permit");
    assert_eq!(refused.message(), "audit-unavailable");
}

/// What alice hears whose token was issued at [`NOW`], `after` her log-out of `before` was vouched
/// for.
async fn logged_out(status: TokenStatus, before: Time, after: Duration) -> Result<(), String> {
    let mut posture = Posture::hardened();
    posture.token.status = status;
    let clock = Arc::new(ManualClock::new(NOW));
    let own = Arc::<ManualClock>::clone(&clock);
    let node = Specimen::new(posture, |seams| seams.clock = own);
    let (guard, follower, mut authority) = node.followed();
    assert!(
        guard
            .admit::<Read, _>(&node.asks(()), "r1", 0)
            .await
            .is_ok()
    );
    let (principal, before) = ("alice".to_owned(), before.as_secs());
    let entry = Entry::LogOut { principal, before };
    authority.append(&entry.to_bytes().unwrap()).unwrap();
    authority.commit().unwrap();
    let update = authority
        .update_since(crate::specimen::POLICY_SIZE)
        .unwrap();
    follower.enforce(&update).unwrap();
    clock.set(NOW + after);
    let answer = guard.admit::<Read, _>(&node.asks(()), "r1", 0).await;
    answer
        .map(drop)
        .map_err(|refusal| refusal.message().to_owned())
}

#[tokio::test]
async fn a_log_out_ends_a_token_of_its_own_second_and_none_of_the_next() {
    let revoked = Err("token-revoked".to_owned());
    for (before, heard) in [
        (NOW, revoked.clone()),
        (NOW + Duration::from_secs(9), revoked),
        (NOW - Duration::from_secs(1), Ok(())),
    ] {
        let check = logged_out(TokenStatus::Check, before, Duration::ZERO).await;
        assert_eq!(check, heard, "{before:?}");
        let ignore = logged_out(TokenStatus::Ignore, before, Duration::ZERO).await;
        assert_eq!(ignore, Ok(()), "{before:?}");
    }
}

#[tokio::test]
async fn a_log_out_is_judged_by_a_view_that_may_be_asked_or_not_at_all() {
    for status in [TokenStatus::Check, TokenStatus::Ignore] {
        let stale = logged_out(status, NOW, BOUND * 2).await;
        assert_eq!(stale, Err("policy-stale".to_owned()));
    }
}

/// How many leaves the CA is told of after a read of the record, `after` the policy's as-of.
async fn told_of(reconcile: Reconcile, after: Duration) -> usize {
    let mut posture = Posture::hardened();
    posture.issuance.reconcile = reconcile;
    let clock = Arc::new(ManualClock::new(NOW));
    let own = Arc::<ManualClock>::clone(&clock);
    let node = Specimen::new(posture, |seams| seams.clock = own);
    let guard = node.guard();
    clock.set(NOW + after);
    let request = node.asks(());
    let permitted = guard.admit::<Read, _>(&request, "r1", 0).await.is_ok();
    assert_eq!(permitted, after < BOUND);
    let told = node.member.met.leaves_sha256();
    let peer = request.extensions().get::<ca::conn::PeerIdentity>();
    let leaf = peer.expect("it came with one").facts.leaf_sha256;
    assert!(told.iter().all(|hash| *hash == leaf));
    told.len()
}

#[tokio::test]
async fn the_ca_is_told_of_whom_was_let_in_and_of_nobody_else() {
    assert_eq!(told_of(Reconcile::On, Duration::ZERO).await, 1);
    assert_eq!(told_of(Reconcile::On, BOUND * 2).await, 0, "it was refused");
    assert_eq!(told_of(Reconcile::Off, Duration::ZERO).await, 0);
}
