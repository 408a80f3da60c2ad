//! Somebody who joins with a code of their own, and asks the CA for another's name.
//!
//! The request for a certificate that goes with the code names somebody else. If the CA certifies
//! that, the impostor has a key, a certificate and a token in that name, all genuine. If it does
//! not, the code is not used up: they join as who they are, and what they show in the other's name
//! is a certificate that they signed themselves. Beside them there are strangers, whose certificate
//! is genuine, and another trust domain's.

use std::sync::Arc;
use std::time::Duration;

use ca::agent::{BearerSource, Published};
use ca::authority::Root;
use ca::conn::{Connection, MAX_STATE};
use ca::credential::Credential;
use ca::csr::danger::{self, Wish};
use ca::identity::{SpiffeId, TrustDomain};
use ca::journal::Event;
use ca::keys::Pkcs8;
use ca::profile::Validity;
use ca::trusted::Trusted;
use proto::ca::v1::EnrollRequest;
use proto::ca::v1::identity_client::IdentityClient;
use services::member::{Member, Start, trust};
use services::token::grpc::TokenSource;
use tokio::sync::watch;

use super::loot::{Loot, copied, hold};
use super::users::{AGAIN, Ask, Errand, Heard, begin, until};
use crate::fabric::TrueTime;
use crate::history::{self, ActKind};
use crate::scenario::{Act, Scenario};

/// The trust domain of strangers.
const ELSEWHERE: &str = "elsewhere.example";
const HOUR: Duration = Duration::from_secs(60 * 60);

/// When somebody joins, and in whose name.
#[derive(Clone, Debug)]
pub(super) struct Pretence {
    at: Duration,
    name: String,
    /// Whether they try first to have it as a CA's.
    ca: bool,
}

/// The pretence of that user, if they have one.
pub(super) fn pretence(scenario: &Scenario, user: &str) -> Option<Pretence> {
    scenario.schedule.iter().find_map(|step| match &step.act {
        Act::Enrol { as_, name, ca } if as_ == user => Some(Pretence {
            at: step.at,
            name: name.clone(),
            ca: *ca,
        }),
        _ => None,
    })
}

/// Joins, in whichever name. Who is of another trust domain has no business with this one's CA.
pub(super) async fn join(
    start: Start,
    source: Arc<TokenSource>,
    errand: &Errand,
    asks: &[Ask],
    heard: &Heard,
) -> Member {
    let elsewhere = !asks.is_empty() && asks.iter().all(Ask::is_strangers);
    match &errand.pretence {
        Some(pretence) => arrive(start, source, pretence, &errand.loot, heard).await,
        None if elsewhere => nobody(start),
        None => Member::join(start, Some(source)),
    }
}

/// A member without an identity in their own name.
fn nobody(start: Start) -> Member {
    Member::known(start, watch::channel(None).1)
}

/// Waits for the moment and joins. Gives who that is in their own name: nobody, where the code went
/// for the other's.
async fn arrive(
    start: Start,
    source: Arc<TokenSource>,
    pretence: &Pretence,
    loot: &Loot,
    heard: &Heard,
) -> Member {
    until(pretence.at).await;
    let domain = start.agent.id.trust_domain();
    let name = SpiffeId::new(domain, &format!("/user/{}", pretence.name));
    let name = name.expect("a user's name fits a SPIFFE path");
    let key = start.seams.keys.p256().expect("there is randomness");
    let mut certified = None;
    let wishes = [(pretence.ca, Wish::NameAndCa), (true, Wish::Name)];
    for (_, wish) in wishes.into_iter().filter(|(wanted, _)| *wanted) {
        let asked_us = TrueTime::Sim.micros();
        certified = enrol(&start, &source, (&key, wish), &name).await;
        let came = (asked_us, certified.is_some());
        write_down(&start, (pretence, wish), came, heard);
        if certified.is_some() {
            break;
        }
    }
    let is_spent = certified.is_some();
    let identity = certified.unwrap_or_else(|| self_signed(&start, key, &name));
    hold(loot, &start.name, &pretence.name, identity);
    if is_spent {
        return nobody(start);
    }
    Member::join(start, Some(source))
}

/// What was asked for, and what came of it.
fn write_down(
    start: &Start,
    (pretence, wish): (&Pretence, Wish),
    (asked_us, certified): (u64, bool),
    heard: &Heard,
) {
    let role = match wish {
        Wish::Name => pretence.name.clone(),
        Wish::NameAndCa => format!("{}, and as a CA", pretence.name),
    };
    let decision = if certified { "certified" } else { "refused" };
    start.seams.journal.note(Event {
        kind: "enrolment-asked",
        principal: start.name.clone(),
        resource: role.clone(),
        decision: decision.to_owned(),
        ..Event::default()
    });
    let act = history::Act {
        kind: ActKind::Enrol,
        principal: start.name.clone(),
        role,
        asked_us,
        acknowledged_us: certified.then(|| TrueTime::Sim.micros()),
        ..history::Act::default()
    };
    begin(heard, act);
}

/// Asks until there is an answer; nothing if the CA refuses.
async fn enrol(
    start: &Start,
    source: &TokenSource,
    (key, wish): (&Pkcs8, Wish),
    name: &SpiffeId,
) -> Option<Published> {
    let trusted = believed(start);
    let csr = danger::request_named(key, name, wish).expect("the key is a P-256 key");
    loop {
        match asked(start, &trusted, &csr).await {
            Ok(Some(chain)) => {
                let (agent, now) = (&start.agent, start.seams.clock.now());
                let (key, chain) = (key.clone(), chain.into_iter().map(Into::into).collect());
                let (bundle, tolerance) = (&agent.bundle, agent.tolerance);
                let fit = Credential::assemble(1, key, chain, bundle, name, now, tolerance);
                // A certificate in another name than was asked for is of no use here.
                let credential = fit.ok()?;
                let bearer = loop {
                    match source.bearer(&credential, &trusted).await {
                        Ok(bearer) => break bearer,
                        Err(_) => tokio::time::sleep(AGAIN).await,
                    }
                };
                return Some(Published {
                    credential,
                    trusted,
                    bearer: Some(bearer),
                });
            }
            Ok(None) => return None,
            Err(Unanswered) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// What came with the join code.
fn believed(start: &Start) -> Arc<Trusted> {
    let mut trusted = Trusted::of(start.agent.bundle.clone());
    trusted.revocation = start.agent.revocation.clone();
    Arc::new(trusted)
}

/// The CA was not reached, or is busy.
struct Unanswered;

/// Asks once: the chain, or nothing if it is refused.
async fn asked(
    start: &Start,
    trusted: &Arc<Trusted>,
    csr: &[u8],
) -> Result<Option<Vec<Vec<u8>>>, Unanswered> {
    let (agent, seams, trust) = (&start.agent, &start.seams, trust(start));
    let as_nobody = (None, trusted);
    let dialled = ca::conn::dial(seams, &trust, as_nobody, &agent.ca, &agent.ca_id);
    let connection = dialled.await.map_err(|_| Unanswered)?;
    let client = IdentityClient::<Connection>::new(connection);
    let mut client = client.max_decoding_message_size(MAX_STATE);
    let (join_code, csr) = (agent.join_code.clone(), csr.to_vec());
    match client.enroll(EnrollRequest { join_code, csr }).await {
        Ok(reply) => Ok(Some(reply.into_inner().chain)),
        Err(status) if status.code() == tonic::Code::InvalidArgument => Ok(None),
        Err(_) => Err(Unanswered),
    }
}

/// Whoever has that name in another trust domain, made on first sight.
pub(super) fn namesake(own: &Member, name: &str, loot: &Loot) -> Member {
    let whose = format!("{name} of {ELSEWHERE}");
    if let Some(member) = copied(own, &whose, loot) {
        return member;
    }
    let start = &own.start;
    let made = foreign(start, name).expect("a user's name fits a SPIFFE path of any domain");
    let published = Published {
        credential: made,
        trusted: believed(start),
        bearer: None,
    };
    hold(loot, &start.name, &whose, published.clone());
    let identity = watch::channel(Some(Arc::new(published))).1;
    Member::known(start.clone(), identity)
}

/// A leaf by the other domain's CA, which nobody here has heard of.
fn foreign(start: &Start, name: &str) -> Result<Credential, Box<dyn std::error::Error>> {
    let (keys, now) = (&*start.seams.keys, start.seams.clock.now());
    let domain = TrustDomain::new(ELSEWHERE)?;
    let validity = Validity::lasting(now - HOUR, HOUR * 2);
    let root = Root::create(keys, &domain, 1, validity)?;
    let issuer = root.sign_issuer(keys, 1, validity)?;
    let key = keys.p256()?;
    let id = SpiffeId::new(&domain, &format!("/user/{name}"))?;
    let issued = issuer.issue(&ca::csr::request(&key)?, &id, validity, now)?;
    Ok(Credential {
        generation: 1,
        facts: issued.facts,
        chain: issued.chain,
        key,
    })
}

/// A certificate in that name that nobody signed but its own key, and no token.
fn self_signed(start: &Start, key: Pkcs8, name: &SpiffeId) -> Published {
    let now = start.seams.clock.now();
    let credential = danger::self_signed(key, name, now).expect("the key is a P-256 key");
    Published {
        credential,
        trusted: believed(start),
        bearer: None,
    }
}
