//! The dialling end: one object that holds a connection, the leaf it was made with, and the
//! bearer that is bound to that leaf.
//!
//! A new credential retires the connection before its next request: calls in flight finish on the
//! old one, new calls go out on a new one with the token that fits it. A retired connection gets
//! no new request, so none can be lost to the far end's closing of it.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::HandshakeKind;
use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::{Mutex, watch};
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use super::alert::{Heard, Refused};
use super::{GRACE, HANDSHAKE, KEEP_ALIVE, KEEP_ALIVE_TIMEOUT, Standing};
use crate::agent::{Bearer, Published};
use crate::clock::{BoxFuture, Time};
use crate::credential::Credential;
use crate::identity::SpiffeId;
use crate::net::{Address, Net};
use crate::seams::Seams;
use crate::tls::Trust;
use crate::tls::danger::Sessions;
use crate::trusted::Trusted;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// This node is nobody yet.
    #[error("no identity to dial with yet")]
    NoIdentity,
    /// The far end was not reached in time.
    #[error("no connection to {0} within the deadline")]
    Deadline(Address),
    /// Reaching it, or the handshake, failed.
    #[error("no connection to {to}: {cause}")]
    Failed {
        /// Whom we dialled.
        to: Address,
        /// What went wrong.
        cause: io::Error,
    },
}

/// One connection. Cheap to clone; a clone shares it.
#[derive(Clone)]
pub struct Connection {
    send: SendRequest<Body>,
    net: Arc<dyn Net>,
    to: Address,
    origin: Origin,
    generation: u64,
    retire_at: Time,
    /// The far end's chain: a server can be revoked as well.
    peer: Standing,
    /// The bearer that goes with the leaf of this connection, if there is one.
    pub bearer: Option<Bearer>,
    heard: Heard,
}

impl Connection {
    /// Why the far end would not have this one's certificate, once it has said so: in TLS 1.3 it
    /// does after the handshake is over on this side.
    pub fn refused(&self) -> Option<Refused> {
        self.heard.refused()
    }
}

impl tower::Service<http::Request<Body>> for Connection {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.send.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(http::uri::Scheme::HTTPS);
        parts.authority = Some(self.origin.0.clone());
        // Scheme, authority and a path that was one already: always a URI.
        *request.uri_mut() = http::Uri::from_parts(parts).unwrap_or_default();
        self.net.calls(&self.to);
        Box::pin(self.send.send_request(request))
    }
}

/// Whom requests say they are for: HTTP/2 wants it, and nobody decides by it.
#[derive(Clone)]
struct Origin(http::uri::Authority);

impl Origin {
    fn of(to: &Address) -> io::Result<Self> {
        to.to_string().parse().map(Self).map_err(io::Error::other)
    }
}

/// Keeps one connection to one peer.
pub struct Dialer {
    seams: Seams,
    trust: Trust,
    to: Address,
    expected: SpiffeId,
    identity: watch::Receiver<Option<Arc<Published>>>,
    open: Mutex<Option<Connection>>,
    sessions: Option<Sessions>,
}

impl Dialer {
    /// A dialer to `expected` at `to`, under whatever identity is published.
    pub fn new(
        seams: Seams,
        trust: Trust,
        to: Address,
        expected: SpiffeId,
        identity: watch::Receiver<Option<Arc<Published>>>,
    ) -> Self {
        Self {
            seams,
            trust,
            to,
            expected,
            identity,
            open: Mutex::new(None),
            sessions: None,
        }
    }

    /// The same, taking sessions up again where it can: a danger.
    #[must_use]
    pub fn resuming(mut self, sessions: Option<Sessions>) -> Self {
        self.sessions = sessions;
        self
    }

    /// The connection for the next request: the open one, unless it is closed or retired.
    ///
    /// # Errors
    /// When there is no identity yet, or no connection to be had.
    pub async fn connection(&self) -> Result<Connection, DialError> {
        let own = self
            .identity
            .borrow()
            .clone()
            .ok_or(DialError::NoIdentity)?;
        let mut open = self.open.lock().await;
        if let Some(connection) = open.as_ref()
            && connection.generation == own.credential.generation
            && !connection.send.is_closed()
            && self.seams.clock.now() < connection.retire_at
            && connection.peer.judge(&self.trust, &own.trusted).is_ok()
        {
            return Ok(Connection {
                bearer: own.bearer.clone(),
                ..connection.clone()
            });
        }
        *open = None;
        let mut connection = reach(
            &self.seams,
            &self.trust,
            (Some(&own.credential), &own.trusted),
            (&self.to, &self.expected),
            self.sessions.as_ref(),
        )
        .await?;
        connection.bearer.clone_from(&own.bearer);
        *open = Some(connection.clone());
        Ok(connection)
    }

    /// Lets go of the open connection; the next request dials anew.
    pub async fn forget(&self) {
        *self.open.lock().await = None;
    }
}

/// Dials once, with `own` credential or with none, believing what stands beside it.
///
/// # Errors
/// When the far end is not reached, or is not `expected`.
pub async fn dial(
    seams: &Seams,
    trust: &Trust,
    (own, trusted): (Option<&Credential>, &Arc<Trusted>),
    to: &Address,
    expected: &SpiffeId,
) -> Result<Connection, DialError> {
    reach(seams, trust, (own, trusted), (to, expected), None).await
}

/// The configuration for one handshake: a new one, unless sessions are kept.
fn connector(
    trust: &Trust,
    (own, trusted): (Option<&Credential>, &Arc<Trusted>),
    expected: &SpiffeId,
    sessions: Option<&Sessions>,
) -> io::Result<Arc<ClientConfig>> {
    let config = trust.connector(own, trusted, expected.clone());
    let config = config.map_err(io::Error::other)?;
    let generation = own.map_or(0, |own| own.generation);
    Ok(match sessions {
        None => config,
        Some(sessions) => sessions.kept(generation, &config),
    })
}

async fn reach(
    seams: &Seams,
    trust: &Trust,
    (own, trusted): (Option<&Credential>, &Arc<Trusted>),
    (to, expected): (&Address, &SpiffeId),
    sessions: Option<&Sessions>,
) -> Result<Connection, DialError> {
    let failed = |cause| DialError::Failed {
        to: to.clone(),
        cause,
    };
    let connect = async {
        let config = connector(trust, (own, trusted), expected, sessions)?;
        let wire = seams.net.dial(to).await?;
        let began = seams.clock.now();
        // The name is not looked at: the verifier asks for a SPIFFE ID.
        let name = ServerName::try_from("schism.invalid").map_err(io::Error::other)?;
        let stream = TlsConnector::from(config).connect(name, wire).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let leaf = chain.first();
        let facts = leaf.and_then(|leaf| crate::identity::LeafFacts::from_der(leaf).ok());
        let mut standing = Standing::of(chain);
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        if let Some(facts) = facts.as_ref().filter(|_| !resumed) {
            standing = standing.met(facts.clone(), trust, trusted, began);
        }
        let (peer, heard) = ((facts, standing), Heard::default());
        let (send, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(heard.through(stream)))
            .await
            .map_err(io::Error::other)?;
        // It ends when every handle is gone and the last response is read, or on an error that
        // each pending request is told of as well.
        tokio::spawn(connection);
        Ok((send, Origin::of(to)?, peer, heard))
    };
    let connected = tokio::time::timeout(HANDSHAKE, connect).await;
    let (send, origin, (facts, peer), heard) = connected
        .map_err(|_| DialError::Deadline(to.clone()))?
        .map_err(failed)?;
    let ends = [
        facts.map(|facts| facts.not_after),
        own.map(|own| own.facts.not_after),
    ];
    let end = ends
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(Time::from_micros(u64::MAX));
    let generation = own.map_or(0, |own| own.generation);
    // Before the far end announces the close, not with it: requests queued then would be lost.
    Ok(Connection {
        send,
        net: Arc::clone(&seams.net),
        to: to.clone(),
        origin,
        generation,
        retire_at: end - GRACE,
        peer,
        bearer: None,
        heard,
    })
}
