//! Who renews when an issuer is tainted: whoever has a leaf from it, soon, and the CA itself.

use super::*;
use crate::rotation::{Act, AuthorityKind};

const X509: AuthorityKind = AuthorityKind::X509;

impl Clinic {
    fn order(&self, act: impl FnOnce(&Ca) -> Act) {
        let (mut ca, now) = (self.ca.lock().unwrap(), self.clock.now());
        let command = act(&ca).into();
        ca.command(&command, now).unwrap();
    }

    /// From which issuers the newest leaf of each member is, the CA among them.
    fn issuers(&self) -> Vec<u64> {
        let ca = self.ca.lock().unwrap();
        let facts = ca.facts(self.clock.now());
        let newest = |member: &crate::rotation::Member| {
            let leaves = member.leaves.iter();
            leaves.max_by_key(|leaf| leaf.not_after).unwrap().issuer
        };
        facts.members.values().map(newest).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_leaves_of_a_tainted_issuer_are_renewed_at_once_the_cas_own_too_and_no_others() {
    // None is due for many seconds.
    let mut clinic = Clinic::of(CaConfig {
        stagger: Duration::ZERO,
        ..CaConfig::lab(TrustDomain::new("clinic.example").unwrap())
    });
    let clock = clinic.clock.clone();
    let (mut identity, _) = clinic.agent(&clock, &MemDisk::new(), None);
    identity.wait_for(Option::is_some).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    clinic.order(|ca| ca.prepare_act(X509, NOW));
    tokio::time::sleep(Duration::from_secs(1)).await;
    clinic.order(|_| Act::Activate {
        kind: X509,
        id: None,
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(clinic.issuers(), [1, 1], "a successor is no reason");
    clinic.order(|_| Act::Taint { kind: X509, id: 1 });
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(clinic.issuers(), [2, 2]);
    let entries = clinic.ca.lock().unwrap().log().size();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let later = clinic.ca.lock().unwrap().log().size();
    assert_eq!(later, entries, "and once is enough");
}
