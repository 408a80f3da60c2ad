//! Session tickets: what the server gave to come back with, kept or thrown away, but counted.
//!
//! A ticket of TLS 1.3 is used once, the oldest first, so that the ones from before a change are
//! tried before any that a later connection brought. Nothing here decides whether to resume: the
//! handshake itself says afterwards whether it was.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use tokio::sync::Notify;

/// The most tickets that a client keeps.
const MOST: usize = 64;

/// Whether a client comes back with the sessions it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// Every handshake is a whole one.
    None,
    /// Tickets are kept, and used.
    Kept,
}

/// The tickets of one client, of all its connections.
#[derive(Debug)]
pub(super) struct Wallet {
    kept: bool,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: VecDeque<Tls13ClientSessionValue>,
}

impl Wallet {
    pub(super) fn new(sessions: Sessions) -> Arc<Self> {
        Arc::new(Self {
            kept: sessions == Sessions::Kept,
            held: Mutex::new(Held::default()),
        })
    }

    /// How many times the client could still come back.
    pub(super) fn tickets(&self) -> usize {
        let held = self.held();
        held.tls13.len() + usize::from(held.tls12.is_some())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tickets that came on one connection, which go to the wallet.
#[derive(Debug)]
pub(super) struct Tally {
    came: AtomicU32,
    news: Notify,
    wallet: Arc<Wallet>,
}

impl Tally {
    pub(super) fn new(wallet: &Arc<Wallet>) -> Arc<Self> {
        Arc::new(Self {
            came: AtomicU32::new(0),
            news: Notify::new(),
            wallet: Arc::clone(wallet),
        })
    }

    /// How many came so far.
    pub(super) fn came(&self) -> u32 {
        self.came.load(Ordering::Acquire)
    }

    /// Waits until one came; for ever, if none does.
    pub(super) async fn one(&self) {
        loop {
            let news = self.news.notified();
            if self.came() > 0 {
                return;
            }
            news.await;
        }
    }

    fn count(&self) {
        self.came.fetch_add(1, Ordering::AcqRel);
        self.news.notify_waiters();
    }
}

impl ClientSessionStore for Tally {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.wallet.held().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.wallet.held().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.count();
        if self.wallet.kept {
            self.wallet.held().tls12 = Some(value);
        }
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.wallet.held().tls12.clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.wallet.held().tls12 = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.count();
        if self.wallet.kept {
            let mut held = self.wallet.held();
            if held.tls13.len() < MOST {
                held.tls13.push_back(value);
            }
        }
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.wallet.held().tls13.pop_front()
    }
}
