//! The newest list of each issuer, by trust domain.
//!
//! An issuer is a name and a key: a root that is made anew may have its old name. webpki finds a
//! list by its issuer's name alone and takes the first it finds, so for one chain it is shown none
//! but those of the keys that signed it (see [`fitting`]), and none of another trust domain.
//! Nothing is taken that its issuer did not sign. Invariant: the number held for an issuer never
//! falls, and one number never has two contents.

use std::collections::{BTreeMap, BTreeSet};

use rustls::pki_types::CertificateDer;

use super::list::{Crl, InvalidCrl};
use super::signer::issuer_and_key;
use crate::bundle::Bundle;
use crate::identity::{LeafFacts, TrustDomain};

/// At most one list for each issuer. Cheap to clone; the lists are shared.
#[derive(Clone, Debug, Default)]
pub struct Crls(BTreeMap<TrustDomain, BTreeMap<Issuer, Crl>>);

/// Raw DER of a name, and the identifier of a key.
type Issuer = (Vec<u8>, Vec<u8>);

fn issuer_of(crl: &Crl) -> Issuer {
    (crl.issuer_name().to_vec(), crl.issuer_key().to_vec())
}

/// Of these lists those that have a say in that chain: of several issuers of one name, whose key
/// signed one of its certificates. The lists of one name stand together.
pub(crate) fn fitting<'a>(lists: Vec<&'a Crl>, chain: &[CertificateDer<'_>]) -> Vec<&'a Crl> {
    let one_name = |one: &&Crl, other: &&Crl| one.issuer_name() == other.issuer_name();
    if lists.chunk_by(one_name).all(|named| named.len() == 1) {
        return lists;
    }
    let signers = chain.iter().filter_map(|der| issuer_and_key(der));
    let signers: BTreeSet<Issuer> = signers.collect();
    lists
        .chunk_by(one_name)
        .flat_map(|named| {
            let signed = |crl: &&&Crl| named.len() == 1 || signers.contains(&issuer_of(crl));
            named.iter().filter(signed).copied().collect::<Vec<_>>()
        })
        .collect()
}

impl Crls {
    /// No list: nobody is known to be revoked, and nobody is known not to be.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The list that is held of that list's issuer, if there is one.
    pub fn get(&self, domain: &TrustDomain, of: &Crl) -> Option<&Crl> {
        self.0.get(domain)?.get(&issuer_of(of))
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
        let Some(lists) = self.0.get(leaf.spiffe_id.trust_domain()) else {
            return false;
        };
        // Serials are random, so that one of another issuer of that name is nobody else's.
        let from = (leaf.issuer.clone(), Vec::new());
        let of_name = lists.range(from..);
        of_name
            .take_while(|((name, _), _)| *name == leaf.issuer)
            .any(|(_, crl)| crl.contains(&leaf.serial))
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
        let held = self.get(&bundle.trust_domain, &crl).cloned();
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
        lists.insert(issuer_of(&crl), crl);
    }
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
