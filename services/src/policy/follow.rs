//! A replica that follows its authority, and can ask it for the latest.
//!
//! The feed is never trusted with more than delivery: what a replica refuses changes nothing, and
//! the feed is opened again from the size that is enforced. A long [`SILENCE`] is taken for a
//! broken feed. Who waits for word of the policy hears of entries, and not that it was vouched for
//! again: a stream that asks for the latest would wake itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ca::clock::Time;
use ca::conn::Dialer;
use proto::policy::v1::policy_client::PolicyClient;
use proto::policy::v1::{LatestRequest, Update as WireUpdate, WatchRequest};
use tokio::sync::watch;
use tonic::Status;

use super::parts::{MAX_PART, Parts};
use super::replica::Replica;
use super::serve::from_wire;
use super::update::Update;
use super::view::PolicyView;
use crate::member::{Member, connect};
use crate::posture::HEARTBEAT;

/// Pause before a broken feed is opened again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(250));
/// How long a reader of the latest waits.
const LATEST: Duration = Duration::from_secs(1);

/// Silence longer than this is a broken feed.
pub const SILENCE: Duration = HEARTBEAT.saturating_mul(3);

/// A replica under way. Cheap to clone.
#[derive(Clone)]
pub struct Follower {
    member: Member,
    replica: Arc<Mutex<Replica>>,
    view: Arc<watch::Sender<Arc<PolicyView>>>,
    dialer: Arc<Dialer>,
}

impl Follower {
    /// Starts following the authority on `host`. Must be called inside a runtime.
    pub fn start(member: &Member, replica: Replica, host: &str) -> Self {
        let follower = Self {
            member: member.clone(),
            view: Arc::new(watch::Sender::new(replica.view())),
            replica: Arc::new(Mutex::new(replica)),
            dialer: Arc::new(member.dialer(host)),
        };
        let following = follower.clone();
        tokio::spawn(async move {
            let seams = following.member.start.seams.clone();
            loop {
                if let Err(status) = following.follow().await {
                    tracing::debug!(%status, "the policy feed broke");
                }
                tokio::time::sleep(seams.rng.span(AGAIN.0, AGAIN.1)).await;
            }
        });
        follower
    }

    /// The policy in force here, and word of every entry.
    pub fn view(&self) -> watch::Receiver<Arc<PolicyView>> {
        self.view.subscribe()
    }

    /// Asks the authority for an update that a quorum cosigned after now, and enforces it.
    ///
    /// # Errors
    /// When it does not come in time, or does not count.
    pub async fn latest(&self) -> Result<Arc<PolicyView>, Status> {
        let from = self.replica().size();
        let ask = async {
            let mut client = client(connect(&self.dialer).await?);
            client.latest(LatestRequest { from }).await
        };
        let reply = tokio::time::timeout(LATEST, ask).await;
        let reply = reply.map_err(|_| Status::deadline_exceeded("no quorum in time"))??;
        self.apply(reply.into_inner())?;
        Ok(self.view.borrow().clone())
    }

    async fn follow(&self) -> Result<(), Status> {
        let from = self.replica().size();
        let mut client = client(connect(&self.dialer).await?);
        let broken = |_| Status::deadline_exceeded("the policy feed is silent");
        let opened = tokio::time::timeout(SILENCE, client.watch(WatchRequest { from })).await;
        let mut feed = opened.map_err(broken)??.into_inner();
        let mut parts = Parts::default();
        loop {
            let next = tokio::time::timeout(SILENCE, feed.message())
                .await
                .map_err(broken)??;
            let part = next.ok_or_else(|| Status::unavailable("the policy feed ended"))?;
            if let Some(update) = parts.take(part)? {
                self.apply(update)?;
            }
        }
    }

    fn apply(&self, update: WireUpdate) -> Result<(), Status> {
        self.enforce(&from_wire(update)?)
    }

    /// Enforces an update, if it counts.
    pub(crate) fn enforce(&self, update: &Update) -> Result<(), Status> {
        let now: Time = self.member.start.seams.clock.now();
        let mut replica = self.replica();
        let applied = replica.apply(update, now);
        let applied = applied.map_err(|refused| Status::data_loss(refused.to_string()))?;
        self.view.send_if_modified(|view| {
            *view = replica.view();
            applied.grew
        });
        Ok(())
    }

    fn replica(&self) -> MutexGuard<'_, Replica> {
        self.replica.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn client(connection: ca::conn::Connection) -> PolicyClient<ca::conn::Connection> {
    PolicyClient::new(connection).max_decoding_message_size(MAX_PART)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use proto::policy::v1::policy_server::Policy as _;
    use tokio_stream::StreamExt as _;

    use super::*;
    use crate::policy::entry::{Entry, MAX_ENTRY};
    use crate::policy::serve::PolicyService;
    use crate::posture::Posture;
    use crate::specimen::{NOW, Specimen, authority, from, leaf};

    /// Whether a replica that has nothing takes these acts from the authority's feed.
    async fn catches_up(acts: impl Iterator<Item = Entry>) {
        let node = Specimen::new(Posture::hardened(), |_| {});
        let (mut authority, trust) = authority(&node.member.start.seams);
        let mut size = 0;
        for act in acts {
            size = authority.append(&act.to_bytes().unwrap()).unwrap();
            if size % 100 == 0 {
                authority.commit().unwrap();
            }
        }
        authority.commit().unwrap();
        let service = PolicyService::new(node.member.clone(), authority);
        let ask = from(leaf("/records.south"), WatchRequest { from: 0 });
        let mut feed = service.watch(ask).await.unwrap().into_inner();
        let disk = &node.member.start.seams.disk;
        let replica = Replica::open(disk, "away", trust, NOW).unwrap();
        let follower = Follower::start(&node.member, replica, "nowhere");
        let mut parts = Parts::default();
        while follower.view().borrow().size() < size {
            let next = tokio::time::timeout(Duration::from_secs(5), feed.next()).await;
            let part = next.expect("the feed goes on").unwrap().unwrap();
            assert!(part.encoded_len() <= MAX_PART, "{}", part.encoded_len());
            if let Some(update) = parts.take(part).unwrap() {
                follower.apply(update).unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_replica_that_missed_more_than_a_message_holds_catches_up() {
        let acts = MAX_PART / MAX_ENTRY + 20;
        let policy = format!("//{}", "x".repeat(MAX_ENTRY - 200));
        let entities = Vec::new();
        let act = Entry::PutPolicy { policy, entities };
        catches_up(std::iter::repeat_n(act, acts)).await;
    }

    #[tokio::test]
    async fn a_replica_that_missed_a_hundred_thousand_acts_catches_up() {
        let (principal, role) = ("alice".to_owned(), "doctor".to_owned());
        catches_up(std::iter::repeat_n(
            Entry::Grant { principal, role },
            100_000,
        ))
        .await;
    }
}
