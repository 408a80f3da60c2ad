//! Claims about agents that were away while the root was replaced, and were passed over.

use super::*;
use crate::rotation::{Act, AuthorityKind, Command, Reason};

/// An agent that is cut off while root and issuer are replaced over its head, and then is not.
async fn passed_over(cross_sign: bool) -> (Clinic, Identity) {
    let lab = CaConfig::lab(TrustDomain::new("clinic.example").unwrap());
    let mut clinic = Clinic::of(CaConfig { cross_sign, ..lab });
    let clock = clinic.clock.clone();
    let (mut identity, _) = clinic.agent(&clock, &MemDisk::new(), None);
    identity.wait_for(Option::is_some).await.unwrap();
    clinic.goes_away();
    for kind in [AuthorityKind::Root, AuthorityKind::X509] {
        let prepare = clinic.command(|ca, now| ca.prepare_act(kind, now));
        for act in [prepare, Act::Activate { kind, id: None }] {
            let why = Reason::new("nobody is there").unwrap();
            let command = Command::from(act).overriding(why);
            let done = clinic.command(|ca, now| ca.command(&command, now));
            done.unwrap();
        }
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    clinic.comes_back();
    (clinic, identity)
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_missed_a_root_finds_the_ca_and_has_the_news() {
    let (clinic, identity) = passed_over(true).await;
    stays_good(&clinic, &identity, "passed over").await;
    let held = identity.borrow().clone().unwrap();
    let domain = held.credential.facts.spiffe_id.trust_domain().clone();
    let roots = held.trusted.bundles.get(&domain).unwrap().roots.len();
    assert_eq!(roots, 2, "it believes what it missed");
}

/// The control: without the cross nothing leads there.
#[tokio::test(start_paused = true)]
async fn without_a_cross_signature_an_agent_that_missed_a_root_is_cut_off() {
    let (clinic, identity) = passed_over(false).await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    let held = identity.borrow().clone().unwrap();
    let timely = held
        .credential
        .facts
        .timely(clinic.clock.now(), Duration::ZERO);
    assert!(timely.is_err(), "{timely:?}");
}
