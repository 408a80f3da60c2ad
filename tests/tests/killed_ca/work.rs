//! The child: a CA at work on real files, until it is killed.

use std::io::Write as _;
use std::path::Path;

use ca::clock::{Clock as _, SystemClock};
use ca::crl::RevocationReason;
use ca::csr;
use ca::error::CaError;
use ca::identity::{SpiffeId, TrustDomain};
use ca::issue::{Ca, CaConfig, Identity};
use ca::keys::{Keys as _, RingKeys};
use ca::rotation::{Act, AuthorityKind, Command, Phase, Reason, Refused};
use ca::seams::Seams;

use super::said::Said;

/// The child's test, as the harness knows it.
pub(crate) const NAME: &str = "work::works_until_it_is_killed";
/// Which variable says where the CA is.
pub(crate) const FOLDER: &str = "SCHISM_KILLED_CA";

pub(crate) fn domain() -> TrustDomain {
    TrustDomain::new("clinic.example").unwrap()
}

pub(crate) fn id(path: &str) -> SpiffeId {
    SpiffeId::new(&domain(), path).unwrap()
}

/// The CA in that folder.
pub(crate) fn open(folder: &Path) -> Result<Ca, CaError> {
    Ca::open(&Seams::real(folder), CaConfig::lab(domain()))
}

pub(crate) fn request() -> Vec<u8> {
    csr::request(&RingKeys.p256().unwrap()).unwrap()
}

#[test]
#[ignore = "it is what the other tests kill"]
fn works_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut ca = open(Path::new(&folder)).unwrap();
    for round in 0.. {
        enroll_and_renew(&mut ca, &id(&format!("/n/{}", round % 4)));
        let kind = if round % 3 == 2 {
            AuthorityKind::Root
        } else {
            AuthorityKind::X509
        };
        step(&mut ca, kind);
        ca.tend(SystemClock.now()).unwrap();
    }
}

/// Says it, before anything else is done.
fn say(word: &Said) {
    let mut out = std::io::stdout().lock();
    out.write_all(word.line().as_bytes()).unwrap();
    out.flush().unwrap();
}

fn say_leaf(identity: &Identity) {
    let chain = identity.chain.iter().map(|it| it.to_vec()).collect();
    say(&Said::Leaf(chain));
}

/// A first leaf, a next one, and the first one is revoked.
fn enroll_and_renew(ca: &mut Ca, who: &SpiffeId) {
    let now = SystemClock.now();
    let code = ca.new_join_code(who, now).unwrap();
    let csr = request();
    say(&Said::Asking(code.reveal().to_owned(), csr.clone()));
    let first = ca.enroll(code.reveal(), &csr, now).unwrap();
    say_leaf(&first);
    let next = ca
        .renew(&first.facts, &request(), SystemClock.now())
        .unwrap();
    say_leaf(&next);
    let (serial, now) = (first.facts.serial_hex(), SystemClock.now());
    let revoked = ca.revoke_leaf(&serial, RevocationReason::Superseded, now);
    say(&Said::Revoked(revoked.unwrap()));
}

/// The next step of the authorities of a kind, whoever made the one before.
fn step(ca: &mut Ca, kind: AuthorityKind) {
    let now = SystemClock.now();
    let slots = ca.status(now).slots;
    let the = |phase| {
        let mut of = slots.iter().map(|it| &it.slot);
        of.find(|slot| slot.kind == kind && slot.phase == phase)
            .map(|slot| slot.id)
    };
    let act = if let Some(id) = the(Phase::Prepared) {
        let id = Some(id);
        Act::Activate { kind, id }
    } else if let Some(id) = the(Phase::Retired) {
        Act::Taint { kind, id }
    } else if let Some(id) = the(Phase::Tainted) {
        Act::Revoke { kind, id }
    } else {
        ca.prepare_act(kind, now)
    };
    // Members of children long dead hold nothing: they are not waited for.
    let reason = Reason::new("nobody is there any more").unwrap();
    let steps = match ca.command(&Command::from(act).overriding(reason), now) {
        // Its turn comes once the issuers that it signed are gone.
        Err(CaError::Rotation(Refused::RootInUse { .. })) => return,
        steps => steps.unwrap(),
    };
    for step in steps {
        say(&Said::Step(step));
    }
}
