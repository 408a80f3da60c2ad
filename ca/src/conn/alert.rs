//! What the far end says of a certificate that it will not have.
//!
//! It is said by a TLS alert, after the handshake is over on the dialling side, and every request
//! that was under way only learns that the connection is gone. The alert is kept, so that whoever
//! was refused can be told from whoever was cut off.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Why a certificate was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is on a list.
    Revoked,
    /// It has ended.
    Expired,
    /// No root is known for it.
    Untrusted,
}

impl Refused {
    const fn of(alert: AlertDescription) -> Option<Self> {
        match alert {
            AlertDescription::CertificateRevoked => Some(Self::Revoked),
            AlertDescription::CertificateExpired => Some(Self::Expired),
            AlertDescription::UnknownCA => Some(Self::Untrusted),
            _ => None,
        }
    }

    /// The alert behind an error, if there is one.
    fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(rustls::Error::AlertReceived(alert)) = error.downcast_ref() {
                return Self::of(*alert);
            }
            // An error of I/O does not count what it carries among its sources.
            let carried = error.downcast_ref::<io::Error>();
            next = match carried.and_then(io::Error::get_ref) {
                Some(carried) => Some(carried),
                None => error.source(),
            };
        }
        None
    }
}

/// What was heard of this end's certificate, once anything was.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<OnceLock<Refused>>);

impl Heard {
    pub(super) fn refused(&self) -> Option<Refused> {
        self.0.get().copied()
    }

    /// The same bytes, listened to: HTTP/2 above keeps no error of the transport.
    pub(super) fn through<S>(&self, stream: S) -> Listened<S> {
        Listened {
            stream,
            heard: self.clone(),
        }
    }
}

/// A stream whose alerts are kept.
pub(super) struct Listened<S> {
    stream: S,
    heard: Heard,
}

impl<S: AsyncRead + Unpin> AsyncRead for Listened<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Err(error)) = &read
            && let Some(refused) = Refused::behind(error)
        {
            let _ = self.heard.0.set(refused);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listened<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_found_however_deep_it_lies() {
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRevoked);
        let deep = io::Error::other(io::Error::other(alert));
        assert_eq!(Refused::behind(&deep), Some(Refused::Revoked));
        assert_eq!(Refused::behind(&io::Error::other("cut")), None);
    }
}
