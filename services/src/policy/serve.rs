//! The policy authority on the wire: acts in, updates out, cosignatures gathered meanwhile.
//!
//! One task a witness asks for a cosignature whenever a round is called: at every heartbeat, and
//! at once for an act or a reader of the latest. So a witness that is cut off slows nobody else.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ca::clock::Time;
use ca::conn::{Dialer, MAX_MESSAGE};
use ca::journal::Event;
use ca::tlog::note::Signature;
use ca::work::Kind;
use proto::policy::v1 as wire;
use proto::policy::v1::policy_server::{Policy, PolicyServer};
use proto::witness::v1::CosignRequest;
use proto::witness::v1::witness_client::WitnessClient;
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status};

use super::authority::{Authority, AuthorityError};
use super::parts::split;
use super::update::{MAX_UPDATE_ENTRIES, Update};
use crate::courier::{Delivery, Message};
use crate::member::{Member, connect, peer_is};
use crate::posture::HEARTBEAT;

/// How long one cosigning may take.
const COSIGN: Duration = Duration::from_millis(900);
/// How long an act waits for its quorum before it is called pending.
const ACT: Duration = Duration::from_secs(5);
/// How long a reader of the latest waits for its quorum.
const LATEST: Duration = Duration::from_millis(900);

/// The authority behind its service. Cheap to clone.
#[derive(Clone)]
pub struct PolicyService {
    member: Member,
    authority: Arc<Mutex<Authority>>,
    /// Rises whenever cosignatures are wanted.
    round: Arc<watch::Sender<u64>>,
    /// For each witness, when the last cosigning that it answered began, on this node's clock.
    answered: Arc<watch::Sender<BTreeMap<String, Time>>>,
}

impl PolicyService {
    /// A service over one authority. [`Self::start`] sets it going.
    pub fn new(member: Member, authority: Authority) -> Self {
        Self {
            member,
            authority: Arc::new(Mutex::new(authority)),
            round: Arc::new(watch::Sender::new(1)),
            answered: Arc::new(watch::Sender::new(BTreeMap::new())),
        }
    }

    /// Starts the heartbeat and one task for each witness. Must be called inside a runtime.
    pub fn start(&self) {
        let witnesses: Vec<String> = {
            let authority = self.authority();
            let keys = authority.quorum().witnesses();
            keys.iter().map(|key| key.name().to_owned()).collect()
        };
        for witness in witnesses {
            let (service, dialer) = (self.clone(), self.member.dialer(&witness));
            tokio::spawn(async move { service.gather(&witness, &dialer).await });
        }
        let service = self.clone();
        tokio::spawn(async move {
            loop {
                service.call_round();
                service.member.start.seams.clock.sleep(HEARTBEAT).await;
            }
        });
    }

    /// The service as tonic serves it.
    pub fn server(self) -> PolicyServer<Self> {
        PolicyServer::new(self).max_decoding_message_size(MAX_MESSAGE)
    }

    fn authority(&self) -> MutexGuard<'_, Authority> {
        self.authority
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn call_round(&self) {
        self.round.send_modify(|round| *round += 1);
    }

    /// Asks one witness, round after round.
    async fn gather(&self, witness: &str, dialer: &Dialer) {
        let mut rounds = self.round.subscribe();
        loop {
            // This service holds the sender.
            let _ = rounds.changed().await;
            once_more(|| {
                // What is asked from here on serves the rounds that were called until now.
                rounds.mark_unchanged();
                self.ask(witness, dialer)
            })
            .await;
        }
    }

    /// Asks one witness once. True if it remembers another size, and shall be asked from there.
    async fn ask(&self, witness: &str, dialer: &Dialer) -> bool {
        let began = self.member.start.seams.clock.now();
        match tokio::time::timeout(COSIGN, self.cosign(witness, dialer)).await {
            Ok(Ok(true)) => self.answered.send_modify(|answered| {
                answered.insert(witness.to_owned(), began);
            }),
            Ok(Ok(false)) => return true,
            Ok(Err(status)) if status.code() == Code::Internal => {
                tracing::error!(witness, %status, "the log and its witness disagree");
            }
            Ok(Err(status)) => tracing::debug!(witness, %status, "no cosignature"),
            Err(_) => dialer.forget().await,
        }
        false
    }

    /// One cosigning; false if the witness began elsewhere.
    async fn cosign(&self, witness: &str, dialer: &Dialer) -> Result<bool, Status> {
        let failed = |error: AuthorityError| Status::internal(error.to_string());
        let ask = self.authority().request(witness).map_err(failed)?;
        let mut client = WitnessClient::new(connect(dialer).await?);
        let reply = client.cosign(CosignRequest {
            old_size: ask.old_size,
            proof: ask.proof.iter().map(|hash| hash.to_vec()).collect(),
            checkpoint: ask.checkpoint,
        });
        let reply = reply.await?.into_inner();
        if reply.line.is_empty() {
            self.authority()
                .conflict(witness, reply.size)
                .map_err(failed)?;
            return Ok(false);
        }
        let line = reply.line.trim_end_matches('\n');
        let signature = Signature::parse(line).map_err(|e| Status::internal(e.to_string()))?;
        self.authority()
            .cosigned(witness, ask.size, signature)
            .map_err(failed)?;
        Ok(true)
    }

    /// Appends one act and waits for its quorum.
    async fn append(&self, entry: &[u8]) -> Result<wire::ActReply, Status> {
        let seams = &self.member.start.seams;
        let turn = seams.work.charge(Kind::Append).await;
        turn.map_err(|busy| Status::resource_exhausted(busy.to_string()))?;
        let size = {
            let mut authority = self.authority();
            let refused = |error: AuthorityError| match error {
                AuthorityError::Log(error) => Status::unavailable(error.to_string()),
                other => Status::invalid_argument(other.to_string()),
            };
            let size = authority.append(entry).map_err(refused)?;
            authority.commit().map_err(refused)?;
            size
        };
        self.call_round();
        let mut answered = self.answered.subscribe();
        let cosigned = answered.wait_for(|_| self.authority().acknowledged_size() >= size);
        let acknowledged = tokio::time::timeout(ACT, cosigned).await.is_ok();
        let decision = if acknowledged {
            "acknowledged"
        } else {
            "pending"
        }
        .to_owned();
        seams.journal.note(Event {
            kind: "act",
            decision,
            policy_size: size,
            ..Event::default()
        });
        Ok(wire::ActReply { acknowledged, size })
    }

    /// What a follower of size `from` is told, if there is something to tell it.
    fn update_since(&self, from: u64) -> Result<Option<Update>, Status> {
        let authority = self.authority();
        let behind = authority.acknowledged_size().saturating_sub(from);
        if behind > MAX_UPDATE_ENTRIES as u64 {
            let said = format!("{behind} entries behind: an update has {MAX_UPDATE_ENTRIES}");
            return Err(Status::out_of_range(said));
        }
        Ok(authority.update_since(from))
    }

    /// An update whose quorum answered a cosigning begun after `since`.
    async fn fresh(&self, from: u64, since: Time) -> Option<Update> {
        let needed = self.authority().quorum().needed();
        self.call_round();
        let mut answered = self.answered.subscribe();
        let enough = answered.wait_for(|answered| {
            answered.values().filter(|began| **began >= since).count() >= needed
        });
        tokio::time::timeout(LATEST, enough).await.ok()?.ok()?;
        self.authority().update_since(from)
    }
}

/// Asks, and once more if that is what came of it: a witness that never agrees must not be asked
/// as fast as it answers.
async fn once_more<F: Future<Output = bool>>(mut ask: impl FnMut() -> F) {
    if ask().await {
        ask().await;
    }
}

#[tonic::async_trait]
impl Policy for PolicyService {
    async fn act(
        &self,
        request: Request<wire::ActRequest>,
    ) -> Result<Response<wire::ActReply>, Status> {
        peer_is(&request, &["admin"], &self.member)?;
        Ok(Response::new(
            self.append(&request.into_inner().entry).await?,
        ))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<wire::Update, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<wire::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let to = peer_is(&request, &["records"], &self.member)?;
        let mut size = request.into_inner().from;
        let (service, mut answered) = (self.clone(), self.answered.subscribe());
        let updates = async_stream::try_stream! {
            let mut sent = Vec::new();
            loop {
                let update = service.update_since(size)?;
                if let Some(update) = update.filter(|update| update.checkpoint != sent) {
                    let from = service.member.start.name.clone();
                    let message = Message { kind: "policy-update", from, to: to.clone() };
                    let carried = service.member.start.courier.carry(message).await;
                    size = update.from + update.entries.len() as u64;
                    sent.clone_from(&update.checkpoint);
                    if let Delivery::Sent(copies) = carried {
                        for _ in 0..copies {
                            for part in split(to_wire(update.clone())) {
                                yield part;
                            }
                        }
                    }
                }
                // This service holds the sender.
                let _ = answered.changed().await;
            }
        };
        Ok(Response::new(Box::pin(updates)))
    }

    async fn latest(
        &self,
        request: Request<wire::LatestRequest>,
    ) -> Result<Response<wire::Update>, Status> {
        peer_is(&request, &["records"], &self.member)?;
        let since = self.member.start.seams.clock.now();
        let update = self.fresh(request.into_inner().from, since).await;
        let update = update.ok_or_else(|| Status::unavailable("no quorum answered in time"))?;
        Ok(Response::new(to_wire(update)))
    }
}

fn to_wire(update: Update) -> wire::Update {
    wire::Update {
        from: update.from,
        entries: update.entries,
        checkpoint: update.checkpoint,
        consistency: update
            .consistency
            .iter()
            .map(|hash| hash.to_vec())
            .collect(),
    }
}

/// An update from the wire.
pub(super) fn from_wire(update: wire::Update) -> Result<Update, Status> {
    Ok(Update {
        from: update.from,
        consistency: super::attest::hashes(&update.consistency)?,
        entries: update.entries,
        checkpoint: update.checkpoint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_witness_that_never_agrees_is_asked_twice_a_round_and_one_that_does_once() {
        for (elsewhere, expected) in [([true; 5], 2), ([false; 5], 1)] {
            let mut asked = 0;
            let ask = || {
                asked += 1;
                std::future::ready(elsewhere[asked - 1])
            };
            once_more(ask).await;
            assert_eq!(asked, expected);
        }
    }
}
