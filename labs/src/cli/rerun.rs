//! `schism rerun`: a kept run once more, from what was kept, and whether the same came of it.
//!
//! Every file is read and found to be the one that ran: settings, events and signed logs before
//! anything runs again, requests and report by what comes of it. Nothing is written to the run's
//! folder.

use std::ops::ControlFlow;

use serde::Serialize;
use services::policy::danger::Mutation;

use super::answer::Answer;
use super::interrupt::Interrupt;
use super::kept::Kept;
use super::printer::Printer;
use super::stop::Stop;
use super::{Exit, Place};
use crate::history::{History, Request};
use crate::report::text::{Page, Style, Tone};
use crate::report::{RunFacts, RunReport, control};
use crate::run::{self, Ran, RunRequest};
use crate::trace::{TraceEvent, sides, trace_hash};

/// Run a kept run again and say whether the same came of it
///
/// Ends with status 0 if every run has the same trace hash, 1 if one differs, 2 if the kept files
/// are not those that ran.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// The run's folder, or its name under `.schism/runs/`; the newest if left out
    run: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

/// What came of it. The shape is format 1 and only grows.
#[derive(Debug, Serialize)]
struct Rerun {
    format: u32,
    run: String,
    lab: String,
    seed: u64,
    recorded_by: String,
    version: &'static str,
    same: bool,
    runs: Vec<Compared>,
}

#[derive(Debug, Serialize)]
struct Compared {
    posture: String,
    same: bool,
    events: usize,
    recorded_hash: String,
    hash: String,
    first_difference: Option<Difference>,
}

#[derive(Debug, Serialize)]
struct Difference {
    /// Which event, from 0, in order of time, node and sequence.
    event: usize,
    recorded: String,
    now: String,
}

/// What is said of a report that the run does not bear out.
const NOT_ITS_REPORT: &str = "it is not what is to be told of the run";

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    words.answer.can_be_given()?;
    let kept = Kept::find(words.run.as_deref(), place)?;
    let events = kept.events()?;
    let heard = kept.requests()?;
    kept.signed()?;
    let requests = requests(&kept)?;
    let interrupt = Interrupt::listen()?;
    let (mut runs, mut histories) = (Vec::new(), Vec::new());
    for (name, request) in &requests {
        let ran = once_more(name, request, &interrupt, printer)?;
        let recorded = events.get(name).map_or(&[][..], Vec::as_slice);
        let compared = compare(name, recorded, &ran.trace);
        // A run that differs explains every other difference.
        if compared.same {
            let heard = heard.get(name).map_or(&[][..], Vec::as_slice);
            vouch(&kept, name, request, heard, &ran)?;
        }
        runs.push(compared);
        histories.push(ran.history);
    }
    let report = &kept.report;
    if runs.iter().all(|run| run.same) {
        let histories: Vec<&History> = histories.iter().collect();
        let control = control::control(&report.runs, &histories).verdict;
        let ran_lab = requests.first().map(|(_, ran)| &ran.scenario.metadata.id);
        if control != report.control || Some(&report.lab) != ran_lab {
            return Err(kept.edited("report.json", NOT_ITS_REPORT));
        }
    }
    let rerun = Rerun {
        format: 1,
        run: kept.name.clone(),
        lab: report.lab.clone(),
        seed: report.seed,
        recorded_by: report.version.clone(),
        version: env!("CARGO_PKG_VERSION"),
        same: runs.iter().all(|run| run.same),
        runs,
    };
    let said = if words.answer.json {
        serde_json::to_string(&rerun).expect("an answer has text for keys") + "\n"
    } else {
        let style = words.answer.style(printer);
        page(&rerun, kept.other_version().as_deref(), &style)
    };
    words.answer.give(&said, printer)?;
    Ok(if rerun.same { Exit::Done } else { Exit::Broken })
}

/// What ran, from the kept files.
fn requests(kept: &Kept) -> Result<Vec<(String, RunRequest)>, Stop> {
    let scenario = kept.scenario()?;
    let of = |run: &RunReport| {
        let (posture, policy) = kept.settings(run)?;
        let request = RunRequest {
            scenario: scenario.clone(),
            posture,
            policy,
            seed: kept.report.seed,
            mutation: Mutation::None,
        };
        Ok((run.posture.clone(), request))
    };
    kept.report.runs.iter().map(of).collect()
}

/// Finds the kept requests and the kept report to be those of this run.
fn vouch(
    kept: &Kept,
    name: &str,
    request: &RunRequest,
    heard: &[Request],
    ran: &Ran,
) -> Result<(), Stop> {
    if heard != ran.history.requests {
        let what = format!("what it says that clients of `{name}` asked and heard is not what did");
        return Err(kept.edited("requests.jsonl", &what));
    }
    let facts = RunFacts {
        posture: name.to_owned(),
        posture_sha256: request.posture.sha256(),
        trace_hash: trace_hash(&ran.trace),
        wall_ms: 0,
    };
    // How long it took and how many bytes went is another run's own.
    let plain = |mut report: RunReport| {
        (report.wall_ms, report.cost.bytes_about) = (0, 0);
        report
    };
    let now = plain(RunReport::judge(&ran.history, facts));
    let then = kept.report.runs.iter().find(|run| run.posture == name);
    if then.cloned().map(plain) != Some(now) {
        return Err(kept.edited("report.json", NOT_ITS_REPORT));
    }
    Ok(())
}

fn once_more(
    name: &str,
    request: &RunRequest,
    interrupt: &Interrupt,
    printer: &mut Printer,
) -> Result<Ran, Stop> {
    let ran = run::run(request, &mut |share| {
        if interrupt.heard() {
            return ControlFlow::Break(());
        }
        printer.progress(name, share);
        ControlFlow::Continue(())
    });
    printer.clear();
    if interrupt.heard() {
        printer.note("interrupted: the kept run is as it was");
        return Err(Stop::Interrupted);
    }
    let posture = name.to_owned();
    ran.map_err(|why| Stop::Run { posture, why })
}

fn compare(posture: &str, recorded: &[TraceEvent], trace: &[TraceEvent]) -> Compared {
    let (recorded_hash, hash) = (trace_hash(recorded), trace_hash(trace));
    Compared {
        posture: posture.to_owned(),
        same: recorded_hash == hash,
        events: trace.len(),
        recorded_hash,
        hash,
        first_difference: sides(recorded, trace).map(|(event, [recorded, now])| Difference {
            event,
            recorded,
            now,
        }),
    }
}

fn page(rerun: &Rerun, age: Option<&str>, style: &Style) -> String {
    let mut page = Page::new(style);
    let title = format!(
        "{} · {} · seed {}, run again",
        rerun.run, rerun.lab, rerun.seed
    );
    page.wrapped(Tone::Strong, "", &title);
    page.blank();
    for run in &rerun.runs {
        let lead = page.style.cell(&run.posture, 8) + " ";
        if run.same {
            let text = format!("same trace hash, {} events", run.events);
            page.wrapped(Tone::Good, &lead, &text);
            page.wrapped(Tone::Faint, "         ", &run.hash);
            continue;
        }
        page.wrapped(Tone::Bad, &lead, "DIFFERS from what was recorded");
        page.wrapped(Tone::Faint, "         recorded  ", &run.recorded_hash);
        page.wrapped(Tone::Faint, "         now       ", &run.hash);
        if let Some(first) = &run.first_difference {
            let text = format!("the first difference is event {}", first.event);
            page.wrapped(Tone::Plain, "         ", &text);
            page.wrapped(Tone::Plain, "         recorded  ", &first.recorded);
            page.wrapped(Tone::Plain, "         now       ", &first.now);
        }
    }
    page.blank();
    let last = if rerun.same {
        "The same scenario, postures and seed gave the same run."
    } else {
        "The same scenario, postures and seed gave another run."
    };
    page.wrapped(Tone::Plain, "", last);
    if let Some(age) = age {
        let text = format!("Note: {age}.");
        page.wrapped(Tone::Plain, "", &text);
    }
    page.finish()
}

#[cfg(test)]
mod tests {
    use ca::journal::Event;

    use super::*;

    fn trace(principal: &str) -> Vec<TraceEvent> {
        let event = Event {
            kind: "decision",
            principal: principal.to_owned(),
            ..Event::default()
        };
        let node = "records.south".to_owned();
        let (at_us, seq) = (5, 0);
        vec![TraceEvent {
            at_us,
            node,
            seq,
            event,
        }]
    }

    fn rerun(runs: Vec<Compared>) -> Rerun {
        Rerun {
            format: 1,
            run: "stale-acl-7-1".to_owned(),
            lab: "stale-acl".to_owned(),
            seed: 7,
            recorded_by: "0.0.9".to_owned(),
            version: "0.1.0",
            same: runs.iter().all(|run| run.same),
            runs,
        }
    }

    #[test]
    fn a_run_that_differs_says_where_first_and_one_that_does_not_says_its_hash() {
        let (a, b) = (trace("alice"), trace("mallory"));
        let same = compare("exposed", &a, &a);
        assert!(same.same && same.first_difference.is_none());
        let both = rerun(vec![same, compare("solution", &a, &b)]);
        assert!(!both.same);
        let said = page(&both, Some("another version"), &Style::default());
        for line in [
            "exposed  same trace hash, 1 events",
            "solution DIFFERS from what was recorded",
            "         the first difference is event 0",
            "         recorded  5 us records.south decision alice policy 0",
            "         now       5 us records.south decision mallory policy 0",
            "Note: another version.",
        ] {
            assert!(said.lines().any(|it| it == line), "{line} in\n{said}");
        }
        assert!(
            said.lines().all(|line| line.chars().count() <= 80),
            "{said}"
        );
    }
}
