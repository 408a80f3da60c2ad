//! `schism lab check`: the lab's attack over many seeds, each in its own variant, against the
//! learner's settings; and why, if they do not hold.
//!
//! Nothing of the desk is changed. What was checked before an interruption is said. A pass on a few
//! seeds may be luck: it is told as provisional, and is not recorded.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use super::super::answer::Answer as Given;
use super::super::interrupt::Interrupt;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, Place, archive, demo};
use super::entered::Entered;
use super::{Ahead, attack};
use crate::course::answer::{Answer, failed};
use crate::course::check::{Checked, check_until};
use crate::course::drawn;
use crate::course::progress::{Fact, Progress};
use crate::course::shrink::{self, MAX_RUNS};
use crate::course::trial::Trial;
use crate::invariant::Verdict;
use crate::report::json;
use crate::report::text::{Page, Style, Tone};
use crate::run::RunError;
use crate::workspace::Workspace;

/// The fewest seeds that a pass rests on.
const ENOUGH: u16 = 8;

/// Judge your settings: the same attack, on many seeds, each with other times and places
///
/// Ends with status 0 if they hold on every seed, 1 if they do not, 3 if it cannot be told. On
/// fewer than 8 seeds it is provisional, and is not recorded.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// A lab's id, or the path of a lab's folder; the last one if left out
    lab: Option<String>,
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = ENOUGH,
          value_parser = clap::value_parser!(u16).range(1..=200))]
    seeds: u16,
    /// The first seed; the others follow it
    #[arg(long, value_name = "SEED", default_value_t = 1, value_parser = demo::seed,
          allow_negative_numbers = true)]
    first: u64,
    /// How many to run at a time; as many as there are cores if left out
    #[arg(long, value_name = "J", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    #[command(flatten)]
    answer: Given,
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    let workspace = place.workspace()?;
    let entered = Entered::read(words.lab.as_deref(), place, &workspace)?;
    entered.admit()?;
    words.answer.can_be_given()?;
    let seeds = seeds(words.first, words.seeds)?;
    let interrupt = Interrupt::listen()?;
    let jobs = words.jobs.map_or_else(cores, usize::from);
    let checked = tried(&entered, &seeds, jobs, printer, &|| interrupt.heard());
    let Checked { trials, ended } = checked;
    let (entrant, places) = (entered.entrant(), entered.places());
    let mut answer = Answer::of(&entered.scenario, &entrant, &places, &trials);
    match ended {
        None => {}
        Some(RunError::Interrupted) => {
            printer.note(&so_far(&answer, seeds.len()));
            return Err(Stop::Interrupted);
        }
        Some(why) => {
            let posture = entered.settings.name;
            return Err(Stop::Run { posture, why });
        }
    }
    if let (Some((trial, cause)), Some(told)) = (failed(&trials), &mut answer.explanation) {
        let request = told
            .first
            .as_ref()
            .and_then(|first| first.request.as_deref());
        let found = shrink::smallest(trial, &entrant, &cause, request, &mut |run| {
            if interrupt.heard() {
                return ControlFlow::Break(());
            }
            #[expect(clippy::cast_precision_loss, reason = "both are at most a dozen")]
            printer.progress("the smallest schedule", run as f64 / MAX_RUNS as f64);
            ControlFlow::Continue(())
        });
        printer.clear();
        // What was checked stands, also if the search for less was stopped.
        told.smallest = found.unwrap_or_default();
        if !interrupt.heard() {
            told.run = keep(trial, &entered, &workspace, &interrupt, printer);
        }
    }
    let is_enough = answer.seeds.len() >= usize::from(ENOUGH);
    if answer.verdict == Verdict::Kept && is_enough {
        let fact = Fact::Passed {
            lab: answer.lab.clone(),
            seeds: answer.seeds.len() as u64,
            posture_sha256: entrant.posture.sha256(),
        };
        Progress::record(&workspace, &fact)?;
    }
    let text = if words.answer.json {
        answer.json().map_err(|why| Stop::Report(why.into()))?
    } else {
        let style = words.answer.style(printer);
        page(&answer, is_enough, &style, (&entered, place), || {
            passed(&entered, &workspace, &style, place)
        })?
    };
    words.answer.give(&text, printer)?;
    if interrupt.heard() {
        return Err(Stop::Interrupted);
    }
    Ok(status(answer.verdict))
}

const fn status(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Kept => Exit::Done,
        Verdict::Broken => Exit::Broken,
        Verdict::Unknown => Exit::Unknown,
    }
}

/// Tries every seed, with a line that says how far it is, until `stop` says so.
pub(super) fn tried(
    entered: &Entered,
    seeds: &[u64],
    jobs: usize,
    printer: &mut Printer,
    stop: &(dyn Fn() -> bool + Sync),
) -> Checked {
    let (scenario, entrant, of) = (&entered.scenario, entered.entrant(), seeds.len());
    let shown = Mutex::new(&mut *printer);
    let checked = check_until(scenario, &entrant, seeds, jobs, &|done| {
        if stop() {
            return ControlFlow::Break(());
        }
        let mut printer = shown.lock().unwrap_or_else(PoisonError::into_inner);
        #[expect(clippy::cast_precision_loss, reason = "both are at most 200")]
        printer.progress(&format!("check {done} of {of}"), done as f64 / of as f64);
        ControlFlow::Continue(())
    });
    printer.clear();
    checked
}

/// How many simulations run at a time.
pub(super) fn cores() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get)
}

fn seeds(first: u64, count: u16) -> Result<Vec<u64>, Stop> {
    let last = first.checked_add(u64::from(count) - 1);
    let last = last.ok_or_else(|| {
        Stop::Usage(format!(
            "`--first` is {first}: {count} seeds from there pass the last one"
        ))
    })?;
    Ok((first..=last).collect())
}

/// The answer, and what to do next.
fn page(
    answer: &Answer,
    is_enough: bool,
    style: &Style,
    (entered, place): (&Entered, &Place),
    passed: impl FnOnce() -> Result<String, Stop>,
) -> Result<String, Stop> {
    let next = match answer.verdict {
        Verdict::Kept if is_enough => return Ok(answer.page(style, &[]) + &passed()?),
        Verdict::Kept => vec![place.invocation.command(&["lab", "check"])],
        Verdict::Broken | Verdict::Unknown => next(answer, entered, place),
    };
    Ok(luck(answer, is_enough) + &answer.page(style, &next))
}

/// What stands before a pass that may be luck.
fn luck(answer: &Answer, is_enough: bool) -> String {
    if is_enough || answer.verdict != Verdict::Kept {
        return String::new();
    }
    let tried = match answer.seeds.len() {
        1 => "1 seed".to_owned(),
        many => format!("{many} seeds"),
    };
    format!("Provisional, on {tried}: a pass rests on {ENOUGH} or more. Not recorded.\n")
}

/// What an interrupted check knows.
fn so_far(answer: &Answer, of: usize) -> String {
    let tried = answer.seeds.len();
    if tried == 0 {
        return format!("interrupted: none of {of} seeds was checked to its end");
    }
    let told = answer
        .seeds
        .iter()
        .map(|it| format!("seed {} {}", it.seed, it.verdict));
    let told: Vec<String> = told.collect();
    format!(
        "interrupted: {tried} of {of} were checked: {}",
        told.join(", ")
    )
}

/// What to do after a pass: one thing to go on with, and what else the lab has.
fn passed(
    entered: &Entered,
    workspace: &Workspace,
    style: &Style,
    place: &Place,
) -> Result<String, Stop> {
    let mut page = Page::new(style);
    page.row(&[(Tone::Plain, "")]);
    let first = Ahead::find(workspace, &entered.scenario)?;
    let besides = Ahead::besides(workspace, &entered.scenario)?;
    for ahead in std::iter::once(first).chain(besides) {
        ahead.tell(&mut page, place);
    }
    Ok(page.finish())
}

/// What to type after a check that did not pass.
fn next(answer: &Answer, entered: &Entered, place: &Place) -> Vec<String> {
    let command = |words: &[&str]| place.invocation.command(words);
    let told = answer.explanation.as_ref();
    let look = told.and_then(|told| {
        let request = told.first.as_ref()?.request.as_deref()?;
        Some(command(&["trace", request, "--run", told.run.as_deref()?]))
    });
    // An attack of one's own runs on the settings that the lab began with.
    let attack: &[&str] = match entered.own(place) {
        Ok(None) => &["lab", "attack"],
        Ok(Some(_)) | Err(_) => &["lab", "attack", "--given"],
    };
    let others = [command(&["lab", "hint"]), command(attack)];
    look.into_iter().chain(others).collect()
}

/// Keeps the run that is explained, so that what is named of it can be looked at: a check keeps no
/// run, so this one runs once more. Its name; nothing if it cannot be kept, which is said.
fn keep(
    trial: &Trial,
    entered: &Entered,
    workspace: &Workspace,
    interrupt: &Interrupt,
    printer: &mut Printer,
) -> Option<String> {
    let (scenario, seed, settings) = (&trial.scenario, trial.seed, &entered.settings);
    let text = drawn::written(&entered.scenario, &entered.scenario_text.text, scenario)?;
    let ran = demo::run_one(scenario, settings, seed, interrupt, printer).ok()?;
    let report = attack::judge((scenario, String::new()), settings, seed, &ran);
    let json = json::render(&report).ok()?;
    let files = archive::files(&json, &text, &[(settings, &ran)]);
    match workspace.keep(&format!("{}-{seed}", report.lab), &files) {
        Ok(folder) => Some(folder.file_name()?.to_str()?.to_owned()),
        Err(why) => {
            printer.note(&format!("the run is not kept: {why}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_follow_the_first_and_never_wrap() {
        assert_eq!(seeds(5, 3).unwrap(), [5, 6, 7]);
        assert_eq!(seeds(u64::MAX, 1).unwrap(), [u64::MAX]);
        assert!(
            seeds(u64::MAX, 2)
                .unwrap_err()
                .to_string()
                .contains("--first")
        );
    }
}
