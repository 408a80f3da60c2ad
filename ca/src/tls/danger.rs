//! Sessions that are taken up again: what rustls, tonic, Go and nginx do unless told not to.
//!
//! A resumed handshake calls no verifier. The server copies the chain of the first handshake out of
//! its store, the client skips the chain altogether, and neither asks whether it is still believed:
//! revocation, expiry and the withdrawal of a root all end at the ticket (CVE-2025-23419,
//! CVE-2025-68121). Nothing here is used unless a posture says `tls.resumption = "on"`.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::{ClientConfig, Resumption};
use rustls::server::{ServerConfig, ServerSessionMemoryCache};

/// How many sessions a server remembers; rustls's own default.
const REMEMBERED: usize = 256;
/// How many tickets it hands out after a handshake; rustls's own default.
const TICKETS: usize = 2;
/// How many sessions a client remembers of its one server.
const OWN: usize = 8;

/// The sessions of one port, or of one client's way to one server.
#[derive(Clone, Debug)]
pub struct Sessions {
    served: Arc<ServerSessionMemoryCache>,
    own: Arc<Mutex<Option<Kept>>>,
}

/// The generation of the leaf that a client shows, and the configuration that its sessions belong
/// to: rustls takes up no session of another.
type Kept = (u64, Arc<ClientConfig>);

impl Default for Sessions {
    fn default() -> Self {
        Self {
            served: ServerSessionMemoryCache::new(REMEMBERED),
            own: Arc::default(),
        }
    }
}

impl Sessions {
    /// The same, for a server that remembers those whom it let in.
    pub(crate) fn remembering(&self, config: &ServerConfig) -> Arc<ServerConfig> {
        let mut config = config.clone();
        config.session_storage = Arc::clone(&self.served) as _;
        config.send_tls13_tickets = TICKETS;
        Arc::new(config)
    }

    /// The client's configuration as long as its leaf is of that generation, `first` where there is
    /// none yet. It goes on judging by what was believed when it was made, as one that was built
    /// once does.
    pub(crate) fn kept(&self, generation: u64, first: &ClientConfig) -> Arc<ClientConfig> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        match own.as_ref() {
            Some((of, kept)) if *of == generation => Arc::clone(kept),
            _ => {
                let mut config = first.clone();
                config.resumption = Resumption::in_memory_sessions(OWN);
                let config = Arc::new(config);
                *own = Some((generation, Arc::clone(&config)));
                config
            }
        }
    }
}
