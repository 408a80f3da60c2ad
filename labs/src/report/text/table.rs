//! Exposure beside its promise, and beside both, in the same size, the price.
//!
//! What a defence cost its legitimate users stands in the same row as what it saved. Figures are
//! the history's.

use std::collections::BTreeSet;

use super::page::{Page, Tone};
use super::{attacker, legitimate, region};
use crate::history::{History, Promise};
use crate::invariant::no_permit_after_revoke::exposure_us;
use crate::report::RunReport;
use crate::report::figure::{bytes, seconds};
use crate::report::measure::{self, Price};

/// Columns of the table: run, action, exposure, promise.
const COLUMNS: [usize; 4] = [9, 10, 11, 16];

/// One row for each run and action.
pub(super) fn exposure_and_price(page: &mut Page<'_>, runs: &[RunReport], histories: &[&History]) {
    let Some(first) = histories.first() else {
        return;
    };
    let user = legitimate(first);
    let who = attacker(first).map_or("nobody".to_owned(), |who| page.style.fit(who, 20));
    page.blank();
    let let_in = format!("{who} let in after the revocation");
    let price = user.map_or("the price".to_owned(), |user| {
        format!("price: {user} ({}) unserved", region(first, user))
    });
    let left: usize = COLUMNS.iter().sum();
    let let_in = page.style.cell(&let_in, left - COLUMNS[0] - 1);
    let gap = " ".repeat(COLUMNS[0]);
    page.row(&[
        (Tone::Plain, gap),
        (Tone::Strong, let_in + " "),
        (Tone::Strong, price),
    ]);
    for (run, history) in runs.iter().zip(histories) {
        let prices = user
            .map(|user| measure::price(history, user))
            .unwrap_or_default();
        let exposure = exposure_us(history);
        let actions: BTreeSet<&String> = exposure.keys().chain(prices.keys()).collect();
        for (at, action) in actions.into_iter().enumerate() {
            let label = if at == 0 { run.posture.as_str() } else { "" };
            let exposed = exposure
                .get(action)
                .map_or("-".to_owned(), |us| seconds(*us));
            let cells = [
                label,
                action,
                &format!("{exposed:>8}"),
                &promise(history, action),
            ];
            let cells = cells.iter().zip(COLUMNS);
            let left: String = cells
                .map(|(text, columns)| page.style.cell(text, columns - 1) + " ")
                .collect();
            let price = prices
                .get(action)
                .map_or("not asked".to_owned(), price_words);
            page.row(&[(Tone::Plain, left), (Tone::Plain, price)]);
        }
    }
}

fn promise(history: &History, action: &str) -> String {
    match history.promise(action) {
        Promise::Any => "of no promise".to_owned(),
        Promise::Within(us) => format!("of {}", seconds(us)),
        Promise::Latest => "of latest".to_owned(),
    }
}

fn price_words(price: &Price) -> String {
    if price.unserved == 0 {
        return format!("never ({} asked)", price.total);
    }
    format!(
        "{} ({} of {})",
        seconds(price.unserved_us),
        price.unserved,
        price.total
    )
}

/// What each run took to run.
pub(super) fn running(page: &mut Page<'_>, runs: &[RunReport]) {
    page.blank();
    for run in runs {
        let renewals = run.renewals;
        let took = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
        let latency = run.latency_ms;
        let words = format!(
            "leaves renewed {} before, {} after, {} failed during the cut; \
             {} calls, about {}; p50 {} p95 {} p99 {} ms",
            renewals.before,
            renewals.after,
            renewals.during_failed,
            run.cost.rpcs,
            bytes(run.cost.bytes_about),
            took(latency.p50),
            took(latency.p95),
            took(latency.p99),
        );
        let lead = page.style.cell(&run.posture, COLUMNS[0] - 1) + " ";
        page.wrapped(Tone::Faint, &lead, &words);
    }
}
