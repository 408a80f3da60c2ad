//! Connections: the loop that serves them, and the object that a client holds.
//!
//! tonic's own server can neither rotate its certificate nor end one connection gracefully, and
//! its channel redials with a new leaf while a token bound to the old one is still being sent. So
//! both ends are ours, over hyper's HTTP/2; tonic keeps the code generation and the routes.

mod alert;
mod client;
mod serve;
mod standing;

use std::time::Duration;

pub use alert::Refused;
pub use client::{Connection, DialError, Dialer, dial};
pub use serve::{Deadline, Door, PeerIdentity};
pub use standing::Standing;

/// HTTP/2 keep-alive, also while idle: a healed cut must recover without traffic.
pub const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// How long a keep-alive may go unanswered.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a handshake may take, and how long a dial.
pub const HANDSHAKE: Duration = Duration::from_secs(3);
/// How long requests in flight may run on after a connection's end was announced.
pub const GRACE: Duration = Duration::from_secs(2);
/// Handshakes under way at once on one port; one more ends the oldest of them.
pub const MAX_HANDSHAKES: usize = 64;
/// Connections at once on one port; more are dropped.
pub const MAX_CONNECTIONS: usize = 1024;
/// Requests at once on one connection.
pub const MAX_STREAMS: u32 = 128;
/// Bytes of one request's headers.
pub const MAX_HEADERS: u32 = 16 * 1024;
/// Bytes of one message, either way.
pub const MAX_MESSAGE: usize = 1024 * 1024;
/// Bytes of one message that holds the CA's whole state: a revocation list may be long.
pub const MAX_STATE: usize = 16 * 1024 * 1024;
