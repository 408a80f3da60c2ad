//! An agent that cannot reach its CA, on a clock that jumps: when it tries again, and that it does
//! what the CA asks.

use std::io;
use std::sync::Mutex;

use proto::ca::v1::IdentityReply;

use super::*;
use crate::clock::{BoxFuture, Clock};
use crate::disk::MemDisk;
use crate::identity::TrustDomain;
use crate::issue::{Ca, CaConfig};
use crate::journal::Journal;
use crate::net::{Listener, Net, Wire};
use crate::renewal::danger;
use crate::rng::SeededRng;

const START: Time = Time::from_secs(1_800_000_000);
const END: Time = Time::from_secs(1_800_000_200);

/// A clock that is always where somebody waits for it to be, and stands still at the end.
#[derive(Debug)]
struct Jumping(Mutex<Time>);

impl Jumping {
    async fn jump(&self, to: Time) {
        if to > END {
            std::future::pending::<()>().await;
        }
        let mut now = self.0.lock().unwrap();
        *now = to.max(*now);
    }
}

impl Clock for Jumping {
    fn now(&self) -> Time {
        *self.0.lock().unwrap()
    }

    fn sleep_until(&self, deadline: Time) -> BoxFuture<'_, ()> {
        Box::pin(self.jump(deadline))
    }

    fn wait<'a>(
        &'a self,
        deadline: Time,
        most: Duration,
        last_seen: &'a mut Time,
    ) -> BoxFuture<'a, bool> {
        let to = deadline.min(self.now() + most);
        Box::pin(async move {
            self.jump(to).await;
            *last_seen = self.now();
            false
        })
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'_, ()> {
        Box::pin(self.jump(self.now() + span))
    }
}

/// A network that leads nowhere.
#[derive(Debug)]
struct Away;

impl Net for Away {
    fn dial<'a>(&'a self, _: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Wire>>> {
        Box::pin(std::future::ready(Err(
            io::ErrorKind::ConnectionRefused.into()
        )))
    }

    fn listen(&self, _: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(std::future::ready(Err(io::ErrorKind::Unsupported.into())))
    }
}

/// When renewals failed.
#[derive(Debug)]
struct Failures(Arc<Jumping>, Mutex<Vec<Time>>);

impl Journal for Failures {
    fn note(&self, event: Event) {
        if event.kind == "renewal-failed" {
            self.1.lock().unwrap().push(self.0.now());
        }
    }
}

/// When the renewals of an agent fail whose CA is away, and its leaf's end.
async fn failures(retry: Retry) -> (Vec<Time>, Time) {
    let clock = Arc::new(Jumping(Mutex::new(START)));
    let failures = Arc::new(Failures(Arc::clone(&clock), Mutex::default()));
    let seams = Seams {
        clock,
        disk: Arc::new(MemDisk::new()),
        journal: Arc::clone(&failures) as Arc<dyn Journal>,
        net: Arc::new(Away),
        rng: Arc::new(SeededRng::new(7)),
        ..Seams::real("never-written")
    };
    let domain = TrustDomain::new("clinic.example").unwrap();
    let id = SpiffeId::new(&domain, "/records").unwrap();
    let mut ca = Ca::open(&seams, CaConfig::lab(domain.clone())).unwrap();
    let config = AgentConfig {
        id: id.clone(),
        ca: Address::new("ca", 1),
        ca_id: SpiffeId::new(&domain, crate::node::PATH).unwrap(),
        join_code: String::new(),
        bundle: ca.bundle(),
        tolerance: Duration::ZERO,
        revocation: Revocation::default(),
        retry,
        swap: crate::agent::Swap::Whole,
    };
    let (agent, _published) = Agent::new(seams, config, None);
    let (key, csr) = agent.request().unwrap();
    let code = ca.new_join_code(&id, START).unwrap();
    let reply = IdentityReply::from(ca.enroll(code.reveal(), &csr, START).unwrap());
    let held = agent.accept(1, key, reply);
    let end = held.unwrap().facts.not_after;
    let over = tokio::time::timeout(Duration::from_millis(1), agent.keep_identity()).await;
    assert!(over.is_err(), "an agent runs for ever");
    let failures = failures.1.lock().unwrap().clone();
    (failures, end)
}

#[tokio::test]
async fn an_agent_tries_again_as_it_was_told_to_and_never_past_its_leafs_end() {
    let gaps = |times: &[Time]| -> Vec<Duration> {
        times.windows(2).map(|two| two[1].since(two[0])).collect()
    };
    let (windows, end) = failures(Retry::Window).await;
    assert!(windows.iter().all(|at| *at <= end));
    assert!((8..50).contains(&windows.len()), "{windows:?}");
    let mut unlike = gaps(&windows);
    unlike.sort_unstable();
    unlike.dedup();
    assert_eq!(unlike.len(), windows.len() - 1, "no two waits are alike");

    let (fixed, end) = failures(Retry::Fixed(danger::Fixed)).await;
    assert!(fixed.iter().all(|at| *at <= end));
    assert!(fixed.len() > 25, "{fixed:?}");
    let wait = danger::FIXED_WAIT;
    assert!(gaps(&fixed).into_iter().all(|gap| gap == wait), "{fixed:?}");
}

#[test]
fn only_a_busy_ca_asks_an_agent_to_wait() {
    let busy = crate::grpc::busy(crate::work::Busy);
    let refused = AgentError::Refused(Box::new(busy));
    assert_eq!(refused.hint(), crate::grpc::COME_BACK);
    assert_eq!(AgentError::Deadline.hint(), Duration::ZERO);
}
