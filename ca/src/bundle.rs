//! Trust bundles: which roots answer for which trust domain.
//!
//! Bundles of different trust domains are never merged: a peer is judged by its own domain's
//! roots alone. Invariant: the generation held for a domain never falls, and one generation never
//! has two contents.

use std::collections::{BTreeMap, BTreeSet};

use rustls::pki_types::CertificateDer;

use crate::identity::TrustDomain;

/// The roots of one trust domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Whose roots they are.
    pub trust_domain: TrustDomain,
    /// Rises with every change of the content.
    pub generation: u64,
    /// Root certificates. None at all means: nothing of this domain is trusted.
    pub roots: Vec<CertificateDer<'static>>,
}

/// Why a bundle was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBundle {
    /// An older generation than the one already held.
    #[error("bundle of `{domain}` rolled back: generation {offered} after {held}")]
    RolledBack {
        /// Whose bundle.
        domain: TrustDomain,
        /// The generation offered.
        offered: u64,
        /// The generation held.
        held: u64,
    },
    /// The generation already held, with other content.
    #[error("bundle of `{domain}` has two contents for generation {generation}")]
    Forked {
        /// Whose bundle.
        domain: TrustDomain,
        /// The generation in question.
        generation: u64,
    },
}

/// One bundle for each trust domain that is known at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundles(BTreeMap<TrustDomain, Bundle>);

impl Bundles {
    /// No bundle: nobody is trusted.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The bundle that answers for a domain, if there is one.
    pub fn get(&self, domain: &TrustDomain) -> Option<&Bundle> {
        self.0.get(domain)
    }

    /// Every bundle, in order of trust domain.
    pub fn iter(&self) -> impl Iterator<Item = &Bundle> {
        self.0.values()
    }

    /// Takes a bundle in the place of its domain's last; says whether anything changed.
    ///
    /// # Errors
    /// When it is older than what is held, or contradicts it. What is held stays.
    pub fn accept(&mut self, bundle: Bundle) -> Result<bool, InvalidBundle> {
        if let Some(held) = self.0.get(&bundle.trust_domain) {
            let domain = bundle.trust_domain.clone();
            if bundle.generation < held.generation {
                return Err(InvalidBundle::RolledBack {
                    domain,
                    offered: bundle.generation,
                    held: held.generation,
                });
            }
            if bundle.generation == held.generation {
                return if bundle.roots == held.roots {
                    Ok(false)
                } else {
                    let generation = bundle.generation;
                    Err(InvalidBundle::Forked { domain, generation })
                };
            }
        }
        self.0.insert(bundle.trust_domain.clone(), bundle);
        Ok(true)
    }
}

impl Bundles {
    /// Forgets the bundles of all other domains; says whether there was any.
    pub fn keep(&mut self, domains: &BTreeSet<TrustDomain>) -> bool {
        let before = self.0.len();
        self.0.retain(|domain, _| domains.contains(domain));
        self.0.len() != before
    }
}

impl From<Bundle> for Bundles {
    fn from(bundle: Bundle) -> Self {
        Self(BTreeMap::from([(bundle.trust_domain.clone(), bundle)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(generation: u64, root: &[u8]) -> Bundle {
        Bundle {
            trust_domain: TrustDomain::new("clinic.example").unwrap(),
            generation,
            roots: vec![CertificateDer::from(root.to_vec())],
        }
    }

    #[test]
    fn a_generation_never_falls_and_never_changes() {
        let mut bundles = Bundles::from(bundle(3, b"a"));
        assert_eq!(bundles.accept(bundle(3, b"a")), Ok(false));
        assert!(matches!(
            bundles.accept(bundle(2, b"a")),
            Err(InvalidBundle::RolledBack { held: 3, .. })
        ));
        assert!(matches!(
            bundles.accept(bundle(3, b"b")),
            Err(InvalidBundle::Forked { .. })
        ));
        assert_eq!(
            bundles,
            Bundles::from(bundle(3, b"a")),
            "what is held stays"
        );
        assert_eq!(bundles.accept(bundle(4, b"b")), Ok(true));
    }
}
