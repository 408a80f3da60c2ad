//! HTTP/2, plain and under gRPC, over the `h2` library itself.
//!
//! The library is used without the client above it, because that one hides what must be told: a
//! stream that the server refused, a stream past its goodbye, and one that it broke off. Nothing
//! is asked again here.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Driver, Opened, request, unsayable};
use super::grpc::{self, Unframed};
use super::line::Ear;
use super::stream::Body;
use super::{Badge, Call, Failure, Reply, Stage, Why};

/// A connection that speaks HTTP/2.
pub(super) struct Http2 {
    sender: SendRequest<Bytes>,
}

/// Begins HTTP/2 on a connection.
pub(super) async fn open<S>(line: S, ear: &Arc<Ear>) -> Result<(Http2, Driver), Reply>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, driven) = h2::client::handshake(line)
        .await
        .map_err(|error| broken(&error, ear, Stage::Handshake))?;
    let driven = async move {
        // How it ended is told to each stream by the library.
        let _end = driven.await;
    };
    let driver = Driver::start(driven, Arc::clone(ear));
    Ok((Http2 { sender }, driver))
}

impl Http2 {
    /// Asks, and reads the whole answer.
    pub(super) async fn ask(&self, call: &Call, badge: Option<&Badge>, of: &Opened) -> Reply {
        let asked = async {
            let response = self.begin(call, badge, of).await?;
            if call.is_grpc() {
                message(response, of).await
            } else {
                page(response, of).await
            }
        };
        asked.await.unwrap_or_else(|reply: Reply| reply)
    }

    /// Asks, and hands over the body if the answer is one.
    pub(super) async fn watch(
        &self,
        call: &Call,
        badge: Option<&Badge>,
        of: &Opened,
    ) -> Result<Body, Reply> {
        let response = self.begin(call, badge, of).await?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(not_begun(status, of));
        }
        if call.is_grpc()
            && let Some((code, said)) = grpc::status(response.headers())
        {
            return Err(Reply::grpc(code, said, Bytes::new(), &of.door.refusing));
        }
        Ok(Body::Two(response.into_body()))
    }

    /// Sends the question and waits for the answer's head.
    async fn begin(
        &self,
        call: &Call,
        badge: Option<&Badge>,
        of: &Opened,
    ) -> Result<Response<RecvStream>, Reply> {
        let uri = format!("https://{}{}", of.door.authority(), call.path());
        let asked = request(call, badge, &uri)?
            .body(())
            .map_err(|_| unsayable(call))?;
        let unsent = |error: h2::Error| never_sent(&error, &of.ear);
        let mut sender = self.sender.clone().ready().await.map_err(unsent)?;
        let body = call.wire_body();
        let (response, mut upload) = sender
            .send_request(asked, body.is_empty())
            .map_err(unsent)?;
        if !body.is_empty() {
            // If the stream is already over, the response says why.
            let _told = upload.send_data(body, true);
        }
        response
            .await
            .map_err(|error| broken(&error, &of.ear, Stage::Reply))
    }
}

/// The whole body of a plain answer.
async fn page(response: Response<RecvStream>, of: &Opened) -> Result<Reply, Reply> {
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut whole = BytesMut::new();
    while let Some(part) = piece(&mut body, &of.ear, Stage::Reply).await? {
        if whole.len() + part.len() > grpc::MOST {
            return Err(garbled("the answer is too long"));
        }
        whole.extend_from_slice(&part);
    }
    Ok(Reply::http(status, whole.freeze(), &of.door.refusing))
}

/// The message of a unary answer, and its status.
async fn message(response: Response<RecvStream>, of: &Opened) -> Result<Reply, Reply> {
    let status = response.status().as_u16();
    if status != 200 {
        return Ok(not_begun(status, of));
    }
    if let Some((code, said)) = grpc::status(response.headers()) {
        return Ok(Reply::grpc(code, said, Bytes::new(), &of.door.refusing));
    }
    let mut body = response.into_body();
    let mut unframed = Unframed::default();
    let mut first = None;
    while let Some(part) = piece(&mut body, &of.ear, Stage::Reply).await? {
        unframed.push(&part);
        let came = unframed.next().map_err(|why| garbled(&why))?;
        first = first.or(came);
    }
    let trailers = trailers(&mut body, &of.ear, Stage::Reply).await?;
    let (code, said) = grpc::status(&trailers).ok_or_else(|| garbled(NO_STATUS))?;
    let message = first.unwrap_or_default();
    Ok(Reply::grpc(code, said, message, &of.door.refusing))
}

const NO_STATUS: &str = "the answer ended without a gRPC status";

/// An answer to a gRPC call that is none, by its HTTP status.
fn not_begun(status: u16, of: &Opened) -> Reply {
    if of.door.refusing.http.contains(&status) {
        return Reply::http(status, Bytes::new(), &of.door.refusing);
    }
    Reply::failed(Why::Http(status), Stage::Reply)
}

/// The next bytes of a body, with room made for more.
pub(super) async fn piece(
    body: &mut RecvStream,
    ear: &Ear,
    stage: Stage,
) -> Result<Option<Bytes>, Reply> {
    let Some(part) = body.data().await else {
        return Ok(None);
    };
    let part = part.map_err(|error| broken(&error, ear, stage))?;
    // It fails only if more is given back than came.
    let _room = body.flow_control().release_capacity(part.len());
    Ok(Some(part))
}

/// The trailers; none are empty ones.
pub(super) async fn trailers(
    body: &mut RecvStream,
    ear: &Ear,
    stage: Stage,
) -> Result<HeaderMap, Reply> {
    let trailers = body.trailers().await;
    let trailers = trailers.map_err(|error| broken(&error, ear, stage))?;
    Ok(trailers.unwrap_or_default())
}

/// How a stream ended that has trailers.
pub(super) fn ended(trailers: &HeaderMap, of: &super::Refusing) -> Reply {
    match grpc::status(trailers) {
        Some((code, said)) => Reply::grpc(code, said, Bytes::new(), of),
        None => Reply::failed(Why::Garbled(NO_STATUS.to_owned()), Stage::Stream),
    }
}

fn garbled(why: &str) -> Reply {
    Reply::failed(Why::Garbled(why.to_owned()), Stage::Reply)
}

/// An error from before a request was written.
fn never_sent(error: &h2::Error, ear: &Ear) -> Reply {
    match broken(error, ear, Stage::Reply) {
        Reply::Failed(failure) => Reply::Failed(Failure {
            unprocessed: true,
            ..failure
        }),
        other => other,
    }
}

/// What an error of HTTP/2 says.
pub(super) fn broken(error: &h2::Error, ear: &Ear, stage: Stage) -> Reply {
    if let Some(alert) = ear.alert() {
        return Reply::alert(alert, stage);
    }
    let code = error.reason().map_or(0, u32::from);
    let (why, unprocessed) = if error.is_go_away() && error.is_remote() {
        // The library gives this error to the streams past the last that the server took on, and
        // to requests after the goodbye, and to no others.
        (Why::GoAway(code), true)
    } else if error.is_reset() && error.is_remote() {
        let refused = error.reason() == Some(Reason::REFUSED_STREAM);
        (Why::StreamReset(code), refused)
    } else if let Some(error) = error.get_io() {
        (of_io(error), false)
    } else {
        (Why::Garbled(format!("HTTP/2 failed: {error}")), false)
    };
    Reply::Failed(Failure {
        why,
        stage,
        unprocessed: unprocessed || stage == Stage::Handshake,
        wordless: !ear.spoke(),
    })
}

/// What an error of the connection says.
pub(super) fn of_io(error: &io::Error) -> Why {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Why::Reset,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => Why::Ended,
        _ => Why::Garbled(format!("the connection failed: {error}")),
    }
}
