//! A service to try the drill on: one that does everything right, and for each case a bad twin.
//!
//! Both are one program with one [`Fault`] or none, or with several for a demonstration, and see
//! of the drill what any target sees: their files, their key set and the network. The good one
//! judges the caller's chain and token again at every request and every message, against the
//! roots, lists, keys and time of that moment, on every way in. It serves loopback alone and is
//! nobody's production server.

mod body;
mod caller;
pub mod client;
mod crl;
mod desk;
mod door;
mod fault;
mod fetch;
mod grpc;
mod jwks;
mod path;
mod reflection;
mod serve;
mod token;
mod world;

#[cfg(test)]
mod authority_tests;
#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod token_tests;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

pub use caller::Callers;
pub use desk::LOOK;
pub use fault::{Fault, Faults, UnknownFault};
pub use grpc::{GET, WATCH};
pub use token::{Jwks, TokenRules};

/// The HTTP path that answers with one order.
pub const ORDERS: &str = "/orders";

/// The HTTP path that answers with orders for ever, a line each.
pub const ORDERS_WATCH: &str = "/orders/watch";

/// The PEM files that a planted service or client reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Its key.
    pub key: PathBuf,
    /// Its chain, the leaf first; may be the same file as the key.
    pub chain: PathBuf,
    /// The roots of its peers.
    pub trust: PathBuf,
    /// Revocation lists, if it looks at any.
    pub crl: Option<PathBuf>,
}

/// What a planted service is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What it reads.
    pub files: Files,
    /// Whom it lets in.
    pub callers: Callers,
    /// What a token must say; without it, no token is asked for.
    pub token: Option<TokenRules>,
}

/// Why a planted service does not run.
#[derive(Debug, thiserror::Error)]
pub enum PlantedError {
    /// The address is not loopback.
    #[error("a planted service serves loopback alone, and `{0}` is not: use 127.0.0.1:0")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on `{0}`: use port 0 for any that is free")]
    Listen(SocketAddr, #[source] io::Error),
    /// The upstream's name is none.
    #[error("`{0}` is no DNS name: give the planted client its upstream's")]
    Name(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// A planted service that runs until this is dropped.
#[derive(Debug)]
pub struct Planted {
    address: SocketAddr,
    desk: Arc<desk::Desk>,
    tasks: Vec<AbortHandle>,
}

impl Planted {
    /// Starts a service on the current Tokio runtime; it has read its files when this returns. If
    /// some are not there yet, it waits for all of them, and until then is at its very start.
    pub async fn start(
        faults: impl Into<Faults>,
        settings: Settings,
        address: SocketAddr,
    ) -> Result<Self, PlantedError> {
        if !address.ip().is_loopback() {
            return Err(PlantedError::NotLoopback(address));
        }
        let listener = TcpListener::bind(address).await;
        let listen = |error| PlantedError::Listen(address, error);
        let listener = listener.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let desk = Arc::new(desk::Desk::new(faults.into(), settings));
        let config = Arc::new(door::config(&desk)?);
        let tasks = vec![
            tokio::spawn(desk.clone().watch_files()).abort_handle(),
            tokio::spawn(desk.clone().watch_keys()).abort_handle(),
            tokio::spawn(serve::accept(listener, config, desk.clone())).abort_handle(),
        ];
        Ok(Self {
            address,
            desk,
            tasks,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it has looked at what its files say now, whatever it made of it. A drill does not
    /// ask: it sees a target from outside.
    pub fn has_looked(&self) -> bool {
        self.desk.is_up_to_date()
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
