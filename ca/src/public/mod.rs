//! What anybody may know of the trust domain, served to anybody over HTTPS: the bundle, the token
//! keys, the revocation lists.
//!
//! It asks nobody for a certificate, answers GET and HEAD alone, and reads no body. Strangers share
//! a bounded number of connections, each with a bounded life; whoever asks nothing is dropped, and
//! when all are taken the oldest gives way, so that silence keeps nobody out. Invariant: an answer
//! is made of one announced state, never of two.

mod certificate;
mod pages;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use certificate::{Certificate, InvalidWebCertificate, WebCertificate};
pub use pages::{BUNDLE, DISCOVERY, KEYS, LISTS, Pages};

use crate::conn::{GRACE, HANDSHAKE, KEEP_ALIVE, KEEP_ALIVE_TIMEOUT};
use crate::net::Wire;
use crate::seams::Seams;
use crate::tls::{H2, Trust};
use crate::work::Kind;

/// Connections at once; one more ends the oldest of them.
pub const MAX_CONNECTIONS: usize = 256;
/// Requests at once on one connection.
pub const MAX_STREAMS: u32 = 16;
/// Bytes of one request's head.
pub const MAX_HEAD: usize = 16 * 1024;
/// Header fields of one request.
pub const MAX_FIELDS: usize = 64;
/// How long a connection may last before its first request is read whole.
pub const FIRST: Duration = Duration::from_secs(5);
/// How long a connection lasts, whatever is asked on it: a long list over a slow line takes a
/// while.
pub const LIFE: Duration = Duration::from_secs(60);
/// Pause after a failed accept.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// One port that is open to anybody.
#[derive(Clone)]
pub struct PublicDoor {
    seams: Seams,
    trust: Trust,
    certificate: Certificate,
    pages: Arc<Pages>,
}

impl PublicDoor {
    /// A door that shows `certificate` and serves `pages`.
    pub const fn new(
        seams: Seams,
        trust: Trust,
        certificate: Certificate,
        pages: Arc<Pages>,
    ) -> Self {
        Self {
            seams,
            trust,
            certificate,
            pages,
        }
    }

    /// Serves on `port` until the task is dropped.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub async fn serve(self, port: u16) -> io::Result<()> {
        let mut listener = self.seams.net.listen(port).await?;
        // Dropping one ends its connection.
        let mut open: VecDeque<oneshot::Sender<Infallible>> = VecDeque::new();
        loop {
            let Ok(wire) = listener.accept().await else {
                self.seams.clock.sleep(ACCEPT_AGAIN).await;
                continue;
            };
            open.retain(|connection| !connection.is_closed());
            if open.len() >= MAX_CONNECTIONS {
                open.pop_front();
            }
            let (connection, give_way) = oneshot::channel();
            open.push_back(connection);
            let door = self.clone();
            tokio::spawn(async move {
                tokio::select! {
                    biased;
                    () = door.attend(wire) => {}
                    _ = give_way => {}
                }
            });
        }
    }

    /// Serves one connection to its end.
    async fn attend(&self, wire: Box<dyn Wire>) {
        let greeted = tokio::select! {
            biased;
            greeted = self.greet(wire) => greeted,
            () = self.seams.clock.sleep(HANDSHAKE) => None,
        };
        let Some(stream) = greeted else { return };
        let speaks_h2 = stream.get_ref().1.alpn_protocol() == Some(H2);
        let (heard, asked) = watch::channel(false);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            heard.send_replace(true);
            let answer = self.pages.answer(&request, self.seams.clock.now());
            std::future::ready(Ok::<_, Infallible>(answer))
        });
        let io = TokioIo::new(stream);
        if speaks_h2 {
            let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new())
                .auto_date_header(false)
                .keep_alive_interval(KEEP_ALIVE)
                .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
                .max_concurrent_streams(MAX_STREAMS)
                .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX));
            let connection = http.serve_connection(io, service);
            self.to_its_end(connection, asked, |it| it.graceful_shutdown())
                .await;
        } else {
            let mut http = hyper::server::conn::http1::Builder::new();
            http.auto_date_header(false)
                .max_headers(MAX_FIELDS)
                .max_buf_size(MAX_HEAD);
            let connection = http.serve_connection(io, service);
            self.to_its_end(connection, asked, |it| it.graceful_shutdown())
                .await;
        }
    }

    /// The handshake. Nothing where it fails, or there is no certificate to show.
    async fn greet(&self, wire: Box<dyn Wire>) -> Option<TlsStream<Box<dyn Wire>>> {
        self.seams.work.charge(Kind::Handshake).await.ok()?;
        let config = self.certificate.acceptor(&self.trust)?;
        TlsAcceptor::from(config).accept(wire).await.ok()
    }

    async fn to_its_end<C: Future>(
        &self,
        connection: C,
        mut asked: watch::Receiver<bool>,
        close: impl FnOnce(Pin<&mut C>),
    ) {
        let clock = &self.seams.clock;
        let mut connection = pin!(connection);
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            // An error means that it is over.
            _ = asked.wait_for(|asked| *asked) => {}
            () = clock.sleep(FIRST) => return,
        }
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = clock.sleep(LIFE) => close(connection.as_mut()),
        }
        tokio::select! {
            biased;
            _ = connection => {}
            () = clock.sleep(GRACE) => {}
        }
    }
}
