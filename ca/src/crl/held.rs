//! The newest list of each issuer, by trust domain.
//!
//! webpki finds a list by its issuer's name alone and takes the first it finds, so it is never
//! shown two of one name, nor a list of another trust domain. Nothing is taken that its issuer did
//! not sign. Invariant: the number held for an issuer never falls, and one number never has two
//! contents.

use std::collections::BTreeMap;

use rustls::pki_types::CertificateDer;

use super::list::{Crl, InvalidCrl};
use crate::bundle::Bundle;
use crate::identity::{LeafFacts, TrustDomain};

/// At most one list for each issuer. Cheap to clone; the lists are shared.
#[derive(Clone, Debug, Default)]
pub struct Crls(BTreeMap<TrustDomain, BTreeMap<Vec<u8>, Crl>>);

impl Crls {
    /// No list: nobody is known to be revoked, and nobody is known not to be.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The list of the issuer of that name, as raw DER, if there is one.
    pub fn get(&self, domain: &TrustDomain, issuer_name: &[u8]) -> Option<&Crl> {
        self.0.get(domain)?.get(issuer_name)
    }

    /// The lists of one trust domain, in order of their issuers' names.
    pub fn of(&self, domain: &TrustDomain) -> impl Iterator<Item = &Crl> {
        self.0.get(domain).into_iter().flat_map(BTreeMap::values)
    }

    /// Every list, in order of trust domain, then of its issuer's name.
    pub fn iter(&self) -> impl Iterator<Item = (&TrustDomain, &Crl)> {
        let domains = self.0.iter();
        domains.flat_map(|(domain, lists)| lists.values().map(move |crl| (domain, crl)))
    }

    /// Whether a leaf's issuer has revoked it: two look-ups, whatever the size of the list. What
    /// it cannot see is an issuer that was itself revoked: verify the chain for that.
    pub fn revokes(&self, leaf: &LeafFacts) -> bool {
        self.get(leaf.spiffe_id.trust_domain(), &leaf.issuer)
            .is_some_and(|crl| crl.contains(&leaf.serial))
    }

    /// Takes a list in the place of its issuer's last; says whether anything changed. It must be
    /// signed as [`Crl::verify`] asks, by `signers` under a root of `bundle`.
    ///
    /// # Errors
    /// When nobody known signed it, or it is older than what is held, or contradicts it. What is
    /// held stays.
    pub fn accept(
        &mut self,
        crl: Crl,
        signers: &[CertificateDer<'_>],
        bundle: &Bundle,
    ) -> Result<bool, InvalidCrl> {
        let held = self.get(&bundle.trust_domain, crl.issuer_name()).cloned();
        if held.as_ref().is_some_and(|held| held.der() == crl.der()) {
            return Ok(false);
        }
        crl.verify(signers, bundle)?;
        if let Some(held) = held {
            let (issuer, offered) = (crl.issuer().to_owned(), crl.number());
            if offered < held.number() {
                let held = held.number();
                return Err(InvalidCrl::RolledBack {
                    issuer,
                    offered,
                    held,
                });
            }
            if offered == held.number() {
                // The same content may be signed twice: each signature differs.
                return if crl.signed() == held.signed() {
                    Ok(false)
                } else {
                    Err(InvalidCrl::Forked {
                        issuer,
                        number: offered,
                    })
                };
            }
        }
        self.put(crl, &bundle.trust_domain);
        Ok(true)
    }

    /// Puts a list that was verified in the place of its issuer's last.
    pub(crate) fn put(&mut self, crl: Crl, domain: &TrustDomain) {
        let lists = self.0.entry(domain.clone()).or_default();
        lists.insert(crl.issuer_name().to_vec(), crl);
    }
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
