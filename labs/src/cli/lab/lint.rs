//! `schism lab lint`: the authors' test of one lab, or of all.
//!
//! It keeps nothing and changes nothing. One rule a line, and under a broken one what to do.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use clap::Parser as _;
use clap::error::ErrorKind;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::interrupt::Interrupt;
use super::super::origin::Lab;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, Place, Words as All, usage};
use super::check::cores;
use crate::catalog;
use crate::catalog::folder::LabFiles;
use crate::course::lint::{self, Bench, Ruling};
use crate::invariant::Verdict;
use crate::report::text::{Page, Style, Tone};
use crate::run::RunError;

/// The authors' test of a lab
///
/// Ends with status 0 if every rule is kept, 1 if one is broken, 3 if it cannot be told.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// A lab's id, or the path of a lab's folder
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    lab: Option<String>,
    /// Every built-in lab
    #[arg(long)]
    all: bool,
    /// How many variants each side is tried on
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u64).range(1..=1_000))]
    seeds: u64,
    /// On how many threads; by default as many as there are cores
    #[arg(long, value_name = "J", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    #[command(flatten)]
    answer: Answer,
}

/// What is told of one lab.
#[derive(Debug, Serialize)]
struct Told {
    lab: String,
    seeds: u64,
    verdict: Verdict,
    rules: Vec<Ruling>,
}

/// Obeys.
pub(super) fn run(words: &Words, _place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    let labs = labs(words)?;
    words.answer.can_be_given()?;
    let interrupt = Interrupt::listen()?;
    let seeds: Vec<u64> = (1..=words.seeds).collect();
    let jobs = words.jobs.map_or_else(cores, usize::from);
    let mut all = Vec::new();
    for lab in labs {
        let told = judge(lab, &seeds, jobs, &interrupt, printer)?;
        all.push(told);
    }
    let answer = if words.answer.json {
        serde_json::to_string(&all).map_err(crate::report::json::InvalidReport::from)? + "\n"
    } else {
        page(&all, &words.answer.style(printer))
    };
    words.answer.give(&answer, printer)?;
    let verdicts = all.iter().map(|told| told.verdict);
    Ok(match verdicts.fold(Verdict::Kept, Verdict::and) {
        Verdict::Kept => Exit::Done,
        Verdict::Broken => Exit::Broken,
        Verdict::Unknown => Exit::Unknown,
    })
}

/// The labs' files: those in the binary, or a folder's.
fn labs(words: &Words) -> Result<Vec<LabFiles>, Stop> {
    let Some(word) = &words.lab else {
        return Ok(catalog::all().iter().map(LabFiles::from).collect());
    };
    Ok(vec![match Lab::find(word)? {
        Lab::BuiltIn(lab) => LabFiles::from(lab),
        Lab::Folder(folder) => LabFiles::read(&folder)?,
    }])
}

fn judge(
    files: LabFiles,
    seeds: &[u64],
    jobs: usize,
    interrupt: &Interrupt,
    printer: &mut Printer,
) -> Result<Told, Stop> {
    let lab = files.id.clone();
    let (mut rules, subject) = lint::files(files, &misunderstood);
    if let Some(subject) = subject {
        let shown = Mutex::new(&mut *printer);
        let progress = |share: f64| {
            if interrupt.heard() {
                return ControlFlow::Break(());
            }
            let mut printer = shown.lock().unwrap_or_else(PoisonError::into_inner);
            printer.progress(&lab, share);
            ControlFlow::Continue(())
        };
        let bench = Bench {
            seeds,
            jobs,
            progress: &progress,
        };
        let ran = lint::runs(&subject, &bench);
        printer.clear();
        let ran = ran.map_err(|why| stopped(&lab, why));
        if matches!(ran, Err(Stop::Interrupted)) {
            printer.note(&format!("interrupted: `{lab}` was not judged to its end"));
        }
        rules.extend(ran?);
    }
    Ok(Told {
        seeds: seeds.len() as u64,
        verdict: lint::verdict(&rules),
        lab,
        rules,
    })
}

fn stopped(lab: &str, why: RunError) -> Stop {
    match why {
        RunError::Interrupted => Stop::Interrupted,
        why => Stop::Run {
            posture: lab.to_owned(),
            why,
        },
    }
}

/// What is wrong with the words of a command of this program, if anything is.
fn misunderstood(words: &[&str]) -> Option<String> {
    let error = All::try_parse_from([&["schism"], words].concat()).err()?;
    let asked = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion];
    (!asked.contains(&error.kind())).then(|| usage::one_line(&error.render().to_string()))
}

fn page(all: &[Told], style: &Style) -> String {
    let mut page = Page::new(style);
    for told in all {
        page.heading(&told.lab);
        for ruling in &told.rules {
            let (tone, word) = match ruling.verdict {
                Verdict::Kept => (Tone::Good, "ok   "),
                Verdict::Broken => (Tone::Bad, "FAIL "),
                Verdict::Unknown => (Tone::Bad, "?    "),
            };
            let lead = format!("{word}{:<15} ", ruling.rule);
            page.wrapped(tone, &lead, ruling.claim);
            if !ruling.seen.is_empty() {
                page.wrapped(Tone::Faint, "                     ", &ruling.seen);
            }
            for fault in &ruling.faults {
                page.wrapped(Tone::Plain, "      - ", fault);
            }
        }
        let broken = told.rules.iter().filter(|it| it.verdict != Verdict::Kept);
        let count = told.rules.len();
        page.blank();
        page.row(&[(
            Tone::Strong,
            match broken.count() {
                0 => format!("{}: all {count} rules are kept", told.lab),
                1 => format!("{}: 1 rule of {count} is not kept", told.lab),
                broken => format!("{}: {broken} rules of {count} are not kept", told.lab),
            },
        )]);
    }
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::TEMPLATE;

    #[test]
    fn every_lab_and_the_template_keep_the_rules_that_need_no_run() {
        for lab in catalog::all().iter().chain([&TEMPLATE]) {
            let (rulings, subject) = lint::files(LabFiles::from(lab), &misunderstood);
            let broken: Vec<_> = rulings.iter().flat_map(|it| &it.faults).collect();
            assert!(broken.is_empty(), "{}: {broken:#?}", lab.id);
            assert!(subject.is_some());
        }
    }

    #[test]
    fn a_command_is_understood_as_the_program_itself_would() {
        assert_eq!(misunderstood(&["demo", "stale-acl", "--seed", "7"]), None);
        assert_eq!(misunderstood(&["--help"]), None);
        let said = misunderstood(&["demo", "stale-acl", "--sed", "7"]).unwrap();
        assert!(said.contains("'--seed'"), "{said}");
    }

    #[test]
    fn a_broken_rule_is_one_line_and_then_what_to_do() {
        let mut files = LabFiles::from(&TEMPLATE);
        files.id = "another".to_owned();
        let (rules, _) = lint::files(files, &|_| None);
        let told = Told {
            lab: "another".to_owned(),
            seeds: 3,
            verdict: lint::verdict(&rules),
            rules,
        };
        let text = page(&[told], &Style::default());
        assert!(text.contains("FAIL id "), "{text}");
        assert!(text.contains("give both one"), "{text}");
        assert!(text.contains("rules of "), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }
}
