//! The CA as a node: it gives itself an identity, keeps it fresh, and serves the others.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::ca::v1 as wire;
use tokio::sync::watch;

use crate::admission::Limits;
use crate::agent::Published;
use crate::conn::Door;
use crate::credential::Credential;
use crate::error::CaError;
use crate::federation::{self, WebRoots};
use crate::grpc::IdentityService;
use crate::identity::SpiffeId;
use crate::issue::{Ca, CaConfig};
use crate::net::Net;
use crate::public::{Certificate, Pages, PublicDoor, WebCertificate};
use crate::renewal::{PAUSE, Renewal, Retry};
use crate::revocation::Revocation;
use crate::seams::Seams;
use crate::tls::Trust;
use crate::trusted::Trusted;

/// Path of the CA's own SPIFFE ID.
pub const PATH: &str = "/ca";

/// How long the CA goes without a look at its clock.
const AGAIN: Duration = Duration::from_secs(5);

/// Runs the CA on `port` until the task is dropped.
///
/// # Errors
/// When the CA does not open, cannot issue for itself at the start, or the port is taken.
pub async fn run(seams: Seams, config: CaConfig, port: u16) -> Result<(), CaError> {
    let ca = Arc::new(Mutex::new(Ca::open(&seams, config)?));
    serve(seams, ca, port).await
}

/// A second port, for what anybody may know.
#[derive(Clone, Debug)]
pub struct Public {
    /// Where it is opened.
    pub net: Arc<dyn Net>,
    /// Which one.
    pub port: u16,
    /// What it shows instead of the CA's own leaf.
    pub certificate: Option<watch::Receiver<Arc<WebCertificate>>>,
    /// How often the bundle is to be asked for again; whole seconds.
    pub hint: Duration,
    /// How it is reached, as in `https://ca.clinic.example:8443`.
    pub url: String,
}

/// What a CA has to do with other trust domains while it is served.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// The port for anybody; without it nobody can federate with this CA.
    pub public: Option<Public>,
    /// The public CAs by which endpoints of the profile `https_web` are known; without them none
    /// is.
    pub web_roots: Option<WebRoots>,
}

/// Serves a CA that is open, and that whoever shares it may command meanwhile.
///
/// # Errors
/// When it cannot issue for itself at the start, or the port is taken.
pub async fn serve(seams: Seams, ca: Arc<Mutex<Ca>>, port: u16) -> Result<(), CaError> {
    serve_with(seams, ca, port, Outside::default()).await
}

/// As [`serve`], with a port for anybody beside it.
///
/// # Errors
/// As [`serve`]; or the port for anybody is taken.
pub async fn serve_with(
    seams: Seams,
    ca: Arc<Mutex<Ca>>,
    port: u16,
    outside: Outside,
) -> Result<(), CaError> {
    let config = ca
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .config()
        .clone();
    let id = SpiffeId::new(&config.trust_domain, PATH)
        .map_err(|_| CaError::Settings("the trust domain leaves no room for the CA's name"))?;
    let tolerance = config.tolerance;
    let own = OwnIdentity {
        seams: seams.clone(),
        ca: Arc::clone(&ca),
        id,
        tolerance,
    };
    let first = own.next(1, None)?;
    let (publish, identity) = watch::channel(Some(own.published(&first)));
    let trust = Trust {
        clock: Arc::clone(&seams.clock),
        tolerance,
    };
    let publicly = own.serve_publicly(outside.public, &identity, &trust);
    let (domains, web) = (Arc::clone(&ca), outside.web_roots);
    let fetching = federation::keep(seams.clone(), trust.clone(), domains, web);
    let offered = IdentityService::new(seams.clone(), ca, Limits::STANDARD).offered();
    let door = Door {
        anonymous: true,
        ..Door::new(seams, identity, trust)
    };
    tokio::select! {
        biased;
        served = door.serve(port, offered) => Ok(served?),
        served = publicly => Ok(served?),
        never = own.keep(first, &publish) => match never {},
        never = own.tell(&publish) => match never {},
        never = tend(&own) => match never {},
        never = fetching => match never {},
    }
}

/// Does what is due by itself, for as long as the CA runs.
async fn tend(own: &OwnIdentity) -> Infallible {
    let mut last_seen = own.seams.clock.now();
    loop {
        let now = own.seams.clock.now();
        let next = own.ca().tend(now);
        let next = next.unwrap_or_else(|error| {
            tracing::error!(%error, "the CA could not sign its lists");
            now + AGAIN
        });
        own.seams.clock.wait(next, AGAIN, &mut last_seen).await;
    }
}

/// The CA's own identity, issued by itself and logged like any other.
struct OwnIdentity {
    seams: Seams,
    ca: Arc<Mutex<Ca>>,
    id: SpiffeId,
    tolerance: Duration,
}

impl OwnIdentity {
    /// A leaf that follows `held`, or a first one.
    fn next(&self, generation: u64, held: Option<&Credential>) -> Result<Credential, CaError> {
        let (now, key) = (self.seams.clock.now(), self.seams.keys.p256()?);
        let csr =
            crate::csr::request(&key).map_err(|error| CaError::Encoding(error.to_string()))?;
        let mut ca = self.ca();
        let issued = match held {
            Some(held) => ca.renew(&held.facts, &csr, now)?,
            None => {
                let code = ca.new_join_code(&self.id, now)?;
                ca.enroll(code.reveal(), &csr, now)?
            }
        };
        let (chain, bundle) = (issued.chain, &issued.state.bundle);
        let (id, tolerance) = (&self.id, self.tolerance);
        Credential::assemble(generation, key, chain, bundle, id, now, tolerance)
            .map_err(|error| CaError::Encoding(error.to_string()))
    }

    /// What anybody may know, on a port of its own; nothing, and for ever, if there is none.
    fn serve_publicly(
        &self,
        public: Option<Public>,
        identity: &watch::Receiver<Option<Arc<Published>>>,
        trust: &Trust,
    ) -> impl Future<Output = io::Result<()>> + use<> {
        let (announced, trust) = (self.ca().announced(), trust.clone());
        let (seams, identity) = (self.seams.clone(), identity.clone());
        async move {
            let Some(public) = public else {
                return std::future::pending().await;
            };
            let certificate = public.certificate.map(Certificate::Web);
            let certificate = certificate.unwrap_or(Certificate::Own(identity));
            let pages = Arc::new(Pages::new(announced, public.hint, public.url));
            let seams = Seams {
                net: public.net,
                ..seams
            };
            let door = PublicDoor::new(seams, trust, certificate, pages);
            door.serve(public.port).await
        }
    }

    fn ca(&self) -> MutexGuard<'_, Ca> {
        self.ca.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A credential beside what the CA tells everyone else.
    fn published(&self, credential: &Credential) -> Arc<Published> {
        Arc::new(Published {
            credential: credential.clone(),
            trusted: self.trusted(),
            bearer: None,
        })
    }

    fn trusted(&self) -> Arc<Trusted> {
        let announced = self.ca().announced();
        let announced = announced.borrow();
        let mut trusted = Trusted::of(announced.bundle.clone());
        trusted.revocation = Revocation::default();
        let state = wire::State::from(&**announced);
        match trusted.take(state, self.id.trust_domain()) {
            Ok(Some(taken)) => trusted = taken,
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the CA does not believe itself"),
        }
        Arc::new(trusted)
    }

    /// Believes what it tells everyone else, as soon as it tells it.
    async fn tell(&self, publish: &watch::Sender<Option<Arc<Published>>>) -> Infallible {
        let mut announced = self.ca().announced();
        while announced.changed().await.is_ok() {
            let trusted = self.trusted();
            publish.send_modify(|published| {
                if let Some(held) = published {
                    *published = Some(Arc::new(Published {
                        trusted,
                        ..(**held).clone()
                    }));
                }
            });
        }
        std::future::pending().await
    }

    async fn keep(
        &self,
        mut held: Credential,
        publish: &watch::Sender<Option<Arc<Published>>>,
    ) -> Infallible {
        let mut renewal = Renewal::plan(&held.facts, Retry::Window, &*self.seams.rng);
        let clock = &self.seams.clock;
        let mut last_seen = clock.now();
        // When it first had to hurry: what is announced meanwhile must not put it off.
        let mut hurry = None;
        loop {
            let mut announced = self.ca().announced();
            let due = match self.ca().must_renew(&held.chain) {
                true => Some(*hurry.get_or_insert(clock.now() + PAUSE)),
                false => renewal.next_attempt(),
            };
            let wait = clock.wait(due.unwrap_or(clock.now() + AGAIN), AGAIN, &mut last_seen);
            let set_back = tokio::select! {
                biased;
                set_back = wait => set_back,
                _ = announced.changed() => continue,
            };
            let timely = held.facts.timely(last_seen, self.tolerance).is_ok();
            if set_back && timely {
                renewal = Renewal::plan(&held.facts, Retry::Window, &*self.seams.rng);
            }
            if timely && due.is_none_or(|due| set_back || last_seen < due) {
                continue;
            }
            // A leaf that is over, or not yet begun, on this clock is followed by a first one:
            // this is the issuer.
            let next = self.next(held.generation + 1, timely.then_some(&held));
            hurry = None;
            match next {
                Ok(next) => {
                    publish.send_replace(Some(self.published(&next)));
                    clock.sleep(PAUSE).await;
                    renewal = Renewal::plan(&next.facts, Retry::Window, &*self.seams.rng);
                    held = next;
                }
                Err(error) => {
                    tracing::error!(%error, "the CA could not renew its own leaf");
                    renewal.failed(clock.now(), Duration::ZERO, &*self.seams.rng);
                }
            }
        }
    }
}
