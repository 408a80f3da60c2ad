//! Certificates that nobody issued: what a thief makes of a stolen issuer.
//!
//! The thief signs a leaf in whatever name they like, for as long as the issuer itself lives, and
//! gets a token over it as its owner would. It is made anew long before the token is over, since
//! whoever signs needs nobody to renew. The CA has no part in it, so no log has it. Invariant: all
//! that goes into one is what was stolen, and what the thief's own host may ask of the network.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ca::agent::{BearerSource as _, Published};
use ca::authority::Issuer;
use ca::clock::Time;
use ca::credential::Credential;
use ca::csr;
use ca::identity::SpiffeId;
use ca::profile::Validity;
use services::member::Member;
use services::node::AUDIENCE;
use services::token::grpc::TokenSource;
use tokio::sync::{Mutex, watch};

use super::users::{Heard, begin};
use super::world::TOKEN;
use crate::history::{self, ActKind};
use crate::scenario::Guise;

/// How old one becomes before the next is made: its token lives three times as long.
const ANEW: Duration = Duration::from_secs(20);
/// How long making one may take.
const ATTEMPT: Duration = Duration::from_secs(1);
/// How long it is before it is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How much earlier than now it begins: no clock may be behind it.
const BACKDATE: Duration = Duration::from_secs(60);

/// One name that a thief goes by.
pub(super) struct Rogue {
    subject: String,
    issuer: Arc<Issuer>,
    shown: watch::Sender<Option<Arc<Published>>>,
    making: Mutex<Making>,
}

/// How many were made, and when the next may be tried.
#[derive(Default)]
struct Making {
    made: u64,
    next: Time,
}

impl Rogue {
    /// Nobody yet, in that name.
    pub(super) fn new(subject: &str, issuer: Arc<Issuer>) -> Self {
        Self {
            subject: subject.to_owned(),
            issuer,
            shown: watch::channel(None).0,
            making: Mutex::default(),
        }
    }

    /// The thief under that name.
    pub(super) fn member(&self, thief: &Member) -> Member {
        Member::known(thief.start.clone(), self.shown.subscribe())
    }

    /// Makes one where there is none, or only an old one. Says whether there is any.
    pub(super) async fn ready(&self, thief: &Member) -> bool {
        let mut making = self.making.lock().await;
        let now = thief.start.seams.clock.now();
        if now >= making.next {
            let next = tokio::time::timeout(ATTEMPT, self.make(thief, making.made + 1));
            making.next = now + AGAIN;
            if let Ok(Some(published)) = next.await {
                making.made += 1;
                making.next = now + ANEW;
                self.shown.send_replace(Some(Arc::new(published)));
            }
        }
        self.shown.borrow().is_some()
    }

    async fn make(&self, thief: &Member, generation: u64) -> Option<Published> {
        let own = thief.identity.borrow().clone()?;
        let (seams, trusted) = (&thief.start.seams, &own.trusted);
        let domain = own.credential.facts.spiffe_id.trust_domain();
        let id = SpiffeId::new(domain, &format!("/user/{}", self.subject)).ok()?;
        let (now, key) = (seams.clock.now(), seams.keys.p256().ok()?);
        let validity = Validity::new(now - BACKDATE, self.issuer.validity().not_after());
        let issued = self
            .issuer
            .issue(&csr::request(&key).ok()?, &id, validity, now);
        let (bundle, tolerance) = (trusted.bundles.get(domain)?, thief.start.agent.tolerance);
        let chain = issued.ok()?.chain;
        let credential =
            Credential::assemble(generation, key, chain, bundle, &id, now, tolerance).ok()?;
        let source = TokenSource {
            start: thief.start.clone(),
            host: TOKEN.to_owned(),
            audience: AUDIENCE.to_owned(),
        };
        let bearer = source.bearer(&credential, trusted).await.ok()?;
        Some(Published {
            credential,
            trusted: Arc::clone(trusted),
            bearer: Some(bearer),
        })
    }
}

/// Writes down when somebody was first let in by one: from then on a log says so, and what is let
/// in later is counted from there.
pub(super) fn first_use(heard: &Heard, guise: Option<&Guise>, request: &history::Request) {
    if !matches!(guise, Some(Guise::Rogue { .. })) || !request.outcome.is_served() {
        return;
    }
    let is_it =
        |act: &history::Act| act.kind == ActKind::Rogue && act.principal == request.principal;
    let known = {
        let said = heard.lock().unwrap_or_else(PoisonError::into_inner);
        said.1.iter().any(is_it)
    };
    if let (false, Some(at_us)) = (known, request.finished_us) {
        let act = history::Act {
            kind: ActKind::Rogue,
            principal: request.principal.clone(),
            asked_us: at_us,
            acknowledged_us: Some(at_us),
            ..history::Act::default()
        };
        begin(heard, act);
    }
}
