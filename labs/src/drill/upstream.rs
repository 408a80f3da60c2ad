//! The upstream that the drill plays for a target that is a client: it shows a certificate, answers
//! every call, and writes down who called, on which connection, and who would not.
//!
//! It lets everybody in who holds the key of the certificate that they show: whether a caller is
//! the right one is for the case to say. It resumes no session, so that every connection is
//! judged anew by the one who calls. It listens on loopback alone, and ends when it is dropped.
//! Invariant: a call is noted before it is answered, with the leaf that was shown to its
//! connection.

mod answer;
mod door;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::authority::Leaf;
use super::clock;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long an accept that failed is waited out, and a connection's last answers.
const PAUSE: Duration = Duration::from_millis(100);

/// The most that is remembered of calls, and of handshakes that failed.
const MOST: usize = 100_000;

/// Why there is no upstream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The address is not loopback.
    #[error("the drill plays an upstream on loopback alone, and `{0}` is not: use 127.0.0.1")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("the drill cannot play the upstream at `{0}`: {1}; is the real one running there?")]
    Listen(SocketAddr, io::Error),
    /// The leaf cannot be shown.
    #[error("the upstream's certificate cannot be shown: {0}")]
    Tls(#[from] rustls::Error),
}

/// A call that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When.
    pub at: Instant,
    /// On which connection, counted from 1.
    pub connection: u64,
    /// When that connection was opened: its handshake was over.
    pub opened: Instant,
    /// The leaf that the caller showed.
    pub caller: CertificateDer<'static>,
    /// The leaf that the upstream showed.
    pub shown: CertificateDer<'static>,
}

/// A connection that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// When.
    pub at: Instant,
    /// The leaf that the upstream showed, or was to show.
    pub shown: CertificateDer<'static>,
    /// How it ended.
    pub how: String,
}

/// An upstream.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    /// What is shown to the next connection.
    shown: Mutex<Arc<door::Face>>,
    notes: Mutex<Notes>,
    /// Rises when every connection is to be closed.
    hang_ups: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Notes {
    connections: u64,
    asked: Vec<Asked>,
    declined: Vec<Declined>,
}

impl Upstream {
    /// Listens at an address and shows a leaf; port 0 is any that is free.
    ///
    /// # Errors
    /// When the address is not loopback or is taken, or the leaf cannot be shown.
    pub async fn at(address: SocketAddr, leaf: &Leaf) -> Result<Self, UpstreamError> {
        if !address.ip().is_loopback() {
            return Err(UpstreamError::NotLoopback(address));
        }
        let face = door::Face::of(leaf)?;
        let listen = |why| UpstreamError::Listen(address, why);
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let shared = Arc::new(Shared {
            shown: Mutex::new(Arc::new(face)),
            notes: Mutex::default(),
            hang_ups: watch::Sender::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shows another leaf to every connection from now on. Those that are open have seen the one
    /// before: see [`Upstream::hang_up`].
    ///
    /// # Errors
    /// When the leaf cannot be shown.
    pub fn show(&self, leaf: &Leaf) -> Result<(), UpstreamError> {
        let face = Arc::new(door::Face::of(leaf)?);
        *lock(&self.shared.shown) = face;
        Ok(())
    }

    /// Closes every connection, each after the answer that it is at.
    pub fn hang_up(&self) {
        self.shared.hang_ups.send_modify(|count| *count += 1);
    }

    /// The calls that arrived at this moment or later.
    pub fn asked_since(&self, moment: Instant) -> Vec<Asked> {
        let notes = lock(&self.shared.notes);
        let since = notes.asked.iter().filter(|asked| asked.at >= moment);
        since.cloned().collect()
    }

    /// The connections that came to nothing at this moment or later.
    pub fn declined_since(&self, moment: Instant) -> Vec<Declined> {
        let notes = lock(&self.shared.notes);
        let since = notes
            .declined
            .iter()
            .filter(|declined| declined.at >= moment);
        since.cloned().collect()
    }

    /// The first call from this moment on that is as wished, waited for no longer than `limit`.
    pub async fn asked_as(
        &self,
        since: Instant,
        limit: Duration,
        wished: impl Fn(&Asked) -> bool,
    ) -> Option<Asked> {
        let until = clock::instant() + limit;
        loop {
            let found = self.asked_since(since).into_iter().find(&wished);
            if found.is_some() || clock::instant() >= until {
                return found;
            }
            sleep(PAUSE / 2).await;
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // The connections are this task's own, and end with it.
        self.task.abort();
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn opened(&self) -> u64 {
        let mut notes = lock(&self.notes);
        notes.connections += 1;
        notes.connections
    }

    fn asked(&self, asked: Asked) {
        let mut notes = lock(&self.notes);
        if notes.asked.len() < MOST {
            notes.asked.push(asked);
        }
    }

    fn declined(&self, shown: CertificateDer<'static>, how: String) {
        let mut notes = lock(&self.notes);
        if notes.declined.len() < MOST {
            let at = clock::instant();
            notes.declined.push(Declined { at, shown, how });
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&shared)));
                }
                // Out of file handles, most likely: others will be closed.
                Err(_) => sleep(PAUSE).await,
            },
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let hang_ups = shared.hang_ups.subscribe();
    // Small messages of two sides in turn: they are not to wait for each other.
    let _best_effort = stream.set_nodelay(true);
    let face = Arc::clone(&lock(&shared.shown));
    let shown = face.leaf();
    let acceptor = TlsAcceptor::from(face.config());
    let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return shared.declined(shown, error.to_string()),
        Err(_) => return shared.declined(shown, "no handshake came of it in time".to_owned()),
    };
    let tls = stream.get_ref().1;
    let caller = tls.peer_certificates().and_then(<[_]>::first).cloned();
    let Some(caller) = caller.map(CertificateDer::into_owned) else {
        return shared.declined(shown, "the caller showed no certificate".to_owned());
    };
    let book = answer::Book {
        shared: Arc::clone(&shared),
        connection: shared.opened(),
        opened: clock::instant(),
        caller,
        shown,
    };
    answer::serve(stream, book, hang_ups).await;
}

#[cfg(test)]
mod tests;
