//! Bundles of other trust domains over a real socket: each by itself, as long as it counts.

use std::sync::Arc;
use std::time::Duration;

use proto::spiffe::workload as wire;
use serde_json::Value;

use super::house_unix::{House, NOW, asked, certificates, next};
use super::jwt_tests_unix::Scribe;
use crate::authority::Root;
use crate::bundle_json::Document;
use crate::federation::Relation;
use crate::identity::TrustDomain;
use crate::keys::{Keys as _, RingKeys};
use crate::profile::Validity;
use crate::token_keys::TokenKey;

const OURS: &str = "spiffe://clinic.example";
const THEIRS: &str = "spiffe://other.example";
const MINUTE: Duration = Duration::from_secs(60);

fn other() -> TrustDomain {
    TrustDomain::new("other.example").unwrap()
}

/// What that domain publishes: a root and a token key.
fn published() -> Document {
    let validity = Validity::lasting(NOW - MINUTE, MINUTE * 1000);
    let root = Root::create(&RingKeys, &other(), 1, validity).unwrap();
    let key = TokenKey::new(RingKeys.p256().unwrap()).unwrap();
    Document {
        sequence: 3,
        refresh_hint: None,
        roots: vec![root.certificate().clone()],
        token_keys: vec![key.public().clone()],
    }
}

impl House {
    fn federate(&self, document: &Document) {
        let relation = Relation {
            endpoint: None,
            max_age: Some(MINUTE),
        };
        let mut ca = self.ca();
        ca.federate(&other(), document.clone(), relation, NOW)
            .unwrap();
    }
}

#[tokio::test]
async fn another_domains_roots_come_by_themselves_and_go_when_they_are_too_old() {
    let house = House::new(&["/records"]);
    let (mut svids, mut client) = (house.svids().await, house.client().await);
    let bundles = client.fetch_x509_bundles(asked(wire::X509BundlesRequest {}));
    let mut bundles = bundles.await.unwrap().into_inner();
    let first = next(&mut svids).await.unwrap();
    assert!(first.federated_bundles.is_empty());
    assert_eq!(next(&mut bundles).await.unwrap().bundles.len(), 1);

    let published = published();
    house.federate(&published);
    let told = next(&mut svids).await.unwrap();
    assert_eq!(told.svids, first.svids, "ours are what they were");
    assert_eq!(told.federated_bundles.len(), 1);
    let theirs = certificates(&told.federated_bundles[THEIRS]);
    assert_eq!(theirs, published.roots);
    let all = next(&mut bundles).await.unwrap().bundles;
    assert_eq!(all.len(), 2);
    assert_eq!(all[THEIRS], told.federated_bundles[THEIRS]);
    assert_eq!(all[OURS], first.svids[0].bundle, "never merged");

    let over = NOW + MINUTE + Duration::from_secs(1);
    house.clock.set(over);
    house.ca().tend(over).unwrap();
    let mut told = next(&mut svids).await.unwrap();
    while !told.federated_bundles.is_empty() {
        // The leaf is followed at about that time as well.
        told = next(&mut svids).await.unwrap();
    }
    let left = next(&mut bundles).await.unwrap().bundles;
    assert_eq!(left.keys().collect::<Vec<_>>(), [OURS]);
}

#[tokio::test]
async fn a_domain_of_which_nobody_is_trusted_is_not_named() {
    let house = House::new(&["/records"]);
    house.federate(&Document {
        roots: Vec::new(),
        token_keys: Vec::new(),
        ..published()
    });
    let told = next(&mut house.svids().await).await.unwrap();
    assert!(told.federated_bundles.is_empty());
}

#[tokio::test]
async fn another_domains_token_keys_come_by_themselves_and_go_when_it_is_withdrawn() {
    let house = House::with(Some(Arc::<Scribe>::default()), &["/records"]);
    let mut client = house.client().await;
    let bundles = client.fetch_jwt_bundles(asked(wire::JwtBundlesRequest {}));
    let mut bundles = bundles.await.unwrap().into_inner();
    let first = next(&mut bundles).await.unwrap().bundles;
    assert_eq!(first.keys().collect::<Vec<_>>(), [OURS]);
    let published = published();
    house.federate(&published);
    let all = next(&mut bundles).await.unwrap().bundles;
    assert_eq!((all.len(), &all[OURS]), (2, &first[OURS]));
    let set: Value = serde_json::from_slice(&all[THEIRS]).unwrap();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0]["kid"], published.token_keys[0].kid());
    house.ca().withdraw(&other(), NOW).unwrap();
    assert_eq!(next(&mut bundles).await.unwrap().bundles, first);
}
