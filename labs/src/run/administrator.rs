//! The administrator: does what the schedule says to the policy, and writes down when it was asked
//! for and when it was acknowledged.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ca::clock::Time;
use ca::journal::Event;
use services::client::{Administrator, DEADLINE};
use services::member::{Member, Start};
use services::node::NodeError;
use services::policy::entry::Entry;
use tonic::Code;

use super::RunRequest;
use super::users::{AGAIN, Heard, begin, until};
use super::world::is_administration;
use crate::fabric::TrueTime;
use crate::history::{self, ActKind};
use crate::scenario::{self, PolicyText};

/// One act, and when it is asked for.
#[derive(Clone, Debug)]
pub(super) struct Order {
    at: Duration,
    pub(super) entry: Entry,
    /// Whom it revokes without saying so in the entry.
    suspends: String,
}

/// Everything that the administrator does, in order.
pub(super) fn orders(request: &RunRequest) -> Vec<Order> {
    let steps = request.scenario.schedule.iter();
    let mut steps: Vec<_> = steps.filter(|step| is_administration(&step.act)).collect();
    steps.sort_by_key(|step| step.at);
    let mut policy = request.policy.clone();
    let mut orders = Vec::new();
    for step in steps {
        let (entry, suspends) = match step.act.clone() {
            scenario::Act::Grant { principal, role } => (Entry::Grant { principal, role }, None),
            // It is said up to when once it is asked for.
            scenario::Act::LogOut { principal } => {
                let before = 0;
                (Entry::LogOut { principal, before }, None)
            }
            scenario::Act::PutEntities { entities, revokes } => {
                (Entry::PutEntities { entities }, revokes)
            }
            scenario::Act::PutPolicy {
                text,
                entities,
                revokes,
            } => {
                match text {
                    PolicyText::Whole(text) => policy = text,
                    PolicyText::Added(text) => policy = format!("{policy}\n{text}"),
                }
                let policy = policy.clone();
                (Entry::PutPolicy { policy, entities }, revokes)
            }
            scenario::Act::Revoke { principal, role } => (Entry::Revoke { principal, role }, None),
            _ => continue,
        };
        orders.push(Order {
            at: step.at,
            entry,
            suspends: suspends.unwrap_or_default(),
        });
    }
    orders
}

/// Runs the administrator until the end of the world.
pub(super) async fn administer(
    start: Start,
    policy_host: &'static str,
    orders: Vec<Order>,
    heard: Heard,
) -> Result<(), NodeError> {
    let mut member = Member::join(start, None);
    member.ready().await;
    let admin = Arc::new(Administrator::new(&member, policy_host));
    for order in orders {
        until(order.at).await;
        let (admin, heard, member) = (Arc::clone(&admin), Arc::clone(&heard), member.clone());
        tokio::spawn(async move {
            // Pending from the asking on: it may already be enforced before it is answered.
            let mut act = of_order(&order, TrueTime::Sim.micros());
            let number = begin(&heard, act.clone());
            let entry = asked_for(order.entry, member.start.seams.clock.now());
            let (policy_size, acknowledged) = insist(&admin, &entry).await;
            act.acknowledged_us = acknowledged.then(|| TrueTime::Sim.micros());
            act.policy_size = policy_size;
            let decision = if acknowledged {
                "acknowledged"
            } else {
                "pending"
            };
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

/// Asks until there is an answer: an act may be put twice, and says the same twice. What is refused
/// as no act is not asked again, and what is never answered carries no promise.
async fn insist(admin: &Administrator, entry: &Entry) -> (u64, bool) {
    loop {
        match tokio::time::timeout(DEADLINE * 10, admin.act(entry)).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(status)) if status.code() == Code::InvalidArgument => return (0, false),
            Ok(Err(_)) | Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// The entry as it is asked for: a log-out ends what was issued up to now, by the clock of whoever
/// asks, and that stays what it says however often it must be asked for.
fn asked_for(entry: Entry, now: Time) -> Entry {
    match entry {
        Entry::LogOut { principal, .. } => Entry::LogOut {
            principal,
            before: now.as_secs(),
        },
        other => other,
    }
}

/// An act that was asked for and not answered yet.
fn of_order(order: &Order, asked_us: u64) -> history::Act {
    let suspends = order.suspends.clone();
    let (kind, principal, role) = match order.entry.clone() {
        Entry::Grant { principal, role } => (ActKind::Grant, principal, role),
        Entry::LogOut { principal, .. } => (ActKind::LogOut, principal, String::new()),
        Entry::PutEntities { .. } => (ActKind::Entities, suspends, String::new()),
        Entry::PutPolicy { .. } => (ActKind::Policy, suspends, String::new()),
        Entry::Revoke { principal, role } => (ActKind::Revoke, principal, role),
    };
    history::Act {
        kind,
        principal,
        role,
        asked_us,
        ..history::Act::default()
    }
}
