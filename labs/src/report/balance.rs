//! What a defence saved beside what it cost: exposure, promise and price, one row for each run
//! and action.
//!
//! Every figure is the history's, and no row shows the one without the other.

use std::collections::BTreeSet;

use super::RunReport;
use super::figure::seconds;
use super::measure::{self, Price};
use super::timeline;
use crate::history::{History, Promise};
use crate::invariant::exposure::exposure_us;

/// One action in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) action: String,
    /// From the acknowledgement to the last success, in microseconds, if it was measured.
    pub(super) exposure_us: Option<u64>,
    pub(super) promise: Promise,
    /// What the legitimate user went without, if that action was asked for.
    pub(super) price: Option<Price>,
}

/// The rows of one run; the price is the one that `user` paid.
pub(super) fn rows(history: &History, user: Option<&str>) -> Vec<Row> {
    let prices = user
        .map(|user| measure::price(history, user))
        .unwrap_or_default();
    let exposure = exposure_us(history);
    let actions: BTreeSet<&String> = exposure.keys().chain(prices.keys()).collect();
    let row = |action: &String| Row {
        action: action.clone(),
        exposure_us: exposure.get(action).copied(),
        promise: history.shown_promise(action),
        price: prices.get(action).copied(),
    };
    actions.into_iter().map(row).collect()
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
    pub(super) fn exposure_words(&self) -> String {
        self.exposure_us.map_or("-".to_owned(), seconds)
    }

    pub(super) fn promise_words(&self) -> String {
        match self.promise {
            Promise::Any => "none promised".to_owned(),
            Promise::Within(us) => format!("of {}", seconds(us)),
            Promise::Latest => "of latest".to_owned(),
        }
    }

    pub(super) fn price_words(&self) -> String {
        match &self.price {
            None => "not asked".to_owned(),
            Some(price) if price.unserved == 0 => format!("never ({} asked)", price.total),
            Some(price) => format!(
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
