//! The operator at the CA's desk: takes certificates back and moves authorities on when the
//! schedule says so, or once members met a leaf that nobody issued. Whoever steals a key of the
//! CA's stands there too; tokens are with their owners.
//!
//! An order is given at the CA itself, not over the network: whoever is cut off from the CA is cut
//! off from the news, never from the deed. It is acknowledged once the CA's record is durable; one
//! that a gate holds up waits for the gate, and holds up no other.

use std::convert::Infallible;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ca::crl::RevocationReason;
use ca::identity::SpiffeId;
use ca::issue::Ca;
use ca::journal::Event;
use ca::rotation::{self, AuthorityKind, Command, Reason};
use ca::seams::Seams;
use ca::secrets::SecretName;
use ca::unlogged::danger::copied_issuer;

use super::loot::{Loot, take_issuer, take_key};
use super::users::{AGAIN, Heard, begin, until};
use crate::fabric::TrueTime;
use crate::history::{self, ActKind};
use crate::scenario::{self, Act, Booty, Deed, Scenario};

/// What is done at the CA, and when.
#[derive(Clone, Debug)]
pub(super) struct Order {
    at: Duration,
    act: Act,
    /// What must have been carried out first.
    after: Option<Act>,
}

/// Everything that is done at the CA, in order.
pub(super) fn orders(scenario: &Scenario) -> Vec<Order> {
    let steps = scenario.schedule.iter();
    let ordered = |act: &Act| {
        matches!(
            act,
            Act::RevokeLeaf { .. }
                | Act::Order(_)
                | Act::Steal {
                    what: Booty::SigningKey {} | Booty::Issuer { .. },
                    ..
                }
        )
    };
    let mut orders: Vec<Order> = steps
        .filter(|step| ordered(&step.act))
        .map(|step| Order {
            at: step.at,
            act: step.act.clone(),
            after: first(&step.act, scenario),
        })
        .collect();
    orders.sort_by_key(|order| order.at);
    orders
}

/// The order that one waits for, if it waits for any.
fn first(act: &Act, scenario: &Scenario) -> Option<Act> {
    let Act::Order(order) = act else { return None };
    let step = scenario.step(order.after.as_ref()?)?;
    Some(step.act.clone())
}

/// Where orders are carried out, and where it is written down.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) seams: Seams,
    pub(super) ca: Arc<Mutex<Ca>>,
    pub(super) heard: Heard,
    pub(super) loot: Loot,
}

impl Desk {
    /// Carries the orders out, for as long as the CA runs. A CA that was started again goes on with
    /// what was not acknowledged before.
    pub(super) async fn operate(self, orders: Vec<Order>) -> Infallible {
        for order in orders {
            until(order.at).await;
            if let Act::Steal { as_, what } = &order.act {
                self.steal(as_, what, order.at);
            } else if waits_for_alarm(&order.act) {
                let desk = self.clone();
                tokio::spawn(async move { desk.wait_for_alarm(&order).await });
            } else if let Some(number) = open_order(&self.heard, &order.act) {
                let desk = self.clone();
                tokio::spawn(async move { desk.insist(&order, number).await });
            }
        }
        std::future::pending().await
    }

    /// Gives an order once members met a leaf that nobody issued. Where nobody looks for any, it is
    /// never given.
    async fn wait_for_alarm(&self, order: &Order) {
        let mut unlogged = self.ca().unlogged();
        // The sender is the CA's, which is served for as long as this runs.
        let alarm = unlogged.wait_for(|found| !found.is_empty()).await.is_ok();
        if alarm && !is_done(&self.heard, &order.act) {
            if open_order(&self.heard, &order.act).is_none() {
                ask(&self.heard, &order.act, TrueTime::Sim.micros());
            }
            if let Some(number) = open_order(&self.heard, &order.act) {
                self.insist(order, number).await;
            }
        }
    }

    /// Tries until the CA has recorded it.
    async fn insist(&self, order: &Order, number: usize) {
        let waits = |first: &Act| match waits_for_alarm(first) {
            true => !is_done(&self.heard, first),
            false => open_order(&self.heard, first).is_some(),
        };
        while order.after.as_ref().is_some_and(waits) {
            tokio::time::sleep(AGAIN).await;
        }
        let serials = loop {
            match self.attempt(&order.act) {
                Ok(serials) => break serials,
                Err(error) => tracing::debug!(error, "an order waits"),
            }
            tokio::time::sleep(AGAIN).await;
        };
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let act = &mut heard.1[number];
        (act.serials, act.acknowledged_us) = (serials, Some(TrueTime::Sim.micros()));
        self.seams.journal.note(Event {
            kind: "administered",
            principal: act.principal.clone(),
            action: act.kind.name().to_owned(),
            resource: act.role.clone(),
            decision: "acknowledged".to_owned(),
            ..Event::default()
        });
    }

    /// Tries once; gives the serials that were revoked.
    fn attempt(&self, act: &Act) -> Result<Vec<String>, String> {
        match act {
            Act::RevokeLeaf { principal } => self.take_back(principal),
            Act::Order(order) => self.move_on(order).map(|()| Vec::new()),
            _ => Err("no order".to_owned()),
        }
    }

    fn take_back(&self, principal: &str) -> Result<Vec<String>, String> {
        let mut ca = self.ca();
        let id = SpiffeId::new(&ca.config().trust_domain, &format!("/user/{principal}"));
        let id = id.map_err(|error| error.to_string())?;
        let now = self.seams.clock.now();
        let revoked = ca.revoke_workload(&id, RevocationReason::KeyCompromise, now);
        let revoked = revoked.map_err(|error| error.to_string())?;
        if revoked.is_empty() {
            // Who has no certificate yet has nothing that could be taken.
            return Err(format!("{principal} has no certificate"));
        }
        Ok(revoked.into_iter().map(|one| one.serial).collect())
    }

    fn move_on(&self, order: &scenario::Order) -> Result<(), String> {
        let kind = AuthorityKind::from_str(&order.authority).map_err(|error| error.to_string())?;
        let secret = order.secret.as_deref().map(SecretName::new).transpose();
        let secret = secret.map_err(|error| error.to_string())?;
        let (mut ca, now) = (self.ca(), self.seams.clock.now());
        let id = order.id.unwrap_or_default();
        let mut command: Command = match order.deed {
            Deed::Prepare => ca.prepare_act(kind, now),
            Deed::Activate => rotation::Act::Activate { kind, id: order.id },
            Deed::Taint => rotation::Act::Taint { kind, id },
            Deed::Revoke => rotation::Act::Revoke { kind, id },
        }
        .into();
        if let Some(reason) = &order.override_reason {
            let reason = Reason::new(reason).map_err(|error| error.to_string())?;
            command = command.overriding(reason);
        }
        let moved = match secret {
            Some(secret) => ca.command_secret(&secret, &command, now),
            None => ca.command(&command, now),
        };
        moved.map(drop).map_err(|error| error.to_string())
    }

    /// What is copied is the key that signs at this moment; later ones stay unknown to the thief.
    fn steal(&self, thief: &str, what: &Booty, at: Duration) {
        let taken = match what {
            Booty::Issuer { .. } => {
                let issuer = copied_issuer(&self.ca()).ok();
                let taken = issuer.is_some_and(|it| take_issuer(&self.loot, thief, at, it));
                taken.then_some("issuer")
            }
            _ => {
                let key = self.ca().announced().borrow().signing.clone();
                let taken = key.is_some_and(|key| take_key(&self.loot, thief, at, key));
                taken.then_some("signing-key")
            }
        };
        if let Some(what) = taken {
            self.seams.journal.note(Event {
                kind: "stolen",
                principal: thief.to_owned(),
                action: what.to_owned(),
                ..Event::default()
            });
        }
    }

    fn ca(&self) -> MutexGuard<'_, Ca> {
        self.ca.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What history calls an order; nothing if it is none.
fn named(act: &Act) -> Option<(ActKind, String, String)> {
    match act {
        Act::RevokeLeaf { principal } => Some((ActKind::Leaf, principal.clone(), String::new())),
        Act::Order(order) => {
            let kind = match order.deed {
                Deed::Revoke => ActKind::Authority,
                Deed::Prepare | Deed::Activate | Deed::Taint => ActKind::Rotate,
            };
            let whom = order.revokes.clone().unwrap_or_default();
            Some((kind, whom, order.to_string()))
        }
        _ => None,
    }
}

/// Whether an order is given once there is an alarm, and not before.
pub(super) const fn waits_for_alarm(act: &Act) -> bool {
    matches!(act, Act::Order(order) if order.on_alarm)
}

/// Writes down that it was asked for at that true time, whether the CA is there to hear it or not.
pub(super) fn ask(heard: &Heard, act: &Act, asked_us: u64) {
    if let Some((kind, principal, role)) = named(act) {
        let act = history::Act {
            kind,
            principal,
            role,
            asked_us,
            ..history::Act::default()
        };
        begin(heard, act);
    }
}

/// Where the order is written down, if it is not done yet.
fn open_order(heard: &Heard, order: &Act) -> Option<usize> {
    written_down(heard, order, |act| act.acknowledged_us.is_none())
}

/// Whether the order was carried out.
fn is_done(heard: &Heard, order: &Act) -> bool {
    written_down(heard, order, |act| act.acknowledged_us.is_some()).is_some()
}

/// Where an order is written down that stands so.
fn written_down(
    heard: &Heard,
    order: &Act,
    stands: impl Fn(&history::Act) -> bool,
) -> Option<usize> {
    let (kind, principal, role) = named(order)?;
    let said = heard.lock().unwrap_or_else(PoisonError::into_inner);
    let is_it = |act: &history::Act| {
        (act.kind, &act.principal, &act.role) == (kind, &principal, &role) && stands(act)
    };
    said.1.iter().position(is_it)
}
