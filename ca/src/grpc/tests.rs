//! Claims about the service: whose turn is charged for, and what a busy CA asks for.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use super::*;
use crate::clock::{BoxFuture, ManualClock, Time};
use crate::conn::Standing;
use crate::disk::MemDisk;
use crate::identity::{LeafFacts, SpiffeId, TrustDomain};
use crate::issue::CaConfig;
use crate::work::{RealWork, Work};

const NOW: Time = Time::from_secs(1_800_000_000);
const ONE: Limits = Limits {
    at_once: 1,
    resting: 0,
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
    (with(Arc::clone(&gate) as Arc<dyn Work>, ONE), gate)
}

fn with(work: Arc<dyn Work>, limits: Limits) -> IdentityService {
    let seams = Seams {
        clock: Arc::new(ManualClock::new(NOW)),
        disk: Arc::new(MemDisk::new()),
        work,
        ..Seams::real("never-written")
    };
    let domain = TrustDomain::new("clinic.example").unwrap();
    let ca = Ca::open(&seams, CaConfig::lab(domain)).unwrap();
    IdentityService::new(seams, Arc::new(Mutex::new(ca)), limits)
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

/// How many of these that ask at once are served; the others are told that the CA is busy.
async fn served_together(service: &IdentityService, paths: &[&str]) -> usize {
    let asks = paths.iter().map(|path| {
        let (service, code, csr) = (service.clone(), code(service, path), request(service));
        tokio::spawn(async move { enroll(&service, &code, csr).await })
    });
    let mut served = 0;
    for answer in asks.collect::<Vec<_>>() {
        match answer.await.unwrap() {
            Ok(_) => served += 1,
            Err(refused) => assert_eq!(refused.code(), Code::ResourceExhausted),
        }
    }
    served
}

/// On a real machine work takes no time on any clock, so a turn that ended before the answer would
/// be taken and left in one go, and neither limits nor order would act.
#[tokio::test]
async fn where_work_is_free_an_identity_has_one_request_and_the_limits_hold() {
    let limits = Limits { resting: 2, ..ONE };
    let service = with(Arc::new(RealWork), limits);
    let founded = service.ca().log().committed();
    assert_eq!(served_together(&service, &["/a", "/a", "/a"]).await, 1);
    assert_eq!(served_together(&service, &["/b", "/c", "/d"]).await, 3);
    // Two rest, one is served, one waits.
    let crowd = ["/e", "/f", "/g", "/h", "/i", "/j"];
    assert_eq!(served_together(&service, &crowd).await, 4);
    assert_eq!(
        service.ca().log().committed() - founded,
        8,
        "one entry each"
    );
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

/// Somebody's leaf, of that name, valid now.
fn peer(name: &str) -> PeerIdentity {
    PeerIdentity {
        facts: LeafFacts {
            spiffe_id: SpiffeId::parse(name).unwrap(),
            serial: vec![1],
            not_before: NOW,
            not_after: NOW + Duration::from_secs(60),
            leaf_sha256: [0; 32],
            issuer: Vec::new(),
        },
        generation: 1,
        standing: Standing::of(&[]),
    }
}

#[tokio::test]
async fn whoever_is_federated_is_no_member() {
    let (service, _) = service(0, 0);
    let mut client = {
        let service = service.clone();
        let foreign = move |mut request: http::Request<tonic::body::Body>| {
            let name = request.headers()["name"].to_str().unwrap().to_owned();
            request.extensions_mut().insert(peer(&name));
            request
        };
        let routes = service.offered().bare().map_request(foreign);
        proto::ca::v1::trust_client::TrustClient::new(routes)
    };
    for (name, member) in [
        ("spiffe://clinic.example/a", true),
        ("spiffe://other.example/a", false),
    ] {
        let mut asked = Request::new(tokio_stream::empty::<wire::Acknowledgement>());
        asked.metadata_mut().insert("name", name.parse().unwrap());
        let answer = client.follow(asked).await;
        match answer {
            Ok(_) => assert!(member, "{name}"),
            Err(refused) => {
                assert_eq!(refused.code(), Code::Unauthenticated);
                assert!(!member && refused.message().contains("another trust domain"));
            }
        }
    }
}
