//! The CA's services on the wire: the only place where its messages and its refusals are
//! translated.

mod signing;

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::ca::v1 as wire;
use proto::ca::v1::identity_server::{Identity as IdentityApi, IdentityServer};
use proto::ca::v1::token_keys_server::TokenKeysServer;
use proto::ca::v1::trust_server::{Trust as TrustApi, TrustServer};
use tokio_stream::Stream;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::admission::{Caller, Limits};
use crate::announced::Announced;
use crate::authorities::Listed;
use crate::conn::{MAX_MESSAGE, MAX_STATE, PeerIdentity};
use crate::csr::MAX_REQUEST;
use crate::error::{CaError, IssueRefusal};
use crate::issue::{Ca, Identity};
use crate::seams::Seams;
use crate::turns::{Turn, Turns};
use crate::work::{Busy, Kind};

/// What a busy CA asks of those that it turns away: not to come again sooner.
pub const COME_BACK: Duration = Duration::from_secs(1);
/// How often a request whose turn it is asks for the work, where handshakes fill the queue for it.
pub(crate) const DESK_TRIES: u32 = 20;
/// Between those.
pub(crate) const DESK_PAUSE: Duration = Duration::from_millis(5);
/// Under this name a busy answer says so, in milliseconds; gRPC's retry design gave it.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The CA behind its services.
#[derive(Clone, Debug)]
pub struct IdentityService {
    seams: Seams,
    ca: Arc<Mutex<Ca>>,
    turns: Turns,
}

impl IdentityService {
    /// A service over one CA, that takes on so much.
    pub fn new(seams: Seams, ca: Arc<Mutex<Ca>>, limits: Limits) -> Self {
        let turns = Turns::new(limits);
        Self { seams, ca, turns }
    }

    /// The services as tonic serves them.
    pub fn routes(self) -> Routes {
        let trust = TrustServer::new(self.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_STATE);
        let identity = IdentityServer::new(self.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_STATE);
        let keys = TokenKeysServer::new(self).max_decoding_message_size(MAX_MESSAGE);
        Routes::new(identity).add_service(trust).add_service(keys)
    }

    fn ca(&self) -> MutexGuard<'_, Ca> {
        self.ca.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the caller's turn, and then for the work's cost. Whoever has its turn is the most
    /// urgent there is, and is not sent away at once because strangers' handshakes fill the queue.
    async fn turn(&self, caller: Caller, csr: &[u8]) -> Result<Turn, Status> {
        if csr.len() > MAX_REQUEST {
            // It would be refused at its turn, and is heavy to keep until then.
            return Err(CaError::from(IssueRefusal::CsrTooLarge(csr.len())).into());
        }
        let turn = self.turns.wait(caller).await.map_err(busy)?;
        for _ in 1..DESK_TRIES {
            if self.seams.work.charge(Kind::Issue).await.is_ok() {
                return Ok(turn);
            }
            self.seams.clock.sleep(DESK_PAUSE).await;
        }
        self.seams.work.charge(Kind::Issue).await.map_err(busy)?;
        Ok(turn)
    }
}

#[tonic::async_trait]
impl IdentityApi for IdentityService {
    async fn enroll(
        &self,
        request: Request<wire::EnrollRequest>,
    ) -> Result<Response<wire::IdentityReply>, Status> {
        let wire::EnrollRequest { join_code, csr } = request.into_inner();
        // Only who was invited may wait.
        let id = self.ca().invited(&join_code)?;
        let caller = Caller::enrolling(id, self.seams.clock.now());
        let _turn = self.turn(caller, &csr).await?;
        let issued = self.ca().enroll(&join_code, &csr, self.seams.clock.now());
        Ok(Response::new(issued?.into()))
    }

    async fn renew(
        &self,
        request: Request<wire::RenewRequest>,
    ) -> Result<Response<wire::IdentityReply>, Status> {
        let peer = request.extensions().get::<PeerIdentity>().cloned();
        let peer = peer.ok_or_else(|| Status::unauthenticated("renewal needs a leaf"))?;
        let csr = request.into_inner().csr;
        // A leaf that is over stands first in the order, and would be refused at its turn.
        self.ca().may_renew(&peer.facts, self.seams.clock.now())?;
        let _turn = self.turn(Caller::renewing(&peer.facts), &csr).await?;
        let issued = self.ca().renew(&peer.facts, &csr, self.seams.clock.now());
        Ok(Response::new(issued?.into()))
    }
}

#[tonic::async_trait]
impl TrustApi for IdentityService {
    type FollowStream = BoxStream<wire::State>;

    async fn follow(
        &self,
        request: Request<Streaming<wire::Acknowledgement>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let peer = request.extensions().get::<PeerIdentity>().cloned();
        let peer = peer.ok_or_else(|| Status::unauthenticated("following needs a leaf"))?;
        let member = peer.facts.spiffe_id;
        let mut acknowledgements = request.into_inner();
        let mut announced = self.ca().announced();
        announced.mark_changed();
        let service = self.clone();
        let states = async_stream::try_stream! {
            loop {
                let said = tokio::select! {
                    biased;
                    said = acknowledgements.message() => Some(said),
                    changed = announced.changed() => match changed {
                        Ok(()) => None,
                        Err(_) => return,
                    },
                };
                match said {
                    Some(said) => match said? {
                        Some(said) => service.ca().acknowledge(&member, said.generation),
                        None => return,
                    },
                    None => {
                        let state = wire::State::from(&**announced.borrow_and_update());
                        yield state;
                    }
                }
            }
        };
        Ok(Response::new(Box::pin(states)))
    }
}

/// The answer to a request that was turned away.
pub(crate) fn busy(busy: Busy) -> Status {
    let mut status = Status::resource_exhausted(busy.to_string());
    let hint = u64::try_from(COME_BACK.as_millis()).unwrap_or(u64::MAX);
    status.metadata_mut().insert(PUSHBACK, hint.into());
    status
}

/// How long the CA asked not to be asked again; zero if it did not, or not in a way to be read.
pub(crate) fn pushback(status: &Status) -> Duration {
    let hint = status.metadata().get(PUSHBACK);
    let hint = hint.and_then(|hint| hint.to_str().ok()?.parse().ok());
    Duration::from_millis(hint.unwrap_or(0))
}

impl From<Identity> for wire::IdentityReply {
    fn from(issued: Identity) -> Self {
        Self {
            chain: issued.chain.iter().map(|der| der.to_vec()).collect(),
            state: Some(wire::State::from(&*issued.state)),
            log_index: issued.log_index,
        }
    }
}

impl From<&Announced> for wire::State {
    fn from(announced: &Announced) -> Self {
        let bundle = &announced.bundle;
        Self {
            bundle: Some(wire::Bundle {
                trust_domain: bundle.trust_domain.to_string(),
                generation: bundle.generation,
                roots: bundle.roots.iter().map(|der| der.to_vec()).collect(),
            }),
            lists: announced
                .listed
                .iter()
                .map(wire::RevocationList::from)
                .collect(),
            tainted: announced.tainted.iter().map(|hash| hash.to_vec()).collect(),
            jwks: announced.jwks.clone(),
            tainted_keys: announced.tainted_keys.iter().cloned().collect(),
            members: announced.members,
        }
    }
}

impl From<&Listed> for wire::RevocationList {
    fn from(listed: &Listed) -> Self {
        Self {
            crl: listed.crl.clone(),
            signers: listed.signers.iter().map(|der| der.to_vec()).collect(),
        }
    }
}

impl From<CaError> for Status {
    fn from(error: CaError) -> Self {
        match error {
            CaError::Refused(refusal) => Self::new(code(&refusal), refusal.to_string()),
            // What is wrong inside the CA is the CA's business.
            other => {
                tracing::error!(error = %other, "the CA could not issue");
                Self::unavailable("the CA could not issue")
            }
        }
    }
}

const fn code(refusal: &IssueRefusal) -> Code {
    match refusal {
        IssueRefusal::JoinCodeExpired(_)
        | IssueRefusal::JoinCodeUnknown
        | IssueRefusal::JoinCodeUsed
        | IssueRefusal::LeafExpired(_)
        | IssueRefusal::LeafForeign(_)
        | IssueRefusal::LeafNotYetValid(_)
        | IssueRefusal::LeafRevoked
        | IssueRefusal::LeafUnlogged => Code::Unauthenticated,
        IssueRefusal::TooManyJoinCodes(_) => Code::ResourceExhausted,
        _ => Code::InvalidArgument,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::clock::{BoxFuture, ManualClock, Time};
    use crate::conn::Standing;
    use crate::disk::MemDisk;
    use crate::identity::{LeafFacts, SpiffeId, TrustDomain};
    use crate::issue::CaConfig;
    use crate::work::Work;

    const NOW: Time = Time::from_secs(1_800_000_000);
    const ONE: Limits = Limits {
        at_once: 1,
        renewals: 1,
        enrolments: 1,
    };

    /// Work that takes until it is allowed, and is refused so many times first.
    #[derive(Debug)]
    struct Gate {
        refusals: AtomicU32,
        charged: AtomicU32,
        allowed: Semaphore,
    }

    impl Work for Gate {
        fn charge(&self, _: Kind) -> BoxFuture<'_, Result<(), Busy>> {
            Box::pin(async move {
                self.charged.fetch_add(1, Ordering::SeqCst);
                let refused = |left: u32| left.checked_sub(1);
                let order = Ordering::SeqCst;
                if self.refusals.fetch_update(order, order, refused).is_ok() {
                    return Err(Busy);
                }
                self.allowed.acquire().await.unwrap().forget();
                Ok(())
            })
        }
    }

    /// A service whose work is refused so many times, and then allowed so many times.
    fn service(refusals: u32, allowed: usize) -> (IdentityService, Arc<Gate>) {
        let gate = Arc::new(Gate {
            refusals: AtomicU32::new(refusals),
            charged: AtomicU32::new(0),
            allowed: Semaphore::new(allowed),
        });
        let seams = Seams {
            clock: Arc::new(ManualClock::new(NOW)),
            disk: Arc::new(MemDisk::new()),
            work: Arc::clone(&gate) as Arc<dyn Work>,
            ..Seams::real("never-written")
        };
        let domain = TrustDomain::new("clinic.example").unwrap();
        let ca = Ca::open(&seams, CaConfig::lab(domain)).unwrap();
        let service = IdentityService::new(seams, Arc::new(Mutex::new(ca)), ONE);
        (service, gate)
    }

    fn id(path: &str) -> SpiffeId {
        SpiffeId::parse(&format!("spiffe://clinic.example{path}")).unwrap()
    }

    async fn enroll(
        service: &IdentityService,
        join_code: &str,
        csr: Vec<u8>,
    ) -> Result<Response<wire::IdentityReply>, Status> {
        let join_code = join_code.to_owned();
        let asked = Request::new(wire::EnrollRequest { join_code, csr });
        IdentityApi::enroll(service, asked).await
    }

    fn request(service: &IdentityService) -> Vec<u8> {
        crate::csr::request(&service.seams.keys.p256().unwrap()).unwrap()
    }

    fn code(service: &IdentityService, path: &str) -> String {
        let code = service.ca().new_join_code(&id(path), NOW).unwrap();
        code.reveal().to_owned()
    }

    #[tokio::test]
    async fn the_work_is_charged_once_it_is_a_requests_turn_and_not_before() {
        let (service, gate) = service(0, 0);
        let mut waiting = Vec::new();
        for path in ["/a", "/b"] {
            let (service, code, csr) = (service.clone(), code(&service, path), request(&service));
            let asks = async move { enroll(&service, &code, csr).await.map(drop) };
            waiting.push(tokio::spawn(asks));
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(gate.charged.load(Ordering::SeqCst), 1);
        let third = enroll(&service, &code(&service, "/c"), request(&service)).await;
        let busy = third.unwrap_err();
        assert_eq!(busy.code(), Code::ResourceExhausted);
        assert_eq!(pushback(&busy), COME_BACK);
        gate.allowed.add_permits(2);
        for asked in waiting {
            assert!(asked.await.unwrap().is_ok());
        }
        assert_eq!(gate.charged.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn whoever_would_be_refused_anyway_takes_no_place() {
        let (service, gate) = service(0, 0);
        let (good, endless) = (request(&service), vec![0; MAX_REQUEST + 1]);
        let uninvited = enroll(&service, "join-no", good.clone()).await;
        assert_eq!(uninvited.unwrap_err().code(), Code::Unauthenticated);
        let heavy = enroll(&service, &code(&service, "/a"), endless).await;
        assert_eq!(heavy.unwrap_err().code(), Code::InvalidArgument);
        let over = PeerIdentity {
            facts: LeafFacts {
                spiffe_id: id("/a"),
                serial: vec![1],
                not_before: Time::from_secs(0),
                not_after: Time::from_secs(1),
                leaf_sha256: [0; 32],
                issuer: Vec::new(),
            },
            generation: 1,
            standing: Standing::of(&[]),
        };
        let mut asked = Request::new(wire::RenewRequest { csr: good });
        asked.extensions_mut().insert(over);
        let refused = IdentityApi::renew(&service, asked).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert_eq!(gate.charged.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn whoever_has_its_turn_is_not_sent_away_at_the_first_full_desk() {
        for (refusals, served) in [(DESK_TRIES - 1, true), (DESK_TRIES, false)] {
            let (service, _) = service(refusals, 1);
            let answer = enroll(&service, &code(&service, "/a"), request(&service)).await;
            assert_eq!(answer.is_ok(), served, "{refusals} refusals");
            let turn = service.turns.wait(Caller::enrolling(id("/b"), NOW));
            let turn = tokio::time::timeout(Duration::from_secs(5), turn).await;
            assert!(turn.expect("the turn was given back").is_ok());
        }
    }

    #[test]
    fn what_a_busy_ca_asks_for_is_read_back_and_nonsense_asks_for_nothing() {
        assert_eq!(pushback(&busy(Busy)), COME_BACK);
        for nonsense in ["", "-1", "soon", "1e3", "99999999999999999999"] {
            let mut status = Status::resource_exhausted("busy");
            status
                .metadata_mut()
                .insert(PUSHBACK, nonsense.parse().unwrap());
            assert_eq!(pushback(&status), Duration::ZERO, "`{nonsense}`");
        }
        assert_eq!(pushback(&Status::unavailable("away")), Duration::ZERO);
    }
}
