//! HTTP/1.1: one question at a time on a connection.
//!
//! What was surely never written to the connection is told apart from what was written and never
//! answered: the first may be asked again, the second may have been done.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;

use super::connection::{Driver, Opened, full, request, unsayable};
use super::http2::of_io;
use super::line::Ear;
use super::stream::Body;
use super::{Badge, Call, Failure, Reply, Stage, Why, grpc};

/// A connection that speaks HTTP/1.1.
pub(super) struct Http1 {
    sender: Mutex<SendRequest<Full<Bytes>>>,
}

/// Begins HTTP/1.1 on a connection.
pub(super) async fn open<S>(line: S, ear: &Arc<Ear>) -> Result<(Http1, Driver), Reply>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, driven) = hyper::client::conn::http1::handshake(TokioIo::new(line))
        .await
        .map_err(|error| broken(&error, ear, Stage::Handshake, true))?;
    let driven = async move {
        // How it ended is told to whoever waits for an answer.
        let _end = driven.await;
    };
    let driver = Driver::start(driven, Arc::clone(ear));
    let sender = Mutex::new(sender);
    Ok((Http1 { sender }, driver))
}

impl Http1 {
    /// Asks, and reads the whole answer.
    pub(super) async fn ask(&self, call: &Call, badge: Option<&Badge>, of: &Opened) -> Reply {
        let response = match self.begin(call, badge, of).await {
            Ok(response) => response,
            Err(reply) => return reply,
        };
        let status = response.status().as_u16();
        match Limited::new(response.into_body(), grpc::MOST)
            .collect()
            .await
        {
            Ok(body) => Reply::http(status, body.to_bytes(), &of.door.refusing),
            Err(error) => match error.downcast::<hyper::Error>() {
                Ok(error) => broken(&error, &of.ear, Stage::Reply, false),
                Err(other) => Reply::failed(Why::Garbled(other.to_string()), Stage::Reply),
            },
        }
    }

    /// Asks, and hands over the body if the answer is one.
    pub(super) async fn watch(
        &self,
        call: &Call,
        badge: Option<&Badge>,
        of: &Opened,
    ) -> Result<Body, Reply> {
        let response = self.begin(call, badge, of).await?;
        match Reply::http(response.status().as_u16(), Bytes::new(), &of.door.refusing) {
            Reply::Served(_) => Ok(Body::One(response.into_body())),
            other => Err(other),
        }
    }

    async fn begin(
        &self,
        call: &Call,
        badge: Option<&Badge>,
        of: &Opened,
    ) -> Result<Response<Incoming>, Reply> {
        if call.is_grpc() {
            let why = "gRPC needs HTTP/2, and the server chose HTTP/1.1".to_owned();
            return Err(Reply::failed(Why::Garbled(why), Stage::Reply));
        }
        let asked = request(call, badge, &call.path())?
            .header("host", of.door.authority())
            .body(full(call))
            .map_err(|_| unsayable(call))?;
        let mut sender = self.sender.lock().await;
        if let Err(error) = sender.ready().await {
            return Err(broken(&error, &of.ear, Stage::Reply, true));
        }
        sender.try_send_request(asked).await.map_err(|mut error| {
            let unsent = error.take_message().is_some();
            broken(error.error(), &of.ear, Stage::Reply, unsent)
        })
    }
}

/// What an error of HTTP/1.1 says.
pub(super) fn broken(error: &hyper::Error, ear: &Ear, stage: Stage, unsent: bool) -> Reply {
    if let Some(alert) = ear.alert() {
        return Reply::alert(alert, stage);
    }
    let mut source = error.source();
    let mut io = None;
    while let Some(cause) = source {
        io = io.or(cause.downcast_ref::<io::Error>());
        source = cause.source();
    }
    let why = match io {
        Some(error) => of_io(error),
        None if error.is_incomplete_message() || error.is_canceled() || error.is_closed() => {
            Why::Ended
        }
        None => Why::Garbled(format!("HTTP/1.1 failed: {error}")),
    };
    Reply::Failed(Failure {
        why,
        stage,
        unprocessed: unsent,
        wordless: !ear.spoke(),
    })
}
