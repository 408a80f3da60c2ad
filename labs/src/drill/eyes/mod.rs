//! The drill's eyes: a TLS client of its own, which says exactly what a service did with a caller.
//!
//! It shows any identity, also a broken one or none, speaks TLS 1.2 and 1.3, HTTP/1.1, HTTP/2 and
//! gRPC, and sets a deadline on every step. **It accepts every server certificate**: it records
//! what was served and leaves it to the controls to compare that with what was written; only that
//! the server holds the key of what it shows is checked. It is no client for anything else, and
//! never tries again by itself: one question gives one reply.

mod alert;
mod call;
mod client;
mod connection;
mod door;
mod grpc;
mod http1;
mod http2;
mod identity;
mod line;
mod reply;
mod server;
mod sessions;
mod stream;
#[cfg(test)]
pub(super) mod tests;

pub use alert::refuses;
pub use call::{Badge, Call};
pub use client::Client;
pub use connection::{Connection, TlsVersion};
pub use door::{Deadlines, Door, Refusing, Speak, Versions};
pub use grpc::{CODE_NAMES, code_name, code_of};
pub use identity::Identity;
pub use reply::{Failure, Good, How, Reply, Stage, Why};
pub use sessions::Sessions;
pub use stream::{Next, Stream};

/// What is wrong with what the drill was given, so that no question could be asked.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// The address has no host and port.
    #[error("`{0}` is no address: write host:port, such as localhost:8443")]
    Address(String),
    /// The name to ask for is neither a DNS name nor an address.
    #[error("`{0}` is no name of a server: write a DNS name or an IP address")]
    ServerName(String),
    /// The key cannot be used to sign.
    #[error("the caller's key cannot be used: {0}")]
    Key(rustls::Error),
    /// The TLS library refuses the settings.
    #[error("the TLS settings cannot be used: {0}")]
    Tls(rustls::Error),
}
