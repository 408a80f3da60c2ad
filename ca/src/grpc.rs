//! The CA's service on the wire: the only place where its messages and its refusals are
//! translated.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::ca::v1 as wire;
use proto::ca::v1::identity_server::{Identity as IdentityApi, IdentityServer};
use tonic::{Code, Request, Response, Status};

use crate::conn::{MAX_MESSAGE, PeerIdentity};
use crate::error::{CaError, IssueRefusal};
use crate::issue::{Ca, Identity};
use crate::seams::Seams;
use crate::work::Kind;

/// The CA behind its service.
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

    /// The service as tonic serves it.
    pub fn server(self) -> IdentityServer<Self> {
        IdentityServer::new(self).max_decoding_message_size(MAX_MESSAGE)
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

impl From<Identity> for wire::IdentityReply {
    fn from(issued: Identity) -> Self {
        let Identity {
            chain,
            bundle,
            log_index,
            ..
        } = issued;
        Self {
            chain: chain.iter().map(|der| der.to_vec()).collect(),
            bundle: Some(wire::Bundle {
                trust_domain: bundle.trust_domain.to_string(),
                generation: bundle.generation,
                roots: bundle.roots.iter().map(|der| der.to_vec()).collect(),
            }),
            log_index,
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
        | IssueRefusal::LeafUnlogged => Code::Unauthenticated,
        IssueRefusal::TooManyJoinCodes(_) => Code::ResourceExhausted,
        _ => Code::InvalidArgument,
    }
}
