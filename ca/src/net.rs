//! The network seam: dial and listen, in bytes.
//!
//! TLS and the connection loop sit above it, so that a fault cuts real mTLS bytes. A dial has no
//! deadline of its own: into a cut it hangs, and the caller's deadline ends it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::clock::BoxFuture;

/// Where a node listens: a host's name in its fabric, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Host name, as the fabric knows it.
    pub host: String,
    /// Port on that host.
    pub port: u16,
}

impl Address {
    /// An address from its parts.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// One connection's bytes.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// An open port.
pub trait Listener: Send {
    /// The next connection.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>>;
}

/// Where a node gets its connections from.
pub trait Net: Send + Sync + fmt::Debug {
    /// Connects.
    fn dial<'a>(&'a self, to: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Wire>>>;

    /// Opens a port of this node's.
    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>>;

    /// Told of every call that goes out on a connection from here: who carries only its encrypted
    /// bytes cannot count them.
    fn calls(&self, _to: &Address) {}
}

/// TCP, with names resolved by the operating system. By default it listens on loopback only.
#[derive(Clone, Copy, Debug)]
pub struct TcpNet {
    /// The interface to listen on.
    pub interface: IpAddr,
}

impl Default for TcpNet {
    fn default() -> Self {
        Self {
            interface: Ipv4Addr::LOCALHOST.into(),
        }
    }
}

impl Net for TcpNet {
    fn dial<'a>(&'a self, to: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            let stream = TcpStream::connect((to.host.as_str(), to.port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Wire>)
        })
    }

    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let address = SocketAddr::from((self.interface, port));
            Ok(Box::new(TcpListener::bind(address).await?) as Box<dyn Listener>)
        })
    }
}

impl Listener for TcpListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            let (stream, _) = Self::accept(self).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Wire>)
        })
    }
}
