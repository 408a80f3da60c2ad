//! `schism ca rehearse`: leaves, roots, issuers and token keys are replaced under a steady load,
//! and every request that was not served is told.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use super::super::answer::Answer;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, daemon, span};
use crate::rehearsal::{CALLERS, NODES, Outcome, Plan, rehearse};

/// Rehearse rotation under load: a clinic of twenty members on this machine, asked all the while
///
/// A CA, records in three regions, policy, witnesses, tokens and their callers run on sockets of
/// this machine, with disks in memory and leaves of ten seconds. Leaves, roots, issuers and token
/// keys are replaced under them, each step as soon as the CA's gates allow. No request is asked
/// twice. It ends with 0 if all was replaced and no request failed, with 1 if not.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// Leaves to be renewed
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000))]
    leaves: u64,
    /// Roots to be replaced, each with an issuer under it
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=1_000))]
    roots: u64,
    /// Token keys to be replaced
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=1_000))]
    keys: u64,
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=2_000))]
    rate: u32,
    /// How long it may take at most
    #[arg(long, value_name = "SPAN", value_parser = span::some, default_value = "5m")]
    within: Duration,
    /// Take each step at once, by override, and wait for nobody: what goes wrong then
    #[arg(long)]
    hasty: bool,
    #[command(flatten)]
    answer: Answer,
}

/// Obeys.
pub(super) fn run(words: &Words, printer: &mut Printer) -> Result<Exit, Stop> {
    words.answer.can_be_given()?;
    let broke = |why: &dyn std::fmt::Display| Stop::Usage(format!("the rehearsal: {why}"));
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| broke(&why))?;
    let plan = words.plan();
    let latest = RefCell::new(Outcome::default());
    let printing = RefCell::new(&mut *printer);
    let mut tell = |share: f64, outcome: &Outcome| {
        latest.borrow_mut().clone_from(outcome);
        let doing = format!("{} requests, {} leaves", outcome.asked, outcome.leaves);
        printing.borrow_mut().progress(&doing, share);
    };
    let rehearsing = async {
        tokio::select! {
            biased;
            () = daemon::interrupted() => None,
            rehearsed = rehearse(&plan, &mut tell) => Some(rehearsed),
        }
    };
    let ended = LocalSet::new().block_on(&runtime, rehearsing);
    printer.clear();
    let interrupted = ended.is_none();
    let outcome = match ended {
        Some(rehearsed) => rehearsed.map_err(|why| broke(&why))?,
        None => latest.into_inner(),
    };
    let text = if words.answer.json {
        format!("{:#}\n", as_json(&plan, &outcome))
    } else {
        page(&plan, &outcome)
    };
    words.answer.give(&text, printer)?;
    if interrupted {
        return Err(Stop::Interrupted);
    }
    let well = outcome.reached(&plan) && outcome.failures() == 0 && outcome.broken_off.is_none();
    Ok(if well { Exit::Done } else { Exit::Broken })
}

impl Words {
    const fn plan(&self) -> Plan {
        Plan {
            leaves: self.leaves,
            roots: self.roots,
            keys: self.keys,
            per_second: self.rate,
            within: self.within,
            hasty: self.hasty,
        }
    }
}

fn page(plan: &Plan, outcome: &Outcome) -> String {
    let mut page = format!(
        "a clinic of {} members, {} requests a second for {}\n\n{:<28}{:>10}{:>10}\n",
        CALLERS + NODES,
        plan.per_second,
        span::shown(Duration::from_secs(outcome.lasted.as_secs())),
        "",
        "planned",
        "done"
    );
    for (what, planned, done) in rows(plan, outcome) {
        // Writing to a string does not fail.
        let _ = writeln!(page, "{what:<28}{planned:>10}{done:>10}");
    }
    let failures = outcome.failures();
    let _ = writeln!(page, "\n{:<28}{:>20}", "requests", outcome.asked);
    let _ = writeln!(page, "{:<28}{failures:>20}", "failed, of those");
    let [half, most, slowest] = outcome.latency.map(|span| {
        let tenths = (span.as_micros() + 50) / 100;
        format!("{}.{} ms", tenths / 10, tenths % 10)
    });
    let times = format!("{half}, {most}, {slowest}");
    let _ = writeln!(page, "{:<18}{times:>30}", "p50, p99, slowest");
    for (why, count) in &outcome.failed {
        let _ = writeln!(page, "  {count} heard: {why}");
    }
    for (at, what) in &outcome.first_failed {
        let _ = writeln!(page, "  at {} s, {what}", at.as_secs());
    }
    if let Some(why) = &outcome.broken_off {
        let _ = writeln!(page, "broken off: {why}");
    }
    let verdict = match (outcome.reached(plan), failures) {
        (true, 0) => "All was replaced, and no request failed.",
        (true, _) => "All was replaced, and not everybody was served.",
        (false, 0) => "No request failed, and not all was replaced in time.",
        (false, _) => "Not all was replaced, and not everybody was served.",
    };
    let _ = writeln!(page, "\n{verdict}");
    page
}

/// What was planned and what was done.
fn rows(plan: &Plan, outcome: &Outcome) -> [(&'static str, u64, u64); 4] {
    [
        ("leaves renewed", plan.leaves, outcome.leaves),
        ("roots replaced", plan.roots, outcome.roots),
        ("issuers replaced", plan.roots, outcome.issuers),
        ("token keys replaced", plan.keys, outcome.keys),
    ]
}

fn as_json(plan: &Plan, outcome: &Outcome) -> Value {
    let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    let [half, most, slowest] = outcome.latency.map(micros);
    json!({
        "members": CALLERS + NODES,
        "per_second": plan.per_second,
        "hasty": plan.hasty,
        "lasted_us": micros(outcome.lasted),
        "planned": { "leaves": plan.leaves, "roots": plan.roots, "token_keys": plan.keys },
        "done": {
            "leaves": outcome.leaves,
            "roots": outcome.roots,
            "issuers": outcome.issuers,
            "token_keys": outcome.keys,
        },
        "reached": outcome.reached(plan),
        "asked": outcome.asked,
        "failed": outcome.failed,
        "first_failed": outcome.first_failed.iter().map(|(at, what)| json!({
            "at_us": micros(*at),
            "what": what,
        })).collect::<Vec<_>>(),
        "latency_us": { "p50": half, "p99": most, "slowest": slowest },
        "broken_off": outcome.broken_off,
    })
}
