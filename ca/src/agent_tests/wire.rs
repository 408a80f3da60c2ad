//! A network of one port, on tokio's own time: bytes take [`LATENCY`] each way.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

use super::LATENCY;
use crate::clock::BoxFuture;
use crate::net::{Address, Listener, Net, Wire};

/// The one port that there is, wherever it is dialled.
#[derive(Clone, Debug, Default)]
pub(super) struct OnePort(Arc<Mutex<Option<mpsc::UnboundedSender<DuplexStream>>>>);

struct Calls(mpsc::UnboundedReceiver<DuplexStream>);

impl OnePort {
    /// Nobody is there to be reached any more.
    pub(super) fn shut(&self) {
        *self.0.lock().unwrap() = None;
    }
}

impl Net for OnePort {
    fn dial<'a>(&'a self, _: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            let ((near, one), (other, far)) =
                (tokio::io::duplex(1 << 16), tokio::io::duplex(1 << 16));
            let port = self.0.lock().unwrap().clone();
            let port = port.ok_or(io::ErrorKind::ConnectionRefused)?;
            port.send(far).map_err(io::Error::other)?;
            let (from_near, to_near) = tokio::io::split(one);
            let (from_far, to_far) = tokio::io::split(other);
            tokio::spawn(carry(from_near, to_far));
            tokio::spawn(carry(from_far, to_near));
            Ok(Box::new(near) as Box<dyn Wire>)
        })
    }

    fn listen(&self, _: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let (port, calls) = mpsc::unbounded_channel();
            *self.0.lock().unwrap() = Some(port);
            Ok(Box::new(Calls(calls)) as Box<dyn Listener>)
        })
    }
}

impl Listener for Calls {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            let call = self.0.recv().await.ok_or(io::ErrorKind::NotConnected)?;
            Ok(Box::new(call) as Box<dyn Wire>)
        })
    }
}

/// One direction of one line.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut bytes = vec![0; 1 << 14];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        tokio::time::sleep(LATENCY).await;
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
