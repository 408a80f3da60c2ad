//! A stream that is open: its next message, silence, or how it ended.
//!
//! Silence is no end: a stream on which nothing came for a while may still be served. A message
//! counts when it arrives here, so that one from before a change may arrive after it; whoever
//! measures drains the stream first.

use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::connection::{Driver, Opened};
use super::grpc::Unframed;
use super::line::Ear;
use super::{Door, Good, Reply, Stage, Why, http1, http2};

/// What came next on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A message, or with plain HTTP a piece of the body.
    Message(Bytes),
    /// Nothing within the deadline; the stream is open.
    Silence,
    /// It is over: served to its end, refused, or broken off.
    Ended(Reply),
}

/// The body that a stream is read from.
pub(super) enum Body {
    /// Of HTTP/1.1.
    One(Incoming),
    /// Of HTTP/2.
    Two(RecvStream),
}

/// An open stream. It holds its connection open.
pub struct Stream {
    body: Body,
    unframed: Option<Unframed>,
    ear: Arc<Ear>,
    door: Arc<Door>,
    ended: Option<Reply>,
    _driver: Arc<Driver>,
}

impl Stream {
    pub(super) fn new(body: Body, of: &Opened, grpc: bool, driver: Arc<Driver>) -> Self {
        Self {
            body,
            unframed: grpc.then(Unframed::default),
            ear: Arc::clone(&of.ear),
            door: Arc::clone(&of.door),
            ended: None,
            _driver: driver,
        }
    }

    /// The next message, within the door's deadline for one. After its end it says so for ever.
    pub async fn next(&mut self) -> Next {
        if let Some(reply) = &self.ended {
            return Next::Ended(reply.clone());
        }
        // A step that is given up keeps what came: the bytes are in `self`, not in the step.
        let Ok(step) = timeout(self.door.deadlines.message, self.step()).await else {
            return Next::Silence;
        };
        step.map_or_else(
            |reply| {
                self.ended = Some(reply.clone());
                Next::Ended(reply)
            },
            Next::Message,
        )
    }

    /// A message, or how the stream ended.
    async fn step(&mut self) -> Result<Bytes, Reply> {
        loop {
            if let Some(unframed) = &mut self.unframed
                && let Some(message) = unframed.next().map_err(garbled)?
            {
                return Ok(message);
            }
            let Some(piece) = self.piece().await? else {
                return Err(self.end().await?);
            };
            match &mut self.unframed {
                Some(unframed) => unframed.push(&piece),
                None if piece.is_empty() => {}
                None => return Ok(piece),
            }
        }
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Reply> {
        match &mut self.body {
            Body::Two(body) => http2::piece(body, &self.ear, Stage::Stream).await,
            Body::One(body) => match body.frame().await {
                None => Ok(None),
                Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
                Some(Err(error)) => Err(http1::broken(&error, &self.ear, Stage::Stream, false)),
            },
        }
    }

    /// What the end of the body says.
    async fn end(&mut self) -> Result<Reply, Reply> {
        match &mut self.body {
            Body::Two(body) if self.unframed.is_some() => {
                let trailers = http2::trailers(body, &self.ear, Stage::Stream).await?;
                Ok(http2::ended(&trailers, &self.door.refusing))
            }
            Body::One(_) | Body::Two(_) => Ok(Reply::Served(Good {
                status: 200,
                body: Bytes::new(),
            })),
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({})", self.door.address)
    }
}

fn garbled(why: String) -> Reply {
    Reply::failed(Why::Garbled(why), Stage::Stream)
}
