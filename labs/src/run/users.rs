//! Those who ask: each user on a host of their own, doing what the schedule says and writing down
//! what they heard. So does the administrator.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ca::journal::Event;
use services::client::{Administrator, DEADLINE, Heard as Answer, User};
use services::member::{Member, Start};
use services::node::{AUDIENCE, NodeError};
use services::policy::entry::Entry;
use services::token::grpc::TokenSource;

use super::world::is_administration;
use crate::fabric::TrueTime;
use crate::history::{self, ActKind, Outcome};
use crate::scenario::{self, Scenario};

/// The record that everyone asks for, unless a step names another.
const RECORD: &str = "r1";

/// What users and administrators wrote down.
pub(super) type Heard = Arc<Mutex<(Vec<history::Request>, Vec<history::Act>)>>;

/// One moment of one user's schedule.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    at: Duration,
    via: String,
    tag: String,
    action: String,
    resource: String,
    id: String,
}

/// Where a user stands.
pub(super) struct Errand {
    pub(super) region: String,
    pub(super) token_host: String,
}

/// Everything that `user` asks in a scenario, in order.
pub(super) fn errands(scenario: &Scenario, user: &str) -> Vec<Ask> {
    let mut asks = Vec::new();
    for step in &scenario.schedule {
        let scenario::Act::Request {
            as_,
            via,
            actions,
            tag,
            resource,
        } = &step.act
        else {
            continue;
        };
        if as_ != user {
            continue;
        }
        for at in step.instants(scenario.world.duration) {
            for action in actions {
                let resource = resource.clone().unwrap_or_else(|| RECORD.to_owned());
                let (via, tag, action) = (via.clone(), tag.clone(), action.clone());
                asks.push(Ask {
                    at,
                    via,
                    tag,
                    action,
                    resource,
                    id: String::new(),
                });
            }
        }
    }
    asks.sort_by_key(|ask| ask.at);
    for (number, ask) in asks.iter_mut().enumerate() {
        ask.id = format!("{user}-{number}");
    }
    asks
}

/// Everything that the administrator does, in order.
pub(super) fn acts(scenario: &Scenario) -> Vec<(Duration, Entry)> {
    let mut acts = Vec::new();
    for step in scenario
        .schedule
        .iter()
        .filter(|step| is_administration(&step.act))
    {
        let entry = match step.act.clone() {
            scenario::Act::Grant { principal, role } => Entry::Grant { principal, role },
            scenario::Act::Revoke { principal, role } => Entry::Revoke { principal, role },
            _ => continue,
        };
        acts.push((step.at, entry));
    }
    acts.sort_by_key(|(at, _)| *at);
    acts
}

async fn until(at: Duration) {
    tokio::time::sleep(at.saturating_sub(TrueTime::Sim.elapsed())).await;
}

/// Runs a user until the end of the world.
pub(super) async fn live(
    start: Start,
    errand: Errand,
    asks: Vec<Ask>,
    heard: Heard,
) -> Result<(), NodeError> {
    let (host, audience) = (errand.token_host, AUDIENCE.to_owned());
    let source = TokenSource {
        start: start.clone(),
        host,
        audience,
    };
    let member = Member::join(start, Some(Arc::new(source)));
    let mut ways: BTreeMap<String, Arc<User>> = BTreeMap::new();
    for ask in asks {
        until(ask.at).await;
        let way = ways.entry(ask.via.clone());
        let user = Arc::clone(way.or_insert_with(|| Arc::new(User::new(&member, &ask.via))));
        let (member, region) = (member.clone(), errand.region.clone());
        let heard = Arc::clone(&heard);
        tokio::spawn(async move {
            if ask.action == "watch" {
                return watch(&user, &ask, &member, &region, &heard).await;
            }
            let started_us = TrueTime::Sim.micros();
            let answer = user.ask(&ask.action, &ask.resource, &ask.id).await;
            note(
                &heard,
                write_down(&ask, started_us, answer, &member, &region),
            );
        });
    }
    std::future::pending().await
}

fn note(heard: &Heard, request: history::Request) {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.0.push(request);
}

/// Follows a stream to its end. Each message, and the end, is one line of history: `alice-3`,
/// `alice-3.1`, `alice-3.2`, named as the node's log names its decisions.
async fn watch(user: &User, ask: &Ask, member: &Member, region: &str, heard: &Heard) {
    let mut messages = 0_u64;
    let mut hear = |answer: Answer| {
        let mut ask = ask.clone();
        if messages > 0 {
            ask.id = format!("{}.{messages}", ask.id);
        }
        messages += 1;
        note(
            heard,
            write_down(&ask, TrueTime::Sim.micros(), answer, member, region),
        );
    };
    let end = user.watch(&ask.resource, &ask.id, &mut hear).await;
    hear(end);
}

fn write_down(
    ask: &Ask,
    started_us: u64,
    answer: Answer,
    member: &Member,
    region: &str,
) -> history::Request {
    let (outcome, decision, refusal, policy_size) = match answer {
        Answer::Served { policy_size } => (
            Outcome::Served { policy_size },
            "served",
            String::new(),
            policy_size,
        ),
        Answer::Refused(name) => (Outcome::Refused(name.clone()), "refused", name, 0),
        Answer::Unknown => (Outcome::Unknown, "unanswered", String::new(), 0),
    };
    let principal = member.start.name.clone();
    member.start.seams.journal.note(Event {
        kind: "request",
        principal: principal.clone(),
        action: ask.action.clone(),
        resource: ask.resource.clone(),
        decision: decision.to_owned(),
        refusal,
        policy_size,
        request: ask.id.clone(),
    });
    history::Request {
        id: ask.id.clone(),
        tag: ask.tag.clone(),
        principal,
        region: region.to_owned(),
        node: ask.via.clone(),
        action: ask.action.clone(),
        resource: ask.resource.clone(),
        started_us,
        finished_us: Some(TrueTime::Sim.micros()),
        outcome,
    }
}

/// Runs the administrator until the end of the world.
pub(super) async fn administer(
    start: Start,
    policy_host: &'static str,
    acts: Vec<(Duration, Entry)>,
    heard: Heard,
) -> Result<(), NodeError> {
    let mut member = Member::join(start, None);
    member.ready().await;
    let admin = Arc::new(Administrator::new(&member, policy_host));
    for (at, entry) in acts {
        until(at).await;
        let (admin, heard, member) = (Arc::clone(&admin), Arc::clone(&heard), member.clone());
        tokio::spawn(async move {
            let asked_us = TrueTime::Sim.micros();
            let number = begin(&heard, of_entry(&entry, asked_us, None, 0));
            // An act that is not answered is pending for ever: it carries no promise.
            let answer = tokio::time::timeout(DEADLINE * 10, admin.act(&entry)).await;
            let (policy_size, acknowledged) = match answer {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) | Err(_) => (0, false),
            };
            let acknowledged_us = acknowledged.then(|| TrueTime::Sim.micros());
            let decision = if acknowledged {
                "acknowledged"
            } else {
                "pending"
            };
            let act = of_entry(&entry, asked_us, acknowledged_us, policy_size);
            member.start.seams.journal.note(Event {
                kind: "administered",
                principal: act.principal.clone(),
                action: act.kind.name().to_owned(),
                resource: act.role.clone(),
                decision: decision.to_owned(),
                policy_size,
                ..Event::default()
            });
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.1[number] = act;
        });
    }
    std::future::pending().await
}

/// Writes down an act when it is asked for: it may already be enforced before it is answered.
fn begin(heard: &Heard, act: history::Act) -> usize {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.1.push(act);
    heard.1.len() - 1
}

fn of_entry(
    entry: &Entry,
    asked_us: u64,
    acknowledged_us: Option<u64>,
    policy_size: u64,
) -> history::Act {
    let (kind, principal, role) = match entry.clone() {
        Entry::Grant { principal, role } => (ActKind::Grant, principal, role),
        Entry::Revoke { principal, role } => (ActKind::Revoke, principal, role),
        Entry::PutPolicy { .. } => (ActKind::Policy, String::new(), String::new()),
    };
    history::Act {
        kind,
        principal,
        role,
        asked_us,
        acknowledged_us,
        policy_size,
    }
}
