//! Claims about the CA as a whole: what it refuses, and what survives a power cut. It tests no
//! timing and no network. Invariant under test: no certificate without its entry, no code twice.

use std::collections::BTreeSet;

use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyUsagePurpose, SanType};

use super::*;
use crate::bundle::Bundles;
use crate::chain::{InvalidChain, verify_chain};
use crate::clock::ManualClock;
use crate::csr;
use crate::disk::{Disk, MemDisk};
use crate::dns::DnsName;
use crate::identity::TrustDomain;
use crate::join::{Guest, JoinCode};
use crate::keys::{Keys, RingKeys};
use crate::nonce::hex;
use crate::p256::P256;
use crate::revocation::Revocation;
use crate::rng::SeededRng;

#[path = "issue_group_tests.rs"]
mod group;
#[path = "issue_named_tests.rs"]
mod named;

const NOW: Time = Time::from_secs(1_800_000_000);
/// Entries of the log before the first certificate: root and issuer are prepared, then active.
const FOUNDED: u64 = 6;

fn domain() -> TrustDomain {
    TrustDomain::new("clinic.example").unwrap()
}

fn id(path: &str) -> SpiffeId {
    SpiffeId::new(&domain(), path).unwrap()
}

fn seams(disk: &MemDisk) -> Seams {
    Seams {
        clock: Arc::new(ManualClock::new(NOW)),
        disk: Arc::new(disk.clone()),
        rng: Arc::new(SeededRng::new(7)),
        ..Seams::real("never-written")
    }
}

fn open(disk: &MemDisk) -> Result<Ca, CaError> {
    Ca::open(&seams(disk), CaConfig::lab(domain()))
}

fn fresh_csr() -> Vec<u8> {
    csr::request(&RingKeys.p256().unwrap()).unwrap()
}

/// A request that asks for what `ask` puts into it.
fn asking(ask: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let key = P256::from_pkcs8(&RingKeys.p256().unwrap()).unwrap();
    let mut params = CertificateParams::default();
    ask(&mut params);
    params.serialize_request(&key).unwrap().der().to_vec()
}

fn uri(text: &str) -> SanType {
    SanType::URI(Ia5String::try_from(text).unwrap())
}

fn verified(chain: &[CertificateDer<'_>], bundles: &Bundles) -> Result<LeafFacts, InvalidChain> {
    verify_chain(chain, bundles, &Revocation::ignore(), NOW, Duration::ZERO)
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T, CaError>) -> &'static str {
    result.unwrap_err().refusal().expect("a refusal").name()
}

fn enrolled(ca: &mut Ca, path: &str, now: Time) -> Identity {
    let code = ca.new_join_code(&id(path), now).unwrap();
    ca.enroll(code.reveal(), &fresh_csr(), now).unwrap()
}

#[test]
fn a_join_code_buys_one_leaf_for_its_own_name() {
    let mut ca = open(&MemDisk::new()).unwrap();
    let code = ca.new_join_code(&id("/north/sts"), NOW).unwrap();
    let identity = ca.enroll(code.reveal(), &fresh_csr(), NOW).unwrap();
    let bundles = Bundles::from(identity.state.bundle.clone());
    let facts = verified(&identity.chain, &bundles).unwrap();
    assert_eq!(facts, identity.facts);
    assert_eq!(facts.spiffe_id, id("/north/sts"));
    assert_eq!(facts.serial.len(), 16);
    let again = ca.enroll(code.reveal(), &fresh_csr(), NOW);
    assert_eq!(refusal(again), "join-code-used");
    assert_eq!(
        ca.log().committed(),
        FOUNDED + 1,
        "a refusal is no certificate"
    );
}

#[test]
fn unknown_and_expired_join_codes_are_refused() {
    let mut ca = open(&MemDisk::new()).unwrap();
    let code = ca.new_join_code(&id("/north/sts"), NOW).unwrap();
    let late = NOW + ca.config().join_ttl + Duration::from_micros(1);
    assert_eq!(
        refusal(ca.enroll(code.reveal(), &fresh_csr(), late)),
        "join-code-expired"
    );
    for unknown in [
        "",
        "join-00",
        &code.reveal().to_uppercase(),
        &"j".repeat(1 << 20),
    ] {
        assert_eq!(
            refusal(ca.enroll(unknown, &fresh_csr(), NOW)),
            "join-code-unknown"
        );
    }
}

#[test]
fn the_code_itself_is_nowhere_on_the_disk() {
    let disk = MemDisk::new();
    let mut ca = open(&disk).unwrap();
    let code = ca.new_join_code(&id("/north/sts"), NOW).unwrap();
    let secret = code.reveal().strip_prefix("join-").unwrap().as_bytes();
    for name in disk.names() {
        let content = disk.read(&name).unwrap().unwrap();
        assert!(
            !content.windows(secret.len()).any(|window| window == secret),
            "`{name}`"
        );
    }
}

#[test]
fn a_request_for_more_than_its_leaf_is_refused_by_name_and_uses_no_code() {
    let mut ca = open(&MemDisk::new()).unwrap();
    let code = ca.new_join_code(&id("/north/sts"), NOW).unwrap();
    let own = id("/north/sts").to_string();
    let other = id("/north/gateway").to_string();
    let ca_true = asking(|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let signer = asking(|p| p.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    let foreign = asking(|p| p.subject_alt_names = vec![uri(&other)]);
    let both = asking(|p| p.subject_alt_names = vec![uri(&own), uri(&other)]);
    let host = asking(|p| {
        p.subject_alt_names = vec![SanType::DnsName(Ia5String::try_from("sts").unwrap())];
    });
    let agreeing = asking(|p| p.key_usages = vec![KeyUsagePurpose::KeyAgreement]);
    let mut forged = fresh_csr();
    *forged.last_mut().unwrap() ^= 1;
    let mut longer = fresh_csr();
    longer.push(0);
    for (request, name) in [
        (ca_true, "csr-asks-for-ca"),
        (signer, "csr-asks-for-ca"),
        (foreign, "csr-asks-for-foreign-name"),
        (both, "csr-asks-for-foreign-name"),
        (host, "csr-asks-for-foreign-name"),
        (agreeing, "csr-asks-for-more"),
        (forged, "csr-forged"),
        (longer, "csr-malformed"),
        (Vec::new(), "csr-malformed"),
        (vec![0; csr::MAX_REQUEST + 1], "csr-too-large"),
    ] {
        assert_eq!(refusal(ca.enroll(code.reveal(), &request, NOW)), name);
    }
    assert_eq!(ca.log().size(), FOUNDED);
    let modest = asking(|p| p.subject_alt_names = vec![uri(&own)]);
    let identity = ca.enroll(code.reveal(), &modest, NOW).unwrap();
    assert_eq!(identity.facts.spiffe_id, id("/north/sts"));
}

#[test]
fn renewal_is_for_the_callers_own_name_with_a_new_key_while_its_leaf_lives() {
    let mut ca = open(&MemDisk::new()).unwrap();
    let first = enrolled(&mut ca, "/north/sts", NOW);
    let request = fresh_csr();
    let second = ca.renew(&first.facts, &request, NOW).unwrap();
    assert_eq!(second.facts.spiffe_id, first.facts.spiffe_id);
    assert_ne!(second.facts.serial, first.facts.serial);
    assert_eq!(
        refusal(ca.renew(&first.facts, &request, NOW)),
        "csr-key-reused"
    );
    let other = id("/north/gateway").to_string();
    let foreign = asking(|p| p.subject_alt_names = vec![uri(&other)]);
    assert_eq!(
        refusal(ca.renew(&first.facts, &foreign, NOW)),
        "csr-asks-for-foreign-name"
    );
    let late = first.facts.not_after + Duration::from_secs(1);
    assert_eq!(
        refusal(ca.renew(&first.facts, &fresh_csr(), late)),
        "leaf-expired"
    );
    let early = first.facts.not_before - Duration::from_secs(1);
    assert_eq!(
        refusal(ca.renew(&first.facts, &fresh_csr(), early)),
        "leaf-not-yet-valid"
    );
}

#[test]
fn a_leaf_from_elsewhere_renews_nothing() {
    let mut ca = open(&MemDisk::new()).unwrap();
    let mut namesake = open(&MemDisk::new()).unwrap();
    let stranger = enrolled(&mut namesake, "/north/sts", NOW).facts;
    assert_eq!(
        refusal(ca.renew(&stranger, &fresh_csr(), NOW)),
        "leaf-unlogged"
    );
    let mut foreign = stranger;
    foreign.spiffe_id = SpiffeId::parse("spiffe://other.example/north/sts").unwrap();
    assert_eq!(
        refusal(ca.renew(&foreign, &fresh_csr(), NOW)),
        "leaf-foreign"
    );
    let unknown = ca.new_join_code(&foreign.spiffe_id, NOW);
    assert_eq!(refusal(unknown), "name-foreign");
    assert_eq!(
        refusal(ca.new_join_code(&domain().root_id(), NOW)),
        "name-foreign"
    );
}

#[test]
fn first_leaves_are_of_different_ages_and_next_ones_are_not() {
    let mut ca = open(&MemDisk::new()).unwrap();
    let config = ca.config().clone();
    let youngest = NOW - config.backdate;
    let mut starts = BTreeSet::new();
    for n in 0..20 {
        let first = enrolled(&mut ca, &format!("/north/n{n}"), NOW).facts;
        assert_eq!(first.not_after.since(first.not_before), config.leaf_ttl);
        assert!(first.not_before + config.stagger >= youngest && first.not_before <= youngest);
        starts.insert(first.not_before);
        let next = ca.renew(&first, &fresh_csr(), NOW).unwrap().facts;
        assert_eq!(next.not_before, youngest);
    }
    assert!(starts.len() > 5, "{starts:?}");
}

#[test]
fn a_leaf_ends_no_later_than_its_issuer() {
    let disk = MemDisk::new();
    let mut config = CaConfig::lab(domain());
    config.issuer_ttl = config.leaf_ttl * 6;
    let mut ca = Ca::open(&seams(&disk), config).unwrap();
    let end = NOW + Duration::from_secs(600);
    let late = end - Duration::from_secs(20);
    assert_eq!(enrolled(&mut ca, "/north/sts", late).facts.not_after, end);
    let code = ca.new_join_code(&id("/north/sts"), end).unwrap();
    assert_eq!(
        refusal(ca.enroll(code.reveal(), &fresh_csr(), end)),
        "issuer-expired"
    );
}

#[test]
fn the_same_ca_comes_back_and_issues_without_the_roots_key() {
    let disk = MemDisk::new();
    let mut ca = open(&disk).unwrap();
    let bundle = ca.bundle();
    let first = enrolled(&mut ca, "/north/sts", NOW);
    drop(ca);
    disk.replace(&RootKeyFiles::file(1), b"carried away")
        .unwrap();
    let mut ca = open(&disk).unwrap();
    assert_eq!(ca.bundle(), bundle);
    let second = ca.renew(&first.facts, &fresh_csr(), NOW).unwrap();
    verified(&second.chain, &Bundles::from(bundle)).unwrap();
    assert_eq!(second.log_index, FOUNDED + 1);
    drop(ca);
    let other = CaConfig::lab(TrustDomain::new("other.example").unwrap());
    let wrong = Ca::open(&seams(&disk), other);
    assert!(matches!(wrong, Err(CaError::OtherTrustDomain { .. })));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    type Change = fn(&mut CaConfig);
    let changes: [Change; 4] = [
        |c| c.leaf_ttl = Duration::from_secs(9),
        |c| c.stagger = Duration::from_secs(48),
        |c| c.issuer_ttl = c.leaf_ttl * 6 - Duration::from_secs(1),
        |c| c.root_ttl = c.issuer_ttl - Duration::from_secs(1),
    ];
    for change in changes {
        let mut config = CaConfig::lab(domain());
        change(&mut config);
        let opened = Ca::open(&seams(&MemDisk::new()), config);
        assert!(matches!(opened, Err(CaError::Settings(_))));
    }
}

/// Opens the CA, makes a code, enrols and renews until the power goes. Returns what left the CA.
fn live(disk: &MemDisk, codes: &mut Vec<(JoinCode, bool)>) -> Vec<Identity> {
    let mut left = Vec::new();
    let mut work = || -> Result<(), CaError> {
        let mut ca = open(disk)?;
        for n in 0..2 {
            let code = ca.new_join_code(&id(&format!("/north/n{n}")), NOW)?;
            codes.push((code.clone(), false));
            let first = ca.enroll(code.reveal(), &fresh_csr(), NOW)?;
            codes.last_mut().unwrap().1 = true;
            left.push(first.clone());
            left.push(ca.renew(&first.facts, &fresh_csr(), NOW)?);
        }
        Ok(())
    };
    let _ = work();
    left
}

#[test]
fn a_power_cut_at_any_change_loses_no_entry_and_revives_no_code() {
    let mut finished = 0;
    for changes in 0..400 {
        let disk = MemDisk::new();
        disk.cut_power_after(changes);
        let mut codes = Vec::new();
        let left = live(&disk, &mut codes);
        disk.cut_power();
        disk.restore(&SeededRng::new(changes));
        let mut ca = open(&disk).unwrap_or_else(|e| panic!("after {changes} changes: {e}"));
        let entries: Vec<_> = ca
            .log()
            .entries(0..ca.log().size())
            .map(|entry| Issuance::parse(entry).ok())
            .collect();
        for identity in &left {
            let entry = entries[usize::try_from(identity.log_index).unwrap()].as_ref();
            assert_eq!(entry.unwrap().leaf_sha256, hex(&identity.facts.leaf_sha256));
            let bundles = Bundles::from(ca.bundle());
            verified(&identity.chain, &bundles).unwrap();
        }
        let entries: Vec<_> = entries.iter().flatten().collect();
        let serials: BTreeSet<_> = entries.iter().map(|entry| &entry.serial).collect();
        assert_eq!(serials.len(), entries.len());
        for (code, answered) in &codes {
            let again = ca.enroll(code.reveal(), &fresh_csr(), NOW);
            if *answered {
                assert_eq!(refusal(again), "join-code-used", "after {changes} changes");
            }
        }
        finished += usize::from(left.len() == 4);
    }
    assert!((1..350).contains(&finished), "{finished} runs were not cut");
}

#[test]
fn a_disk_that_fails_lets_no_certificate_leave() {
    let disk = MemDisk::new();
    let mut ca = open(&disk).unwrap();
    let first = enrolled(&mut ca, "/north/sts", NOW);
    let code = ca.new_join_code(&id("/north/gateway"), NOW).unwrap();
    disk.fail(true);
    assert!(matches!(
        ca.enroll(code.reveal(), &fresh_csr(), NOW),
        Err(CaError::Store(_))
    ));
    assert!(matches!(
        ca.renew(&first.facts, &fresh_csr(), NOW),
        Err(CaError::Log(_))
    ));
    disk.fail(false);
    drop(ca);
    assert_eq!(open(&disk).unwrap().log().size(), FOUNDED + 1);
}

#[test]
fn a_deleted_sync_of_the_store_would_revive_a_used_code() {
    let mut revived = false;
    for seed in 0..40 {
        let disk = MemDisk::new();
        let mut ca = open(&disk).unwrap();
        let code = ca.new_join_code(&id("/north/sts"), NOW).unwrap();
        disk.danger_skip_sync("state.redb");
        ca.enroll(code.reveal(), &fresh_csr(), NOW).unwrap();
        disk.cut_power();
        drop(ca);
        disk.restore(&SeededRng::new(seed));
        let again = open(&disk).and_then(|mut ca| ca.enroll(code.reveal(), &fresh_csr(), NOW));
        revived |= again.is_ok();
    }
    assert!(
        revived,
        "the power cut must be able to catch a missing sync"
    );
}

#[test]
fn a_lost_answer_is_had_again_with_the_same_key_and_with_no_other() {
    let mut ca = open(&MemDisk::new()).unwrap();
    let code = ca.new_join_code(&id("/north/sts"), NOW).unwrap();
    let (key, other) = (RingKeys.p256().unwrap(), fresh_csr());
    let first = ca.enroll(code.reveal(), &csr::request(&key).unwrap(), NOW);
    let first = first.unwrap();
    let later = NOW + Duration::from_secs(30);
    // Another request for the same key: each signature of one is new.
    let again = csr::request(&key).unwrap();
    let second = ca.enroll(code.reveal(), &again, later).unwrap();
    assert_eq!(
        (second.chain, second.log_index),
        (first.chain, first.log_index)
    );
    assert_eq!(ca.log().committed(), FOUNDED + 1, "it is one certificate");
    assert_eq!(
        refusal(ca.enroll(code.reveal(), &other, later)),
        "join-code-used"
    );
    let mut forged = again.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(
        refusal(ca.enroll(code.reveal(), &forged, later)),
        "csr-forged",
        "who cannot prove the key does not have it"
    );
    let over = first.facts.not_after + ca.config().tolerance + Duration::from_secs(1);
    assert_eq!(
        refusal(ca.enroll(code.reveal(), &again, over)),
        "join-code-used",
        "a leaf that is over is no answer, and a new one would be a second"
    );
}

#[test]
fn a_code_that_has_expired_gives_no_answer_again() {
    let mut config = CaConfig::lab(domain());
    config.join_ttl = Duration::from_secs(10);
    let mut ca = Ca::open(&seams(&MemDisk::new()), config).unwrap();
    let code = ca.new_join_code(&id("/north/sts"), NOW).unwrap();
    let csr = fresh_csr();
    ca.enroll(code.reveal(), &csr, NOW).unwrap();
    let last = NOW + Duration::from_secs(10);
    assert!(ca.enroll(code.reveal(), &csr, last).is_ok());
    let late = last + Duration::from_micros(1);
    assert_eq!(
        refusal(ca.enroll(code.reveal(), &csr, late)),
        "join-code-used"
    );
}

#[test]
fn a_power_cut_at_any_change_burns_no_code_and_logs_its_one_leaf_once() {
    for changes in 0..60 {
        let disk = MemDisk::new();
        let mut ca = open(&disk).unwrap();
        let code = ca.new_join_code(&id("/north/sts"), NOW).unwrap();
        let csr = fresh_csr();
        disk.cut_power_after(changes);
        let heard = ca.enroll(code.reveal(), &csr, NOW).ok();
        disk.cut_power();
        drop(ca);
        disk.restore(&SeededRng::new(changes));
        let mut ca = open(&disk).unwrap();
        let again = ca.enroll(code.reveal(), &csr, NOW).unwrap();
        if let Some(heard) = heard {
            assert_eq!(again.chain, heard.chain, "after {changes} changes");
        }
        assert_eq!(
            (ca.log().committed(), again.log_index),
            (FOUNDED + 1, FOUNDED)
        );
    }
}

#[test]
fn a_leaf_that_is_logged_late_is_logged_under_the_issuer_that_signed_it() {
    use crate::rotation::{Act, AuthorityKind, Command};
    let mut late = 0;
    for changes in 0..60 {
        let disk = MemDisk::new();
        let mut ca = open(&disk).unwrap();
        let code = ca.new_join_code(&id("/north/sts"), NOW).unwrap();
        let csr = fresh_csr();
        disk.cut_power_after(changes);
        let _ = ca.enroll(code.reveal(), &csr, NOW);
        disk.cut_power();
        drop(ca);
        disk.restore(&SeededRng::new(changes));
        let mut ca = open(&disk).unwrap();
        if ca.log().committed() > FOUNDED {
            break;
        }
        let prepare = ca.prepare_act(AuthorityKind::X509, NOW);
        let kind = AuthorityKind::X509;
        for act in [prepare, Act::Activate { kind, id: None }] {
            ca.command(&Command::from(act), NOW).unwrap();
        }
        let again = ca.enroll(code.reveal(), &csr, NOW).unwrap();
        let entries: Vec<_> = ca
            .log()
            .entries(again.log_index..again.log_index + 1)
            .collect();
        let entry = Issuance::parse(entries[0]).unwrap();
        let signed_by_first = again.chain[1] == *ca.authorities.issuer_certificate(1).unwrap();
        assert_eq!(entry.issuer_generation, if signed_by_first { 1 } else { 2 });
        late += usize::from(signed_by_first);
    }
    assert!(late > 0, "the power never went between code and log");
}

/// The DNS names of a leaf, as a stranger reads them.
fn dns_names(leaf: &[u8]) -> Vec<String> {
    use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(leaf).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    let names = names.value.general_names.iter();
    let dns = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    dns.collect()
}

#[test]
fn dns_names_come_from_the_invitation_alone_and_every_next_leaf_keeps_them() {
    let disk = MemDisk::new();
    let mut ca = open(&disk).unwrap();
    let own = ["records.clinic.example", "records.south"];
    let guest = Guest {
        spiffe_id: id("/records.south"),
        dns_names: DnsNames::new(own.map(|name| DnsName::new(name).unwrap())).unwrap(),
        ttl: Duration::from_secs(60),
    };
    let code = ca.invite(guest, NOW).unwrap();
    for asked in ["records.clinic.example", "bank.example"] {
        let asked = SanType::DnsName(Ia5String::try_from(asked).unwrap());
        let csr = asking(|params| params.subject_alt_names = vec![asked]);
        let refused = ca.enroll(code.reveal(), &csr, NOW);
        assert_eq!(refusal(refused), "csr-asks-for-foreign-name");
    }
    let csr = fresh_csr();
    let mut held = ca.enroll(code.reveal(), &csr, NOW).unwrap();
    let again = ca.enroll(code.reveal(), &csr, NOW).unwrap();
    assert_eq!(again.chain, held.chain, "a lost answer is the same");
    for _ in 0..3 {
        assert_eq!(dns_names(&held.chain[0]), own);
        let bundles = Bundles::from(held.state.bundle.clone());
        let facts = verified(&held.chain, &bundles).unwrap();
        assert_eq!(
            facts.spiffe_id,
            id("/records.south"),
            "a peer is who its SPIFFE ID says"
        );
        drop(ca);
        ca = open(&disk).unwrap();
        held = ca.renew(&held.facts, &fresh_csr(), NOW).unwrap();
    }
    let plain = enrolled(&mut ca, "/records.north", NOW);
    assert_eq!(dns_names(&plain.chain[0]), Vec::<String>::new());
    let renewed = ca.renew(&plain.facts, &fresh_csr(), NOW).unwrap();
    assert_eq!(dns_names(&renewed.chain[0]), Vec::<String>::new());
}
