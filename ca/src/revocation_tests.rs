//! Claims about chains and lists: which certificate is refused, by what name, under which dial.
//! How lists are read and kept is tried in `crl/`.

use std::time::Duration;

use rustls::pki_types::CertificateDer;

use super::*;
use crate::authority::Root;
use crate::bundle::Bundles;
use crate::chain::{InvalidChain, verify_chain};
use crate::crl::Crls;
use crate::crl::specimen::{Clinic, HOUR, NOW, all, day, serial};
use crate::identity::LeafFacts;
use crate::keys::RingKeys;
use crate::nonce::hex;
use crate::p256::P256;
use crate::profile;

const TICK: Duration = Duration::from_micros(1);

fn clinic() -> Clinic {
    Clinic::new("clinic.example")
}

fn dials(crls: &Crls, lists: Lists, stale: Stale) -> Revocation {
    Revocation {
        crls: crls.clone(),
        lists,
        stale,
        older: Older::Refuse,
    }
}

/// The hardened dials.
fn require(crls: &Crls) -> Revocation {
    dials(crls, Lists::Require, Stale::Refuse)
}

fn judge(
    clinic: &Clinic,
    chain: &[CertificateDer<'_>],
    revocation: &Revocation,
    now: Time,
) -> Result<LeafFacts, InvalidChain> {
    verify_chain(chain, &clinic.bundles(), revocation, now, Duration::ZERO)
}

#[test]
fn a_revoked_leaf_is_refused_by_name_and_the_next_one_is_not() {
    let clinic = clinic();
    let ((bad, facts), (good, _)) = (clinic.leaf(), clinic.leaf());
    let crls = clinic.lists(&[&facts.serial], &[]);
    let revoked = Err(InvalidChain::Revoked(hex(&facts.serial)));
    for lists in [Lists::Require, Lists::Prefer] {
        let revocation = dials(&crls, lists, Stale::Refuse);
        assert_eq!(judge(&clinic, &bad, &revocation, NOW), revoked);
        assert!(judge(&clinic, &good, &revocation, NOW).is_ok());
    }
    let ignore = dials(&crls, Lists::Ignore, Stale::Refuse);
    assert_eq!(judge(&clinic, &bad, &ignore, NOW), Ok(facts.clone()));
    assert!(judge(&clinic, &bad, &Revocation::ignore(), NOW).is_ok());
    assert!(crls.revokes(&facts));
}

#[test]
fn a_revoked_issuer_takes_all_its_leaves_along() {
    let clinic = clinic();
    let issuer = serial(clinic.issuer.certificate());
    let crls = clinic.lists(&[], &[&issuer]);
    let ((bad, facts), (good, _)) = (clinic.leaf(), clinic.leaf_of(&clinic.next));
    let prefer = dials(&crls, Lists::Prefer, Stale::Refuse);
    for revocation in [&require(&crls), &prefer] {
        let refused = judge(&clinic, &bad, revocation, NOW);
        assert_eq!(refused, Err(InvalidChain::Revoked(hex(&issuer))));
    }
    // The next issuer has given no list, and is itself in none.
    assert!(judge(&clinic, &good, &prefer, NOW).is_ok());
    let refused = judge(&clinic, &good, &require(&crls), NOW);
    assert_eq!(refused, Err(InvalidChain::RevocationUnknown));
    assert!(
        !crls.revokes(&facts),
        "the quick look-up sees the leaf alone"
    );
}

#[test]
fn without_a_list_for_each_of_the_path_the_dial_decides() {
    let clinic = clinic();
    let (chain, _) = clinic.leaf();
    let (bundle, signers) = (clinic.bundle(), clinic.signers());
    let [mut of_issuer, mut of_root] = [Crls::new(), Crls::new()];
    of_issuer
        .accept(clinic.list(1, &[]), &signers, &bundle)
        .unwrap();
    of_root
        .accept(clinic.root_list(1, &[]), &[], &bundle)
        .unwrap();
    for crls in [Crls::new(), of_issuer, of_root] {
        let require = judge(&clinic, &chain, &require(&crls), NOW);
        assert_eq!(require, Err(InvalidChain::RevocationUnknown), "{crls:?}");
        for lists in [Lists::Prefer, Lists::Ignore] {
            let revocation = dials(&crls, lists, Stale::Refuse);
            assert!(judge(&clinic, &chain, &revocation, NOW).is_ok(), "{crls:?}");
        }
    }
    let both = clinic.lists(&[], &[]);
    assert!(judge(&clinic, &chain, &require(&both), NOW).is_ok());
}

#[test]
fn a_stale_list_is_refused_at_its_end_by_the_nodes_clock_unless_the_dial_accepts_it() {
    let clinic = clinic();
    let (chain, _) = clinic.leaf();
    let crls = clinic.lists(&[], &[]);
    let end = NOW + HOUR;
    let stale = Err(InvalidChain::RevocationStale { next_update: end });
    for lists in [Lists::Require, Lists::Prefer] {
        let refuse = dials(&crls, lists, Stale::Refuse);
        assert!(judge(&clinic, &chain, &refuse, end).is_ok());
        assert_eq!(
            judge(&clinic, &chain, &refuse, end + TICK).map(|_| ()),
            stale
        );
        let slack = Duration::from_secs(5);
        let at = |now| verify_chain(&chain, &clinic.bundles(), &refuse, now, slack).map(|_| ());
        assert_eq!(at(end + slack), Ok(()), "the tolerance is counted");
        assert_eq!(at(end + slack + TICK), stale);
        let accept = dials(&crls, lists, Stale::Accept);
        assert!(judge(&clinic, &chain, &accept, end + TICK).is_ok());
    }
    let ignore = dials(&crls, Lists::Ignore, Stale::Refuse);
    assert!(judge(&clinic, &chain, &ignore, end + TICK).is_ok());
}

#[test]
fn either_list_of_the_path_can_be_the_stale_one() {
    let clinic = clinic();
    let (chain, _) = clinic.leaf();
    let (bundle, signers) = (clinic.bundle(), clinic.signers());
    let soon = NOW + Duration::from_secs(60);
    let of_issuer = clinic.issuer.sign_crl(1, &[], NOW, soon).unwrap();
    let of_root = clinic.root.sign_crl(1, &[], NOW, soon).unwrap();
    let [mut one, mut other] = [Crls::new(), Crls::new()];
    one.accept(Crl::parse(&of_issuer).unwrap(), &signers, &bundle)
        .unwrap();
    one.accept(clinic.root_list(1, &[]), &[], &bundle).unwrap();
    other
        .accept(clinic.list(1, &[]), &signers, &bundle)
        .unwrap();
    other
        .accept(Crl::parse(&of_root).unwrap(), &[], &bundle)
        .unwrap();
    for crls in [one, other] {
        assert!(judge(&clinic, &chain, &require(&crls), soon).is_ok());
        let refused = judge(&clinic, &chain, &require(&crls), soon + TICK);
        let stale = InvalidChain::RevocationStale { next_update: soon };
        assert_eq!(refused, Err(stale));
    }
}

#[test]
fn a_list_that_has_ended_still_revokes_what_it_revoked() {
    let clinic = clinic();
    let (chain, facts) = clinic.leaf();
    let crls = clinic.lists(&[&facts.serial], &[]);
    for stale in [Stale::Refuse, Stale::Accept] {
        let revocation = dials(&crls, Lists::Require, stale);
        let refused = judge(&clinic, &chain, &revocation, NOW + HOUR + TICK);
        assert_eq!(refused, Err(InvalidChain::Revoked(hex(&facts.serial))));
    }
}

#[test]
fn a_list_made_ahead_of_this_nodes_clock_counts() {
    let clinic = clinic();
    let (chain, facts) = clinic.leaf();
    let (bundle, signers) = (clinic.bundle(), clinic.signers());
    let (later, revoked) = (NOW + HOUR, all(&[&facts.serial]));
    let der = clinic
        .issuer
        .sign_crl(1, &revoked, later, later + HOUR)
        .unwrap();
    let mut crls = Crls::new();
    crls.accept(Crl::parse(&der).unwrap(), &signers, &bundle)
        .unwrap();
    crls.accept(clinic.root_list(1, &[]), &[], &bundle).unwrap();
    let refused = judge(&clinic, &chain, &require(&crls), NOW);
    assert_eq!(refused, Err(InvalidChain::Revoked(hex(&facts.serial))));
}

#[test]
fn no_other_trust_domains_list_has_a_say() {
    let clinic = clinic();
    let (chain, facts) = clinic.leaf();
    let mut crls = clinic.lists(&[], &[]);
    let rogue = Clinic::new("clinic.example");
    let mut lab = rogue.bundle();
    lab.trust_domain = TrustDomain::new("lab.example").unwrap();
    let list = rogue.list(u64::MAX, &[&facts.serial]);
    assert_eq!(crls.accept(list, &rogue.signers(), &lab), Ok(true));
    assert_eq!(judge(&clinic, &chain, &require(&crls), NOW), Ok(facts));
}

#[test]
fn a_revoked_chain_that_leads_to_no_root_is_untrusted_first() {
    let (clinic, rogue) = (clinic(), Clinic::new("clinic.example"));
    let (chain, facts) = rogue.leaf();
    let crls = clinic.lists(&[&facts.serial], &[]);
    for revocation in [Revocation::ignore(), require(&crls), require(&Crls::new())] {
        let refused = judge(&clinic, &chain, &revocation, NOW);
        assert!(
            matches!(refused, Err(InvalidChain::Untrusted(_))),
            "{refused:?}"
        );
    }
}

/// The clinic's first issuer, certified by another root as well, and a bundle of both roots.
fn certified_twice(clinic: &Clinic) -> (CertificateDer<'static>, Root, Bundle) {
    let root = Root::create(&RingKeys, &clinic.domain, 2, day()).unwrap();
    let subject = profile::issuer(&clinic.domain, 1, &day()).unwrap();
    let signer = profile::root(&clinic.domain, 2, &day()).unwrap();
    let signer = rcgen::Issuer::new(signer, P256::from_pkcs8(root.key()).unwrap());
    let key = P256::from_pkcs8(clinic.issuer.key()).unwrap();
    let certificate = subject.signed_by(&key, &signer).unwrap().into();
    let mut bundle = clinic.bundle();
    bundle.roots.push(root.certificate().clone());
    (certificate, root, bundle)
}

#[test]
fn one_path_that_is_neither_revoked_nor_stale_is_enough() {
    let clinic = clinic();
    let (other, second_root, bundle) = certified_twice(&clinic);
    let (mut chain, _) = clinic.leaf();
    chain.push(other.clone());
    let one = serial(clinic.issuer.certificate());
    let list = |root: &Root, serials: &[&[u8]], until| {
        Crl::parse(&root.sign_crl(1, &all(serials), NOW, until).unwrap()).unwrap()
    };
    let (now, late) = (NOW + HOUR / 2, NOW + HOUR);
    let judge = |of_first: Option<Crl>, of_second: Crl| {
        let mut crls = Crls::new();
        let lists = [Some(clinic.list(1, &[])), of_first, Some(of_second)];
        for (list, signers) in lists.into_iter().zip([&clinic.signers()[..], &[], &[]]) {
            list.map(|list| crls.accept(list, signers, &bundle).unwrap());
        }
        let bundles = Bundles::from(bundle.clone());
        verify_chain(&chain, &bundles, &require(&crls), now, Duration::ZERO).map(|_| ())
    };
    let good = || list(&second_root, &[], late);
    let stale = list(&clinic.root, &[], NOW + HOUR / 4);
    let revoking = list(&clinic.root, &[&one], late);
    for of_first in [None, Some(stale), Some(revoking.clone())] {
        assert_eq!(judge(of_first, good()), Ok(()));
    }
    let also_revoking = list(&second_root, &[&serial(&other)], late);
    let refused = judge(Some(revoking), also_revoking);
    assert_eq!(refused, Err(InvalidChain::Revoked(hex(&one))));
}

#[test]
fn an_older_list_is_refused_or_taken_as_the_dial_says() {
    let clinic = clinic();
    let (chain, facts) = clinic.leaf();
    let (bundle, signers) = (clinic.bundle(), clinic.signers());
    let mut crls = Crls::new();
    crls.accept(clinic.list(2, &[&facts.serial]), &signers, &bundle)
        .unwrap();
    crls.accept(clinic.root_list(1, &[]), &[], &bundle).unwrap();
    let mut revocation = require(&crls);
    let older = clinic.list(1, &[]);
    let refused = revocation.offer(older.clone(), &signers, &bundle);
    assert!(matches!(
        refused,
        Err(InvalidCrl::RolledBack {
            offered: 1,
            held: 2,
            ..
        })
    ));
    assert!(judge(&clinic, &chain, &revocation, NOW).is_err());
    revocation.older = Older::Accept;
    assert_eq!(revocation.offer(older, &signers, &bundle), Ok(true));
    assert!(
        judge(&clinic, &chain, &revocation, NOW).is_ok(),
        "the revoked leaf is back"
    );
}

#[test]
fn two_issuers_of_one_name_have_a_list_each() {
    let (old, new) = (clinic(), clinic());
    let mut bundle = old.bundle();
    bundle.roots.extend(new.bundle().roots);
    let (bundles, mut crls) = (Bundles::from(bundle.clone()), Crls::new());
    let [(good, _), (_, bad), (of_new, facts)] = [old.leaf(), old.leaf(), new.leaf()];
    let mut take = |list: Crl, signers: &[CertificateDer<'_>]| {
        assert_eq!(crls.accept(list, signers, &bundle), Ok(true));
    };
    take(old.list(7, &[&bad.serial]), &old.signers());
    take(old.root_list(7, &[]), &[]);
    // A number of its own: of another issuer, it supersedes nothing.
    take(new.list(1, &[]), &new.signers());
    take(new.root_list(1, &[]), &[]);
    let judge = |chain: &[CertificateDer<'_>], crls: &Crls| {
        verify_chain(chain, &bundles, &require(crls), NOW, Duration::ZERO).map(drop)
    };
    assert_eq!(judge(&good, &crls), Ok(()));
    assert_eq!(judge(&of_new, &crls), Ok(()));
    let revoked = new.list(2, &[&facts.serial]);
    assert_eq!(crls.accept(revoked, &new.signers(), &bundle), Ok(true));
    let refused = InvalidChain::Revoked(hex(&facts.serial));
    assert_eq!(judge(&of_new, &crls), Err(refused));
    assert_eq!(judge(&good, &crls), Ok(()));
    assert!(crls.revokes(&facts) && crls.revokes(&bad));
    // What somebody adds to a chain can make it fail, and no more.
    let added = [&of_new[..], &old.signers()].concat();
    assert!(judge(&added, &crls).is_err());
}
