//! Claims about two CAs that federate over real sockets: what is followed, and who is not believed.

use std::sync::Arc;

use super::tests::{endpoint, other};
use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::identity::SpiffeId;
use crate::public::tests::Clinic;
use crate::rotation::AuthorityKind;

/// Waits until that is so, for at most as long as a person would.
async fn until(what: &str, mut look: impl FnMut() -> bool) {
    for _ in 0..400 {
        if look() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

fn published(clinic: &Clinic) -> Document {
    let announced = clinic.ca.lock().unwrap().announced();
    let announced = announced.borrow();
    Document::of(&announced, Duration::from_secs(1))
}

fn at(clinic: &Clinic) -> Relation {
    let url = format!("https://127.0.0.1:{}/bundle", clinic.port);
    Relation {
        endpoint: Some(Endpoint {
            url: url.parse().unwrap(),
            ..endpoint()
        }),
        max_age: None,
    }
}

#[tokio::test]
async fn a_root_of_another_domain_is_told_to_our_members_once_it_is_published_there() {
    let second = Duration::from_secs(1);
    let theirs = Clinic::of("other.example", second, Arc::new(SystemClock), None).await;
    let ours = Clinic::of("clinic.example", second, Arc::new(SystemClock), None).await;
    let now = SystemClock.now();
    {
        let (given, mut ca) = (published(&theirs), ours.ca.lock().unwrap());
        ca.federate(&other(), given, at(&theirs), now).unwrap();
    }
    let told = || {
        let announced = ours.ca.lock().unwrap().announced();
        let told = announced.borrow().federated.first().cloned();
        told.map_or(0, |bundle| bundle.roots.len())
    };
    assert_eq!(told(), 1);
    {
        let mut ca = theirs.ca.lock().unwrap();
        let prepare = ca.prepare_act(AuthorityKind::Root, now);
        ca.command(&prepare.into(), now).unwrap();
    }
    until("the second root is told", || told() == 2).await;
    let federated = ours.ca.lock().unwrap().federated().next().cloned();
    assert_eq!(
        federated.unwrap().document.sequence,
        published(&theirs).sequence
    );
}

#[tokio::test]
async fn a_stranger_at_the_endpoint_is_not_believed_whatever_name_it_has() {
    let second = Duration::from_secs(1);
    let system = || Arc::new(SystemClock);
    let theirs = Clinic::of("other.example", second, system(), None).await;
    // The same names, and nobody's roots but its own.
    let stranger = Clinic::of("other.example", second, system(), None).await;
    let ours = Clinic::of("clinic.example", second, system(), None).await;
    let (given, now) = (published(&theirs), SystemClock.now());
    {
        let mut ca = ours.ca.lock().unwrap();
        ca.federate(&other(), given.clone(), at(&stranger), now)
            .unwrap();
    }
    let failure = || {
        let ca = ours.ca.lock().unwrap();
        ca.federated().next().and_then(|it| it.failure.clone())
    };
    until("it was tried", || failure().is_some()).await;
    assert!(
        failure().unwrap().contains("UnknownIssuer"),
        "{:?}",
        failure()
    );
    // Nor is another workload of the right domain.
    {
        let mut relation = at(&theirs);
        if let Some(endpoint) = &mut relation.endpoint {
            endpoint.profile = Profile::HttpsSpiffe {
                id: SpiffeId::new(&other(), "/bundles").unwrap(),
            };
        }
        let mut ca = ours.ca.lock().unwrap();
        ca.federate(&other(), given, relation, now).unwrap();
    }
    until("it was tried", || failure().is_some()).await;
    assert!(
        failure().unwrap().contains("NotValidForName"),
        "{:?}",
        failure()
    );
    until("it is too old", || {
        !ours.ca.lock().unwrap().counts(&other())
    })
    .await;
}
