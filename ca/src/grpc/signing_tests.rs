//! Claims about the stream of token keys: who is given the next one, and who is heard.

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
use crate::rotation::{Act, AuthorityKind, Command, Reason};
use crate::seams::Seams;

const NOW: Time = Time::from_secs(1_800_000_000);
const JWT: AuthorityKind = AuthorityKind::Jwt;

/// A CA, its token service, and the stream between them.
struct Desk {
    service: IdentityService,
    clock: Arc<ManualClock>,
    signer: LeafFacts,
    words: mpsc::UnboundedSender<Result<wire::SigningWith, Status>>,
    keys: BoxStream<wire::SigningKey>,
}

impl Desk {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        let seams = Seams {
            clock: Arc::clone(&clock) as Arc<dyn crate::clock::Clock>,
            disk: Arc::new(MemDisk::new()),
            ..Seams::real("never-written")
        };
        let domain = TrustDomain::new("clinic.example").unwrap();
        let mut ca = Ca::open(&seams, CaConfig::lab(domain.clone())).unwrap();
        let id = SpiffeId::new(&domain, SIGNER).unwrap();
        let code = ca.new_join_code(&id, NOW).unwrap();
        let csr = csr::request(&RingKeys.p256().unwrap()).unwrap();
        let signer = ca.enroll(code.reveal(), &csr, NOW).unwrap().facts;
        let service = IdentityService::new(seams, Arc::new(Mutex::new(ca)), Limits::STANDARD);
        let (words, said) = mpsc::unbounded_channel();
        let keys = service.keys_for(signer.clone(), UnboundedReceiverStream::new(said));
        Self {
            service,
            clock,
            signer,
            words,
            keys,
        }
    }

    /// The name of the key that comes next, or how the stream ends; nothing if it is silent.
    async fn next(&mut self) -> Option<Result<String, Status>> {
        let next = tokio::time::timeout(Duration::from_millis(50), self.keys.next());
        let next = next.await.ok()?.expect("it ends with a status");
        let kid = |key: wire::SigningKey| TokenKey::new(key.pkcs8.into()).unwrap().kid().to_owned();
        Some(next.map(kid))
    }

    /// Another key signs from now on, whoever has not heard of it.
    fn rotate(&self) {
        let mut ca = self.service.ca();
        let now = self.clock_now();
        let prepare = ca.prepare_act(JWT, now);
        ca.command(&prepare.into(), now).unwrap();
        let activate = Command::from(Act::Activate {
            kind: JWT,
            id: None,
        });
        let reason = Reason::new("its holder is not to be waited for").unwrap();
        ca.command(&activate.overriding(reason), now).unwrap();
    }

    fn clock_now(&self) -> Time {
        self.service.seams.clock.now()
    }

    fn revoke(&self) {
        let serial = self.signer.serial_hex();
        let reason = RevocationReason::KeyCompromise;
        let mut ca = self.service.ca();
        ca.revoke_leaf(&serial, reason, self.clock_now()).unwrap();
    }

    fn says(&self, kid: &str) {
        let kid = kid.to_owned();
        self.words.send(Ok(wire::SigningWith { kid })).unwrap();
    }
}

#[tokio::test]
async fn who_stands_is_given_each_key_once() {
    let mut desk = Desk::new();
    let first = desk.next().await.unwrap().unwrap();
    desk.says(&first);
    assert!(desk.next().await.is_none());
    assert_eq!(desk.service.ca().signing.len(), 1, "it was heard");
    desk.rotate();
    assert_ne!(desk.next().await.unwrap().unwrap(), first);
    assert!(desk.next().await.is_none(), "nothing new");
}

#[tokio::test]
async fn a_signer_revoked_under_its_stream_is_not_given_the_next_key() {
    let mut desk = Desk::new();
    let first = desk.next().await.unwrap().unwrap();
    desk.says(&first);
    assert!(desk.next().await.is_none());
    desk.revoke();
    desk.rotate();
    let ended = desk.next().await.unwrap().unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated);
    assert_eq!(ended.message(), "caller's leaf is revoked");
    let held = desk.service.ca().signing.values().next().copied();
    assert_eq!(held, Some((1, NOW)), "and nothing was taken for given");
}

#[tokio::test]
async fn the_stream_of_a_revoked_signer_ends_without_another_key() {
    let mut desk = Desk::new();
    desk.next().await.unwrap().unwrap();
    desk.revoke();
    let ended = desk.next().await.expect("an end").unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_signer_whose_leaf_is_over_is_neither_given_a_key_nor_heard() {
    let mut desk = Desk::new();
    let first = desk.next().await.unwrap().unwrap();
    desk.clock
        .set(desk.signer.not_after + Duration::from_secs(1));
    desk.says(&first);
    let ended = desk.next().await.expect("an end").unwrap_err();
    assert!(ended.message().contains("expired"), "{ended}");
    assert!(desk.service.ca().signing.is_empty(), "it was not heard");
}
