//! A new root under the one before it, for whoever missed the news of it.
//!
//! Members hold a new root before anything is signed under it, as the gates see to; this is for one
//! that was away and passed over. It finds a path from the root that it knows to a leaf of the new
//! one, and so to the CA, which has the news. The price: whoever is away for longer and has neither
//! the news nor the newer list of the old root believes the new one even once that is revoked,
//! until the old one ends. Invariant: this CA leads nobody over a root that is tainted or revoked,
//! and no verifier is told to trust more than the bundle says; a root that is revoked is revoked in
//! the list of the one that vouched for it.

use rustls::pki_types::CertificateDer;

use super::{Authorities, Change, name};
use crate::authority::Root;
use crate::clock::Time;
use crate::error::CaError;
use crate::root_keys::RootKeys;
use crate::rotation::{AuthorityKind, Phase, Slots};
use crate::store::{Material, Store};

/// A root that another vouches for: the number of that one, and the certificate.
type Cross = (u64, CertificateDer<'static>);

/// What the store has of a root under another. The one before it is not always the last number:
/// a root that was withdrawn has had one.
pub(super) fn load(store: &Store, id: u64) -> Result<Option<(u64, Cross)>, CaError> {
    for by in (1..id).rev() {
        if let Some(material) = store.material(&cross_name(id, by))? {
            let certificate = CertificateDer::from(material.certificate()?);
            return Ok(Some((id, (by, certificate))));
        }
    }
    Ok(None)
}

impl Authorities {
    /// Lets the root that signs now vouch for a new one.
    pub(super) fn vouch_for(
        &self,
        next: &Root,
        id: u64,
        root_key: &dyn RootKeys,
        change: &mut Change,
    ) -> Result<(), CaError> {
        let Some(last) = self.slots.signer(AuthorityKind::Root) else {
            return Ok(());
        };
        if self.cross_sign {
            let certificate = self.root(last.id, root_key)?.cross_sign(next)?;
            let material = Material::new(&certificate, None);
            change.material.push((cross_name(id, last.id), material));
            change.cross = Some((id, (last.id, certificate)));
        }
        Ok(())
    }

    /// The root that vouched for one that is revoked by now, if that one has a list still.
    pub(super) fn vouched_by(&self, slots: &Slots, id: u64) -> Option<u64> {
        let (by, _) = self.crosses.get(&id)?;
        let revoked = is_revoked(slots, id);
        let trusted = slots.trusted_roots().any(|root| root.id == *by);
        (revoked && trusted).then_some(*by)
    }

    /// What that root takes back of what it vouched for, and since when: without it, whoever has
    /// the key of a revoked root could still be believed.
    pub(super) fn disowned<'a>(
        &'a self,
        slots: &'a Slots,
        by: u64,
        now: Time,
    ) -> impl Iterator<Item = (&'a CertificateDer<'static>, Time)> {
        let its = self.crosses.iter().filter(move |(_, cross)| cross.0 == by);
        let gone = its.filter(|(id, _)| is_revoked(slots, **id));
        gone.map(move |(id, (_, certificate))| {
            let slot = slots.get(AuthorityKind::Root, *id);
            (certificate, slot.map_or(now, |slot| slot.since))
        })
    }

    /// What a leaf of that issuer is sent with, beside the issuer's certificate: its root under the
    /// one before, while that one may still be relied on.
    pub(crate) fn cross_of(&self, issuer: u64) -> Option<&CertificateDer<'static>> {
        let root = self.slots.get(AuthorityKind::X509, issuer)?.parent?;
        let (by, certificate) = self.crosses.get(&root)?;
        let by = self.slots.get(AuthorityKind::Root, *by)?;
        matches!(by.phase, Phase::Active | Phase::Retired).then_some(certificate)
    }
}

/// Revoked, or so long ago that it is forgotten.
fn is_revoked(slots: &Slots, id: u64) -> bool {
    let slot = slots.get(AuthorityKind::Root, id);
    slot.is_none_or(|slot| slot.phase == Phase::Revoked)
}

fn cross_name(id: u64, by: u64) -> String {
    format!("{}-under-{by}", name(AuthorityKind::Root, id))
}

#[cfg(test)]
#[path = "cross_tests.rs"]
mod tests;
