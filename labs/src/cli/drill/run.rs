//! `schism drill run`: the drill itself, and how its report is told and judged.
//!
//! What would keep a report from being written is said before anything is touched. An interrupted
//! run tells what it knows, and ends with the status of an interrupt.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::super::answer::Answer;
use super::super::demo::{can_be_written, write_whole};
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, daemon, origin};
use super::follow::{Asked, Follower};
use super::{Which, Wished, causes, status, stopped};
use crate::drill::answer::Report;
use crate::drill::clock;
use crate::drill::file::DrillFile;
use crate::drill::report::verdict::Against;
use crate::drill::report::{baseline, html, json, junit, text, verdict};
use crate::drill::run::{self, Choice, Options, RunError};
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
    let (found, interrupted) = runtime.block_on(async {
        let asked = Asked::listen();
        let shared = Mutex::new(&mut *printer);
        let mut follower = Follower::new(&shared, asked.clone());
        let found = run::run(&drill, &options, &mut follower).await;
        (found, asked.heard())
    });
    printer.clear();
    let (report, error) = match found {
        Ok(report) => (report, None),
        Err(error) => match error.report() {
            None => return Err(stopped(&error)),
            Some(report) => (report.clone(), Some(error)),
        },
    };
    let exit = tell(words, &drill, &report, baseline.as_ref(), printer)?;
    match error {
        Some(error) => Err(broken_off(&error)),
        None if interrupted => Ok(Exit::Interrupted),
        None => Ok(exit),
    }
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
    printer: &mut Printer,
) -> Result<Exit, Stop> {
    let against = Against {
        baseline,
        accepts: &drill.accept,
        today: clock::date().date(),
    };
    let outcomes = verdict::outcomes(report, against);
    if let Some(out) = &words.junit {
        write(out, &junit::write(report, &outcomes), printer)?;
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
mod tests {
    use clap::Parser as _;

    use super::super::super::printer::tests::{Paper, printer, written};
    use super::super::super::{Command, Words as All};
    use super::*;
    use crate::drill::report::sample::{bad, good};

    const TEXT: &str = "format = 1\n[target]\naddress = \"localhost:8443\"\nreload = []\n\
        [files]\nkey = \"k.pem\"\nchain = \"c.pem\"\ntrust = \"t.pem\"\n[caller]\n\
        dns = \"cart\"\n[calls]\nallowed = { http = \"GET /orders\" }\n[accept]\n\
        leaf-swap = { reason = \"OPS-1\", until = 2020-01-01 }\n";

    fn words(line: &str) -> Words {
        let all = All::try_parse_from(line.split(' ')).unwrap();
        match all.command {
            Some(Command::Drill(drill)) => match drill.command {
                super::super::Command::Run(words) => words,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn drill() -> DrillFile {
        DrillFile::parse("drill.toml", TEXT, Path::new("/at")).unwrap()
    }

    fn told(line: &str, report: &Report, baseline: Option<&Report>) -> (Exit, String, String) {
        let drill = drill();
        let out = Paper::default();
        let (mut printer, err) = printer(out.clone(), false);
        let exit = tell(&words(line), &drill, report, baseline, &mut printer).unwrap();
        (exit, written(&out), written(&err))
    }

    #[test]
    fn the_status_is_the_reports_and_the_page_says_what_it_rests_on() {
        let (exit, page, _) = told("schism drill run", &good(), None);
        assert_eq!(exit, Exit::Done);
        assert!(page.contains("leaf-swap` was accepted (OPS-1)"), "{page}");
        let (exit, page, _) = told("schism drill run", &bad(), None);
        assert_eq!(exit, Exit::Broken);
        assert!(
            page.contains("\nFails the build: revoked-leaf-resumed"),
            "{page}"
        );
    }

    #[test]
    fn json_is_alone_on_standard_output_and_is_a_baseline() {
        let (exit, out, err) = told("schism drill run --json", &bad(), None);
        assert_eq!(exit, Exit::Broken);
        let before = json::read(&out).unwrap();
        assert!(err.contains("Fails the build: "), "{err}");
        let mut before = before;
        before.rows.retain(|row| row.word != "leaf-swap");
        let (exit, page, _) = told("schism drill run", &before, Some(&before));
        assert_eq!(exit, Exit::Done, "{page}");
    }

    #[test]
    fn every_file_that_is_asked_for_is_written() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        let line = format!(
            "schism drill run --json --out {} --junit {} --html {}",
            at("r.json").display(),
            at("r.xml").display(),
            at("r.html").display()
        );
        let (_, out, err) = told(&line, &good(), None);
        assert_eq!(out, "");
        assert_eq!(err.matches("written to ").count(), 3, "{err}");
        let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
        assert!(baseline_of(&drill(), &at("r.json")).is_ok());
        assert!(read("r.xml").contains("<testsuite") && read("r.html").contains("<html"));
        assert!(baseline_of(&drill(), &at("r.xml")).is_err());
    }

    #[test]
    fn of_the_baseline_only_what_was_asked_for_is_missed() {
        let asked = |line: &str| {
            let options = words(line).wished.options();
            let choice = run::choose(&drill(), &options).unwrap();
            let before = of_the_asked(good(), &choice, &options);
            let rows = before.rows.iter().map(|row| row.word.clone());
            rows.collect::<Vec<_>>().join(" ")
        };
        let all = "leaf-swap revoked-leaf-new";
        assert_eq!(asked("schism drill run"), all);
        assert_eq!(asked("schism drill run --cases leaf-swap"), "leaf-swap");
        let hurried = "schism drill run --within 1s --cases revocation";
        assert_eq!(asked(hurried), "revoked-leaf-new");
        let mut now = good();
        now.rows.pop();
        let (exit, page, _) = told("schism drill run", &now, Some(&good()));
        assert_eq!(exit, Exit::Unknown);
        assert!(
            page.contains("not looked at now: revoked-leaf-new."),
            "{page}"
        );
    }

    #[test]
    fn a_report_of_another_target_is_no_baseline() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("r.json");
        let mut other = good();
        other.target = "localhost:9443".to_owned();
        std::fs::write(&path, json::write(&other).unwrap()).unwrap();
        let why = baseline_of(&drill(), &path).unwrap_err();
        assert_eq!(why.exit(), Exit::BadInput);
        assert!(why.to_string().contains("localhost:9443"), "{why}");
    }

    #[test]
    fn words_are_options() {
        let words = words(
            "schism drill run x.toml --cases leaf,older-crl --within 10m --as client --replace \
             --disrupt --watch 30s",
        );
        let options = words.wished.options();
        assert_eq!(options.cases, ["leaf", "older-crl"]);
        assert_eq!(options.within.map(|it| it.as_secs()), Some(600));
        assert_eq!(options.watch.map(|it| it.as_secs()), Some(30));
        assert!(options.as_client && options.replace && options.disrupt);
        assert_eq!(words.which.file, Path::new("x.toml"));
    }
}
