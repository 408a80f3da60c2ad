//! Claims about authorities and revocations in motion: who is waited for, what verifies meanwhile,
//! and what a power cut leaves.

use std::time::Duration;

use super::*;
use crate::bundle::Bundles;
use crate::chain::{InvalidChain, verify_chain};
use crate::clock::ManualClock;
use crate::csr;
use crate::disk::{Disk, MemDisk};
use crate::identity::{SpiffeId, TrustDomain};
use crate::issue::{CaConfig, Identity};
use crate::journaled::Journaled;
use crate::keys::{Keys, RingKeys};
use crate::revocation::Revocation;
use crate::rng::SeededRng;
use crate::root_keys::RootKeyFiles;
use crate::rotation::{Phase, Refused};
use crate::seams::Seams;
use crate::trusted::Trusted;

const NOW: Time = Time::from_secs(1_800_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn domain() -> TrustDomain {
    TrustDomain::new("clinic.example").unwrap()
}

fn id(path: &str) -> SpiffeId {
    SpiffeId::new(&domain(), path).unwrap()
}

fn open(disk: &MemDisk) -> Result<Ca, CaError> {
    open_at(disk, NOW)
}

fn open_at(disk: &MemDisk, now: Time) -> Result<Ca, CaError> {
    let seams = Seams {
        clock: Arc::new(ManualClock::new(now)),
        disk: Arc::new(disk.clone()),
        rng: Arc::new(SeededRng::new(7)),
        ..Seams::real("never-written")
    };
    Ca::open(&seams, CaConfig::lab(domain()))
}

fn csr() -> Vec<u8> {
    csr::request(&RingKeys.p256().unwrap()).unwrap()
}

fn enrolled(ca: &mut Ca, path: &str, now: Time) -> Identity {
    let code = ca.new_join_code(&id(path), now).unwrap();
    ca.enroll(code.reveal(), &csr(), now).unwrap()
}

/// What a member believes that has just heard from the CA.
fn believing(ca: &Ca) -> Trusted {
    let announced = ca.announced();
    let announced = announced.borrow();
    let mut trusted = Trusted::of(announced.bundle.clone());
    trusted.revocation = Revocation::default();
    let state = proto::ca::v1::State::from(&**announced);
    trusted.take(state, &domain()).unwrap().unwrap()
}

fn judged(identity: &Identity, trusted: &Trusted, now: Time) -> Result<(), InvalidChain> {
    let (bundles, revocation) = (&trusted.bundles, &trusted.revocation);
    verify_chain(&identity.chain, bundles, revocation, now, Duration::ZERO).map(|_| ())
}

fn activate(kind: AuthorityKind) -> Command {
    Act::Activate { kind, id: None }.into()
}

#[track_caller]
fn blocked<T: std::fmt::Debug>(result: Result<T, CaError>) -> String {
    match result {
        Err(CaError::Rotation(refused @ Refused::Blocked { .. })) => refused.to_string(),
        other => panic!("not blocked: {other:?}"),
    }
}

#[test]
fn the_ca_itself_believes_what_it_announces_and_blocks_no_activation() {
    let mut ca = open(&MemDisk::new()).unwrap();
    enrolled(&mut ca, crate::node::PATH, NOW);
    for kind in [AuthorityKind::Root, AuthorityKind::X509] {
        let prepare = ca.prepare_act(kind, NOW);
        ca.command(&prepare.into(), NOW).unwrap();
        let status = ca.status(NOW);
        assert_eq!((status.members, status.up_to_date), (1, 1));
        ca.command(&activate(kind), NOW).unwrap();
    }
    let taint = Act::Taint {
        kind: AuthorityKind::X509,
        id: 1,
    };
    ca.command(&taint.into(), NOW).unwrap();
    let revoke = Act::Revoke {
        kind: AuthorityKind::X509,
        id: 1,
    };
    let why = blocked(ca.command(&revoke.into(), NOW));
    assert!(
        why.contains("clinic.example/ca"),
        "its own leaf is not renewed yet: {why}"
    );
}

#[test]
fn a_revocation_whose_list_cannot_be_signed_leaves_the_last_list_announced() {
    let mut failed_in_force = 0;
    for changes in 0..60 {
        let disk = MemDisk::new();
        let mut ca = open(&disk).unwrap();
        let leaf = enrolled(&mut ca, "/user/mallory", NOW);
        disk.cut_power_after(changes);
        let serial = leaf.facts.serial_hex();
        let revoked = ca.revoke_leaf(&serial, RevocationReason::KeyCompromise, NOW);
        assert_eq!(ca.announced().borrow().listed.len(), 2, "{changes}");
        failed_in_force += usize::from(revoked.is_err() && ca.has_revoked(&leaf.facts));
    }
    assert!(
        failed_in_force > 0,
        "the power never went between journal and list"
    );
}

#[test]
fn a_revocation_that_the_log_has_no_room_for_is_logged_once_and_hides_no_later_one() {
    let (disk, reason) = (MemDisk::new(), RevocationReason::KeyCompromise);
    let mut ca = open(&disk).unwrap();
    let leaves = ["/a", "/b"].map(|path| enrolled(&mut ca, path, NOW).facts);
    let [first, second] = leaves.each_ref().map(|leaf| leaf.serial_hex());
    // The database has pages to spare; the log has to grow.
    disk.limit(Some(disk.used()));
    for _ in 0..3 {
        let full = ca.revoke_leaf(&first, reason, NOW);
        assert!(matches!(full, Err(CaError::Log(_))), "{full:?}");
        assert!(ca.has_revoked(&leaves[0]), "in force all the same");
    }
    disk.limit(None);
    ca.revoke_leaf(&first, reason, NOW).unwrap();
    drop(ca);
    let mut ca = open(&disk).unwrap();
    ca.revoke_leaf(&second, reason, NOW).unwrap();
    let logged: Vec<_> = ca
        .log()
        .entries(0..ca.log().committed())
        .filter_map(|entry| match Journaled::parse(entry) {
            Ok(Journaled::Revoked(one)) => Some(one.spiffe_id),
            _ => None,
        })
        .collect();
    assert_eq!(logged, [id("/a"), id("/b")]);
}

#[test]
fn an_issuer_signs_only_once_everyone_holds_it_and_goes_only_once_nobody_needs_it() {
    let mut ca = open(&MemDisk::new()).unwrap();
    let old = enrolled(&mut ca, "/records.south", NOW);
    ca.acknowledge(&id("/records.south"), ca.bundle().generation);
    let prepare = ca.prepare_act(AuthorityKind::X509, NOW);
    ca.command(&prepare.into(), NOW).unwrap();
    let why = blocked(ca.command(&activate(AuthorityKind::X509), NOW));
    assert!(
        why.contains("`spiffe://clinic.example/records.south` holds"),
        "{why}"
    );
    assert_eq!(ca.status(NOW).slots.len(), 4, "{:?}", ca.status(NOW));

    ca.acknowledge(&id("/records.south"), ca.bundle().generation);
    ca.command(&activate(AuthorityKind::X509), NOW).unwrap();
    let new = ca.renew(&old.facts, &csr(), NOW).unwrap();
    assert_ne!(new.chain[1], old.chain[1]);
    let members = believing(&ca);
    for identity in [&old, &new] {
        assert_eq!(judged(identity, &members, NOW), Ok(()));
    }

    let revoke = Command::from(Act::Revoke {
        kind: AuthorityKind::X509,
        id: 1,
    });
    let why = blocked(ca.command(&revoke, NOW));
    assert!(why.contains("records.south"), "{why}");
    let after = old.facts.not_after + SECOND;
    let newest = ca.renew(&new.facts, &csr(), after).unwrap();
    ca.command(&revoke, after).unwrap();
    let members = believing(&ca);
    let moment = old.facts.not_after;
    assert!(matches!(
        judged(&old, &members, moment),
        Err(InvalidChain::Revoked(_))
    ));
    assert_eq!(judged(&newest, &members, after), Ok(()));
}

#[test]
fn a_root_is_replaced_by_overlap_and_every_leaf_verifies_on_the_way() {
    let mut ca = open(&MemDisk::new()).unwrap();
    let mut held = enrolled(&mut ca, "/records.south", NOW);
    let mut now = NOW;
    for kind in [AuthorityKind::Root, AuthorityKind::X509] {
        let prepare = ca.prepare_act(kind, now);
        ca.command(&prepare.into(), now).unwrap();
        assert_eq!(judged(&held, &believing(&ca), now), Ok(()));
        ca.acknowledge(&id("/records.south"), ca.bundle().generation);
        ca.command(&activate(kind), now).unwrap();
        now = now + Duration::from_secs(40);
        held = ca.renew(&held.facts, &csr(), now).unwrap();
        assert_eq!(judged(&held, &believing(&ca), now), Ok(()));
    }
    assert_eq!(ca.bundle().roots.len(), 2);
    let gone = |kind| Command::from(Act::Revoke { kind, id: 1 });
    assert!(
        ca.command(&gone(AuthorityKind::Root), now).is_err(),
        "leaves of it live"
    );
    now = held.facts.not_before + Duration::from_secs(95);
    held = ca.renew(&held.facts, &csr(), now).unwrap();
    for kind in [AuthorityKind::X509, AuthorityKind::Root] {
        ca.command(&gone(kind), now).unwrap();
        assert_eq!(judged(&held, &believing(&ca), now), Ok(()));
    }
    assert_eq!(ca.bundle().roots.len(), 1);
}

#[test]
fn a_revoked_leaf_is_listed_renews_nothing_and_stays_revoked() {
    let disk = MemDisk::new();
    let mut ca = open(&disk).unwrap();
    let mallory = enrolled(&mut ca, "/user/mallory", NOW);
    let alice = enrolled(&mut ca, "/user/alice", NOW);
    assert_eq!(judged(&mallory, &believing(&ca), NOW), Ok(()));
    let mut heard = ca.announced();
    heard.mark_unchanged();
    let reason = RevocationReason::KeyCompromise;
    let revoked = ca
        .revoke_workload(&id("/user/mallory"), reason, NOW)
        .unwrap();
    assert_eq!(revoked.len(), 1);
    assert!(heard.has_changed().unwrap(), "members are told at once");
    drop(ca);
    let mut ca = open(&disk).unwrap();
    for identity in [&mallory, &alice] {
        let verdict = judged(identity, &believing(&ca), NOW);
        assert_eq!(
            verdict.is_ok(),
            identity.facts == alice.facts,
            "{verdict:?}"
        );
    }
    let refused = ca.renew(&mallory.facts, &csr(), NOW).unwrap_err();
    assert_eq!(refused.refusal().unwrap().name(), "leaf-revoked");
    assert!(ca.renew(&alice.facts, &csr(), NOW).is_ok());
    let unknown = ca.revoke_leaf(&"00".repeat(16), reason, NOW).unwrap_err();
    assert!(matches!(unknown, CaError::NoSuchLeaf(_)));
    let logged = ca.log().entries(0..ca.log().size());
    let revocations = logged.filter_map(|entry| Journaled::parse(entry).ok());
    let of_leaves = revocations.filter(|entry| matches!(entry, Journaled::Revoked(_)));
    assert_eq!(of_leaves.count(), 1);
}

#[test]
fn lists_are_signed_again_in_time_and_no_number_comes_twice() {
    let disk = MemDisk::new();
    let mut numbers = Vec::new();
    let mut now = NOW;
    for _ in 0..3 {
        let mut ca = open_at(&disk, now).unwrap();
        for _ in 0..3 {
            let trusted = believing(&ca);
            let lists = trusted.revocation.crls.iter();
            let issuers = lists.filter(|(_, crl)| crl.issuer().contains("issuer"));
            for (_, crl) in issuers {
                assert!(crl.next_update() > now, "fresh at {now}");
                numbers.push(crl.number());
            }
            now = ca.tend(now).unwrap();
            ca.tend(now).unwrap();
        }
    }
    assert_eq!(numbers.len(), 9);
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let mut ahead = open_at(&disk, now + SECOND * 1_000_000).unwrap();
    assert!(
        ahead.tend(now).unwrap() < now + SECOND * 1_000_000,
        "what a fast clock left"
    );
}

#[test]
fn without_the_roots_key_no_issuer_is_made_and_nothing_changes() {
    let disk = MemDisk::new();
    let mut ca = open(&disk).unwrap();
    disk.replace(&RootKeyFiles::file(1), b"").unwrap();
    let (before, entries) = (ca.status(NOW), ca.log().size());
    let prepare = ca.prepare_act(AuthorityKind::X509, NOW);
    let refused = ca.command(&prepare.into(), NOW).unwrap_err();
    assert!(matches!(refused, CaError::RootKeyAbsent(1)), "{refused}");
    assert_eq!(ca.log().size(), entries);
    let json = |status| serde_json::to_string(&status).unwrap();
    assert_eq!(json(ca.status(NOW)), json(before));
}

/// Rotates and revokes until the power goes. Gives what was acknowledged: transitions, revocations.
fn live(disk: &MemDisk) -> (Vec<Transition>, Vec<Revoked>) {
    let (mut steps, mut revoked) = (Vec::new(), Vec::new());
    let mut work = || -> Result<(), CaError> {
        let mut ca = open(disk)?;
        let code = ca.new_join_code(&id("/user/mallory"), NOW)?;
        ca.enroll(code.reveal(), &csr(), NOW)?;
        for kind in AuthorityKind::OWN {
            let prepare = ca.prepare_act(kind, NOW);
            steps.extend(ca.command(&prepare.into(), NOW)?);
            ca.acknowledge(&id("/user/mallory"), ca.bundle().generation);
            steps.extend(ca.command(&activate(kind), NOW)?);
        }
        let reason = RevocationReason::KeyCompromise;
        revoked.extend(ca.revoke_workload(&id("/user/mallory"), reason, NOW)?);
        let taint = Act::Taint {
            kind: AuthorityKind::X509,
            id: 1,
        };
        steps.extend(ca.command(&taint.into(), NOW)?);
        Ok(())
    };
    let _ = work();
    (steps, revoked)
}

#[test]
fn a_power_cut_at_any_change_leaves_no_step_half_done_and_no_revocation_lost() {
    let mut finished = 0;
    for changes in 0..400 {
        let disk = MemDisk::new();
        disk.cut_power_after(changes);
        let (steps, revoked) = live(&disk);
        disk.cut_power();
        disk.restore(&SeededRng::new(changes));
        let ca = open(&disk).unwrap_or_else(|e| panic!("after {changes} changes: {e}"));
        let entries = ca.log().entries(0..ca.log().size());
        let logged: Vec<Journaled> = entries.filter_map(|e| Journaled::parse(e).ok()).collect();
        for step in &steps {
            assert!(
                logged.contains(&Journaled::Transition(step.clone())),
                "{step:?}"
            );
        }
        for one in &revoked {
            assert!(logged.contains(&Journaled::Revoked(one.clone())), "{one:?}");
            let serial = one.serial_bytes().unwrap();
            assert!(ca.authorities.revoked(&serial).is_some());
        }
        let active = |kind| {
            let slots = ca.authorities.slots().of(kind);
            slots.filter(|slot| slot.phase == Phase::Active).count()
        };
        assert_eq!(AuthorityKind::OWN.map(active), [1; 3]);
        finished += usize::from(steps.len() == 10 && revoked.len() == 1);
    }
    assert!((1..200).contains(&finished), "{finished} runs were not cut");
}

#[test]
fn a_journal_whose_sync_is_skipped_loses_a_step_that_was_acknowledged() {
    let lost = (0..260).any(|changes| {
        let disk = MemDisk::new();
        disk.danger_skip_sync("ca/state.redb");
        disk.cut_power_after(changes);
        let (steps, _) = live(&disk);
        disk.cut_power();
        disk.restore(&SeededRng::new(changes));
        let Ok(ca) = open(&disk) else { return true };
        let entries = ca.log().entries(0..ca.log().size());
        let logged: Vec<Journaled> = entries.filter_map(|e| Journaled::parse(e).ok()).collect();
        let is_logged = |step: &Transition| logged.contains(&Journaled::Transition(step.clone()));
        !steps.iter().all(is_logged)
    });
    assert!(lost, "the test above could not fail");
}

#[test]
fn bundles_of_members_follow_and_never_go_back() {
    let mut ca = open(&MemDisk::new()).unwrap();
    let before = ca.bundle();
    let prepare = ca.prepare_act(AuthorityKind::Root, NOW);
    ca.command(&prepare.into(), NOW).unwrap();
    let mut held = Bundles::from(before.clone());
    assert_eq!(held.accept(ca.bundle()), Ok(true));
    assert!(held.accept(before).is_err());
}
