//! The CA's own part in federation: bundles are taken, withdrawn and fetched, durable before they
//! count and announced once they do.

use tokio::sync::watch;

use super::{Errand, Federated, FederationRefused, FetchError, Profile, Relation};
use crate::bundle::Bundle;
use crate::bundle_json::Document;
use crate::clock::Time;
use crate::error::CaError;
use crate::identity::TrustDomain;
use crate::issue::Ca;

impl Ca {
    /// Every trust domain that is federated.
    pub fn federated(&self) -> impl Iterator<Item = &Federated> {
        self.federation.iter()
    }

    /// Whether members are told of that domain: it is federated, and its bundle not too old.
    pub fn counts(&self, domain: &TrustDomain) -> bool {
        self.federation.counts(domain)
    }

    /// Takes a bundle of another domain that an operator vouches for. What `relation` does not say
    /// stays as it was. Durable and announced on return.
    ///
    /// # Errors
    /// When it is this CA's own domain, too many are federated, the bundle is older than what is
    /// held or contradicts it, or the endpoint could never be known; or the disk fails.
    pub fn federate(
        &mut self,
        domain: &TrustDomain,
        document: Document,
        relation: Relation,
        now: Time,
    ) -> Result<&Federated, CaError> {
        if *domain == self.config.trust_domain {
            return Err(FederationRefused::OwnDomain(domain.clone()).into());
        }
        if let Some(Profile::HttpsSpiffe { id }) = relation.endpoint.as_ref().map(|it| &it.profile)
        {
            let of = id.trust_domain();
            if of != domain && self.anchors(of).is_none() {
                return Err(FederationRefused::EndpointUnknown(of.clone()).into());
            }
        }
        let next = self.federation.given(domain, document, relation, now)?;
        self.federation.put(&self.store, next, now)?;
        self.announce();
        self.ordered.send_modify(|orders| *orders += 1);
        let taken = self.federation.get(domain);
        taken.ok_or_else(|| CaError::damaged("a bundle was taken, and is not there"))
    }

    /// Takes the word back: nothing of that domain is believed any more. What was told of it is
    /// remembered, so that no older generation is ever told. Durable and announced on return.
    ///
    /// # Errors
    /// When it is not federated, or the disk fails.
    pub fn withdraw(&mut self, domain: &TrustDomain, now: Time) -> Result<(), CaError> {
        let held = self.federation.get(domain).cloned();
        let held = held.ok_or_else(|| FederationRefused::NotFederated(domain.clone()))?;
        let gone = Federated {
            withdrawn: true,
            ..held
        };
        self.federation.put(&self.store, gone, now)?;
        self.announce();
        self.ordered.send_modify(|orders| *orders += 1);
        Ok(())
    }

    /// Rises with each domain that is federated or withdrawn by hand.
    pub(crate) fn federation_orders(&self) -> watch::Receiver<u64> {
        self.ordered.subscribe()
    }

    /// The looks that are to be taken again and again.
    pub(crate) fn errands(&self) -> Vec<Errand> {
        let errand = |it: &Federated| {
            let endpoint = it.relation.endpoint.clone()?;
            let anchors = match &endpoint.profile {
                Profile::HttpsSpiffe { id } => self.anchors(id.trust_domain()),
                Profile::HttpsWeb => None,
            };
            Some(Errand {
                trust_domain: it.trust_domain.clone(),
                endpoint,
                anchors,
                orders: *self.ordered.borrow(),
            })
        };
        self.federation.iter().filter_map(errand).collect()
    }

    /// What is held of a domain, however old: its own endpoint must be known to make it young.
    fn anchors(&self, domain: &TrustDomain) -> Option<Bundle> {
        if *domain == self.config.trust_domain {
            return Some(self.bundle());
        }
        self.federation.get(domain).map(Federated::bundle)
    }

    /// Takes note of a look. What may not follow is refused and told, and what is held stays. False
    /// if orders were given since it was set out on: what it trusted may be withdrawn.
    pub(crate) fn fetched(
        &mut self,
        errand: &Errand,
        got: Result<Document, FetchError>,
        now: Time,
    ) -> bool {
        let domain = &errand.trust_domain;
        let held = self.federation.get(domain).cloned();
        let Some(held) = held.filter(|_| *self.ordered.borrow() == errand.orders) else {
            return false;
        };
        let taken = got.map_err(|error| error.to_string()).and_then(|offered| {
            let next = held.followed_by(offered, now);
            let next = next.map_err(|refused| refused.to_string())?;
            let put = self.federation.put(&self.store, next, now);
            put.map_err(|error| error.to_string())
        });
        if let Err(why) = taken
            && let Some(it) = self.federation.known.get_mut(domain)
        {
            if it.failure.as_ref() != Some(&why) {
                tracing::warn!(%domain, error = %why, "its bundle was not fetched");
            }
            it.failure = Some(why);
        }
        self.federation.look(now);
        self.announce();
        true
    }
}
