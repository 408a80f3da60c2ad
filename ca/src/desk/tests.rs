//! What an operator orders, and what comes of it.

use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::disk::MemDisk;
use crate::dns::DnsName;
use crate::identity::TrustDomain;
use crate::issue::CaConfig;
use crate::keys::{Keys, RingKeys};
use crate::seams::Seams;

const NOW: Time = Time::from_secs(1_800_000_000);
const PASSPHRASE: &str = "correct horse battery";

/// A CA whose root's key is sealed and shut, as it is after a start.
fn served() -> (Ca, Arc<dyn Disk>) {
    let (disk, keys): (Arc<dyn Disk>, Arc<dyn Disk>) =
        (Arc::new(MemDisk::new()), Arc::new(MemDisk::new()));
    let seams = || Seams {
        clock: Arc::new(ManualClock::new(NOW)),
        disk: Arc::clone(&disk),
        ..Seams::real("never-written")
    };
    let domain = TrustDomain::new("clinic.example").unwrap();
    let config = CaConfig::working(domain, Duration::from_secs(3600));
    let sealed = |passphrase: Option<&str>| {
        let passphrase = passphrase.map(|it| Zeroizing::new(it.to_owned()));
        Box::new(SealedRootKeys::new(Arc::clone(&keys), passphrase).unwrap())
    };
    let founded = Ca::open_with(&seams(), config.clone(), sealed(Some(PASSPHRASE)));
    drop(founded.unwrap());
    let ca = Ca::open_with(&seams(), config, sealed(None)).unwrap();
    (ca, keys)
}

fn id(path: &str) -> SpiffeId {
    SpiffeId::new(&TrustDomain::new("clinic.example").unwrap(), path).unwrap()
}

fn act(act: Deed, authority: &str, passphrase: Option<&str>) -> Order {
    Order::Act {
        act,
        authority: authority.to_owned(),
        id: None,
        override_reason: None,
        passphrase: passphrase.map(Passphrase::new),
    }
}

fn to_join(spiffe_id: SpiffeId) -> Order {
    Order::Join {
        spiffe_id,
        dns_names: DnsNames::default(),
        ttl_s: None,
    }
}

#[test]
fn a_leaf_is_issued_by_order_and_revoked_by_its_serial() {
    let (mut ca, keys) = served();
    let mut order = |order: Order| order.carry_out(&mut ca, &keys, NOW).unwrap();
    let csr = crate::csr::request(&RingKeys.p256().unwrap()).unwrap();
    let issued = order(Order::Issue {
        spiffe_id: id("/old-printer"),
        dns_names: DnsNames::default(),
        csr: BASE64_STANDARD.encode(csr),
    });
    assert_eq!(
        issued.words.matches("BEGIN CERTIFICATE").count(),
        2,
        "{}",
        issued.words
    );
    let serial = issued.json["serial"].as_str().unwrap().to_owned();
    let before = order(Order::Crl).words;
    let revoked = order(Order::RevokeLeaf {
        serial: serial.to_uppercase(),
        reason: "key-compromise".to_owned(),
    });
    assert_eq!(
        revoked.json["spiffe_id"],
        "spiffe://clinic.example/old-printer"
    );
    let again = order(Order::RevokeLeaf {
        serial,
        reason: "superseded".to_owned(),
    });
    assert_eq!(again.json["reason"], "key-compromise", "as it was revoked");
    let after = order(Order::Crl).words;
    assert_eq!(
        after.matches("BEGIN X509 CRL").count(),
        2,
        "the root's and the issuer's"
    );
    assert_ne!(before, after);
    let log = order(Order::Log { from: 0 });
    let entries = log.json["entries"].as_array().unwrap();
    let kinds: Vec<_> = entries
        .iter()
        .filter_map(|entry| entry["kind"].as_str())
        .collect();
    assert!(
        kinds.contains(&"enroll") && kinds.contains(&"revoke"),
        "{kinds:?}"
    );
    assert_eq!(log.words.lines().count(), entries.len());
}

#[test]
fn a_new_issuer_needs_the_passphrase_and_is_signed_by_from_its_activation_on() {
    let (mut ca, keys) = served();
    let mut order = |order: Order| order.carry_out(&mut ca, &keys, NOW);
    let sealed = order(act(Deed::Prepare, "x509", None)).unwrap_err();
    assert!(
        matches!(sealed, Declined::Ca(CaError::RootKeySealed(1))),
        "{sealed}"
    );
    let wrong = order(act(Deed::Prepare, "x509", Some("wrong horse battery"))).unwrap_err();
    assert!(
        matches!(wrong, Declined::Ca(CaError::PassphraseWrong(1))),
        "{wrong}"
    );
    let prepared = order(act(Deed::Prepare, "x509", Some(PASSPHRASE))).unwrap();
    assert_eq!(prepared.words, "x509 2 is prepared\n");
    let activated = order(act(Deed::Activate, "x509", None)).unwrap();
    assert_eq!(activated.words, "x509 1 is retired\nx509 2 is active\n");
    let status = order(Order::Status).unwrap();
    for line in [
        "x509 1     retired",
        "x509 2     active",
        "root 1     active",
    ] {
        assert!(status.words.contains(line), "{}", status.words);
    }
    let slots = status.json["status"]["slots"].as_array().unwrap();
    assert_eq!(slots.len(), 4);
    // Nobody holds a leaf of the first one: it may go, and `--id` need not be said.
    let tainted = order(act(Deed::Taint, "x509", None)).unwrap();
    assert_eq!(tainted.words, "x509 1 is tainted\n");
}

#[test]
fn an_order_that_makes_no_sense_is_declined_and_says_what_would() {
    let (mut ca, keys) = served();
    let mut declined = |order: Order| {
        let why = order.carry_out(&mut ca, &keys, NOW).unwrap_err();
        why.to_string()
    };
    let serial = "05".to_owned();
    let reason = "boredom".to_owned();
    let said = declined(Order::RevokeLeaf {
        serial: serial.clone(),
        reason,
    });
    assert!(
        said.contains("`boredom`") && said.contains("key-compromise"),
        "{said}"
    );
    let reason = "superseded".to_owned();
    let said = declined(Order::RevokeLeaf { serial, reason });
    assert!(said.contains("`05`"), "{said}");
    let said = declined(act(Deed::Prepare, "ssh", None));
    assert!(said.contains("`ssh`") && said.contains("x509"), "{said}");
    let said = declined(act(Deed::Taint, "x509", None));
    assert!(said.contains("--id"), "{said}");
    let spiffe_id = id(crate::node::PATH);
    let said = declined(to_join(spiffe_id.clone()));
    assert!(said.contains("the CA's own name"), "{said}");
    let csr = BASE64_STANDARD.encode(b"no request");
    let to_issue = |spiffe_id| Order::Issue {
        spiffe_id,
        dns_names: DnsNames::default(),
        csr: csr.clone(),
    };
    let said = declined(to_issue(spiffe_id));
    assert!(said.contains("the CA's own name"), "{said}");
    // Refused more often than codes may wait.
    for _ in 0..2_000 {
        let said = declined(to_issue(id("/old-printer")));
        assert!(said.contains("malformed"), "{said}");
    }
    let foreign = SpiffeId::new(&TrustDomain::new("other.example").unwrap(), "/a").unwrap();
    let said = declined(to_join(foreign));
    assert!(said.contains("other.example"), "{said}");
}

#[test]
fn an_invitation_leads_to_a_leaf_and_the_order_survives_a_socket() {
    let (mut ca, keys) = served();
    let order = to_join(id("/records.south"));
    let sent = serde_json::to_string(&order).unwrap();
    let order: Order = serde_json::from_str(&sent).unwrap();
    let answer = order.carry_out(&mut ca, &keys, NOW).unwrap();
    let invitation = Invitation::parse(&answer.words).unwrap();
    assert_eq!(invitation.bundle, ca.bundle());
    let csr = crate::csr::request(&RingKeys.p256().unwrap()).unwrap();
    let identity = ca.enroll(&invitation.code, &csr, NOW).unwrap();
    assert_eq!(identity.facts.spiffe_id, id("/records.south"));
}

#[test]
fn an_invitation_lasts_as_long_as_was_ordered_and_carries_its_dns_names_into_the_log() {
    let (mut ca, keys) = served();
    let names = ["records.clinic.example", "localhost"].map(|it| DnsName::new(it).unwrap());
    let order = |ttl_s| Order::Join {
        spiffe_id: id("/records.south"),
        dns_names: DnsNames::new(names.clone()).unwrap(),
        ttl_s,
    };
    for (ttl_s, lasts) in [(None, 600), (Some(1), 1), (Some(604_800), 604_800)] {
        let answer = order(ttl_s).carry_out(&mut ca, &keys, NOW).unwrap();
        let until = (NOW + Duration::from_secs(lasts)).as_micros();
        assert_eq!(answer.json["until_us"], until);
        assert_eq!(
            answer.json["dns_names"],
            json!(["localhost", "records.clinic.example"])
        );
        let code = Invitation::parse(&answer.words).unwrap().code;
        let csr = || crate::csr::request(&RingKeys.p256().unwrap()).unwrap();
        let late = Time::from_micros(until + 1);
        let refused = ca.enroll(&code, &csr(), late).unwrap_err();
        assert_eq!(refused.refusal().unwrap().name(), "join-code-expired");
        assert!(ca.enroll(&code, &csr(), NOW).is_ok());
    }
    for ttl_s in [0, 604_801, u64::MAX] {
        let declined = order(Some(ttl_s))
            .carry_out(&mut ca, &keys, NOW)
            .unwrap_err();
        assert!(
            declined.to_string().contains(&ttl_s.to_string()),
            "{declined}"
        );
    }
    let log = Order::Log { from: 0 }
        .carry_out(&mut ca, &keys, NOW)
        .unwrap();
    assert!(
        log.words
            .contains(r#""dns_names":["localhost","records.clinic.example"]"#)
    );
    let sent = r#"{"order":"join","spiffe_id":"spiffe://clinic.example/a"}"#;
    assert!(
        serde_json::from_str::<Order>(sent).is_ok(),
        "as it was ordered before"
    );
    let sent = r#"{"order":"join","spiffe_id":"spiffe://clinic.example/a","dns_names":["*.a"]}"#;
    assert!(serde_json::from_str::<Order>(sent).is_err());
}
