//! The X.509-SVIDs of registered workloads, with their keys, in memory alone.
//!
//! A name has one SVID, shared by all processes that it is of, from the first time that it is asked
//! for. Whoever asks brings it up to date: it is followed at half of its life, and at once when its
//! issuer is tainted or it was revoked. What cannot be followed stays while it is good. Invariant:
//! no SVID is given out that is over, not begun, or revoked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::clock::Time;
use crate::error::CaError;
use crate::identity::{LeafFacts, SpiffeId};
use crate::issue::Ca;
use crate::keys::Pkcs8;
use crate::renewal::{PAUSE, Renewal, Retry};
use crate::seams::Seams;
use crate::svid::sha256;

/// One SVID and its key.
pub(super) struct Svid {
    pub(super) key: Pkcs8,
    /// The leaf, then its issuer; the root is left out.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) facts: LeafFacts,
}

impl fmt::Debug for Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Svid");
        shown.field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Svid {
    /// Whether it has to go before its time.
    fn disowned(&self, ca: &Ca) -> bool {
        let announced = ca.announced();
        let tainted = &announced.borrow().tainted;
        let issuers = self.chain.iter().skip(1);
        let tainted = { issuers }.any(|issuer| tainted.contains(&sha256(issuer)));
        tainted || ca.has_revoked(&self.facts)
    }
}

#[derive(Debug)]
struct Held {
    svid: Arc<Svid>,
    renewal: Renewal,
    /// Not to be followed sooner, unless it has to go.
    next: Time,
}

impl Held {
    fn new(svid: Svid, seams: &Seams, now: Time) -> Self {
        let renewal = Renewal::plan(&svid.facts, Retry::Window, &*seams.rng);
        let mut held = Self {
            svid: Arc::new(svid),
            renewal,
            next: now,
        };
        held.plan(now);
        held
    }

    /// However short its issuer has cut it, it is not followed without a pause.
    fn plan(&mut self, now: Time) {
        let due = self.renewal.next_attempt();
        self.next = due.unwrap_or(self.svid.facts.not_after).max(now + PAUSE);
    }
}

/// The SVIDs that are in use.
#[derive(Debug)]
pub(super) struct Svids {
    seams: Seams,
    ca: Arc<Mutex<Ca>>,
    tolerance: Duration,
    held: Mutex<BTreeMap<SpiffeId, Held>>,
}

impl Svids {
    pub(super) fn new(seams: Seams, ca: Arc<Mutex<Ca>>) -> Self {
        let tolerance = lock(&ca).config().tolerance;
        Self {
            seams,
            ca,
            tolerance,
            held: Mutex::default(),
        }
    }

    /// The SVID of that name, fit to be used now, and when to ask again.
    pub(super) fn current(&self, id: &SpiffeId) -> Result<(Arc<Svid>, Time), CaError> {
        let now = self.seams.clock.now();
        let (mut all, mut ca) = (lock(&self.held), lock(&self.ca));
        let timely = |it: &Held| it.svid.facts.timely(now, self.tolerance).is_ok();
        if let Some(it) = all.get(id)
            && timely(it)
            && now < it.next
            && !it.svid.disowned(&ca)
        {
            return Ok((Arc::clone(&it.svid), it.next));
        }
        match (ca.deliver(id, now), all.get_mut(id)) {
            (Ok((key, identity)), _) => {
                let (chain, facts) = (identity.chain, identity.facts);
                let held = Held::new(Svid { key, chain, facts }, &self.seams, now);
                let current = (Arc::clone(&held.svid), held.next);
                all.insert(id.clone(), held);
                Ok(current)
            }
            (Err(error), Some(it)) if timely(it) && !ca.has_revoked(&it.svid.facts) => {
                tracing::warn!(%error, %id, "the CA could not renew a workload's leaf");
                it.renewal.failed(now, Duration::ZERO, &*self.seams.rng);
                it.plan(now);
                Ok((Arc::clone(&it.svid), it.next))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Forgets the SVIDs of everybody else, and their keys.
    pub(super) fn keep(&self, registered: &BTreeSet<&SpiffeId>) {
        lock(&self.held).retain(|id, _| registered.contains(id));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "svids_tests.rs"]
mod tests;
