//! Claims about a root under the one before it: who is led by it, and until when.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::bundle::{Bundle, Bundles};
use crate::chain::{InvalidChain, verify_chain};
use crate::clock::ManualClock;
use crate::csr;
use crate::disk::MemDisk;
use crate::identity::{SpiffeId, TrustDomain};
use crate::issue::{Ca, CaConfig, Identity};
use crate::keys::{Keys, RingKeys};
use crate::revocation::{Lists, Revocation};
use crate::rng::SeededRng;
use crate::rotation::{Act, Command, Reason};
use crate::seams::Seams;
use crate::trusted::Trusted;

const NOW: Time = Time::from_secs(1_800_000_000);

fn domain() -> TrustDomain {
    TrustDomain::new("clinic.example").unwrap()
}

fn ca(disk: &MemDisk, cross_sign: bool) -> Ca {
    let seams = Seams {
        clock: Arc::new(ManualClock::new(NOW)),
        disk: Arc::new(disk.clone()),
        rng: Arc::new(SeededRng::new(7)),
        ..Seams::real("never-written")
    };
    let lab = CaConfig::lab(domain());
    Ca::open(&seams, CaConfig { cross_sign, ..lab }).unwrap()
}

fn command(ca: &mut Ca, act: Act) {
    let why = Reason::new("nobody is asked").unwrap();
    ca.command(&Command::from(act).overriding(why), NOW)
        .unwrap();
}

/// Puts a next root and its issuer in the place of the last ones. Nobody is there to be asked.
fn replace_root(ca: &mut Ca) {
    for kind in [AuthorityKind::Root, AuthorityKind::X509] {
        command(ca, ca.prepare_act(kind, NOW));
        command(ca, Act::Activate { kind, id: None });
    }
}

fn enrolled(ca: &mut Ca) -> Identity {
    let id = SpiffeId::new(&domain(), "/records.south").unwrap();
    let code = ca.new_join_code(&id, NOW).unwrap();
    let csr = csr::request(&RingKeys.p256().unwrap()).unwrap();
    ca.enroll(code.reveal(), &csr, NOW).unwrap()
}

fn judge(identity: &Identity, roots: &Bundle, lists: &Revocation) -> Result<(), InvalidChain> {
    let bundles = Bundles::from(roots.clone());
    verify_chain(&identity.chain, &bundles, lists, NOW, Duration::ZERO).map(|_| ())
}

/// Its lists, and nothing missing where there is none.
fn lists(ca: &Ca) -> Revocation {
    let announced = Arc::clone(&ca.announced().borrow());
    let mut trusted = Trusted::of(announced.bundle.clone());
    trusted.revocation = Revocation {
        lists: Lists::Prefer,
        ..Revocation::default()
    };
    let state = proto::ca::v1::State::from(&*announced);
    trusted.take(state, &domain()).unwrap().unwrap().revocation
}

#[test]
fn who_missed_a_root_believes_its_leaves_by_the_root_before_it() {
    for cross_sign in [true, false] {
        let disk = MemDisk::new();
        let mut ca = ca(&disk, cross_sign);
        let missed = ca.bundle();
        replace_root(&mut ca);
        let leaf = enrolled(&mut ca);
        assert_eq!(leaf.chain.len(), 2 + usize::from(cross_sign));
        let by_the_last = judge(&leaf, &missed, &Revocation::ignore());
        assert_eq!(by_the_last.is_ok(), cross_sign, "{by_the_last:?}");
        let required = Revocation::default();
        assert_eq!(required.lists, Lists::Require);
        assert!(judge(&leaf, &missed, &required).is_err(), "it has no lists");
        assert_eq!(judge(&leaf, &ca.bundle(), &lists(&ca)), Ok(()));
    }
}

#[test]
fn a_root_under_another_is_the_same_after_a_start() {
    let disk = MemDisk::new();
    let mut founded = ca(&disk, true);
    let missed = founded.bundle();
    replace_root(&mut founded);
    let before = enrolled(&mut founded).chain;
    drop(founded);
    let leaf = enrolled(&mut ca(&disk, true));
    assert_eq!(leaf.chain[1..], before[1..]);
    assert_eq!(judge(&leaf, &missed, &Revocation::ignore()), Ok(()));
}

#[test]
fn nobody_is_led_over_a_root_that_is_tainted() {
    let mut ca = ca(&MemDisk::new(), true);
    replace_root(&mut ca);
    let kind = AuthorityKind::Root;
    command(&mut ca, Act::Taint { kind, id: 1 });
    assert_eq!(enrolled(&mut ca).chain.len(), 2);
}

/// The new root is withdrawn, and somebody has its key: what the old root signed of it must not
/// make its leaves good.
#[test]
fn a_root_that_is_withdrawn_is_in_the_list_of_the_root_that_vouched_for_it() {
    let mut ca = ca(&MemDisk::new(), true);
    let missed = ca.bundle();
    replace_root(&mut ca);
    let rogue = enrolled(&mut ca);
    assert_eq!(judge(&rogue, &missed, &lists(&ca)), Ok(()));
    for kind in [AuthorityKind::X509, AuthorityKind::Root] {
        // The first step back is to prepared, and the second to nothing.
        command(&mut ca, Act::RollBack { kind });
        command(&mut ca, Act::RollBack { kind });
    }
    let judged = judge(&rogue, &missed, &lists(&ca));
    assert!(
        matches!(judged, Err(InvalidChain::Revoked(_))),
        "{judged:?}"
    );
}
