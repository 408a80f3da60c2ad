//! Other trust domains: whose bundles this CA holds, where they are fetched again, and which of
//! them its members are told of.
//!
//! A bundle is kept under its own domain's name and never merged with another (SPIFFE Federation,
//! section 4.2). What is decided here is a function of what is held, what is offered and the time.
//! Invariants: while a domain is federated its sequence never falls, and one sequence never has two
//! contents; the generation that members are told never falls at all, whatever is withdrawn and
//! federated anew; a bundle past its age is told to nobody.

mod endpoint;
#[cfg(test)]
mod exchange_tests;
mod fetch;
mod orders;
mod refresh;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use endpoint::{Endpoint, EndpointUrl, InvalidUrl, Profile};
pub use fetch::{DEADLINE, Errand, FetchError, WebRoots, fetch};
pub(crate) use refresh::keep;

use crate::bundle::{Bundle, InvalidBundle};
use crate::bundle_json::Document;
use crate::clock::Time;
use crate::error::CaError;
use crate::identity::TrustDomain;
use crate::store::Store;
use crate::token_keys;
pub use crate::trusted::MAX_FEDERATED;

/// Where nobody says how old a fetched bundle may become: so many times as long as it is until it
/// is fetched again. As long in advance are new keys published (SPIFFE Federation, section 4.1).
pub const USUAL_AGE: u32 = 5;

const FORMAT: u32 = 1;

/// Why a bundle of another domain was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FederationRefused {
    /// Its own domain's roots come from nobody else.
    #[error("`{0}` is this CA's own trust domain")]
    OwnDomain(TrustDomain),
    /// More domains than [`MAX_FEDERATED`].
    #[error("a CA federates with {MAX_FEDERATED} trust domains at most")]
    TooMany,
    /// It is older than what is held, or contradicts it.
    #[error(transparent)]
    Bundle(#[from] InvalidBundle),
    /// The endpoint is to be known by a name that no bundle answers for.
    #[error("no bundle is held of `{0}`, whose name the endpoint has: federate with it first")]
    EndpointUnknown(TrustDomain),
    /// It would be over before it is fetched again.
    #[error(
        "the bundle is fetched again after {every_s} s, and would be too old after {max_age_s}"
    )]
    TooSoonOver {
        /// The refresh hint, in seconds.
        every_s: u64,
        /// The age limit, in seconds.
        max_age_s: u64,
    },
    /// Nothing to withdraw.
    #[error("`{0}` is not federated")]
    NotFederated(TrustDomain),
}

/// How another domain is federated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    /// Where its bundle is fetched again.
    pub endpoint: Option<Endpoint>,
    /// How old it may become. Without it [`USUAL_AGE`] if it is fetched again, and any age if not.
    pub max_age: Option<Duration>,
}

/// Another domain, as this CA knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Federated {
    /// Whose bundle it is.
    pub trust_domain: TrustDomain,
    /// The bundle as it was last read.
    pub document: Document,
    /// The generation that members are told of it.
    pub generation: u64,
    /// How it is federated.
    pub relation: Relation,
    /// When the bundle was last given, or fetched.
    pub seen: Time,
    /// Why it was not fetched the last time.
    pub failure: Option<String>,
    withdrawn: bool,
}

impl Federated {
    /// How old the bundle may become.
    pub fn limit(&self) -> Option<Duration> {
        let fetched = self.relation.endpoint.is_some();
        let usual = fetched.then(|| self.document.ask_again() * USUAL_AGE);
        self.relation.max_age.or(usual)
    }

    /// Whether the bundle is too old. A clock that was set back as far makes its age unknown, and
    /// that is too old as well.
    pub fn is_over(&self, now: Time) -> bool {
        let over = |limit| now > self.seen + limit || now + limit < self.seen;
        self.limit().is_some_and(over)
    }

    /// What members are told.
    pub fn bundle(&self) -> Bundle {
        self.document
            .bundle(self.trust_domain.clone(), self.generation)
    }

    /// What follows `self` when this is offered.
    fn followed_by(&self, offered: Document, now: Time) -> Result<Self, FederationRefused> {
        let (held, sequence) = (&self.document, offered.sequence);
        let same = held.says_the_same(&offered);
        let domain = self.trust_domain.clone();
        if !self.withdrawn && sequence < held.sequence {
            return Err(FederationRefused::Bundle(InvalidBundle::RolledBack {
                domain,
                offered: sequence,
                held: held.sequence,
            }));
        }
        if !self.withdrawn && sequence == held.sequence && !same {
            let generation = sequence;
            let forked = InvalidBundle::Forked { domain, generation };
            return Err(FederationRefused::Bundle(forked));
        }
        let generation = if same {
            self.generation
        } else {
            // Above all that was told, even where a domain was founded anew and counts from one.
            sequence.max(self.generation.saturating_add(1))
        };
        Ok(Self {
            document: offered,
            generation,
            seen: now,
            failure: None,
            withdrawn: false,
            ..self.clone()
        })
    }

    fn stored(&self) -> Stored {
        Stored {
            format: FORMAT,
            document: self.document.to_json(),
            generation: self.generation,
            endpoint: self.relation.endpoint.clone(),
            max_age_s: self.relation.max_age.map(|age| age.as_secs()),
            seen_us: self.seen.as_micros(),
            withdrawn: self.withdrawn,
        }
    }
}

/// Every other domain that was ever federated, and which of them count.
#[derive(Debug, Default)]
pub(crate) struct Federation {
    known: BTreeMap<TrustDomain, Federated>,
    in_force: BTreeSet<TrustDomain>,
}

impl Federation {
    /// What the store holds.
    pub(crate) fn load(store: &Store, now: Time) -> Result<Self, CaError> {
        let mut loaded = Self::default();
        for (name, bytes) in store.federated()? {
            let damaged = || CaError::Damaged(format!("what is kept of `{name}` cannot be read"));
            let domain = TrustDomain::new(&name)?;
            let stored: Stored = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
            let read = stored.read(domain.clone()).ok_or_else(damaged)?;
            loaded.known.insert(domain, read);
        }
        loaded.look(now);
        Ok(loaded)
    }

    /// Every domain that is federated, whatever the age of its bundle.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Federated> {
        self.known.values().filter(|it| !it.withdrawn)
    }

    /// One of them.
    pub(crate) fn get(&self, domain: &TrustDomain) -> Option<&Federated> {
        self.known.get(domain).filter(|it| !it.withdrawn)
    }

    /// What members are told.
    pub(crate) fn bundles(&self) -> Vec<Bundle> {
        let told = self.iter().filter(|it| self.counts(&it.trust_domain));
        told.map(Federated::bundle).collect()
    }

    /// The token keys of those domains, a JWK set for each that has any.
    pub(crate) fn jwks(&self) -> BTreeMap<TrustDomain, String> {
        let told = self.iter().filter(|it| self.counts(&it.trust_domain));
        let having = told.filter(|it| !it.document.token_keys.is_empty());
        having
            .map(|it| {
                let set = token_keys::jwks(&it.document.token_keys);
                (it.trust_domain.clone(), set)
            })
            .collect()
    }

    /// Whether members are told of that domain.
    pub(crate) fn counts(&self, domain: &TrustDomain) -> bool {
        self.in_force.contains(domain)
    }

    /// Looks at the ages; says whether other domains count than before.
    pub(crate) fn look(&mut self, now: Time) -> bool {
        let fresh = self.iter().filter(|it| !it.is_over(now));
        let fresh: BTreeSet<TrustDomain> = fresh.map(|it| it.trust_domain.clone()).collect();
        for gone in self.in_force.difference(&fresh) {
            if self.get(gone).is_some() {
                tracing::warn!(domain = %gone, "its bundle is too old: it counts no more");
            }
        }
        let changed = self.in_force != fresh;
        self.in_force = fresh;
        changed
    }

    /// When the first of those that count is too old.
    pub(crate) fn next_end(&self) -> Option<Time> {
        let counting = self.iter().filter(|it| self.counts(&it.trust_domain));
        counting
            .filter_map(|it| it.limit().map(|limit| it.seen + limit))
            .min()
    }

    /// What follows for a domain when a bundle is given by hand.
    fn given(
        &self,
        domain: &TrustDomain,
        document: Document,
        relation: Relation,
        now: Time,
    ) -> Result<Federated, FederationRefused> {
        let known = self.known.get(domain);
        if self.get(domain).is_none() && self.iter().count() >= MAX_FEDERATED {
            return Err(FederationRefused::TooMany);
        }
        let mut next = match known {
            Some(known) => known.followed_by(document, now)?,
            None => Federated {
                trust_domain: domain.clone(),
                generation: document.sequence,
                document,
                relation: Relation::default(),
                seen: now,
                failure: None,
                withdrawn: false,
            },
        };
        // What is not said again stays as it was, unless it starts over.
        let before = self.get(domain).map(|it| it.relation.clone());
        let before = before.unwrap_or_default();
        next.relation = Relation {
            endpoint: relation.endpoint.or(before.endpoint),
            max_age: relation.max_age.or(before.max_age),
        };
        let every = next.document.ask_again();
        match (&next.relation.endpoint, next.relation.max_age) {
            (Some(_), Some(age)) if age <= every => Err(FederationRefused::TooSoonOver {
                every_s: every.as_secs(),
                max_age_s: age.as_secs(),
            }),
            _ => Ok(next),
        }
    }

    /// Makes what follows durable, and only then what is held.
    fn put(&mut self, store: &Store, next: Federated, now: Time) -> Result<(), CaError> {
        let bytes = serde_json::to_vec(&next.stored()).map_err(CaError::encoding)?;
        store.put_federated(next.trust_domain.as_str(), &bytes)?;
        self.known.insert(next.trust_domain.clone(), next);
        self.look(now);
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    document: String,
    generation: u64,
    endpoint: Option<Endpoint>,
    max_age_s: Option<u64>,
    seen_us: u64,
    withdrawn: bool,
}

impl Stored {
    fn read(self, trust_domain: TrustDomain) -> Option<Federated> {
        let document = Document::parse(self.document.as_bytes()).ok()?;
        (self.format == FORMAT).then_some(Federated {
            trust_domain,
            document,
            generation: self.generation,
            relation: Relation {
                endpoint: self.endpoint,
                max_age: self.max_age_s.map(Duration::from_secs),
            },
            seen: Time::from_micros(self.seen_us),
            failure: None,
            withdrawn: self.withdrawn,
        })
    }
}
