//! Secrets that are no certificates, as a node has them: followed from the CA, and what is made
//! with them.
//!
//! A record at rest is under its region's data key ([`seal`]); a notice from outside is signed with
//! the webhook's secret ([`notice`]). Every version is kept in memory alone: a disk that is carried
//! away holds nothing that opens it, and a node that was started again opens nothing before it has
//! heard from the CA. Invariant: a version is in force here before the CA is told that it is, and
//! what is used is said before what is not used any more may be withdrawn.

mod follow;
pub mod notice;
pub mod seal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub use ca::secrets::{Held, InvalidSecretName, SecretKey, SecretName};
use tokio::sync::watch;

use crate::member::Member;

/// How long a notice counts, and so for how long a retired version may be needed to judge one.
pub const NOTICE_LIFE: Duration = Duration::from_secs(10);

/// What the webhook's secret is called.
const WEBHOOK: &str = "webhook";

/// The name of the webhook's secret.
pub fn webhook() -> SecretName {
    SecretName::new(WEBHOOK).expect("it is plain and short")
}

/// The name of a region's data key.
///
/// # Errors
/// When the region's name does not fit into one.
pub fn at_rest(region: &str) -> Result<SecretName, InvalidSecretName> {
    SecretName::new(&format!("records-at-rest/{region}"))
}

/// The secrets of one node, by name.
type Own = BTreeMap<SecretName, Held>;

/// The versions that something here is under, by name.
type InUse = BTreeMap<SecretName, BTreeSet<u64>>;

/// A node's secrets, as they change. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Secrets {
    held: watch::Receiver<Arc<Own>>,
    uses: Arc<watch::Sender<InUse>>,
}

impl Secrets {
    /// Follows the CA for as long as the node runs. `under` says what lies here already. Must be
    /// called inside a runtime.
    pub fn follow(member: &Member, under: InUse) -> Self {
        let (give, held) = watch::channel(Arc::default());
        let uses = Arc::new(watch::Sender::new(under));
        follow::start(member, give, Arc::clone(&uses));
        Self { held, uses }
    }

    /// One secret as it is held now; nothing of it, if nothing is.
    pub fn get(&self, name: &SecretName) -> Held {
        self.held.borrow().get(name).cloned().unwrap_or_default()
    }

    /// Every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<Own>> {
        self.held.clone()
    }

    /// Says which versions something here is under, those included that came to be in use while it
    /// was counted.
    pub(crate) fn uses(&self, name: &SecretName, versions: BTreeSet<u64>) {
        self.uses.send_if_modified(|uses| {
            let last = uses.insert(name.clone(), versions.clone());
            last != Some(versions)
        });
    }

    /// Secrets that come by hand, for the tests: whoever has the sender is the CA.
    #[cfg(test)]
    pub(crate) fn by_hand(held: Own) -> (Self, watch::Sender<Arc<Own>>) {
        let (give, held) = watch::channel(Arc::new(held));
        let uses = Arc::new(watch::Sender::new(InUse::new()));
        (Self { held, uses }, give)
    }

    /// What was said to be in use, for the tests.
    #[cfg(test)]
    pub(crate) fn said(&self, name: &SecretName) -> Option<BTreeSet<u64>> {
        self.uses.borrow().get(name).cloned()
    }
}

/// A secret as a test needs it: these versions, and which one makes what is new.
#[cfg(test)]
pub(crate) fn held(active: u64, versions: &[u64]) -> Held {
    let key = |version: &u64| {
        let byte = u8::try_from(*version).unwrap();
        let bytes = vec![byte; ca::keys::SECRET_BYTES];
        (*version, SecretKey::new(bytes.into()).unwrap())
    };
    Held {
        generation: active,
        active: Some(active),
        versions: versions.iter().map(key).collect(),
    }
}
