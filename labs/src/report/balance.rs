//! What a defence saved beside what it cost: exposure, promise and price, one row for each run
//! and action.
//!
//! Every figure is the history's, and no row shows the one without the other.

use std::collections::BTreeSet;

use super::RunReport;
use super::figure::seconds;
use super::measure::{self, Price};
use super::timeline;
use crate::history::{Harm, History, Promise};
use crate::invariant::exposure::exposure_us;
use crate::invariant::{impersonation, outage};

/// One action in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) action: String,
    /// From the acknowledgement to the last success, in microseconds, if it was measured; where
    /// outages are, the longest; where impersonation is, from the first to the last.
    pub(super) harm_us: Option<u64>,
    pub(super) held_to: HeldTo,
    pub(super) price: Cost,
}

/// What stands beside a harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeldTo {
    /// What was promised of it, or is allowed.
    Promise(Promise),
    /// Nothing ever is: how many requests were let in under another's name, of how many.
    Count(u64, u64),
}

/// What a defence cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// What the legitimate user went without, if that action was asked for.
    Unserved(Option<Price>),
    /// The order that waited longest to be carried out, and for how long, or to the end of the run
    /// and longer; nothing if none was given, or if it stands in another row.
    Waited(Option<(String, u64, bool)>),
}

/// The rows of one run; the price is the one that `user` paid.
pub(super) fn rows(history: &History, user: Option<&str>) -> Vec<Row> {
    if history.expect.harm() == Harm::Outage {
        return outage_rows(history);
    }
    let prices = user
        .map(|user| measure::price(history, user))
        .unwrap_or_default();
    let posed = impersonation::posed(history);
    let exposure = match history.expect.harm() {
        Harm::Impersonation => {
            let of = posed.iter();
            of.map(|(action, of)| (action.clone(), of.lasted_us()))
                .collect()
        }
        Harm::Exposure | Harm::Outage => exposure_us(history),
    };
    let actions: BTreeSet<&String> = exposure.keys().chain(prices.keys()).collect();
    let row = |action: &String| Row {
        action: action.clone(),
        harm_us: exposure.get(action).copied(),
        held_to: match posed.get(action) {
            Some(of) => HeldTo::Count(of.let_in, of.asked),
            None => HeldTo::Promise(history.shown_promise(action)),
        },
        price: Cost::Unserved(prices.get(action).copied()),
    };
    actions.into_iter().map(row).collect()
}

/// Outages beside what is allowed; what they were avoided by is patience, and stands once.
fn outage_rows(history: &History) -> Vec<Row> {
    let mut waited = longest_wait(history);
    let allowed = &history.expect.outage_us;
    let row = |(action, us): (String, u64)| Row {
        held_to: HeldTo::Promise(Promise::Within(allowed.get(&action).copied().unwrap_or(0))),
        action,
        harm_us: Some(us),
        price: Cost::Waited(waited.take()),
    };
    outage::outage_us(history).into_iter().map(row).collect()
}

/// The order that waited longest, for how long (µs), and whether it was carried out.
pub(crate) fn longest_wait(history: &History) -> Option<(String, u64, bool)> {
    let waits = outage::orders(history).map(|act| {
        let done = act.acknowledged_us;
        let until = done.unwrap_or(history.duration_us);
        let waited = until.saturating_sub(act.asked_us);
        (act.role.clone(), waited, done.is_some())
    });
    waits.max_by_key(|(_, waited, done)| (!done, *waited))
}

/// What stands over the columns of a harm and of its price.
pub(super) fn heads(histories: &[&History]) -> (String, String) {
    let (attacker, user) = sides(histories);
    let first = histories.first();
    if first.is_some_and(|first| first.expect.harm() == Harm::Outage) {
        let left = "the longest outage of anybody";
        let mut ordered = histories
            .iter()
            .map(|history| outage::orders(history).count());
        let price = if ordered.any(|orders| orders > 0) {
            "price: the longest wait"
        } else {
            ""
        };
        return (left.to_owned(), price.to_owned());
    }
    let who = attacker.unwrap_or("nobody");
    let paid = user
        .zip(first)
        .map(|(user, first)| format!("price: {user} ({}) unserved", timeline::region(first, user)));
    let posing = first.filter(|first| first.expect.harm() == Harm::Impersonation);
    let left = match posing.and_then(|first| impersonation::name(first)) {
        Some(name) => format!("{who} let in as {name}"),
        None => {
            let since = first.map_or("the revocation", |first| first.taken_by());
            format!("{who} let in after {since}")
        }
    };
    (left, paid.unwrap_or_else(|| "the price".to_owned()))
}

/// Who attacked and who pays, the same in every row.
pub(super) fn sides<'a>(histories: &[&'a History]) -> (Option<&'a str>, Option<&'a str>) {
    let first = histories.first();
    (
        first.and_then(|history| timeline::attacker(history)),
        first.and_then(|history| timeline::legitimate(history)),
    )
}

impl Row {
    pub(super) fn harm_words(&self) -> String {
        self.harm_us.map_or("-".to_owned(), seconds)
    }

    pub(super) fn promise_words(&self) -> String {
        match self.held_to {
            HeldTo::Promise(Promise::Any) => "none promised".to_owned(),
            HeldTo::Promise(Promise::Within(us)) => format!("of {}", seconds(us)),
            HeldTo::Promise(Promise::Latest) => "of latest".to_owned(),
            HeldTo::Count(let_in, asked) => format!("{let_in} of {asked}"),
        }
    }

    pub(super) fn price_words(&self) -> String {
        match &self.price {
            Cost::Waited(None) => String::new(),
            Cost::Waited(Some((order, us, is_done))) => {
                let end = if *is_done { "" } else { ", and waits still" };
                format!("{} ({order}){end}", seconds(*us))
            }
            Cost::Unserved(None) => "not asked".to_owned(),
            Cost::Unserved(Some(price)) if price.unserved == 0 => {
                format!("never ({} asked)", price.total)
            }
            Cost::Unserved(Some(price)) => format!(
                "{} ({} of {})",
                seconds(price.unserved_us),
                price.unserved,
                price.total
            ),
        }
    }
}

/// What a run took, in words: renewals, calls and bytes, latency.
pub(super) fn running(run: &RunReport) -> [String; 3] {
    let renewals = run.renewals;
    let took = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
    let latency = run.latency_ms;
    [
        format!(
            "leaves renewed {} before, {} after, {} failed during the cut",
            renewals.before, renewals.after, renewals.during_failed,
        ),
        format!(
            "{} calls, about {}",
            run.cost.rpcs,
            super::figure::bytes(run.cost.bytes_about)
        ),
        format!(
            "simulated delays p50 {} p95 {} p99 {} ms",
            took(latency.p50),
            took(latency.p95),
            took(latency.p99),
        ),
    ]
}
