//! The operator at the CA's desk: takes certificates back when the schedule says so.
//!
//! An order is given at the CA itself, not over the network: whoever is cut off from the CA is cut
//! off from the news, never from the deed. It is acknowledged once the CA's record is durable.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ca::crl::RevocationReason;
use ca::identity::SpiffeId;
use ca::issue::Ca;
use ca::journal::Event;
use ca::seams::Seams;

use super::users::{AGAIN, Heard, begin, until};
use crate::fabric::TrueTime;
use crate::history::{self, ActKind};
use crate::scenario::{Act, Scenario};

/// Whose certificates are taken back, and when.
#[derive(Clone, Debug)]
pub(super) struct Order {
    at: Duration,
    principal: String,
}

/// Everything that the operator does, in order.
pub(super) fn orders(scenario: &Scenario) -> Vec<Order> {
    let steps = scenario.schedule.iter();
    let mut orders: Vec<Order> = steps
        .filter_map(|step| match &step.act {
            Act::RevokeLeaf { principal } => Some(Order {
                at: step.at,
                principal: principal.clone(),
            }),
            _ => None,
        })
        .collect();
    orders.sort_by_key(|order| order.at);
    orders
}

/// Carries the orders out, for as long as the CA runs. A CA that was started again goes on with
/// what was not acknowledged before.
pub(super) async fn operate(
    seams: Seams,
    ca: Arc<Mutex<Ca>>,
    orders: Vec<Order>,
    heard: Heard,
) -> Infallible {
    for order in orders {
        until(order.at).await;
        if let Some(number) = open_order(&heard, &order) {
            take_back(&seams, &ca, &order, (&heard, number)).await;
        }
    }
    std::future::pending().await
}

/// Writes down that it was asked for at that true time, whether the CA is there to hear it or not.
pub(super) fn ask(heard: &Heard, principal: &str, asked_us: u64) {
    let act = history::Act {
        kind: ActKind::Leaf,
        principal: principal.to_owned(),
        asked_us,
        ..history::Act::default()
    };
    begin(heard, act);
}

/// Where the act is written down, if it is not done yet.
fn open_order(heard: &Heard, order: &Order) -> Option<usize> {
    let said = heard.lock().unwrap_or_else(PoisonError::into_inner);
    let is_it = |act: &history::Act| act.kind == ActKind::Leaf && act.principal == order.principal;
    let number = said.1.iter().position(is_it)?;
    said.1[number].acknowledged_us.is_none().then_some(number)
}

/// Tries until the CA has recorded it.
async fn take_back(seams: &Seams, ca: &Mutex<Ca>, order: &Order, (heard, number): (&Heard, usize)) {
    let serials = loop {
        match revoke(seams, ca, &order.principal) {
            Ok(serials) if !serials.is_empty() => break serials,
            // Who has no certificate yet has nothing that could be taken.
            Ok(_) => {}
            Err(error) => tracing::warn!(error, "the CA could not revoke"),
        }
        tokio::time::sleep(AGAIN).await;
    };
    seams.journal.note(Event {
        kind: "administered",
        principal: order.principal.clone(),
        action: ActKind::Leaf.name().to_owned(),
        decision: "acknowledged".to_owned(),
        ..Event::default()
    });
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    let act = &mut heard.1[number];
    (act.serials, act.acknowledged_us) = (serials, Some(TrueTime::Sim.micros()));
}

fn revoke(seams: &Seams, ca: &Mutex<Ca>, principal: &str) -> Result<Vec<String>, String> {
    let mut ca = ca.lock().unwrap_or_else(PoisonError::into_inner);
    let id = SpiffeId::new(&ca.config().trust_domain, &format!("/user/{principal}"));
    let id = id.map_err(|error| error.to_string())?;
    let now = seams.clock.now();
    let revoked = ca.revoke_workload(&id, RevocationReason::KeyCompromise, now);
    let revoked = revoked.map_err(|error| error.to_string())?;
    Ok(revoked.into_iter().map(|one| one.serial).collect())
}
