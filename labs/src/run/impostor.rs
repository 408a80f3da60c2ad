//! Somebody who joins with a code of their own, and asks the CA for another's name.
//!
//! The request for a certificate that goes with the code names somebody else. If the CA certifies
//! that, the impostor has a key, a certificate and a token in that name, all genuine. If it does not,
//! the code is not used up: they join as who they are, and what they show in the other's name is a
//! certificate that they signed themselves.

use std::sync::Arc;
use std::time::Duration;

use ca::agent::{BearerSource, Published};
use ca::conn::{Connection, MAX_STATE};
use ca::credential::Credential;
use ca::csr::danger;
use ca::identity::SpiffeId;
use ca::journal::Event;
use ca::keys::Pkcs8;
use ca::trusted::Trusted;
use proto::ca::v1::EnrollRequest;
use proto::ca::v1::identity_client::IdentityClient;
use services::member::{Member, Start, trust};
use services::token::grpc::TokenSource;
use tokio::sync::watch;

use super::loot::{Loot, hold};
use super::users::{AGAIN, Heard, begin, until};
use crate::fabric::TrueTime;
use crate::history::{self, ActKind};
use crate::scenario::{Act, Scenario};

/// When somebody joins, and in whose name.
#[derive(Clone, Debug)]
pub(super) struct Pretence {
    at: Duration,
    name: String,
}

/// The pretence of that user, if they have one.
pub(super) fn pretence(scenario: &Scenario, user: &str) -> Option<Pretence> {
    scenario.schedule.iter().find_map(|step| match &step.act {
        Act::Enrol { as_, name } if as_ == user => Some(Pretence {
            at: step.at,
            name: name.clone(),
        }),
        _ => None,
    })
}

/// Waits for the moment and joins. Gives who that is in their own name: nobody, where the code went
/// for the other's.
pub(super) async fn arrive(
    start: Start,
    source: Arc<TokenSource>,
    pretence: &Pretence,
    loot: &Loot,
    heard: &Heard,
) -> Member {
    until(pretence.at).await;
    let asked_us = TrueTime::Sim.micros();
    let domain = start.agent.id.trust_domain();
    let name = SpiffeId::new(domain, &format!("/user/{}", pretence.name));
    let name = name.expect("a user's name fits a SPIFFE path");
    let key = start.seams.keys.p256().expect("there is randomness");
    let certified = enrol(&start, &source, &key, &name).await;
    let act = history::Act {
        kind: ActKind::Enrol,
        principal: start.name.clone(),
        role: pretence.name.clone(),
        asked_us,
        acknowledged_us: certified.is_some().then(|| TrueTime::Sim.micros()),
        ..history::Act::default()
    };
    begin(heard, act);
    start.seams.journal.note(Event {
        kind: "enrolment-asked",
        principal: start.name.clone(),
        resource: pretence.name.clone(),
        decision: if certified.is_some() {
            "certified"
        } else {
            "refused"
        }
        .to_owned(),
        ..Event::default()
    });
    let is_spent = certified.is_some();
    let identity = certified.unwrap_or_else(|| self_signed(&start, key, &name));
    hold(loot, &start.name, &pretence.name, identity);
    if is_spent {
        let identity = watch::channel(None).1;
        return Member { start, identity };
    }
    Member::join(start, Some(source))
}

/// Asks until there is an answer; nothing if the CA refuses.
async fn enrol(
    start: &Start,
    source: &TokenSource,
    key: &Pkcs8,
    name: &SpiffeId,
) -> Option<Published> {
    let trusted = believed(start);
    let csr = danger::request_named(key, name).expect("the key is a P-256 key");
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
    let (agent, seams) = (&start.agent, &start.seams);
    let trust = trust(start);
    let dialled = ca::conn::dial(seams, &trust, (None, trusted), &agent.ca, &agent.ca_id);
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
