//! The bytes of a connection, below TLS and above it: what a library would swallow is kept.
//!
//! A server that refuses often closes at once, so that our next write fails before its last words
//! are read. [`Wire`] holds such a failure back until reading has come to its end; [`Line`] keeps
//! the alert that the libraries above turn into mere text. Neither changes a byte.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Below TLS: a failed write waits for what can still be read.
#[derive(Debug)]
pub(super) struct Wire<S> {
    inner: S,
    broken: Option<io::Error>,
}

impl<S> Wire<S> {
    pub(super) const fn over(inner: S) -> Self {
        Self {
            inner,
            broken: None,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if buf.filled().len() == before
            && let Some(broken) = self.broken.take()
        {
            return Poll::Ready(Err(broken));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken.is_some() {
            return Poll::Ready(Ok(buf.len()));
        }
        match ready!(Pin::new(&mut self.inner).poll_write(cx, buf)) {
            Ok(written) => Poll::Ready(Ok(written)),
            Err(error) => {
                self.broken = Some(error);
                Poll::Ready(Ok(buf.len()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken.is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken.is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// What was heard on a connection.
#[derive(Debug, Default)]
pub(super) struct Ear {
    alert: OnceLock<AlertDescription>,
    spoke: AtomicBool,
    ended: AtomicBool,
}

impl Ear {
    /// The alert that ended the connection, if one did.
    pub(super) fn alert(&self) -> Option<AlertDescription> {
        self.alert.get().copied()
    }

    /// Whether a byte of HTTP ever came.
    pub(super) fn spoke(&self) -> bool {
        self.spoke.load(Ordering::Acquire)
    }

    /// Whether the connection is over.
    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// Above TLS: keeps the alert, and whether anything was said.
#[derive(Debug)]
pub(super) struct Line<S> {
    inner: S,
    ear: Arc<Ear>,
}

impl<S> Line<S> {
    pub(super) const fn over(inner: S, ear: Arc<Ear>) -> Self {
        Self { inner, ear }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        match &read {
            Ok(()) if buf.filled().len() > before => {
                self.ear.spoke.store(true, Ordering::Release);
            }
            Ok(()) => self.ear.end(),
            Err(error) => {
                if let Some(alert) = alert_in(error) {
                    // The first is the one that counts; a second changes nothing.
                    let _first = self.ear.alert.set(alert);
                }
                self.ear.end();
            }
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// The peer's alert, if that is what this error is.
pub(super) fn alert_in(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A peer that has spoken its last words and gone.
    struct Gone(&'static [u8]);

    impl AsyncRead for Gone {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buf.put_slice(self.0);
            self.0 = b"";
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Gone {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Written {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    type Written = Poll<io::Result<usize>>;

    #[tokio::test]
    async fn the_last_words_are_read_before_a_failed_write_is_told() {
        let mut wire = Wire::over(Gone(b"alert"));
        wire.write_all(b"request").await.unwrap();
        wire.flush().await.unwrap();
        let mut heard = [0; 5];
        wire.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"alert");
        let error = wire.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
