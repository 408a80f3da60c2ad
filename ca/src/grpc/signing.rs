//! The signing key on the wire: to the one member that signs the trust domain's tokens, as it
//! changes, with that member's word on which key it uses.
//!
//! It gives the key that is active and no other, so that a successor cannot be used too soon.
//! Invariant: nobody but [`SIGNER`] under a leaf that stands is answered or heard, and only where
//! the CA's settings have the signer elsewhere. That a leaf stands is asked again at each key and
//! each word: a stream outlives a revocation, and the next key is made because of one.

use proto::ca::v1 as wire;
use proto::ca::v1::token_keys_server::TokenKeys as TokenKeysApi;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::next::{Next, next};
use super::{BoxStream, IdentityService};
use crate::conn::PeerIdentity;
use crate::identity::LeafFacts;
use crate::token_keys::{SIGNER, TokenKey};

impl IdentityService {
    /// The caller, if it is the one that may have the signing key.
    fn signer<T>(&self, request: &Request<T>) -> Result<LeafFacts, Status> {
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
        Ok(facts.clone())
    }

    /// The signing key now and at each change, for as long as the leaf `signer` stands.
    fn keys_for(
        &self,
        signer: LeafFacts,
        mut said: impl Stream<Item = Result<wire::SigningWith, Status>> + Send + Unpin + 'static,
    ) -> BoxStream<wire::SigningKey> {
        let mut announced = self.ca().announced();
        announced.mark_changed();
        let service = self.clone();
        Box::pin(async_stream::try_stream! {
            let mut given = None;
            while let Some(next) = next(&mut said, &mut announced).await? {
                match next {
                    Next::Said(word) => service.hear(&signer, &word.kid)?,
                    Next::News => {
                        let next = announced.borrow_and_update().signing.clone();
                        if let Some(key) = service.hand_over(&signer, next, &mut given)? {
                            yield wire::SigningKey { pkcs8: key.pkcs8().to_vec() };
                        }
                    }
                }
            }
        })
    }

    /// Takes note of what a signer that stands says it signs with.
    fn hear(&self, signer: &LeafFacts, kid: &str) -> Result<(), Status> {
        let (mut ca, now) = (self.ca(), self.seams.clock.now());
        ca.may_renew(signer, now)?;
        ca.signs_with(&signer.spiffe_id, kid, now);
        Ok(())
    }

    /// The key that a signer that stands is to be given next, if it has not got it.
    fn hand_over(
        &self,
        signer: &LeafFacts,
        next: Option<TokenKey>,
        given: &mut Option<String>,
    ) -> Result<Option<TokenKey>, Status> {
        let mut ca = self.ca();
        ca.may_renew(signer, self.seams.clock.now())?;
        let next = next.filter(|key| given.as_deref() != Some(key.kid()));
        if let Some(key) = &next {
            *given = Some(key.kid().to_owned());
            ca.gave_key(&signer.spiffe_id, key.kid());
        }
        Ok(next)
    }
}

#[tonic::async_trait]
impl TokenKeysApi for IdentityService {
    type FollowStream = BoxStream<wire::SigningKey>;

    async fn follow(
        &self,
        request: Request<Streaming<wire::SigningWith>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let signer = self.signer(&request)?;
        Ok(Response::new(self.keys_for(signer, request.into_inner())))
    }
}

#[cfg(test)]
#[path = "signing_tests.rs"]
mod tests;
