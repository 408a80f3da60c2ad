//! Fetches other domains' bundles again, each at its own pace, for as long as the CA runs.
//!
//! A look that failed is taken again when the next is due, and no sooner (SPIFFE Federation,
//! section 6.2). One endpoint that does not answer holds up no other. Where nothing is fetched it
//! waits for an order and looks at no clock.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Errand, FetchError, WebRoots, fetch};
use crate::bundle_json::{Document, USUAL_HINT};
use crate::clock::Time;
use crate::identity::TrustDomain;
use crate::issue::Ca;
use crate::seams::Seams;
use crate::tls::Trust;

/// How long it goes without a look at the clock.
const AGAIN: Duration = Duration::from_secs(5);

/// A look that was taken.
type Taken = (Errand, Result<Document, FetchError>);

struct Refresh {
    seams: Seams,
    trust: Trust,
    ca: Arc<Mutex<Ca>>,
    web: Option<WebRoots>,
    /// When each is due; none while a look is being taken.
    due: BTreeMap<TrustDomain, Option<Time>>,
    under_way: JoinSet<Taken>,
}

/// Fetches what is due, for ever.
pub(crate) async fn keep(
    seams: Seams,
    trust: Trust,
    ca: Arc<Mutex<Ca>>,
    web: Option<WebRoots>,
) -> Infallible {
    let ordered = locked(&ca).federation_orders();
    let refresh = Refresh {
        seams,
        trust,
        ca,
        web,
        due: BTreeMap::new(),
        under_way: JoinSet::new(),
    };
    refresh.keep(ordered).await
}

fn locked(ca: &Mutex<Ca>) -> MutexGuard<'_, Ca> {
    ca.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Refresh {
    async fn keep(mut self, mut ordered: watch::Receiver<u64>) -> Infallible {
        let mut last_seen = self.seams.clock.now();
        loop {
            self.set_out(last_seen);
            let soonest = self.due.values().flatten().min().copied();
            let clock = Arc::clone(&self.seams.clock);
            let wait = async {
                match soonest {
                    Some(soonest) => clock.wait(soonest, AGAIN, &mut last_seen).await,
                    None => std::future::pending().await,
                }
            };
            let set_back = tokio::select! {
                biased;
                Some(taken) = self.under_way.join_next() => {
                    if let Ok((errand, got)) = taken {
                        self.back(errand, got);
                    }
                    false
                }
                Ok(()) = ordered.changed() => false,
                set_back = wait => set_back,
            };
            last_seen = self.seams.clock.now().max(last_seen);
            if set_back {
                last_seen = self.seams.clock.now();
                let waiting = self.due.values_mut().flatten();
                waiting.for_each(|due| *due = last_seen);
            }
        }
    }

    /// Takes every look that is due, those of new domains at once.
    fn set_out(&mut self, now: Time) {
        let errands = locked(&self.ca).errands();
        let known = |domain: &TrustDomain| errands.iter().any(|it| it.trust_domain == *domain);
        self.due.retain(|domain, _| known(domain));
        for errand in errands {
            let due = self.due.entry(errand.trust_domain.clone());
            let due = due.or_insert(Some(now));
            if due.is_some_and(|due| due <= now) {
                *due = None;
                let (seams, trust) = (self.seams.clone(), self.trust.clone());
                let web = self.web.clone();
                let look = async move { look(&seams, &trust, errand, web).await };
                self.under_way.spawn(look);
            }
        }
    }

    /// Hands over what a look gave, and plans the next one.
    fn back(&mut self, errand: Errand, got: Result<Document, FetchError>) {
        let now = self.seams.clock.now();
        let mut ca = locked(&self.ca);
        let noted = ca.fetched(&errand, got, now);
        let domain = errand.trust_domain;
        let held = ca.federated().find(|it| it.trust_domain == domain);
        let every = held.map_or(USUAL_HINT, |it| it.document.ask_again());
        drop(ca);
        let pause = self.seams.rng.span(every - every / 10, every);
        let due = if noted { now + pause } else { now };
        self.due.insert(domain, Some(due));
    }
}

async fn look(seams: &Seams, trust: &Trust, errand: Errand, web: Option<WebRoots>) -> Taken {
    let got = fetch(seams, trust, &errand, web.as_ref()).await;
    (errand, got)
}
