//! The CA's services on the wire: the only place where its messages and its refusals are
//! translated.

mod next;
mod secrets;
mod signing;

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::ca::v1 as wire;
use proto::ca::v1::identity_server::{Identity as IdentityApi, IdentityServer};
use proto::ca::v1::secrets_server::SecretsServer;
use proto::ca::v1::token_keys_server::TokenKeysServer;
use proto::ca::v1::trust_server::{Trust as TrustApi, TrustServer};
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status, Streaming};

use self::next::{Next, next};
use crate::admission::{Caller, Limits};
use crate::announced::Announced;
use crate::authorities::Listed;
use crate::bundle::Bundle;
use crate::conn::{MAX_MESSAGE, MAX_STATE, PeerIdentity};
use crate::csr::{self, MAX_REQUEST};
use crate::error::{CaError, IssueRefusal};
use crate::identity::LeafFacts;
use crate::issue::{Ca, Entered, Identity};
use crate::journal::Event;
use crate::offered::Offered;
use crate::recover::Comeback;
use crate::seams::Seams;
use crate::turns::{Turn, Turns};
use crate::work::{Busy, Kind};

/// What a busy CA asks of those that it turns away: not to come again sooner.
pub const COME_BACK: Duration = Duration::from_secs(1);
/// How often a request whose turn it is asks for the work, where handshakes fill the queue for it.
pub(crate) const DESK_TRIES: u32 = 20;
/// Between those.
pub(crate) const DESK_PAUSE: Duration = Duration::from_millis(5);
/// Under this name a busy answer says so, in milliseconds; gRPC's retry design gave it.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The CA behind its services.
#[derive(Clone, Debug)]
pub struct IdentityService {
    seams: Seams,
    ca: Arc<Mutex<Ca>>,
    turns: Turns,
}

impl IdentityService {
    /// A service over one CA, that takes on so much.
    pub fn new(seams: Seams, ca: Arc<Mutex<Ca>>, limits: Limits) -> Self {
        let turns = Turns::new(limits);
        Self { seams, ca, turns }
    }

    /// The services as tonic serves them.
    pub fn offered(self) -> Offered {
        let trust = TrustServer::new(self.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_STATE);
        let identity = IdentityServer::new(self.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_STATE);
        let keys = TokenKeysServer::new(self.clone()).max_decoding_message_size(MAX_MESSAGE);
        let secrets = SecretsServer::new(self).max_decoding_message_size(MAX_MESSAGE);
        Offered::of(identity).and(trust).and(keys).and(secrets)
    }

    fn ca(&self) -> MutexGuard<'_, Ca> {
        self.ca.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what a member has put in force, and of whom it let in.
    fn take_in(&self, peer: &LeafFacts, said: &wire::Acknowledgement) {
        let (member, now) = (&peer.spiffe_id, self.seams.clock.now());
        let mut ca = self.ca();
        if said.generation > 0 {
            ca.acknowledge(member, said.generation);
        }
        // A stream outlives a revocation, and a leaf that nobody issued has a chain as any other.
        if ca.may_renew(peer, now).is_err() {
            return;
        }
        for unlogged in ca.reconcile(member, &said.met, now) {
            tracing::warn!(met_by = %unlogged.met_by, "a leaf was met that nobody issued");
            self.seams.journal.note(Event {
                kind: "unlogged",
                principal: member.to_string(),
                ..Event::default()
            });
        }
    }

    /// Makes what was entered durable by the sync that all share who are here now: none begins
    /// while entries come between one look and the next, but for so many looks at most. Meanwhile
    /// the next have their turns, and the caller keeps its place: it has one request here until it
    /// is answered.
    async fn settle(&self, turn: Turn, entered: Entered) -> Result<Identity, CaError> {
        turn.rest();
        let mut size = 0;
        for _ in 0..self.turns.at_once() {
            tokio::task::yield_now().await;
            let now = self.ca().log().size();
            if now == size || self.ca().log().committed() > entered.log_index() {
                break;
            }
            size = now;
        }
        self.ca().settle(entered)
    }

    /// Waits for the caller's turn, and then for the work's cost. Whoever has its turn is the most
    /// urgent there is, and is not sent away at once because strangers' handshakes fill the queue.
    async fn turn(&self, caller: Caller, csr: &[u8]) -> Result<Turn, Status> {
        if csr.len() > MAX_REQUEST {
            // It would be refused at its turn, and is heavy to keep until then.
            return Err(CaError::from(IssueRefusal::CsrTooLarge(csr.len())).into());
        }
        let turn = self.turns.wait(caller).await.map_err(busy)?;
        for _ in 1..DESK_TRIES {
            if self.seams.work.charge(Kind::Issue).await.is_ok() {
                return Ok(turn);
            }
            self.seams.clock.sleep(DESK_PAUSE).await;
        }
        self.seams.work.charge(Kind::Issue).await.map_err(busy)?;
        Ok(turn)
    }
}

#[tonic::async_trait]
impl IdentityApi for IdentityService {
    async fn enroll(
        &self,
        request: Request<wire::EnrollRequest>,
    ) -> Result<Response<wire::IdentityReply>, Status> {
        let wire::EnrollRequest { join_code, csr } = request.into_inner();
        // Only who was invited may wait.
        let id = self.ca().invited(&join_code)?;
        let caller = Caller::enrolling(id, self.seams.clock.now());
        let turn = self.turn(caller, &csr).await?;
        let csr = proved(&csr)?;
        let now = self.seams.clock.now();
        let entered = self.ca().enter_enrolment(&join_code, &csr, now)?;
        Ok(Response::new(self.settle(turn, entered).await?.into()))
    }

    async fn renew(
        &self,
        request: Request<wire::RenewRequest>,
    ) -> Result<Response<wire::IdentityReply>, Status> {
        let peer = request.extensions().get::<PeerIdentity>().cloned();
        let peer = peer.ok_or_else(|| Status::unauthenticated("renewal needs a leaf"))?;
        let csr = request.into_inner().csr;
        // A leaf that is over stands first in the order, and would be refused at its turn.
        self.ca().may_renew(&peer.facts, self.seams.clock.now())?;
        let turn = self.turn(Caller::renewing(&peer.facts), &csr).await?;
        let csr = proved(&csr)?;
        let now = self.seams.clock.now();
        let entered = self.ca().enter_renewal(&peer.facts, &csr, now)?;
        Ok(Response::new(self.settle(turn, entered).await?.into()))
    }

    async fn challenge(
        &self,
        request: Request<wire::ChallengeRequest>,
    ) -> Result<Response<wire::ChallengeReply>, Status> {
        let now = self.seams.clock.now();
        let nonce = self.ca().challenge(&request.into_inner().leaf_sha256, now);
        Ok(Response::new(wire::ChallengeReply { nonce }))
    }

    async fn recover(
        &self,
        request: Request<wire::RecoverRequest>,
    ) -> Result<Response<wire::IdentityReply>, Status> {
        let wire::RecoverRequest {
            leaf,
            csr,
            nonce,
            proof,
        } = request.into_inner();
        let asked = Comeback {
            leaf: &leaf,
            csr: &csr,
            nonce: &nonce,
            proof: &proof,
        };
        let now = self.seams.clock.now();
        // Only who would be answered may wait. It has no leaf to lose, as who enrols has none.
        let id = self.ca().may_recover(&asked, now)?;
        // It waits for nobody else's entry before its sync.
        let _turn = self.turn(Caller::enrolling(id, now), &csr).await?;
        let issued = self.ca().recover(&asked, self.seams.clock.now());
        Ok(Response::new(issued?.into()))
    }
}

#[tonic::async_trait]
impl TrustApi for IdentityService {
    type FollowStream = BoxStream<wire::State>;

    async fn follow(
        &self,
        request: Request<Streaming<wire::Acknowledgement>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let peer = request.extensions().get::<PeerIdentity>().cloned();
        let peer = peer.ok_or_else(|| Status::unauthenticated("following needs a leaf"))?;
        let peer = peer.facts;
        let member = &peer.spiffe_id;
        if *member.trust_domain() != self.ca().config().trust_domain {
            // Federation lets others be known, and makes no members of them.
            return Err(CaError::from(IssueRefusal::LeafForeign(member.clone())).into());
        }
        let mut acknowledgements = request.into_inner();
        let mut announced = self.ca().announced();
        announced.mark_changed();
        let service = self.clone();
        let states = async_stream::try_stream! {
            while let Some(next) = next(&mut acknowledgements, &mut announced).await? {
                match next {
                    Next::Said(said) => service.take_in(&peer, &said),
                    Next::News => {
                        let state = wire::State::from(&**announced.borrow_and_update());
                        yield state;
                    }
                }
            }
        };
        Ok(Response::new(Box::pin(states)))
    }
}

/// A signing request, its proof verified. Most of a leaf's cost is here, and the CA is free for
/// others meanwhile.
fn proved(csr: &[u8]) -> Result<csr::Request, CaError> {
    Ok(csr::Request::read(csr)?)
}

/// The answer to a request that was turned away.
pub(crate) fn busy(busy: Busy) -> Status {
    let mut status = Status::resource_exhausted(busy.to_string());
    let hint = u64::try_from(COME_BACK.as_millis()).unwrap_or(u64::MAX);
    status.metadata_mut().insert(PUSHBACK, hint.into());
    status
}

/// How long the CA asked not to be asked again; zero if it did not, or not in a way to be read.
pub(crate) fn pushback(status: &Status) -> Duration {
    let hint = status.metadata().get(PUSHBACK);
    let hint = hint.and_then(|hint| hint.to_str().ok()?.parse().ok());
    Duration::from_millis(hint.unwrap_or(0))
}

impl From<Identity> for wire::IdentityReply {
    fn from(issued: Identity) -> Self {
        Self {
            chain: issued.chain.iter().map(|der| der.to_vec()).collect(),
            state: Some(wire::State::from(&*issued.state)),
            log_index: issued.log_index,
        }
    }
}

impl From<&Announced> for wire::State {
    fn from(announced: &Announced) -> Self {
        let federated = announced.federated.iter();
        Self {
            bundle: Some(wire::Bundle::from(&announced.bundle)),
            federated: federated.map(wire::Bundle::from).collect(),
            lists: announced
                .listed
                .iter()
                .map(wire::RevocationList::from)
                .collect(),
            tainted: announced.tainted.iter().map(|hash| hash.to_vec()).collect(),
            jwks: announced.jwks.clone(),
            tainted_keys: announced.tainted_keys.iter().cloned().collect(),
            members: announced.members,
        }
    }
}

impl From<&Bundle> for wire::Bundle {
    fn from(bundle: &Bundle) -> Self {
        Self {
            trust_domain: bundle.trust_domain.to_string(),
            generation: bundle.generation,
            roots: bundle.roots.iter().map(|der| der.to_vec()).collect(),
        }
    }
}

impl From<&Listed> for wire::RevocationList {
    fn from(listed: &Listed) -> Self {
        Self {
            crl: listed.crl.clone(),
            signers: listed.signers.iter().map(|der| der.to_vec()).collect(),
        }
    }
}

impl From<CaError> for Status {
    fn from(error: CaError) -> Self {
        match error {
            CaError::Refused(refusal) => Self::new(code(&refusal), refusal.to_string()),
            // What is wrong inside the CA is the CA's business.
            other => {
                tracing::error!(error = %other, "the CA could not issue");
                Self::unavailable("the CA could not issue")
            }
        }
    }
}

const fn code(refusal: &IssueRefusal) -> Code {
    match refusal {
        IssueRefusal::JoinCodeExpired(_)
        | IssueRefusal::JoinCodeUnknown
        | IssueRefusal::JoinCodeUsed
        | IssueRefusal::LeafExpired(_)
        | IssueRefusal::LeafForeign(_)
        | IssueRefusal::LeafNotYetValid(_)
        | IssueRefusal::LeafRevoked
        | IssueRefusal::LeafUnlogged => Code::Unauthenticated,
        // An agent that is told the second waits no longer.
        IssueRefusal::NoWayBack(why) if why.passes() => Code::FailedPrecondition,
        IssueRefusal::NoWayBack(_) => Code::PermissionDenied,
        IssueRefusal::TooManyJoinCodes(_) => Code::ResourceExhausted,
        _ => Code::InvalidArgument,
    }
}

#[cfg(test)]
mod tests;
