//! The token service on the wire: the caller's leaf in, a token bound to that leaf out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ca::agent::{Bearer, BearerSource};
use ca::clock::{BoxFuture, Time};
use ca::conn::{MAX_MESSAGE, PeerIdentity};
use ca::credential::Credential;
use ca::net::Address;
use ca::trusted::Trusted;
use ca::work::Kind;
use proto::token::v1::tokens_client::TokensClient;
use proto::token::v1::tokens_server::{Tokens, TokensServer};
use proto::token::v1::{ExchangeReply, ExchangeRequest, KeysReply, KeysRequest};
use tonic::{Request, Response, Status};

use super::issue::Issuer;
use super::signing::Signer;
use crate::guard::status;
use crate::member::{Member, PORT, Start, service_id, trust};

/// How long a token of the labs lives.
pub const TTL: Duration = Duration::from_secs(60);

/// How long an exchange waits for the first signing key.
const FIRST_KEY: Duration = Duration::from_secs(1);

/// The longest audience that a token is issued for, in bytes.
const MAX_AUDIENCE: usize = 255;

/// The token service.
pub struct TokenService {
    member: Member,
    signer: Signer,
    ttl: Duration,
    next: AtomicU64,
}

impl TokenService {
    /// A service that signs with the key of that moment.
    pub const fn new(member: Member, signer: Signer, ttl: Duration) -> Self {
        Self {
            member,
            signer,
            ttl,
            next: AtomicU64::new(0),
        }
    }

    /// Who signs now. The first key is waited for.
    async fn issuer(&self) -> Result<Arc<Issuer>, Status> {
        let none = || Status::unavailable("no signing key is known yet");
        let mut signer = self.signer.clone();
        let first = tokio::time::timeout(FIRST_KEY, signer.wait_for(Option::is_some));
        let issuer = match first.await {
            Ok(Ok(issuer)) => issuer.clone(),
            Ok(Err(_)) | Err(_) => None,
        };
        let issuer = issuer.ok_or_else(none)?;
        let own = self.member.identity.borrow().clone();
        if own.is_some_and(|own| own.trusted.lacks_key(issuer.key_id())) {
            let gone = "the signing key was withdrawn, and no other is here yet";
            return Err(Status::unavailable(gone));
        }
        Ok(issuer)
    }

    /// The service as tonic serves it.
    pub fn server(self) -> TokensServer<Self> {
        TokensServer::new(self).max_decoding_message_size(MAX_MESSAGE)
    }
}

#[tonic::async_trait]
impl Tokens for TokenService {
    async fn exchange(
        &self,
        request: Request<ExchangeRequest>,
    ) -> Result<Response<ExchangeReply>, Status> {
        let peer = request.extensions().get::<PeerIdentity>().cloned();
        let peer = peer.ok_or_else(|| Status::unauthenticated("an exchange needs a leaf"))?;
        // However little a posture looks again: a token outlives the connection it is given over.
        let stands = self.member.stands(&peer);
        stands.map_err(status)?;
        let audience = request.into_inner().audience;
        if audience.is_empty() || audience.len() > MAX_AUDIENCE {
            return Err(Status::invalid_argument(
                "an audience of 1 to 255 bytes is needed",
            ));
        }
        let seams = &self.member.start.seams;
        let turn = seams.work.charge(Kind::SignToken).await;
        turn.map_err(|busy| Status::resource_exhausted(busy.to_string()))?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (now, jti) = (
            seams.clock.now(),
            format!("{:016x}-{number}", seams.rng.next()),
        );
        let (id, leaf) = (&peer.facts.spiffe_id, &peer.facts.leaf_sha256);
        let issuer = self.issuer().await?;
        let token = issuer.issue(id, &audience, leaf, now, self.ttl, &jti);
        let token = token.map_err(|error| Status::unavailable(error.to_string()))?;
        let expires_at_us = (Time::from_secs(now.as_secs()) + self.ttl).as_micros();
        Ok(Response::new(ExchangeReply {
            token,
            expires_at_us,
            key_id: issuer.key_id().to_owned(),
        }))
    }

    async fn keys(&self, _: Request<KeysRequest>) -> Result<Response<KeysReply>, Status> {
        let own = self.member.identity.borrow().clone();
        let own = own.ok_or_else(|| Status::unavailable("no keys are known yet"))?;
        let domain = own.credential.facts.spiffe_id.trust_domain();
        Ok(Response::new(KeysReply {
            jwks: own.trusted.token_keys.to_string(),
            generation: own.trusted.generation(domain),
        }))
    }
}

/// Gets tokens for one audience from the token service.
pub struct TokenSource {
    /// The node that needs them.
    pub start: Start,
    /// Host of the token service.
    pub host: String,
    /// For whom the tokens are.
    pub audience: String,
}

impl BearerSource for TokenSource {
    fn bearer<'a>(
        &'a self,
        credential: &'a Credential,
        trusted: &'a Arc<Trusted>,
    ) -> BoxFuture<'a, Result<Bearer, String>> {
        Box::pin(async move {
            let to = Address::new(&*self.host, PORT);
            let id = service_id(self.start.agent.id.trust_domain(), &self.host);
            let seams = &self.start.seams;
            let (trust, own) = (trust(&self.start), (Some(credential), trusted));
            let connection = ca::conn::dial(seams, &trust, own, &to, &id)
                .await
                .map_err(|error| error.to_string())?;
            let audience = self.audience.clone();
            let mut client = TokensClient::new(connection).max_decoding_message_size(MAX_MESSAGE);
            let reply = client.exchange(ExchangeRequest { audience }).await;
            let reply = reply.map_err(|status| status.to_string())?.into_inner();
            let (obtained, expires) = (seams.clock.now(), Time::from_micros(reply.expires_at_us));
            Ok(Bearer {
                text: reply.token.into(),
                key: reply.key_id.into(),
                obtained,
                expires,
            })
        })
    }
}
