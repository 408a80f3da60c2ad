//! A response's body: nothing, one piece, or pieces as they come.
//!
//! It never fails: a stream that is refused ends, and says so in what it sends last.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;

/// Pieces that wait to be sent: few, so that a reader who is slow slows the writer.
const WAITING: usize = 4;

/// The body of a response.
#[derive(Debug)]
pub(super) struct Body {
    pieces: mpsc::Receiver<Frame<Bytes>>,
}

impl Body {
    /// Nothing.
    pub(super) fn empty() -> Self {
        Self::stream().1
    }

    /// These pieces, at most four.
    pub(super) fn of(pieces: impl IntoIterator<Item = Frame<Bytes>>) -> Self {
        let (sender, body) = Self::stream();
        for piece in pieces.into_iter().take(WAITING) {
            // There is room for these, and the other end is here.
            let _: Result<(), _> = sender.try_send(piece);
        }
        body
    }

    /// Pieces as they come, until the sender is dropped.
    pub(super) fn stream() -> (mpsc::Sender<Frame<Bytes>>, Self) {
        let (sender, pieces) = mpsc::channel(WAITING);
        (sender, Self { pieces })
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.pieces.poll_recv(context);
        next.map(|piece| piece.map(Ok))
    }
}
