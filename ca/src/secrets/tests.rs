//! Claims about secrets in motion: who is waited for, who is heard, and what is left of a version
//! that was revoked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::kept::material_name;
use super::*;
use crate::clock::{ManualClock, Time};
use crate::csr;
use crate::disk::MemDisk;
use crate::error::CaError;
use crate::identity::{SpiffeId, TrustDomain};
use crate::issue::{Ca, CaConfig};
use crate::journaled::Journaled;
use crate::keys::{Keys as _, RingKeys};
use crate::rng::SeededRng;
use crate::rotation::{Act, AuthorityKind, Command, Gates, Heed, Phase, Reason, Refused, danger};
use crate::seams::Seams;

const NOW: Time = Time::from_secs(1_800_000_000);
const SECOND: Duration = Duration::from_secs(1);
const KIND: AuthorityKind = AuthorityKind::Secret;

fn domain() -> TrustDomain {
    TrustDomain::new("clinic.example").unwrap()
}

fn id(path: &str) -> SpiffeId {
    SpiffeId::new(&domain(), path).unwrap()
}

fn name(name: &str) -> SecretName {
    SecretName::new(name).unwrap()
}

fn config() -> CaConfig {
    let data = SecretConfig::at_rest(name("records-at-rest/south"), "/records.south");
    let senders = vec!["/user/pathology".to_owned()];
    let receivers = vec!["/records.south".to_owned()];
    let hook = SecretConfig::shared(name("webhook"), senders, receivers, 10 * SECOND);
    CaConfig {
        secrets: vec![data, hook],
        ..CaConfig::lab(domain())
    }
}

fn open_with(disk: &MemDisk, config: CaConfig, now: Time) -> Ca {
    let seams = Seams {
        clock: Arc::new(ManualClock::new(now)),
        disk: Arc::new(disk.clone()),
        ..Seams::real("never-written")
    };
    Ca::open(&seams, config).unwrap()
}

/// A CA with both holders enrolled, who hold and use what there is.
fn open(disk: &MemDisk) -> Ca {
    let mut ca = open_with(disk, config(), NOW);
    for path in ["/records.south", "/user/pathology"] {
        let code = ca.new_join_code(&id(path), NOW).unwrap();
        let csr = csr::request(&RingKeys.p256().unwrap()).unwrap();
        ca.enroll(code.reveal(), &csr, NOW).unwrap();
    }
    says(
        &mut ca,
        "/records.south",
        "records-at-rest/south",
        &[1],
        NOW,
    );
    says(&mut ca, "/records.south", "webhook", &[], NOW);
    says(&mut ca, "/user/pathology", "webhook", &[1], NOW);
    ca
}

fn held(ca: &Ca, of: &str) -> Held {
    ca.announced().borrow().secrets[&name(of)].clone()
}

/// A holder says that it holds what is announced, and uses these.
fn says(ca: &mut Ca, who: &str, of: &str, uses: &[u64], now: Time) {
    let said = Said {
        name: name(of),
        generation: held(ca, of).generation,
        uses: uses.iter().copied().collect(),
    };
    ca.hear_secret(&id(who), said, None, now);
}

fn prepare(ca: &mut Ca, of: &str) {
    let act = ca.prepare_act(KIND, NOW);
    ca.command_secret(&name(of), &act.into(), NOW).unwrap();
}

fn activate(ca: &mut Ca, of: &str, now: Time) -> Result<Vec<Phase>, CaError> {
    let act = Act::Activate {
        kind: KIND,
        id: None,
    };
    let done = ca.command_secret(&name(of), &act.into(), now)?;
    Ok(done.into_iter().map(|step| step.to).collect())
}

fn revoke(ca: &mut Ca, of: &str, version: u64, now: Time) -> Result<usize, CaError> {
    let (kind, id) = (KIND, version);
    let done = ca.command_secret(&name(of), &Act::Revoke { kind, id }.into(), now);
    done.map(|done| done.len())
}

#[track_caller]
fn blocked<T: std::fmt::Debug>(result: Result<T, CaError>) -> String {
    match result {
        Err(CaError::Rotation(refused @ Refused::Blocked { .. })) => refused.to_string(),
        other => panic!("not blocked: {other:?}"),
    }
}

#[test]
fn a_data_key_is_held_before_it_is_used_and_until_nothing_is_under_it() {
    const DATA: &str = "records-at-rest/south";
    let mut ca = open(&MemDisk::new());
    let first = held(&ca, DATA);
    assert_eq!(first.active, Some(1));
    prepare(&mut ca, DATA);
    let both = held(&ca, DATA);
    assert_eq!((both.versions.len(), both.active), (2, Some(1)));
    assert_ne!(both.versions[&1], both.versions[&2]);
    assert!(both.generation > first.generation);
    let why = blocked(activate(&mut ca, DATA, NOW));
    assert!(why.contains("records.south"), "{why}");
    says(&mut ca, "/records.south", DATA, &[1], NOW);
    let steps = activate(&mut ca, DATA, NOW).unwrap();
    assert_eq!(steps, [Phase::Retired, Phase::Active]);
    // It writes with the new one, and has records under both.
    says(&mut ca, "/records.south", DATA, &[1, 2], NOW);
    let why = blocked(revoke(&mut ca, DATA, 1, NOW));
    assert!(why.contains("nothing there is under it"), "{why}");
    says(&mut ca, "/records.south", DATA, &[2], NOW);
    assert_eq!(revoke(&mut ca, DATA, 1, NOW).unwrap(), 1);
    let left: Vec<u64> = held(&ca, DATA).versions.into_keys().collect();
    assert_eq!(left, [2]);
}

#[test]
fn a_region_that_is_gone_keeps_the_key_of_what_it_may_have_written() {
    const DATA: &str = "records-at-rest/south";
    let mut ca = open(&MemDisk::new());
    prepare(&mut ca, DATA);
    let later = NOW + 10_000 * SECOND;
    activate(&mut ca, DATA, later).unwrap();
    let why = blocked(revoke(&mut ca, DATA, 1, later));
    assert!(
        why.contains("records.south"),
        "its leaf has long ended: {why}"
    );
}

#[test]
fn a_shared_secret_ends_once_senders_use_another_and_what_they_signed_counts_no_more() {
    const HOOK: &str = "webhook";
    let mut ca = open(&MemDisk::new());
    prepare(&mut ca, HOOK);
    says(&mut ca, "/user/pathology", HOOK, &[1], NOW);
    let why = blocked(activate(&mut ca, HOOK, NOW));
    assert!(
        why.contains("records.south") && !why.contains("pathology"),
        "{why}"
    );
    says(&mut ca, "/records.south", HOOK, &[], NOW);
    activate(&mut ca, HOOK, NOW).unwrap();
    let later = NOW + 20 * SECOND;
    let why = blocked(revoke(&mut ca, HOOK, 1, later));
    assert!(why.contains("pathology"), "it has not heard yet: {why}");
    says(&mut ca, "/user/pathology", HOOK, &[2], later);
    let why = blocked(revoke(&mut ca, HOOK, 1, later + 10 * SECOND));
    assert!(why.contains("counts until"), "{why}");
    assert_eq!(revoke(&mut ca, HOOK, 1, later + 11 * SECOND).unwrap(), 1);
}

#[test]
fn whoever_was_given_another_version_may_use_it_until_it_says_so() {
    const HOOK: &str = "webhook";
    for late_word in [false, true] {
        let mut ca = open(&MemDisk::new());
        prepare(&mut ca, HOOK);
        for (who, uses) in [("/user/pathology", &[1][..]), ("/records.south", &[])] {
            says(&mut ca, who, HOOK, uses, NOW);
        }
        activate(&mut ca, HOOK, NOW).unwrap();
        let given = held(&ca, HOOK);
        ca.gave_secret(&id("/user/pathology"), &name(HOOK), &given);
        if late_word {
            // Said before it had heard of the second.
            let said = Said {
                name: name(HOOK),
                generation: given.generation,
                uses: [1].into(),
            };
            ca.hear_secret(&id("/user/pathology"), said, given.active, NOW);
        }
        // Back to the first: who was given the second may have used it since.
        let back = Act::RollBack { kind: KIND };
        ca.command_secret(&name(HOOK), &back.into(), NOW).unwrap();
        let later = NOW + 30 * SECOND;
        let why = blocked(revoke(&mut ca, HOOK, 2, later));
        assert!(why.contains("pathology"), "{why}");
        says(&mut ca, "/user/pathology", HOOK, &[1], later);
        revoke(&mut ca, HOOK, 2, later + 11 * SECOND).unwrap();
    }
}

#[test]
fn a_version_that_was_revoked_is_erased_and_each_step_is_logged_without_a_byte_of_it() {
    const DATA: &str = "records-at-rest/south";
    let disk = MemDisk::new();
    let mut ca = open(&disk);
    let old = held(&ca, DATA).versions[&1].clone();
    prepare(&mut ca, DATA);
    says(&mut ca, "/records.south", DATA, &[1], NOW);
    activate(&mut ca, DATA, NOW).unwrap();
    says(&mut ca, "/records.south", DATA, &[2], NOW);
    let material = material_name(&name(DATA), 1);
    assert!(ca.store.material(&material).unwrap().is_some());
    revoke(&mut ca, DATA, 1, NOW).unwrap();
    assert!(ca.store.material(&material).unwrap().is_none());
    let (mut steps, text) = (Vec::new(), BASE64.encode(&**old.bytes()));
    for entry in ca.log().entries(0..ca.log().size()) {
        assert!(!String::from_utf8_lossy(entry).contains(&text));
        if let Ok(Journaled::Secret(one)) = Journaled::parse(entry)
            && one.secret == name(DATA)
        {
            steps.push((one.step.id, one.step.to.word()));
        }
    }
    let expected = [
        (1, "prepared"),
        (1, "active"),
        (2, "prepared"),
        (1, "retired"),
        (2, "active"),
        (1, "revoked"),
    ];
    assert_eq!(steps, expected);
    let before = held(&ca, DATA);
    drop(ca);
    let again = open_with(&disk, config(), NOW);
    assert_eq!(
        held(&again, DATA),
        before,
        "the journal and the store are enough"
    );
    assert!(again.holds_secrets(&id("/records.south")));
}

#[test]
fn a_power_cut_at_any_change_leaves_each_version_with_its_key_or_revoked_without_one() {
    const DATA: &str = "records-at-rest/south";
    let (mut early, mut finished) = (0, 0);
    for changes in 0..150 {
        let disk = MemDisk::new();
        drop(open(&disk));
        let rotated = {
            disk.cut_power_after(changes);
            let seams = Seams {
                clock: Arc::new(ManualClock::new(NOW)),
                disk: Arc::new(disk.clone()),
                ..Seams::real("never-written")
            };
            Ca::open(&seams, config()).and_then(|mut ca| {
                let act = ca.prepare_act(KIND, NOW);
                ca.command_secret(&name(DATA), &act.into(), NOW)?;
                says(&mut ca, "/records.south", DATA, &[1], NOW);
                activate(&mut ca, DATA, NOW)?;
                says(&mut ca, "/records.south", DATA, &[2], NOW);
                revoke(&mut ca, DATA, 1, NOW)
            })
        };
        disk.cut_power();
        disk.restore(&SeededRng::new(changes));
        let ca = open_with(&disk, config(), NOW);
        let (held, status) = (held(&ca, DATA), ca.secret_status(NOW));
        let (_, status) = status.iter().find(|(of, _)| *of == name(DATA)).unwrap();
        for it in &status.slots {
            let opens = it.slot.phase != Phase::Revoked;
            let kept = ca.store.material(&material_name(&name(DATA), it.slot.id));
            assert_eq!(held.versions.contains_key(&it.slot.id), opens, "{changes}");
            assert_eq!(kept.unwrap().is_some(), opens, "{changes}");
        }
        assert!(
            held.active
                .is_some_and(|active| held.versions.contains_key(&active))
        );
        assert!(
            rotated.is_err() || !held.versions.contains_key(&1),
            "{changes}"
        );
        early += usize::from(held.versions.len() == 2 && held.active == Some(1));
        finished += usize::from(rotated.is_ok());
    }
    assert!(
        early > 0 && finished > 0,
        "{early} early, {finished} finished"
    );
}

#[test]
fn only_holders_are_heard_and_a_secret_without_a_name_in_the_settings_is_none() {
    let mut ca = open(&MemDisk::new());
    prepare(&mut ca, "webhook");
    says(&mut ca, "/user/mallory", "webhook", &[2], NOW);
    says(&mut ca, "/records.south", "webhook", &[], NOW);
    let why = blocked(activate(&mut ca, "webhook", NOW));
    assert!(
        why.contains("pathology") && !why.contains("mallory"),
        "{why}"
    );
    assert!(!ca.may_hold(&id("/user/mallory"), &name("webhook")));
    let rival = SpiffeId::parse("spiffe://rival.example/records.south").unwrap();
    assert!(!ca.may_hold(&rival, &name("webhook")));
    let act = ca.prepare_act(KIND, NOW);
    let none = ca.command_secret(&name("nobody"), &act.into(), NOW);
    assert!(matches!(none, Err(CaError::NoSuchSecret(_))), "{none:?}");
    let other = ca.prepare_act(AuthorityKind::Jwt, NOW);
    let none = ca.command_secret(&name("webhook"), &other.into(), NOW);
    assert!(matches!(none, Err(CaError::NoSuchSecret(_))), "{none:?}");
}

#[test]
fn settings_that_wait_for_nobody_leave_their_reason_in_the_log() {
    let nobody = Heed::Nobody(danger::Immediately);
    let gates = Gates {
        activate: nobody,
        revoke: nobody,
    };
    let hasty = CaConfig { gates, ..config() };
    let disk = MemDisk::new();
    drop(open(&disk));
    let mut ca = open_with(&disk, hasty, NOW);
    prepare(&mut ca, "records-at-rest/south");
    activate(&mut ca, "records-at-rest/south", NOW).unwrap();
    let kind = KIND;
    let revoke = Command::from(Act::Revoke { kind, id: 1 });
    let done = ca.command_secret(&name("records-at-rest/south"), &revoke, NOW);
    let reason = done.unwrap()[0].override_reason.clone();
    assert_eq!(reason, Reason::new("the settings wait for nobody").ok());
    let uses: BTreeSet<u64> = held(&ca, "records-at-rest/south")
        .versions
        .into_keys()
        .collect();
    assert_eq!(uses, [2].into());
}

#[test]
fn a_secret_is_named_within_bounds_and_does_not_print_itself() {
    for good in ["webhook", "records-at-rest/south", "a.b-9"] {
        assert!(SecretName::new(good).is_ok(), "{good}");
    }
    let long = "k".repeat(MAX_NAME + 1);
    for bad in ["", "Webhook", "a b", "a_b", "a\n", &long] {
        assert_eq!(SecretName::new(bad), Err(InvalidSecretName), "{bad}");
    }
    let key = SecretKey::new(RingKeys.secret().unwrap()).unwrap();
    assert_eq!(format!("{key:?}"), "SecretKey(..)");
    assert_eq!(SecretKey::new(vec![0; SECRET_BYTES - 1].into()), None);
}
