//! The planted service's connections and requests.
//!
//! A connection carries the caller's chain and how it was opened, and no yes: who may do what is
//! judged at each request, and in a stream before each message. It says to a refused caller which
//! of the two was not good, certificate or token, and no more.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{HandshakeKind, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::body::Body;
use super::caller::{self, Way};
use super::desk::Desk;
use super::{GET, ORDERS, ORDERS_WATCH, WATCH, grpc, reflection, token};
use crate::drill::clock;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The largest question that is read.
const LARGEST: usize = 1 << 16;

/// How far apart the messages of a stream are.
const MESSAGE: Duration = Duration::from_millis(100);

/// A connection's caller, not yet judged.
struct Peer {
    desk: Arc<Desk>,
    chain: Vec<CertificateDer<'static>>,
    way: Way,
}

/// Who refuses: a certificate that is not good, or a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Certificate,
    Token,
}

/// Accepts connections for ever.
pub(super) async fn accept(listener: TcpListener, config: Arc<ServerConfig>, desk: Arc<Desk>) {
    let acceptor = TlsAcceptor::from(config);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if !desk.is_away() => {
                    connections.spawn(guarded(stream, acceptor.clone(), desk.clone()));
                }
                Ok(_) => {}
                // Out of file handles, most likely: others will be closed.
                Err(_) => sleep(MESSAGE).await,
            },
        }
    }
}

/// A connection that ends at once when all are cut.
async fn guarded(stream: TcpStream, acceptor: TlsAcceptor, desk: Arc<Desk>) {
    let mut cuts = desk.cuts.subscribe();
    tokio::select! {
        biased;
        _ = cuts.changed() => {}
        () = connection(stream, acceptor, desk) => {}
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, desk: Arc<Desk>) {
    // Small messages of two sides in turn: they are not to wait for each other.
    let _: Result<(), _> = stream.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await else {
        return;
    };
    let tls = stream.get_ref().1;
    let Some(chain) = tls.peer_certificates() else {
        return;
    };
    let resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
    let peer = Arc::new(Peer {
        desk,
        chain: chain
            .iter()
            .cloned()
            .map(CertificateDer::into_owned)
            .collect(),
        way: if resumed {
            Way::Resumed
        } else {
            Way::Established
        },
    });
    let h2 = tls.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request| {
        let peer = peer.clone();
        async move { Ok::<_, std::convert::Infallible>(peer.answer(request).await) }
    });
    let stream = TokioIo::new(stream);
    // A caller that goes away is no error of the service.
    if h2 {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _: Result<(), _> = server.serve_connection(stream, service).await;
    } else {
        let server = hyper::server::conn::http1::Builder::new();
        let _: Result<(), _> = server.serve_connection(stream, service).await;
    }
}

impl Peer {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let kind = head.headers.get(http::header::CONTENT_TYPE);
        let rpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        let path = head.uri.path();
        if rpc && reflection::PATHS.contains(&path) {
            return match self.judge_certificate(self.way) {
                Ok(_) => reflection::answer(body),
                Err(refusal) => refused(rpc, refusal),
            };
        }
        // A question is read to its end before it is answered, or the answer may be cut off.
        let _: Result<_, _> = Limited::new(body, LARGEST).collect().await;
        let token = self.token(&head.headers);
        if let Err(refusal) = self.judge(self.way, token.as_deref()).await {
            return refused(rpc, refusal);
        }
        match (rpc, path) {
            (true, GET) => {
                let message = Frame::data(grpc::frame(&grpc::order(1)));
                let end = Frame::trailers(grpc::trailers(0));
                grpc::response(Body::of([message, end]))
            }
            (false, ORDERS) => Response::new(Body::of([Frame::data(line(1))])),
            (true, WATCH) | (false, ORDERS_WATCH) => {
                let (sender, body) = Body::stream();
                tokio::spawn(self.watch(sender, token, rpc));
                if rpc {
                    grpc::response(body)
                } else {
                    Response::new(body)
                }
            }
            (true, _) => grpc::refusal(grpc::UNIMPLEMENTED),
            (false, _) => status(StatusCode::NOT_FOUND),
        }
    }

    /// Sends orders until nobody reads them, or the caller is not let in any more.
    async fn watch(
        self: Arc<Self>,
        sender: mpsc::Sender<Frame<Bytes>>,
        token: Option<String>,
        rpc: bool,
    ) {
        for number in 1.. {
            if let Err(refusal) = self.judge(Way::Stream, token.as_deref()).await {
                let end = if rpc {
                    Frame::trailers(grpc::trailers(rpc_status(refusal)))
                } else {
                    Frame::data(Bytes::from_static(b"{\"refused\":true}\n"))
                };
                // Whoever does not read any more is not told.
                let _: Result<(), _> = sender.send(end).await;
                return;
            }
            let message = if rpc {
                grpc::frame(&grpc::order(number))
            } else {
                line(number)
            };
            if sender.send(Frame::data(message)).await.is_err() {
                return;
            }
            tokio::select! {
                biased;
                () = sender.closed() => return,
                () = sleep(MESSAGE) => {}
            }
        }
    }

    fn token(&self, headers: &HeaderMap) -> Option<String> {
        let rules = self.desk.settings.token.as_ref()?;
        let value = headers.get(rules.header.as_str())?.to_str().ok()?;
        let bare = value
            .strip_prefix("Bearer ")
            .or_else(|| value.strip_prefix("bearer "));
        Some(bare.unwrap_or(value).to_owned())
    }

    fn judge_certificate(&self, way: Way) -> Result<caller::Caller, Refusal> {
        let now = Duration::from_secs(clock::unix_seconds().unsigned_abs());
        let (desk, now) = (&self.desk, UnixTime::since_unix_epoch(now));
        let world = desk.world();
        caller::judge(
            desk.faults,
            &desk.settings.callers,
            &self.chain,
            &world,
            (way, now),
        )
        .map_err(|_| Refusal::Certificate)
    }

    async fn judge(&self, way: Way, token: Option<&str>) -> Result<(), Refusal> {
        let caller = self.judge_certificate(way)?;
        let desk = &self.desk;
        let Some(rules) = &desk.settings.token else {
            return Ok(());
        };
        let token = token.ok_or(Refusal::Token)?;
        let shown = desk.showed(&caller);
        let kid = token::kid(token).ok_or(Refusal::Token)?;
        if !desk.world().keys.knows(kid.as_deref()) {
            desk.refetch(kid.as_deref()).await;
        }
        let world = desk.world();
        let asked = (&caller, &shown, clock::unix_seconds());
        token::judge(desk.faults, rules, token, &world.keys, asked).map_err(|_| Refusal::Token)
    }
}

fn line(number: u64) -> Bytes {
    Bytes::from(format!("{{\"order\":{number}}}\n"))
}

const fn rpc_status(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::Certificate => grpc::PERMISSION_DENIED,
        Refusal::Token => grpc::UNAUTHENTICATED,
    }
}

fn refused(rpc: bool, refusal: Refusal) -> Response<Body> {
    if rpc {
        return grpc::refusal(rpc_status(refusal));
    }
    match refusal {
        Refusal::Certificate => status(StatusCode::FORBIDDEN),
        Refusal::Token => {
            let mut response = status(StatusCode::UNAUTHORIZED);
            let bearer = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            response
                .headers_mut()
                .insert(http::header::WWW_AUTHENTICATE, bearer);
            response
        }
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
