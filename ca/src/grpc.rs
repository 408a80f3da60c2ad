//! The CA's services on the wire: the only place where its messages and its refusals are
//! translated.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::ca::v1 as wire;
use proto::ca::v1::identity_server::{Identity as IdentityApi, IdentityServer};
use proto::ca::v1::trust_server::{Trust as TrustApi, TrustServer};
use tokio_stream::Stream;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::authorities::Listed;
use crate::conn::{MAX_MESSAGE, MAX_STATE, PeerIdentity};
use crate::error::{CaError, IssueRefusal};
use crate::issue::{Announced, Ca, Identity};
use crate::seams::Seams;
use crate::work::Kind;

type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The CA behind its services.
#[derive(Clone, Debug)]
pub struct IdentityService {
    seams: Seams,
    ca: Arc<Mutex<Ca>>,
}

impl IdentityService {
    /// A service over one CA.
    pub const fn new(seams: Seams, ca: Arc<Mutex<Ca>>) -> Self {
        Self { seams, ca }
    }

    /// The services as tonic serves them.
    pub fn routes(self) -> Routes {
        let trust = TrustServer::new(self.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_STATE);
        let identity = IdentityServer::new(self)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_STATE);
        Routes::new(identity).add_service(trust)
    }

    fn ca(&self) -> MutexGuard<'_, Ca> {
        self.ca.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn turn(&self) -> Result<(), Status> {
        let turn = self.seams.work.charge(Kind::Issue).await;
        turn.map_err(|busy| Status::resource_exhausted(busy.to_string()))
    }
}

#[tonic::async_trait]
impl IdentityApi for IdentityService {
    async fn enroll(
        &self,
        request: Request<wire::EnrollRequest>,
    ) -> Result<Response<wire::IdentityReply>, Status> {
        self.turn().await?;
        let wire::EnrollRequest { join_code, csr } = request.into_inner();
        let issued = self.ca().enroll(&join_code, &csr, self.seams.clock.now());
        Ok(Response::new(issued?.into()))
    }

    async fn renew(
        &self,
        request: Request<wire::RenewRequest>,
    ) -> Result<Response<wire::IdentityReply>, Status> {
        let peer = request.extensions().get::<PeerIdentity>().cloned();
        let peer = peer.ok_or_else(|| Status::unauthenticated("renewal needs a leaf"))?;
        self.turn().await?;
        let csr = request.into_inner().csr;
        let issued = self.ca().renew(&peer.facts, &csr, self.seams.clock.now());
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
        let member = peer.facts.spiffe_id;
        let mut acknowledgements = request.into_inner();
        let mut announced = self.ca().announced();
        announced.mark_changed();
        let service = self.clone();
        let states = async_stream::try_stream! {
            loop {
                let said = tokio::select! {
                    biased;
                    said = acknowledgements.message() => Some(said),
                    changed = announced.changed() => match changed {
                        Ok(()) => None,
                        Err(_) => return,
                    },
                };
                match said {
                    Some(said) => match said? {
                        Some(said) => service.ca().acknowledge(&member, said.generation),
                        None => return,
                    },
                    None => {
                        let state = wire::State::from(&**announced.borrow_and_update());
                        yield state;
                    }
                }
            }
        };
        Ok(Response::new(Box::pin(states)))
    }
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
        let bundle = &announced.bundle;
        Self {
            bundle: Some(wire::Bundle {
                trust_domain: bundle.trust_domain.to_string(),
                generation: bundle.generation,
                roots: bundle.roots.iter().map(|der| der.to_vec()).collect(),
            }),
            lists: announced
                .listed
                .iter()
                .map(wire::RevocationList::from)
                .collect(),
            tainted: announced.tainted.iter().map(|hash| hash.to_vec()).collect(),
            jwks: String::new(),
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
        IssueRefusal::TooManyJoinCodes(_) => Code::ResourceExhausted,
        _ => Code::InvalidArgument,
    }
}
