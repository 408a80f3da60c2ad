//! A connection that is open: what the server showed on it, and questions over it.
//!
//! It never opens itself again and never asks twice. Dropping it, and every stream of it, closes
//! it. Of a resumed connection the served chain is the one that the first handshake showed: TLS
//! sends none again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::client::within;
use super::line::Ear;
use super::sessions::Tally;
use super::stream::Stream;
use super::{Badge, Call, Door, Reply, Speak, Stage, Why, http1, http2};

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    V12,
    /// 1.3.
    V13,
}

/// What is known of a connection when TLS's handshake is over.
pub(super) struct Opened {
    pub(super) served: Vec<CertificateDer<'static>>,
    pub(super) kind: Option<HandshakeKind>,
    pub(super) version: Option<ProtocolVersion>,
    pub(super) alpn: Option<Vec<u8>>,
    pub(super) tally: Arc<Tally>,
    pub(super) ear: Arc<Ear>,
    pub(super) door: Arc<Door>,
}

/// An open connection.
pub struct Connection {
    opened: Opened,
    way: Way,
    driver: Arc<Driver>,
    given_up: AtomicBool,
}

enum Way {
    Http1(http1::Http1),
    Http2(http2::Http2),
}

/// The task that moves a connection's bytes, for as long as somebody holds this.
#[derive(Debug)]
pub(super) struct Driver(AbortHandle);

impl Driver {
    /// Drives a connection to its end.
    pub(super) fn start(driven: impl Future<Output = ()> + Send + 'static, ear: Arc<Ear>) -> Self {
        let task = tokio::spawn(async move {
            driven.await;
            ear.end();
        });
        Self(task.abort_handle())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// Speaks HTTP over TLS's bytes.
    pub(super) async fn over<S>(line: S, opened: Opened) -> Result<Self, Reply>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let chosen = opened.alpn.as_deref();
        let ear = &opened.ear;
        let two = chosen == Some(b"h2") || chosen.is_none() && opened.door.speak == Speak::Http2;
        let (way, driver) = if two {
            let (http2, driver) = http2::open(line, ear).await?;
            (Way::Http2(http2), driver)
        } else {
            let (http1, driver) = http1::open(line, ear).await?;
            (Way::Http1(http1), driver)
        };
        Ok(Self {
            opened,
            way,
            driver: Arc::new(driver),
            given_up: AtomicBool::new(false),
        })
    }

    /// The chain that the server showed, its own certificate first.
    pub fn served_chain(&self) -> &[CertificateDer<'static>] {
        &self.opened.served
    }

    /// Whether the handshake took an older session up again, as it says itself.
    pub fn resumed(&self) -> bool {
        self.opened.kind == Some(HandshakeKind::Resumed)
    }

    /// Whether a ticket, or with TLS 1.2 a session, came on this connection so far.
    ///
    /// With TLS 1.3 it comes after the handshake: ask first, or [`Self::ticket_within`].
    pub fn ticket_came(&self) -> bool {
        self.opened.tally.came() > 0
    }

    /// Waits for a ticket, no longer than this.
    pub async fn ticket_within(&self, limit: Duration) -> bool {
        timeout(limit, self.opened.tally.one()).await.is_ok()
    }

    /// The version of TLS.
    pub fn tls_version(&self) -> TlsVersion {
        match self.opened.version {
            Some(ProtocolVersion::TLSv1_3) => TlsVersion::V13,
            // No other is offered.
            _ => TlsVersion::V12,
        }
    }

    /// The protocol that the server chose (ALPN), if it chose one.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.opened.alpn.as_deref()
    }

    /// Whether nothing is known yet of its end: the server may have closed it all the same.
    pub fn is_open(&self) -> bool {
        !self.opened.ear.ended() && !self.given_up()
    }

    /// Whether we ended it ourselves: with HTTP/1.1 an answer that is not waited for any longer
    /// takes the connection along. What it says afterwards is no word of the server's.
    pub fn given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    /// Asks once, and waits for the whole answer.
    pub async fn ask(&self, call: &Call, badge: Option<&Badge>) -> Reply {
        let opened = &self.opened;
        let asked = async {
            match &self.way {
                Way::Http1(http1) => http1.ask(call, badge, opened).await,
                Way::Http2(http2) => http2.ask(call, badge, opened).await,
            }
        };
        let reply = within(opened.door.deadlines.reply, Stage::Reply, asked).await;
        reply.unwrap_or_else(|late| {
            if matches!(self.way, Way::Http1(_)) {
                self.given_up.store(true, Ordering::Release);
            }
            late
        })
    }

    /// Asks for a stream, and waits until the answer begins.
    ///
    /// # Errors
    ///
    /// The reply that came instead of a stream.
    pub async fn watch(&self, call: &Call, badge: Option<&Badge>) -> Result<Stream, Reply> {
        let opened = &self.opened;
        let asked = async {
            match &self.way {
                Way::Http1(http1) => http1.watch(call, badge, opened).await,
                Way::Http2(http2) => http2.watch(call, badge, opened).await,
            }
        };
        let body = within(opened.door.deadlines.reply, Stage::Reply, asked).await??;
        Ok(Stream::new(
            body,
            opened,
            call.is_grpc(),
            Arc::clone(&self.driver),
        ))
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({})", self.opened.door.address)
    }
}

/// The request on the wire, with what both versions of HTTP need.
pub(super) fn request(
    call: &Call,
    badge: Option<&Badge>,
    uri: &str,
) -> Result<http::request::Builder, Reply> {
    let mut request = http::Request::builder()
        .method(call.wire_method())
        .uri(uri)
        .header("user-agent", "schism-drill");
    if call.is_grpc() {
        request = request
            .header("content-type", "application/grpc")
            .header("te", "trailers");
    }
    if let Some(badge) = badge {
        request = request.header(badge.header(), badge.value());
    }
    // What cannot be written is found here, before any byte is sent.
    match request.headers_ref() {
        Some(_) => Ok(request),
        None => Err(unsayable(call)),
    }
}

/// A question that cannot be put into HTTP: a path or header with letters that it forbids.
pub(super) fn unsayable(call: &Call) -> Reply {
    let why = format!("`{}` or its header cannot be written in HTTP", call.path());
    Reply::failed(Why::Garbled(why), Stage::Reply)
}

/// The body of a request that may be empty.
pub(super) fn full(call: &Call) -> http_body_util::Full<Bytes> {
    http_body_util::Full::new(call.wire_body())
}
