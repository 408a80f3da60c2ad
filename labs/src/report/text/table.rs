//! Exposure beside its promise, and beside both, in the same size, the price.
//!
//! What a defence cost its legitimate users stands in the same row as what it saved. Figures are
//! the history's.

use super::page::{Page, Tone};
use crate::history::History;
use crate::report::RunReport;
use crate::report::balance;

/// Columns of the table: run, action, exposure, promise.
const COLUMNS: [usize; 4] = [9, 10, 11, 16];

/// One row for each run and action.
pub(super) fn exposure_and_price(page: &mut Page<'_>, runs: &[RunReport], histories: &[&History]) {
    if histories.is_empty() {
        return;
    }
    let user = balance::sides(histories).1;
    page.blank();
    let (let_in, price) = balance::heads(histories);
    let left: usize = COLUMNS.iter().sum();
    let let_in = page.style.cell(&let_in, left - COLUMNS[0] - 1);
    let gap = " ".repeat(COLUMNS[0]);
    page.row(&[
        (Tone::Plain, gap),
        (Tone::Strong, let_in + " "),
        (Tone::Strong, price),
    ]);
    for (run, history) in runs.iter().zip(histories) {
        for (at, row) in balance::rows(history, user).iter().enumerate() {
            let label = if at == 0 { run.posture.as_str() } else { "" };
            let cells = [
                label,
                &row.action,
                &format!("{:>8}", row.harm_words()),
                &row.promise_words(),
            ];
            let cells = cells.iter().zip(COLUMNS);
            let left: String = cells
                .map(|(text, columns)| page.style.cell(text, columns - 1) + " ")
                .collect();
            page.row(&[(Tone::Plain, left), (Tone::Plain, row.price_words())]);
        }
    }
}

/// What each run took to run.
pub(super) fn running(page: &mut Page<'_>, runs: &[RunReport]) {
    page.blank();
    for run in runs {
        let lead = page.style.cell(&run.posture, COLUMNS[0] - 1) + " ";
        page.wrapped(Tone::Faint, &lead, &balance::running(run).join("; "));
    }
}
