//! Claims about the stream of secrets: who is given which, and who is heard.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Code;

use super::*;
use crate::admission::Limits;
use crate::clock::{ManualClock, Time};
use crate::crl::RevocationReason;
use crate::csr;
use crate::disk::MemDisk;
use crate::identity::{SpiffeId, TrustDomain};
use crate::issue::{Ca, CaConfig};
use crate::keys::{Keys as _, RingKeys};
use crate::rotation::AuthorityKind;
use crate::seams::Seams;
use crate::secrets::SecretConfig;

const NOW: Time = Time::from_secs(1_800_000_000);

type Words = mpsc::UnboundedSender<Result<wire::SecretsHeld, Status>>;

/// A CA with a data key of the south and one of the north, and somebody who follows.
struct Desk {
    service: IdentityService,
    holder: LeafFacts,
    words: Words,
    secrets: BoxStream<wire::SecretsGiven>,
}

impl Desk {
    fn new(path: &str) -> Self {
        let seams = Seams {
            clock: Arc::new(ManualClock::new(NOW)),
            disk: Arc::new(MemDisk::new()),
            ..Seams::real("never-written")
        };
        let domain = TrustDomain::new("clinic.example").unwrap();
        let of = |region: &str| {
            let name = SecretName::new(&format!("records-at-rest/{region}")).unwrap();
            SecretConfig::at_rest(name, &format!("/records.{region}"))
        };
        let config = CaConfig {
            secrets: vec![of("north"), of("south")],
            ..CaConfig::lab(domain.clone())
        };
        let mut ca = Ca::open(&seams, config).unwrap();
        let id = SpiffeId::new(&domain, path).unwrap();
        let code = ca.new_join_code(&id, NOW).unwrap();
        let csr = csr::request(&RingKeys.p256().unwrap()).unwrap();
        let holder = ca.enroll(code.reveal(), &csr, NOW).unwrap().facts;
        let service = IdentityService::new(seams, Arc::new(Mutex::new(ca)), Limits::STANDARD);
        let (words, said) = mpsc::unbounded_channel();
        let said = UnboundedReceiverStream::new(said);
        let secrets = service.secrets_for(holder.clone(), said);
        Self {
            service,
            holder,
            words,
            secrets,
        }
    }

    /// What comes next, as names with numbers of versions; nothing if it is silent.
    async fn next(&mut self) -> Option<Result<Vec<(String, usize)>, Status>> {
        let next = tokio::time::timeout(Duration::from_millis(50), self.secrets.next());
        let next = next.await.ok()?.expect("it ends with a status");
        let told = |given: wire::SecretsGiven| {
            let each = given.secrets.into_iter();
            each.map(|one| (one.name, one.versions.len())).collect()
        };
        Some(next.map(told))
    }

    fn prepare(&self, region: &str) {
        let mut ca = self.service.ca();
        let act = ca.prepare_act(AuthorityKind::Secret, NOW);
        let name = SecretName::new(&format!("records-at-rest/{region}")).unwrap();
        ca.command_secret(&name, &act.into(), NOW).unwrap();
    }
}

#[tokio::test]
async fn a_holder_is_given_its_own_secrets_alone_and_hears_of_no_others_rotation() {
    let mut desk = Desk::new("/records.south");
    let own = |versions| vec![("records-at-rest/south".to_owned(), versions)];
    assert_eq!(desk.next().await.unwrap().unwrap(), own(1));
    desk.prepare("north");
    assert!(desk.next().await.is_none(), "that was not its own");
    desk.prepare("south");
    assert_eq!(desk.next().await.unwrap().unwrap(), own(2));
}

#[tokio::test]
async fn a_holder_revoked_under_its_stream_is_given_no_further_version() {
    let mut desk = Desk::new("/records.south");
    desk.next().await.unwrap().unwrap();
    let serial = desk.holder.serial_hex();
    let reason = RevocationReason::KeyCompromise;
    desk.service.ca().revoke_leaf(&serial, reason, NOW).unwrap();
    desk.prepare("south");
    let ended = desk.next().await.expect("an end").unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn what_a_holder_says_is_taken_note_of() {
    let mut desk = Desk::new("/records.south");
    desk.next().await.unwrap().unwrap();
    let held = wire::SecretHeld {
        name: "records-at-rest/south".to_owned(),
        generation: 1,
        uses: vec![1],
    };
    let secrets = vec![held];
    desk.words.send(Ok(wire::SecretsHeld { secrets })).unwrap();
    assert!(desk.next().await.is_none());
    let status = desk.service.ca().secret_status(NOW);
    let south = status
        .iter()
        .find(|(name, _)| name.as_str().ends_with("south"));
    assert_eq!(south.map(|(_, status)| status.up_to_date), Some(1));
    let named = wire::SecretHeld {
        name: "No name".to_owned(),
        ..wire::SecretHeld::default()
    };
    let secrets = vec![named];
    desk.words.send(Ok(wire::SecretsHeld { secrets })).unwrap();
    let ended = desk.next().await.expect("an end").unwrap_err();
    assert_eq!(ended.code(), Code::InvalidArgument);
}

#[test]
fn who_may_hold_no_secret_has_no_stream() {
    let desk = Desk::new("/user/mallory");
    let mut request = Request::new(());
    assert_eq!(
        desk.service.holder(&request).unwrap_err().code(),
        Code::PermissionDenied
    );
    request.extensions_mut().insert(PeerIdentity {
        facts: desk.holder.clone(),
        generation: 1,
        standing: crate::conn::Standing::of(&[]),
    });
    assert_eq!(
        desk.service.holder(&request).unwrap_err().code(),
        Code::PermissionDenied
    );
}
