//! What a reader finds through `current`, at any moment.

use std::sync::Arc;

use super::*;
use crate::credential::Credential;
use crate::crl::specimen::{Clinic, NOW};
use crate::keys::{Keys, RingKeys};
use crate::profile::Validity;
use crate::revocation::Revocation;
use crate::trusted::Trusted;

/// What an agent publishes.
pub(crate) fn published() -> Published {
    let clinic = Clinic::new("clinic.example");
    let key = RingKeys.p256().unwrap();
    let csr = crate::csr::request(&key).unwrap();
    let id = crate::identity::SpiffeId::new(&clinic.domain, "/records.south").unwrap();
    let validity = Validity::lasting(NOW, std::time::Duration::from_secs(3600));
    let issued = clinic.issuer.issue(&csr, &id, validity, NOW).unwrap();
    let bundle = clinic.bundle();
    let tolerance = std::time::Duration::ZERO;
    let credential =
        Credential::assemble(1, key, issued.chain, &bundle, &id, NOW, tolerance).unwrap();
    Published {
        credential,
        trusted: Arc::new(Trusted {
            revocation: Revocation {
                crls: clinic.lists(&[], &[]),
                ..Revocation::default()
            },
            ..Trusted::of(bundle)
        }),
        bearer: None,
    }
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_current_is_whole_and_the_one_before_stays_for_its_readers() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("out");
    let delivery = Delivery::to(&out);
    for number in 1..=4 {
        let published = published();
        let folder = delivery.deliver(&published).unwrap();
        assert_eq!(folder, out.join(format!("generation-{number}")));
        let read = |name: &str| fs::read_to_string(out.join(CURRENT).join(name)).unwrap();
        assert_eq!(read("key.pem"), *pem::key(&published.credential.key));
        assert_eq!(
            read("chain.pem"),
            pem::certificates(&published.credential.chain)
        );
        assert!(read("chain.pem").starts_with(&read("certificate.pem")));
        assert_eq!(read("trust.pem").matches("BEGIN CERTIFICATE").count(), 1);
        assert_eq!(read("crl.pem").matches("BEGIN X509 CRL").count(), 2);
    }
    assert_eq!(names(&out), ["current", "generation-3", "generation-4"]);
}

#[test]
fn a_delivery_that_was_cut_off_leaves_what_was_current_and_does_not_stop_the_next() {
    let scratch = tempfile::tempdir().unwrap();
    let delivery = Delivery::to(scratch.path());
    delivery.deliver(&published()).unwrap();
    let before = fs::read(scratch.path().join("current/key.pem")).unwrap();
    // Cut off while it was written, and after it was renamed.
    fs::create_dir(scratch.path().join("next")).unwrap();
    fs::write(scratch.path().join("next/key.pem"), "half a k").unwrap();
    fs::create_dir(scratch.path().join("generation-2")).unwrap();
    fs::write(scratch.path().join("current.next"), "").unwrap();
    assert_eq!(
        fs::read(scratch.path().join("current/key.pem")).unwrap(),
        before
    );
    let folder = delivery.deliver(&published()).unwrap();
    assert_eq!(folder, scratch.path().join("generation-3"));
    assert_ne!(
        fs::read(scratch.path().join("current/key.pem")).unwrap(),
        before
    );
}
