//! Leaves that members let in and that the issuance log does not have: somebody else signed them.
//!
//! Members tell which leaves they let in ([`crate::agent::Met`]), and the CA holds each against its
//! log: a certificate is an entry there before it is handed out, so one that is not an entry was
//! made with a key that was copied. It revokes nothing by itself: what is to be done about a stolen
//! issuer is for whoever operates the CA, who waits for the word. It believes its members: one that
//! lies can raise an alarm, and for no more than [`MAX_OF_ONE`] leaves, so that one liar does not
//! keep another from being heard. What was found is not kept on disk, since members tell it again
//! to a CA that was started again. Invariant: no leaf that was ever issued here is called unlogged,
//! however long ago it ended.

use tokio::sync::watch;

use crate::agent::MAX_MET;
use crate::clock::Time;
use crate::identity::SpiffeId;
use crate::issue::Ca;

/// Most leaves that are remembered so: an issuer that was stolen is stolen after the first.
const MAX_UNLOGGED: usize = 1_024;
/// How many of them one member can tell of.
pub const MAX_OF_ONE: usize = 16;

/// One leaf that somebody met and nobody issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlogged {
    /// SHA-256 of its DER.
    pub leaf_sha256: [u8; 32],
    /// Who let it in.
    pub met_by: SpiffeId,
    /// When the CA was told.
    pub at: Time,
}

impl Ca {
    /// Holds leaves that a member let in against the issuance log; gives those that are not in it
    /// and that nobody told of before. What is no hash is nobody's leaf.
    pub fn reconcile(&mut self, member: &SpiffeId, met: &[Vec<u8>], now: Time) -> Vec<Unlogged> {
        let mut found = Vec::new();
        for hash in met.iter().take(MAX_MET) {
            let Ok(leaf_sha256) = <[u8; 32]>::try_from(&**hash) else {
                continue;
            };
            let known = self.unlogged.borrow();
            let is_old = known.iter().any(|one| one.leaf_sha256 == leaf_sha256);
            let told = known.iter().filter(|one| one.met_by == *member).count();
            let is_full = told >= MAX_OF_ONE || known.len() >= MAX_UNLOGGED;
            if is_old || is_full || self.issuances.ever_issued(&leaf_sha256) {
                continue;
            }
            drop(known);
            let one = Unlogged {
                leaf_sha256,
                met_by: member.clone(),
                at: now,
            };
            self.unlogged.send_modify(|all| all.push(one.clone()));
            found.push(one);
        }
        found
    }

    /// Every leaf that members met and nobody issued, as they are found.
    pub fn unlogged(&self) -> watch::Receiver<Vec<Unlogged>> {
        self.unlogged.subscribe()
    }
}

/// What a thief has, for laboratories.
pub mod danger {
    use crate::authority::Issuer;
    use crate::error::CaError;
    use crate::issue::Ca;

    /// Key and certificate of the issuer that signs at this moment, as whoever reads the CA's disk
    /// has them: nothing that it signs is in any log.
    ///
    /// # Errors
    /// When no issuer is active.
    pub fn copied_issuer(ca: &Ca) -> Result<Issuer, CaError> {
        ca.authorities.issuer()?.copied()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;
    use crate::csr;
    use crate::disk::MemDisk;
    use crate::identity::TrustDomain;
    use crate::issue::CaConfig;
    use crate::keys::{Keys, RingKeys};
    use crate::profile::Validity;
    use crate::seams::Seams;

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn open() -> Ca {
        let seams = Seams {
            clock: Arc::new(ManualClock::new(NOW)),
            disk: Arc::new(MemDisk::new()),
            ..Seams::real("never-written")
        };
        let domain = TrustDomain::new("clinic.example").unwrap();
        Ca::open(&seams, CaConfig::lab(domain)).unwrap()
    }

    fn id(path: &str) -> SpiffeId {
        SpiffeId::parse(&format!("spiffe://clinic.example{path}")).unwrap()
    }

    fn request() -> Vec<u8> {
        csr::request(&RingKeys.p256().unwrap()).unwrap()
    }

    /// A leaf that the CA issues.
    fn issued(ca: &mut Ca, number: u32, now: Time) -> Vec<u8> {
        let code = ca.new_join_code(&id(&format!("/user/{number}")), now);
        let identity = ca.enroll(code.unwrap().reveal(), &request(), now).unwrap();
        identity.facts.leaf_sha256.to_vec()
    }

    /// A leaf that somebody makes who has copied the issuer.
    fn rogue(ca: &Ca) -> Vec<u8> {
        let issuer = danger::copied_issuer(ca).unwrap();
        let validity = Validity::lasting(NOW, Duration::from_secs(100));
        let leaf = issuer.issue(&request(), &id("/user/chief"), validity, NOW);
        leaf.unwrap().facts.leaf_sha256.to_vec()
    }

    #[test]
    fn a_leaf_that_no_log_has_is_found_once_and_by_whomever_it_was_met() {
        let mut ca = open();
        let (logged, unlogged) = (issued(&mut ca, 1, NOW), rogue(&ca));
        let heard = ca.unlogged();
        let node = id("/records.north");
        let met = [logged, unlogged.clone()];
        let found = ca.reconcile(&node, &met, NOW);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].leaf_sha256.to_vec(), unlogged);
        assert_eq!(*heard.borrow(), found);
        assert_eq!(ca.reconcile(&id("/records.south"), &met, NOW), []);
        assert_eq!(ca.reconcile(&node, &[vec![7; 31], Vec::new()], NOW), []);
    }

    #[test]
    fn one_liar_keeps_nobody_else_from_being_heard() {
        let mut ca = open();
        let lies: Vec<Vec<u8>> = (0..=u8::MAX).map(|n| vec![n; 32]).collect();
        let liar = id("/records.east");
        for _ in 0..2 {
            ca.reconcile(&liar, &lies, NOW);
        }
        assert_eq!(ca.unlogged().borrow().len(), MAX_OF_ONE);
        let unlogged = rogue(&ca);
        assert_eq!(
            ca.reconcile(&id("/records.north"), &[unlogged], NOW).len(),
            1
        );
    }

    #[test]
    fn a_leaf_that_was_issued_is_never_called_unlogged_though_it_is_long_over() {
        let mut ca = open();
        let first = issued(&mut ca, 0, NOW);
        // A code lives for ten minutes, and a thousand leaves are a sweep.
        let later = NOW + Duration::from_secs(3_600);
        (1..=1_100).for_each(|number| drop(issued(&mut ca, number, later)));
        let hash = <[u8; 32]>::try_from(&*first).unwrap();
        assert!(ca.issuances.last_leaf(&hash).is_none(), "it is forgotten");
        assert_eq!(ca.reconcile(&id("/records.south"), &[first], later), []);
    }
}
