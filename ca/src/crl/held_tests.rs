//! Claims about the lists that are held: who must have signed one, and that what is held neither
//! falls back nor forks. Paths of leaves are tried in `revocation_tests.rs`.

use rcgen::{CertificateParams, IsCa, KeyUsagePurpose};

use super::*;
use crate::chain::MAX_CHAIN;
use crate::crl::danger::{self, accept_any};
use crate::crl::sign;
use crate::crl::specimen::{self, Clinic, HOUR, NOW};
use crate::keys::{Keys, RingKeys};
use crate::p256::P256;
use crate::profile;
use crate::svid::MAX_CERTIFICATE;

fn clinic() -> Clinic {
    Clinic::new("clinic.example")
}

#[test]
fn a_list_counts_only_if_its_issuer_signed_it_under_a_root() {
    let (clinic, rogue) = (clinic(), Clinic::new("clinic.example"));
    let (bundle, list) = (clinic.bundle(), clinic.list(1, &[&[5]]));
    let forged = Err(InvalidCrl::Forged(list.issuer().to_owned()));
    assert_eq!(list.verify(&clinic.signers(), &bundle), Ok(()));
    assert_eq!(clinic.root_list(1, &[]).verify(&[], &bundle), Ok(()));
    // Nobody shows who signed it; another issuer of the same root; the same names, another root.
    let other = [clinic.next.certificate().clone()];
    assert_eq!(list.verify(&[], &bundle), forged);
    assert_eq!(list.verify(&other, &bundle), forged);
    assert_eq!(rogue.list(1, &[]).verify(&rogue.signers(), &bundle), forged);
    assert_eq!(
        rogue.list(1, &[]).verify(&clinic.signers(), &bundle),
        forged
    );
    let root = Err(InvalidCrl::Forged(
        rogue.root_list(1, &[]).issuer().to_owned(),
    ));
    assert_eq!(rogue.root_list(1, &[]).verify(&[], &bundle), root);
    let nobody = Bundle {
        roots: Vec::new(),
        ..bundle.clone()
    };
    assert_eq!(list.verify(&clinic.signers(), &nobody), forged);
    // One bit of what is signed, then of the signature.
    let last = list.der().len() - 1;
    for (at, bit) in [(last, 1), (position(list.der(), b"\x02\x01\x05") + 2, 2)] {
        let mut touched = list.der().to_vec();
        touched[at] ^= bit;
        let touched = Crl::parse(&touched).unwrap();
        assert_eq!(touched.verify(&clinic.signers(), &bundle), forged);
    }
}

fn position(der: &[u8], of: &[u8]) -> usize {
    (0..der.len())
        .find(|at| der[*at..].starts_with(of))
        .unwrap()
}

/// A certificate for the next issuer's name, made with the first issuer's key, and its own signer.
fn under(
    clinic: &Clinic,
    change: impl FnOnce(&mut CertificateParams),
) -> (CertificateDer<'static>, rcgen::Issuer<'static, P256>) {
    let params = |generation| profile::issuer(&clinic.domain, generation, &specimen::day());
    let stolen = P256::from_pkcs8(clinic.issuer.key()).unwrap();
    let issuer = rcgen::Issuer::new(params(1).unwrap(), stolen);
    let key = P256::from_pkcs8(&RingKeys.p256().unwrap()).unwrap();
    let mut changed = params(2).unwrap();
    change(&mut changed);
    let certificate = changed.signed_by(&key, &issuer).unwrap();
    // Whatever the certificate says, its holder signs what it likes.
    (
        certificate.into(),
        rcgen::Issuer::new(params(2).unwrap(), key),
    )
}

#[test]
fn a_stolen_issuer_key_speaks_for_no_other_issuer() {
    let clinic = clinic();
    let (below, signer) = under(&clinic, |_| {});
    let list = Crl::parse(&sign(&signer, u64::MAX, &[], NOW, NOW + HOUR).unwrap()).unwrap();
    assert_eq!(list.issuer_name(), clinic.leaf_of(&clinic.next).1.issuer);
    let way = [below.clone(), clinic.issuer.certificate().clone()];
    let deep = InvalidCrl::Signer("its certificate stands too deep");
    assert_eq!(list.verify(&way, &clinic.bundle()), Err(deep));
    // Under its own certificate, and the other's name.
    let params = profile::issuer(&clinic.domain, 2, &specimen::day()).unwrap();
    let stolen = rcgen::Issuer::new(params, P256::from_pkcs8(clinic.issuer.key()).unwrap());
    let other = Crl::parse(&sign(&stolen, u64::MAX, &[], NOW, NOW + HOUR).unwrap()).unwrap();
    let forged = InvalidCrl::Forged(other.issuer().to_owned());
    assert_eq!(
        other.verify(&clinic.signers(), &clinic.bundle()),
        Err(forged)
    );
    let long = vec![below; MAX_CHAIN];
    let many = InvalidCrl::Signer("too many certificates");
    assert_eq!(list.verify(&long, &clinic.bundle()), Err(many));
}

#[test]
fn a_leaf_and_a_key_without_the_usage_sign_no_list() {
    let clinic = clinic();
    let verify = |change: fn(&mut CertificateParams)| {
        let (certificate, signer) = under(&clinic, change);
        let list = Crl::parse(&sign(&signer, 1, &[], NOW, NOW + HOUR).unwrap()).unwrap();
        list.verify(&[certificate], &clinic.bundle())
    };
    let refusals = [
        verify(|params| params.is_ca = IsCa::ExplicitNoCa),
        verify(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]),
        verify(|params| params.key_usages = Vec::new()),
    ];
    let reasons = ["its certificate is no CA's", "its key may not sign this"];
    let expected = [reasons[0], reasons[1], reasons[1]];
    assert_eq!(
        refusals,
        expected.map(|reason| Err(InvalidCrl::Signer(reason)))
    );
    let mut long = clinic.issuer.certificate().to_vec();
    long.resize(MAX_CERTIFICATE + 1, 0);
    let refused = clinic.list(1, &[]).verify(&[long.into()], &clinic.bundle());
    assert_eq!(
        refused,
        Err(InvalidCrl::Signer("its certificate is too long"))
    );
}

#[test]
fn a_cross_signed_root_leads_its_lists_to_the_old_one() {
    let (old, new) = (clinic(), Clinic::new("clinic.example"));
    let pair = P256::from_pkcs8(old.root.key()).unwrap();
    let params = profile::root(&old.domain, 1, &specimen::day()).unwrap();
    let signer = rcgen::Issuer::new(params, pair);
    let public = P256::from_pkcs8(new.root.key()).unwrap();
    let params = profile::root(&new.domain, 1, &specimen::day()).unwrap();
    let cross: CertificateDer<'static> = params.signed_by(&public, &signer).unwrap().into();
    let way = [new.issuer.certificate().clone(), cross.clone()];
    assert_eq!(new.list(1, &[]).verify(&way, &old.bundle()), Ok(()));
    assert_eq!(
        new.root_list(1, &[]).verify(&[cross], &old.bundle()),
        Ok(())
    );
    assert!(new.list(1, &[]).verify(&way[..1], &old.bundle()).is_err());
}

#[test]
fn the_number_of_a_list_never_falls_and_never_has_two_contents() {
    let clinic = clinic();
    let (signers, bundle) = (clinic.signers(), clinic.bundle());
    let mut crls = Crls::new();
    let held = clinic.list(5, &[&[1]]);
    assert_eq!(crls.accept(held.clone(), &signers, &bundle), Ok(true));
    assert_eq!(crls.accept(held.clone(), &signers, &bundle), Ok(false));
    assert_eq!(
        crls.accept(clinic.list(5, &[&[1]]), &signers, &bundle),
        Ok(false),
        "signed anew"
    );
    let issuer = held.issuer().to_owned();
    let rolled_back = crls.accept(clinic.list(4, &[&[1]]), &signers, &bundle);
    let expected = InvalidCrl::RolledBack {
        issuer: issuer.clone(),
        offered: 4,
        held: 5,
    };
    assert_eq!(rolled_back, Err(expected));
    let forked = crls.accept(clinic.list(5, &[]), &signers, &bundle);
    assert_eq!(forked, Err(InvalidCrl::Forked { issuer, number: 5 }));
    let still = crls.get(&clinic.domain, &held).unwrap();
    assert_eq!(still.der(), held.der(), "what is held stays");
    assert_eq!(
        crls.accept(clinic.list(6, &[]), &signers, &bundle),
        Ok(true)
    );
    // An older one by nobody known is forged, not rolled back: it is no sign of anything.
    let rogue = Clinic::new("clinic.example");
    let forged = crls.accept(rogue.list(1, &[]), &rogue.signers(), &bundle);
    assert!(matches!(forged, Err(InvalidCrl::Forged(_))));
}

#[test]
fn without_a_memory_an_older_list_undoes_a_revocation() {
    let clinic = clinic();
    let (signers, bundle) = (clinic.signers(), clinic.bundle());
    let (_, leaf) = clinic.leaf();
    let mut crls = Crls::new();
    let newer = clinic.list(2, &[&leaf.serial]);
    crls.accept(newer.clone(), &signers, &bundle).unwrap();
    assert!(crls.revokes(&leaf));
    assert_eq!(accept_any(&mut crls, newer, &signers, &bundle), Ok(false));
    assert_eq!(
        accept_any(&mut crls, clinic.list(1, &[]), &signers, &bundle),
        Ok(true)
    );
    assert!(!crls.revokes(&leaf));
    let rogue = Clinic::new("clinic.example");
    let forged = accept_any(&mut crls, rogue.list(9, &[]), &rogue.signers(), &bundle);
    assert!(matches!(forged, Err(InvalidCrl::Forged(_))));
}

#[test]
fn each_issuer_has_its_list_and_each_trust_domain_its_own() {
    let (clinic, lab) = (clinic(), Clinic::new("lab.example"));
    let mut crls = clinic.lists(&[&[5]], &[]);
    let next = clinic.next.sign_crl(1, &[], NOW, NOW + HOUR).unwrap();
    let next = Crl::parse(&next).unwrap();
    let signer = [clinic.next.certificate().clone()];
    crls.accept(next, &signer, &clinic.bundle()).unwrap();
    // The lab's own root signs for an issuer that it calls as the clinic calls its own.
    let rogue = Clinic::new("clinic.example");
    let bundle = Bundle {
        trust_domain: lab.domain,
        ..rogue.bundle()
    };
    let list = rogue.list(u64::MAX, &[&[6]]);
    assert_eq!(crls.accept(list, &rogue.signers(), &bundle), Ok(true));
    let held: Vec<_> = crls
        .iter()
        .map(|(domain, crl)| format!("{domain} {crl:?}"))
        .collect();
    assert_eq!(held.len(), 4);
    let issuers: Vec<_> = crls
        .of(&clinic.domain)
        .map(|crl| crl.issuer_name().to_vec())
        .collect();
    assert!(issuers.is_sorted() && issuers.len() == 3);
    let (_, mut leaf) = clinic.leaf();
    for (serial, is_revoked) in [(5, true), (6, false)] {
        leaf.serial = vec![serial];
        assert_eq!(crls.revokes(&leaf), is_revoked, "{held:?}");
    }
    let (_, leaf) = clinic.leaf_of(&clinic.next);
    assert!(!crls.revokes(&leaf));
}

#[test]
fn a_list_on_a_files_word_needs_no_signer_and_its_number_falls_only_if_it_may() {
    let (clinic, rogue) = (clinic(), Clinic::new("clinic.example"));
    let mut crls = Crls::new();
    let (_, mut leaf) = clinic.leaf();
    leaf.serial = vec![5];
    let mut take =
        |list: Crl, may_fall| danger::unverified(&mut crls, list, &clinic.domain, may_fall);
    assert!(take(clinic.list(2, &[&[5]]), false));
    assert!(!take(clinic.list(1, &[]), false), "older");
    assert!(!take(clinic.list(2, &[]), false), "another of that number");
    assert!(take(rogue.list(3, &[]), false), "nobody asks who signed it");
    assert!(take(clinic.list(1, &[&[5]]), true));
    assert!(crls.revokes(&leaf));
}
