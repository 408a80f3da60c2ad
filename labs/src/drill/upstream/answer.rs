//! What the upstream answers: yes, to everything.
//!
//! An HTTP request gets a 200, and a gRPC one an empty message and the code OK, which every
//! message of protobuf can be read from. It understands no question, so that nobody has to
//! describe one; a caller that checks the answer's content is not served by it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::{Asked, PAUSE, Shared};
use crate::drill::clock;

/// The largest question that is read.
const LARGEST: usize = 1 << 20;

/// gRPC's media type.
const GRPC: &[u8] = b"application/grpc";

/// Who is on a connection, and where that is written down.
pub(super) struct Book {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: u64,
    pub(super) opened: Instant,
    pub(super) caller: CertificateDer<'static>,
    pub(super) shown: CertificateDer<'static>,
}

/// Serves a connection until it ends or is hung up.
pub(super) async fn serve(
    stream: TlsStream<TcpStream>,
    book: Book,
    mut hang_ups: watch::Receiver<u64>,
) {
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let (shared, shown) = (Arc::clone(&book.shared), book.shown.clone());
    let count = Arc::new(AtomicU64::new(0));
    let (book, counted) = (Arc::new(book), Arc::clone(&count));
    let service = service_fn(move |request: Request<Incoming>| {
        counted.fetch_add(1, Ordering::AcqRel);
        book.note();
        async { Ok::<_, Infallible>(answer(request).await) }
    });
    let stream = TokioIo::new(stream);
    let hung_up = hang_ups.changed();
    // A caller that goes away is no error of the upstream.
    let was_hung_up = if h2 {
        let server = http2::Builder::new(TokioExecutor::new());
        let mut serving = std::pin::pin!(server.serve_connection(stream, service));
        tokio::select! {
            biased;
            _ = hung_up => {
                serving.as_mut().graceful_shutdown();
                let _: Result<_, _> = timeout(PAUSE, serving).await;
                true
            }
            _ = serving.as_mut() => false,
        }
    } else {
        let server = http1::Builder::new();
        let mut serving = std::pin::pin!(server.serve_connection(stream, service));
        tokio::select! {
            biased;
            _ = hung_up => {
                serving.as_mut().graceful_shutdown();
                let _: Result<_, _> = timeout(PAUSE, serving).await;
                true
            }
            _ = serving.as_mut() => false,
        }
    };
    if !was_hung_up && count.load(Ordering::Acquire) == 0 {
        shared.declined(
            shown,
            "the connection was closed before any call".to_owned(),
        );
    }
}

impl Book {
    fn note(&self) {
        self.shared.asked(Asked {
            at: clock::instant(),
            connection: self.connection,
            opened: self.opened,
            caller: self.caller.clone(),
            shown: self.shown.clone(),
        });
    }
}

async fn answer(request: Request<Incoming>) -> Response<Said> {
    let (head, body) = request.into_parts();
    let kind = head.headers.get(CONTENT_TYPE);
    let grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(GRPC));
    // A question is read to its end before it is answered, or the answer may be cut off.
    let _: Result<_, _> = Limited::new(body, LARGEST).collect().await;
    if !grpc {
        return Response::new(Said::of([Frame::data(Bytes::from_static(b"ok\n"))]));
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    // Not compressed, and of no length.
    let message = Frame::data(Bytes::from_static(&[0; 5]));
    let mut response = Response::new(Said::of([message, Frame::trailers(trailers)]));
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A body of a few frames.
struct Said(std::vec::IntoIter<Frame<Bytes>>);

impl Said {
    fn of(frames: impl IntoIterator<Item = Frame<Bytes>>) -> Self {
        Self(frames.into_iter().collect::<Vec<_>>().into_iter())
    }
}

impl Body for Said {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.len() == 0
    }
}
