//! A witness on the wire.

use std::sync::{Arc, Mutex, PoisonError};

use ca::conn::MAX_MESSAGE;
use ca::tlog::tree::Hash;
use ca::tlog::witness::WitnessRefusal;
use ca::work::Kind;
use proto::witness::v1::witness_server::{Witness, WitnessServer};
use proto::witness::v1::{CosignReply, CosignRequest};
use tonic::{Request, Response, Status};

use super::witness::{DurableWitness, WitnessError};
use crate::member::{Member, peer_is};

/// A witness behind its service.
pub struct WitnessService {
    member: Member,
    origin: String,
    witness: Arc<Mutex<DurableWitness>>,
}

impl WitnessService {
    /// A service over one witness of the log `origin`.
    pub fn new(member: Member, origin: &str, witness: DurableWitness) -> Self {
        Self {
            member,
            origin: origin.to_owned(),
            witness: Arc::new(Mutex::new(witness)),
        }
    }

    /// The service as tonic serves it.
    pub fn server(self) -> WitnessServer<Self> {
        WitnessServer::new(self).max_decoding_message_size(MAX_MESSAGE)
    }
}

#[tonic::async_trait]
impl Witness for WitnessService {
    async fn cosign(
        &self,
        request: Request<CosignRequest>,
    ) -> Result<Response<CosignReply>, Status> {
        peer_is(&request, &["policy"], &self.member)?;
        let turn = self.member.start.seams.work.charge(Kind::Cosign).await;
        turn.map_err(|busy| Status::resource_exhausted(busy.to_string()))?;
        let CosignRequest {
            old_size,
            proof,
            checkpoint,
        } = request.into_inner();
        let proof = hashes(&proof)?;
        let mut witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.member.start.seams.clock.now();
        let line = match witness.cosign(old_size, &proof, &checkpoint, now) {
            Ok(signature) => format!("{signature}\n"),
            Err(WitnessError::Refused(WitnessRefusal::Conflict { .. })) => String::new(),
            Err(WitnessError::Refused(refusal)) => {
                return Err(Status::failed_precondition(refusal.to_string()));
            }
            Err(error) => return Err(Status::unavailable(error.to_string())),
        };
        let size = witness.size(&self.origin);
        Ok(Response::new(CosignReply { line, size }))
    }
}

/// Hashes from the wire.
pub(super) fn hashes(wire: &[Vec<u8>]) -> Result<Vec<Hash>, Status> {
    if wire.len() > ca::tlog::proof::MAX_PROOF {
        return Err(Status::invalid_argument("the proof is too long"));
    }
    let hash = |bytes: &Vec<u8>| Hash::try_from(bytes.as_slice());
    let hashes: Result<_, _> = wire.iter().map(hash).collect();
    hashes.map_err(|_| Status::invalid_argument("a hash has 32 bytes"))
}
