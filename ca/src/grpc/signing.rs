//! The signing key on the wire: to the one member that signs the trust domain's tokens, as it
//! changes, with that member's word on which key it uses.
//!
//! It gives the key that is active and no other, so that a successor cannot be used too soon.
//! Invariant: nobody but [`SIGNER`] under a leaf that stands is answered, and only where the CA's
//! settings have the signer elsewhere.

use proto::ca::v1 as wire;
use proto::ca::v1::token_keys_server::TokenKeys as TokenKeysApi;
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status, Streaming};

use super::{BoxStream, IdentityService};
use crate::conn::PeerIdentity;
use crate::identity::SpiffeId;
use crate::token_keys::SIGNER;

impl IdentityService {
    /// The caller, if it is the one that may have the signing key.
    fn signer<T>(&self, request: &Request<T>) -> Result<SpiffeId, Status> {
        let other = || Status::permission_denied("the signing key is the token service's alone");
        let peer = request.extensions().get::<PeerIdentity>();
        let facts = &peer.ok_or_else(other)?.facts;
        let ca = self.ca();
        let wanted = ca.config().remote_signer && facts.spiffe_id.path() == SIGNER;
        if !wanted {
            return Err(other());
        }
        // What may not renew any more may not sign for others either.
        ca.may_renew(facts, self.seams.clock.now())?;
        Ok(facts.spiffe_id.clone())
    }
}

#[tonic::async_trait]
impl TokenKeysApi for IdentityService {
    type FollowStream = BoxStream<wire::SigningKey>;

    async fn follow(
        &self,
        request: Request<Streaming<wire::SigningWith>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let member = self.signer(&request)?;
        let mut said = request.into_inner();
        let mut announced = self.ca().announced();
        announced.mark_changed();
        let service = self.clone();
        let keys = async_stream::try_stream! {
            let mut given = None;
            loop {
                let word = tokio::select! {
                    biased;
                    word = said.next() => Some(word),
                    changed = announced.changed() => match changed {
                        Ok(()) => None,
                        Err(_) => return,
                    },
                };
                match word {
                    Some(Some(word)) => {
                        let (kid, now) = (word?.kid, service.seams.clock.now());
                        service.ca().signs_with(&member, &kid, now);
                    }
                    Some(None) => return,
                    None => {
                        let key = announced.borrow_and_update().signing.clone();
                        if let Some(key) = key
                            && given.as_deref() != Some(key.kid())
                        {
                            given = Some(key.kid().to_owned());
                            service.ca().gave_key(&member, key.kid());
                            yield wire::SigningKey { pkcs8: key.pkcs8().to_vec() };
                        }
                    }
                }
            }
        };
        Ok(Response::new(Box::pin(keys)))
    }
}
