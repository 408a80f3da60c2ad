//! The SPIFFE Workload API: identities for the processes of the CA's own machine.
//!
//! A process connects to a Unix socket and says nothing of itself; the kernel says who it is
//! (`attest_unix`), the registry which workload that is ([`registry`]). It is given key and chain,
//! roots and revocation lists, whole, at once and again whenever one of them changes. Who is struck
//! off the registry hears so on the stream that it holds. Invariant: nobody is given an identity
//! that the registry in force does not give to that very process.
//!
//! Bundles of other trust domains that are federated come in the same messages, each by itself, and
//! go as soon as they are withdrawn or too old.
//!
//! The standard: SPIFFE Workload API and SPIFFE Workload Endpoint. Not offered: reflection, which
//! the second advises; a verdict on a JWT-SVID of another trust domain.

#[cfg(unix)]
mod attest_unix;
pub mod caller;
#[cfg(unix)]
mod connection_unix;
mod grpc;
mod heard;
pub mod jwt;
#[cfg(unix)]
mod places_unix;
pub mod registry;
#[cfg(unix)]
pub mod socket_unix;
mod svids;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::error::CaError;
use crate::issue::Ca;
use crate::seams::Seams;

pub use grpc::admit;
use heard::Heard;
use jwt::JwtSvids;
use registry::{FILE, Follower, InvalidRegistry, Registry};
use svids::Svids;

/// How often the registry's file is looked at; a change is in force after two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Why the Workload API is not served.
#[derive(Debug, thiserror::Error)]
pub enum NotOffered {
    /// The registry is broken.
    #[error("{FILE}: {0}")]
    Registry(#[from] InvalidRegistry),
    /// The CA's disk fails.
    #[error(transparent)]
    Ca(#[from] CaError),
}

/// The Workload API over one CA. Cheap to clone; a clone is the same.
#[derive(Clone, Debug)]
pub struct Workloads(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    seams: Seams,
    ca: Arc<Mutex<Ca>>,
    svids: Svids,
    heard: Arc<Heard>,
    jwt: Option<Arc<dyn JwtSvids>>,
    follower: Mutex<Follower>,
    registry: watch::Sender<Arc<Registry>>,
}

impl Workloads {
    /// Reads the registry of that CA, from its disk. Without `jwt` there are no JWT-SVIDs.
    ///
    /// # Errors
    /// When the registry is broken, or the disk fails.
    pub fn open(
        seams: Seams,
        ca: Arc<Mutex<Ca>>,
        jwt: Option<Arc<dyn JwtSvids>>,
    ) -> Result<Self, NotOffered> {
        let domain = lock(&ca).config().trust_domain.clone();
        let content = seams.disk.read(FILE).map_err(CaError::from)?;
        let (follower, registry) = Follower::begin(content, &domain)?;
        Ok(Self(Arc::new(Parts {
            svids: Svids::new(seams.clone(), Arc::clone(&ca)),
            heard: Heard::new(Arc::clone(&ca)),
            registry: watch::channel(Arc::new(registry)).0,
            follower: Mutex::new(follower),
            seams,
            ca,
            jwt,
        })))
    }

    /// Puts every change of the registry's file in force, for as long as the task lives.
    pub async fn follow(&self) -> Infallible {
        let mut readable = true;
        loop {
            self.0.seams.clock.sleep(LOOK).await;
            match self.0.seams.disk.read(FILE) {
                Ok(content) => {
                    readable = true;
                    self.look(content);
                }
                Err(error) if readable => {
                    readable = false;
                    tracing::warn!(%error, "{FILE} cannot be read: the last one stays in force");
                }
                Err(_) => {}
            }
        }
    }

    fn look(&self, content: Option<Vec<u8>>) {
        match lock(&self.0.follower).look(content) {
            None => {}
            Some(Ok(registry)) => {
                self.0.registry.send_replace(Arc::new(registry));
                let registry = self.registry();
                let registered: BTreeSet<_> = registry.iter().map(|it| &it.spiffe_id).collect();
                self.0.svids.keep(&registered);
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "{FILE} says nothing: the last one stays in force");
            }
        }
    }

    fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.0.registry.borrow())
    }

    fn ca(&self) -> MutexGuard<'_, Ca> {
        lock(&self.0.ca)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(unix)]
mod connection_tests_unix;
#[cfg(test)]
#[cfg(unix)]
mod federated_tests_unix;
#[cfg(test)]
#[cfg(unix)]
mod house_unix;
#[cfg(test)]
#[cfg(unix)]
mod jwt_tests_unix;
#[cfg(test)]
#[cfg(unix)]
mod tests_unix;
