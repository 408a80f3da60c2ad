//! `schism drill run`: the drill itself, and how its report is told and judged.
//!
//! What would keep a report from being written is said before anything is touched. An interrupted
//! run tells what it knows, and ends with the status of an interrupt.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::super::answer::Answer;
use super::super::demo::{can_be_written, write_whole};
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, daemon, origin};
use super::follow::{Asked, Follower};
use super::{Which, Wished, causes, status, stopped};
use crate::drill::answer::{FORMAT, Group, Report};
use crate::drill::clock;
use crate::drill::file::DrillFile;
use crate::drill::report::junit::Besides;
use crate::drill::report::verdict::Against;
use crate::drill::report::{baseline, html, json, junit, text, verdict};
use crate::drill::run::{self, Choice, Options, RunError};
use crate::drill::stage::LEFT;
use crate::report::json::InvalidReport;

/// The longest report that is read as a baseline, in bytes.
const MAX_BASELINE: usize = 16 * 1024 * 1024;

/// Drill the target, case by case, and put everything back
///
/// Ends with status 0 if nothing failed, 1 if something did, 3 if it cannot be told, 130 if it was
/// interrupted. Only what a standard demands, or an objective of the file, fails; advice does not.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    wished: Wished,
    #[command(flatten)]
    answer: Answer,
    /// Write the cases as JUnit XML too, for a build server
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write a page for a browser too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// An older report, in JSON: only what is worse than there fails
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

/// Obeys.
pub(super) fn run(words: &Words, printer: &mut Printer) -> Result<Exit, Stop> {
    let drill = words.which.read()?;
    words.answer.can_be_given()?;
    for out in words.junit.iter().chain(&words.html) {
        can_be_written(out)?;
    }
    let baseline = words.baseline.as_deref();
    let baseline = baseline.map(|path| baseline_of(&drill, path)).transpose()?;
    let options = words.wished.options();
    let choice = run::choose(&drill, &options).map_err(|error| stopped(&error))?;
    let baseline = baseline.map(|before| of_the_asked(before, &choice, &options));
    let runtime = daemon::runtime()?;
    forget_older(words)?;
    let (found, interrupted) = runtime.block_on(async {
        let asked = Asked::listen();
        let shared = Mutex::new(&mut *printer);
        let mut follower = Follower::new(&shared, asked.clone());
        let found = run::run(&drill, &options, &mut follower).await;
        (found, asked.heard())
    });
    printer.clear();
    let left_out: Vec<(Group, &str)> = choice
        .left_out
        .iter()
        .map(|it| (it.group, it.word))
        .collect();
    let (report, error) = match found {
        Ok(report) => (report, None),
        Err(error) => match error.report() {
            None => {
                unbegun(words, &drill, &causes(&error), printer)?;
                return Err(stopped(&error));
            }
            Some(report) => (report.clone(), Some(error)),
        },
    };
    let broken = match &error {
        Some(error) => Some(causes(error)),
        None => interrupted.then(|| "the run was interrupted".to_owned()),
    };
    let besides = Besides {
        broken: broken.as_deref(),
        left_out: &left_out,
    };
    let exit = tell(words, &drill, &report, baseline.as_ref(), besides, printer)?;
    match error {
        Some(error) => Err(broken_off(&error)),
        None if interrupted => Ok(Exit::Interrupted),
        None if exit == Exit::Done && report.notes.iter().any(|it| it.starts_with(LEFT)) => {
            Ok(Exit::Unknown)
        }
        None => Ok(exit),
    }
}

/// Takes away what an older run wrote: whatever ends this one, nobody should read that for it. A
/// link stays where it points, and the baseline is nobody's old answer.
fn forget_older(words: &Words) -> Result<(), Stop> {
    let whole = |path: &Path| fs::canonicalize(path).ok();
    let kept = words.baseline.as_deref().and_then(whole);
    let written = words.junit.iter().chain(&words.html).map(PathBuf::as_path);
    for out in written.chain(words.answer.out()) {
        let is_file = fs::symlink_metadata(out).is_ok_and(|it| it.is_file());
        if is_file && (kept.is_none() || whole(out) != kept) {
            fs::remove_file(out).map_err(|why| Stop::file(out, why))?;
        }
    }
    Ok(())
}

/// Says to a build server why there is no report.
fn unbegun(words: &Words, drill: &DrillFile, why: &str, printer: &mut Printer) -> Result<(), Stop> {
    let Some(out) = &words.junit else {
        return Ok(());
    };
    let report = Report {
        format: FORMAT,
        target: drill.target.address.to_string(),
        begun: String::new(),
        took_ms: 0,
        rows: Vec::new(),
        notes: Vec::new(),
    };
    let besides = Besides {
        broken: Some(why),
        left_out: &[],
    };
    write(out, &junit::write(&report, &[], besides), printer)
}

/// A run whose report was told already.
fn broken_off(error: &RunError) -> Stop {
    Stop::Unclear(causes(error))
}

/// An older report of this target: one of another excuses nothing.
fn baseline_of(drill: &DrillFile, path: &Path) -> Result<Report, Stop> {
    let text = origin::read(path, MAX_BASELINE)?.text;
    let report = json::read(&text).map_err(|why| Stop::file(path, why))?;
    match baseline::is_of_another(&report, &drill.target.address.to_string()) {
        Some(why) => Err(Stop::file(path, why)),
        None => Ok(report),
    }
}

/// What an older report says of the cases that were asked for by their words, if any were: nobody
/// misses the others. Those that there is no time for were asked for too.
fn of_the_asked(mut before: Report, choice: &Choice, options: &Options) -> Report {
    let asked = |word: &str| {
        let chosen = choice.chosen.iter().flat_map(|it| &it.cases);
        let mut all = chosen.chain(&choice.left_out);
        all.any(|case| case.word == word)
    };
    if !options.cases.is_empty() {
        before.rows.retain(|row| asked(&row.word));
    }
    before
}

/// Tells a report in every way that was asked for.
fn tell(
    words: &Words,
    drill: &DrillFile,
    report: &Report,
    baseline: Option<&Report>,
    besides: Besides<'_>,
    printer: &mut Printer,
) -> Result<Exit, Stop> {
    let against = Against {
        baseline,
        accepts: &drill.accept,
        today: clock::date().date(),
    };
    let outcomes = verdict::outcomes(report, against);
    if let Some(out) = &words.junit {
        let beyond = verdict::beyond_the_rows(report, against);
        let besides = Besides {
            broken: besides.broken.or(beyond.as_deref()),
            ..besides
        };
        write(out, &junit::write(report, &outcomes, besides), printer)?;
    }
    if let Some(out) = &words.html {
        write(out, &html::write(report), printer)?;
    }
    let rests_on = rests_on(drill, report, against);
    if words.answer.json {
        let text = json::write(report).map_err(InvalidReport::from)?;
        words.answer.give(&text, printer)?;
        rests_on.iter().for_each(|line| printer.note(line));
    } else {
        let mut page = text::write(report, words.answer.style(printer).width);
        for line in &rests_on {
            page.push_str(line);
            page.push('\n');
        }
        words.answer.give(&page, printer)?;
    }
    Ok(status(verdict::exit(report, against)))
}

fn write(out: &Path, text: &str, printer: &mut Printer) -> Result<(), Stop> {
    write_whole(out, text)?;
    printer.note(&format!("written to {}", out.display()));
    Ok(())
}

/// What the status rests on, and acceptances that count no more.
fn rests_on(drill: &DrillFile, report: &Report, against: Against<'_>) -> Vec<String> {
    let mut told = verdict::told(report, against);
    told.extend(drill.over(clock::date()).iter().map(ToString::to_string));
    told
}

#[cfg(test)]
mod tests;
