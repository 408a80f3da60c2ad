//! The accepting end: one loop for each port, one task for each connection.
//!
//! Every connection knows whose it is before its first request ([`PeerIdentity`] in the request's
//! extensions) and when it must end: with a leaf, or when the peer no longer stands by what this
//! node believes. At its end it is announced closed, requests in flight may finish for
//! [`super::GRACE`], and then it is dropped.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::HandshakeKind;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tonic::service::Routes;
use tower::Service;

use super::{
    GRACE, HANDSHAKE, KEEP_ALIVE, KEEP_ALIVE_TIMEOUT, MAX_CONNECTIONS, MAX_HANDSHAKES, MAX_HEADERS,
    MAX_STREAMS, Standing,
};
use crate::agent::Published;
use crate::clock::Time;
use crate::identity::LeafFacts;
use crate::net::Wire;
use crate::offered::Offered;
use crate::seams::Seams;
use crate::tls::Trust;
use crate::tls::danger::Sessions;
use crate::work::Kind;

/// How long a connection without a certificate may last.
const ANONYMOUS: Duration = Duration::from_secs(5);
/// Pause after a failed accept: out of file descriptors, trying at once is a busy loop.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Whose connection a request came on. Absent where a peer may be anonymous and is.
#[derive(Clone, Debug)]
pub struct PeerIdentity {
    /// What the peer's leaf says; its chain verified in the handshake.
    pub facts: LeafFacts,
    /// Generation of this node's own credential when the connection was made.
    pub generation: u64,
    /// Its chain, judged again when it matters.
    pub standing: Standing,
}

/// When an established connection must end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deadline {
    /// With the leaf of either end, whichever ends first, or once the peer's chain is no longer
    /// believed: revoked, or its root withdrawn.
    #[default]
    Leaf,
    /// Never by itself: a danger; tonic's and Envoy's default.
    None,
}

/// One port and what stands behind it.
#[derive(Clone)]
pub struct Door {
    /// The node's seams.
    pub seams: Seams,
    /// The node's own identity, as it changes.
    pub identity: watch::Receiver<Option<Arc<Published>>>,
    /// How it judges those who come, by the beliefs that are published with its identity.
    pub trust: Trust,
    /// When connections end.
    pub deadline: Deadline,
    /// Whether a peer may come without a certificate, for first identities.
    pub anonymous: bool,
    /// Sessions that are taken up again without a look at the peer; none is the safe side.
    pub sessions: Option<Sessions>,
}

impl Door {
    /// A door that admits nobody without a certificate, and ends connections with it.
    pub const fn new(
        seams: Seams,
        identity: watch::Receiver<Option<Arc<Published>>>,
        trust: Trust,
    ) -> Self {
        Self {
            seams,
            identity,
            trust,
            deadline: Deadline::Leaf,
            anonymous: false,
            sessions: None,
        }
    }

    /// Serves what is offered on `port` until the task is dropped.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub async fn serve(self, port: u16, offered: Offered) -> io::Result<()> {
        let mut listener = self.seams.net.listen(port).await?;
        let (clock, mut reporting) = (Arc::clone(&self.seams.clock), JoinSet::new());
        let routes = offered.routes(self.identity.clone(), clock, &mut reporting);
        // Dropping one ends its handshake.
        let mut greeting: VecDeque<oneshot::Sender<Infallible>> = VecDeque::new();
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            // One failed accept must not close the port (RUSTSEC-2024-0376).
            let Ok(wire) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            };
            let Ok(connection) = Arc::clone(&connections).try_acquire_owned() else {
                tracing::warn!(port, "too many connections: one dropped");
                continue;
            };
            greeting.retain(|handshake| !handshake.is_closed());
            if greeting.len() >= MAX_HANDSHAKES {
                // The oldest gives way: silent dials must not keep out those who mean it.
                tracing::warn!(port, "too many handshakes: the oldest dropped");
                greeting.pop_front();
            }
            let (handshake, give_way) = oneshot::channel();
            greeting.push_back(handshake);
            let (door, routes) = (self.clone(), routes.clone());
            tokio::spawn(async move {
                let greeted = tokio::select! {
                    biased;
                    greeted = tokio::time::timeout(HANDSHAKE, door.greet(wire)) => greeted,
                    _ = give_way => Ok(None),
                };
                if let Ok(Some((stream, peer, end))) = greeted {
                    door.attend(stream, peer, end, routes).await;
                }
                drop(connection);
            });
        }
    }

    /// The handshake. Nothing where it fails: the peer was told why by TLS itself.
    async fn greet(&self, wire: Box<dyn Wire>) -> Option<(Tls, Option<PeerIdentity>, Time)> {
        let own = self.identity.borrow().clone()?;
        self.seams.work.charge(Kind::Handshake).await.ok()?;
        let (trusted, began) = (&own.trusted, self.seams.clock.now());
        let config = self
            .trust
            .acceptor(&own.credential, trusted, self.anonymous)
            .ok()?;
        let config = match &self.sessions {
            None => config,
            Some(sessions) => sessions.remembering(&config),
        };
        let stream = TlsAcceptor::from(config).accept(wire).await.ok()?;
        let mut end = own.credential.facts.not_after;
        let peer = match stream.get_ref().1.peer_certificates() {
            Some(chain @ [leaf, ..]) => {
                let facts = LeafFacts::from_der(leaf).ok()?;
                end = end.min(facts.not_after);
                let mut standing = Standing::of(chain);
                let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
                if self.deadline != Deadline::None && !resumed {
                    // Where nothing judges it again, it would keep these beliefs for ever. A chain
                    // that was taken up again was judged by nobody now.
                    standing = standing.met(facts.clone(), &self.trust, trusted, began);
                }
                Some(PeerIdentity {
                    standing,
                    facts,
                    generation: own.credential.generation,
                })
            }
            _ => {
                // Time for a first identity, and no more: nobody knows who this is.
                end = end.min(self.seams.clock.now() + ANONYMOUS);
                None
            }
        };
        Some((stream, peer, end))
    }

    /// Serves one connection to its end.
    async fn attend(&self, stream: Tls, peer: Option<PeerIdentity>, end: Time, routes: Routes) {
        let standing = peer.as_ref().map(|peer| peer.standing.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            if let Some(peer) = &peer {
                request.extensions_mut().insert(peer.clone());
            }
            let mut routes = routes.clone();
            async move { Ok::<_, Infallible>(answer(&mut routes, request).await) }
        });
        let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .auto_date_header(false)
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADERS);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let due = async {
            if self.deadline == Deadline::None {
                std::future::pending::<()>().await;
            }
            tokio::select! {
                biased;
                () = self.seams.clock.sleep_until(end) => {}
                () = self.disowned(standing) => {}
            }
        };
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = due => connection.as_mut().graceful_shutdown(),
        }
        let _ = tokio::time::timeout(GRACE, connection).await;
    }

    /// Waits until what is believed no longer bears the peer out.
    async fn disowned(&self, peer: Option<Standing>) {
        let Some(peer) = peer else {
            return std::future::pending().await;
        };
        let mut identity = self.identity.clone();
        while identity.changed().await.is_ok() {
            let trusted = identity
                .borrow_and_update()
                .as_ref()
                .map(|own| Arc::clone(&own.trusted));
            if trusted.is_some_and(|trusted| peer.judge(&self.trust, &trusted).is_err()) {
                return;
            }
        }
        std::future::pending().await
    }
}

type Tls = tokio_rustls::server::TlsStream<Box<dyn Wire>>;

async fn answer(
    routes: &mut Routes,
    request: hyper::Request<Incoming>,
) -> hyper::Response<tonic::body::Body> {
    match routes.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
