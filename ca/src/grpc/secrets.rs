//! Secrets on the wire: to each holder its own, whole and at each change, with its word on what it
//! holds and uses.
//!
//! Invariant: nobody is given or heard of a secret that it may not hold; that its leaf stands is
//! asked again at each answer and each word, since a stream outlives a revocation.

use std::collections::BTreeMap;

use proto::ca::v1 as wire;
use proto::ca::v1::secrets_server::Secrets as SecretsApi;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::next::{Next, next};
use super::{BoxStream, IdentityService};
use crate::conn::PeerIdentity;
use crate::identity::LeafFacts;
use crate::secrets::{Held, Said, SecretName};

type Own = BTreeMap<SecretName, Held>;

impl IdentityService {
    /// The caller, if there is any secret that it may hold.
    fn holder<T>(&self, request: &Request<T>) -> Result<LeafFacts, Status> {
        let other = || Status::permission_denied("there is no secret for this caller");
        let peer = request.extensions().get::<PeerIdentity>();
        let facts = &peer.ok_or_else(other)?.facts;
        let ca = self.ca();
        if !ca.holds_secrets(&facts.spiffe_id) {
            return Err(other());
        }
        ca.may_renew(facts, self.seams.clock.now())?;
        Ok(facts.clone())
    }

    /// A holder's secrets now and at each change, for as long as its leaf stands.
    fn secrets_for(
        &self,
        holder: LeafFacts,
        mut said: impl Stream<Item = Result<wire::SecretsHeld, Status>> + Send + Unpin + 'static,
    ) -> BoxStream<wire::SecretsGiven> {
        let mut announced = self.ca().announced();
        announced.mark_changed();
        let service = self.clone();
        Box::pin(async_stream::try_stream! {
            let mut given = None;
            while let Some(next) = next(&mut said, &mut announced).await? {
                match next {
                    Next::Said(word) => service.hear_held(&holder, word, given.as_ref())?,
                    Next::News => {
                        let all = announced.borrow_and_update().secrets.clone();
                        if let Some(own) = service.give(&holder, all, &mut given)? {
                            yield own;
                        }
                    }
                }
            }
        })
    }

    /// Takes note of what a holder that stands says.
    fn hear_held(
        &self,
        holder: &LeafFacts,
        word: wire::SecretsHeld,
        given: Option<&Own>,
    ) -> Result<(), Status> {
        let (mut ca, now) = (self.ca(), self.seams.clock.now());
        ca.may_renew(holder, now)?;
        for one in word.secrets {
            let name = SecretName::new(&one.name);
            let name = name.map_err(|error| Status::invalid_argument(error.to_string()))?;
            let said = Said {
                name,
                generation: one.generation,
                uses: one.uses.into_iter().collect(),
            };
            let given = given.and_then(|own| own.get(&said.name)?.active);
            ca.hear_secret(&holder.spiffe_id, said, given, now);
        }
        Ok(())
    }

    /// What a holder that stands is to be given next, if it has not got it.
    fn give(
        &self,
        holder: &LeafFacts,
        mut all: Own,
        given: &mut Option<Own>,
    ) -> Result<Option<wire::SecretsGiven>, Status> {
        let mut ca = self.ca();
        ca.may_renew(holder, self.seams.clock.now())?;
        all.retain(|name, _| ca.may_hold(&holder.spiffe_id, name));
        if given.as_ref() == Some(&all) {
            return Ok(None);
        }
        for (name, held) in &all {
            ca.gave_secret(&holder.spiffe_id, name, held);
        }
        let message = wire::SecretsGiven {
            secrets: all.iter().map(on_wire).collect(),
        };
        *given = Some(all);
        Ok(Some(message))
    }
}

/// A secret as its holders read it.
fn on_wire((name, held): (&SecretName, &Held)) -> wire::Secret {
    let versions = held.versions.iter();
    let versions = versions.map(|(number, key)| wire::SecretVersion {
        number: *number,
        key: key.bytes().to_vec(),
    });
    wire::Secret {
        name: name.to_string(),
        generation: held.generation,
        active: held.active.unwrap_or_default(),
        versions: versions.collect(),
    }
}

#[tonic::async_trait]
impl SecretsApi for IdentityService {
    type FollowStream = BoxStream<wire::SecretsGiven>;

    async fn follow(
        &self,
        request: Request<Streaming<wire::SecretsHeld>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let holder = self.holder(&request)?;
        Ok(Response::new(
            self.secrets_for(holder, request.into_inner()),
        ))
    }
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
