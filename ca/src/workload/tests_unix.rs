//! The Workload API over a real socket, as its callers see it.

use std::time::Duration;

use proto::spiffe::workload as wire;
use tonic::{Code, Request};
use zeroize::Zeroizing;

use super::LOOK;
use super::house_unix::{House, NOW, asked, certificates, id, next, refusals, registry, uid};
use super::registry::FILE;
use crate::clock::Clock as _;
use crate::credential::Credential;
use crate::crl::RevocationReason;
use crate::disk::Disk as _;
use crate::rotation::AuthorityKind;

#[tokio::test]
async fn a_call_without_the_metadata_is_refused_whatever_it_asks_for() {
    let house = House::new(&["/records"]);
    let mut client = house.client().await;
    for values in [&[][..], &["True"], &["1"], &["true", "false"]] {
        let dressed = || {
            let mut request = Request::new(());
            for value in values {
                let value = value.parse().unwrap();
                request.metadata_mut().append("workload.spiffe.io", value);
            }
            request
        };
        let refused = refusals(&mut client, dressed).await;
        assert_eq!(refused, [Code::InvalidArgument; 5], "{values:?}");
    }
    assert!(
        client
            .fetch_x509svid(asked(wire::X509svidRequest {}))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_process_that_is_not_registered_is_given_nothing() {
    let house = House::new(&[]);
    let scratch = house.scratch.path();
    let other = registry(&["/records"], uid(scratch) + 1);
    house.disk.replace(FILE, other.as_bytes()).unwrap();
    let mut client = house.client().await;
    let refused = refusals(&mut client, || asked(())).await;
    assert_eq!(refused, [Code::PermissionDenied; 5]);
    tokio::time::sleep(3 * LOOK).await;
    let refused = refusals(&mut client, || asked(())).await;
    assert_eq!(refused, [Code::PermissionDenied; 5], "it is another user's");
    let size = house.ca().log().size();
    assert!(size > 0 && !format!("{:?}", house.ca().facts(NOW)).contains("records"));
}

#[tokio::test]
async fn key_chain_roots_and_lists_come_whole_and_belong_together() {
    let house = House::new(&["/records", "/billing"]);
    let message = next(&mut house.svids().await).await.unwrap();
    let names: Vec<&str> = message.svids.iter().map(|it| &*it.spiffe_id).collect();
    assert_eq!(
        names,
        [id("/records").to_string(), id("/billing").to_string()]
    );
    let announced = house.ca().announced().borrow().clone();
    let lists: Vec<_> = announced.listed.iter().map(|it| it.crl.clone()).collect();
    assert_eq!(message.crl, lists);
    assert_eq!(lists.len(), 2, "the root's and the issuer's");
    for svid in &message.svids {
        assert_eq!(certificates(&svid.bundle), announced.bundle.roots);
        let chain = certificates(&svid.x509_svid);
        assert_eq!(chain.len(), 2, "leaf and issuer, and no root");
        let (key, id) = (Zeroizing::new(svid.x509_svid_key.clone()), &svid.spiffe_id);
        let id = id.parse().unwrap();
        let bundle = &announced.bundle;
        let whole = Credential::assemble(1, key, chain, bundle, &id, NOW, Duration::ZERO);
        assert!(whole.is_ok(), "{:?}", whole.err());
    }
    let mut client = house.client().await;
    let bundles = client.fetch_x509_bundles(asked(wire::X509BundlesRequest {}));
    let bundles = next(&mut bundles.await.unwrap().into_inner())
        .await
        .unwrap();
    assert_eq!(bundles.crl, lists);
    let roots = &bundles.bundles["spiffe://clinic.example"];
    assert_eq!(certificates(roots), announced.bundle.roots);
}

#[tokio::test]
async fn a_leaf_is_followed_at_half_of_its_life_on_the_open_stream() {
    let house = House::new(&["/records"]);
    let (mut one, mut other) = (house.svids().await, house.svids().await);
    let first = next(&mut one).await.unwrap();
    assert_eq!(next(&mut other).await.unwrap(), first, "one name, one SVID");
    house.clock.set(NOW + Duration::from_secs(60));
    let second = next(&mut one).await.unwrap();
    assert_eq!(next(&mut other).await.unwrap(), second);
    let [before, after] = [&first, &second].map(|it| &it.svids[0]);
    assert_ne!(before.x509_svid, after.x509_svid);
    assert_ne!(before.x509_svid_key, after.x509_svid_key);
}

#[tokio::test]
async fn who_is_struck_off_hears_so_and_others_stay() {
    let house = House::new(&["/records", "/billing"]);
    let mut stream = house.svids().await;
    assert_eq!(next(&mut stream).await.unwrap().svids.len(), 2);
    house.register(&["/billing"]);
    let left = next(&mut stream).await.unwrap();
    let names: Vec<&str> = left.svids.iter().map(|it| &*it.spiffe_id).collect();
    assert_eq!(names, [id("/billing").to_string()]);
    let mut client = house.client().await;
    let bundles = client.fetch_x509_bundles(asked(wire::X509BundlesRequest {}));
    let mut bundles = bundles.await.unwrap().into_inner();
    next(&mut bundles).await.unwrap();
    house.register(&[]);
    let gone = next(&mut stream).await.unwrap_err();
    assert_eq!(gone.code(), Code::PermissionDenied);
    let gone = next(&mut bundles).await.unwrap_err();
    assert_eq!(gone.code(), Code::PermissionDenied);
    house.register(&["/records"]);
    tokio::time::sleep(3 * LOOK).await;
    assert!(next(&mut house.svids().await).await.is_ok());
}

#[tokio::test]
async fn a_broken_registry_takes_nothing_away() {
    let house = House::new(&["/records"]);
    let mut stream = house.svids().await;
    let first = next(&mut stream).await.unwrap();
    for broken in [&b"format = 1\n[[workload]]"[..], b""] {
        house.disk.replace(FILE, broken).unwrap();
        tokio::time::sleep(3 * LOOK).await;
        assert_eq!(next(&mut house.svids().await).await.unwrap(), first);
    }
}

#[tokio::test]
async fn roots_and_lists_are_told_as_soon_as_they_change() {
    let house = House::new(&["/records"]);
    let mut svids = house.svids().await;
    let mut client = house.client().await;
    let bundles = client.fetch_x509_bundles(asked(wire::X509BundlesRequest {}));
    let mut bundles = bundles.await.unwrap().into_inner();
    let (first, _) = (
        next(&mut svids).await.unwrap(),
        next(&mut bundles).await.unwrap(),
    );
    house.prepare(AuthorityKind::Root);
    let second = next(&mut svids).await.unwrap();
    assert_eq!(certificates(&second.svids[0].bundle).len(), 2);
    assert_eq!(second.svids[0].x509_svid, first.svids[0].x509_svid);
    let told = next(&mut bundles).await.unwrap();
    assert_eq!(
        told.bundles["spiffe://clinic.example"],
        second.svids[0].bundle
    );
    let leaf = &certificates(&second.svids[0].x509_svid)[0];
    let serial = crate::identity::LeafFacts::from_der(leaf)
        .unwrap()
        .serial_hex();
    let now = house.clock.now();
    let reason = RevocationReason::KeyCompromise;
    house.ca().revoke_leaf(&serial, reason, now).unwrap();
    let third = next(&mut svids).await.unwrap();
    assert_ne!(third.crl, second.crl);
    assert_ne!(third.svids[0].x509_svid, second.svids[0].x509_svid);
    assert_eq!(next(&mut bundles).await.unwrap().crl, third.crl);
}

#[tokio::test]
async fn rotation_hears_what_a_workload_was_told_and_waits_for_one_that_hung_up() {
    let house = House::new(&["/records"]);
    let mut stream = house.svids().await;
    next(&mut stream).await.unwrap();
    let generation = || house.ca().bundle().generation;
    let told = async |generation| {
        for _ in 0..100 {
            if house.acknowledged("/records") == Some(generation) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    };
    assert!(told(generation()).await);
    house.prepare(AuthorityKind::Root);
    next(&mut stream).await.unwrap();
    assert!(told(generation()).await);
    let before = generation();
    drop(stream);
    tokio::time::sleep(Duration::from_millis(100)).await;
    house.prepare(AuthorityKind::X509);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        house.acknowledged("/records"),
        Some(before),
        "nobody listens"
    );
    assert!(before < generation());
}
