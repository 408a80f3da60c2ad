//! `schism demo`: one scenario, exposed and with the solution, from one seed; or one posture alone.
//!
//! Whatever is wrong with the words or the files is said before anything runs. What is kept is kept
//! whole: an interrupted demonstration leaves nothing.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use services::policy::danger::Mutation;

use super::interrupt::Interrupt;
use super::origin::{Lab, Text};
use super::printer::Printer;
use super::settings::{self, Settings};
use super::stop::Stop;
use super::{Exit, Place, archive, show};
use crate::course::drawn;
use crate::course::variant::{self, SHOWN_SEED};
use crate::history::History;
use crate::invariant::{self, Verdict};
use crate::report::html::{self, Extras};
use crate::report::text::Style;
use crate::report::{DemoFacts, DemoReport, RunFacts, RunReport, json, text};
use crate::run::{self, Ran, RunRequest};
use crate::scenario::Scenario;
use crate::trace::trace_hash;
use crate::workspace::Workspace;

/// Run a lab exposed and with its solution, from one seed, and compare
///
/// Ends with status 0 if the lesson stands, 1 if it does not, 3 if it cannot be told.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// A lab's id, or the path of a lab's folder
    lab: String,
    /// Where everything random comes from; 7 is the lab as its pages tell it, any other number
    /// draws another time, length and place for the cut
    #[arg(long, value_name = "N", default_value_t = SHOWN_SEED, value_parser = seed,
          allow_negative_numbers = true)]
    seed: u64,
    /// One run alone, judged by itself: exposed, solution, hardened, wrong/NAME of the lab, or a
    /// posture file
    #[arg(long, value_name = "POSTURE")]
    posture: Option<PathBuf>,
    /// With another policy, in Cedar
    #[arg(long, value_name = "FILE", requires = "posture")]
    policy: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Write to this file instead of standard output; if it ends in .html, a page for a browser
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only ASCII, in the marks too
    #[arg(long)]
    ascii: bool,
    /// The page's width in columns, 72 to 200; the terminal's if left out, at most 110
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(72..=200))]
    width: Option<u16>,
    #[command(flatten)]
    show: show::Showing,
}

/// A seed as people type it.
pub(super) fn seed(word: &str) -> Result<u64, String> {
    let read = word.parse();
    read.map_err(|_| format!("a seed is a whole number from 0 to {}", u64::MAX))
}

/// What is run: read, parsed, and found good.
struct Plan {
    scenario: Scenario,
    scenario_text: Text,
    settings: Vec<Settings>,
    /// What was drawn, in words, if anything was.
    is_drawn: Option<String>,
}

impl Plan {
    fn read(words: &Words) -> Result<Self, Stop> {
        let lab = Lab::find(&words.lab)?;
        let scenario_text = lab.scenario()?;
        let scenario = Scenario::parse(&scenario_text.name, &scenario_text.text)?;
        let settings = match &words.posture {
            None => settings::both(&lab)?,
            Some(asked) => vec![settings::one(&lab, asked, words.policy.as_deref())?],
        };
        let Text { name, text } = scenario_text;
        let (drawn, text) = drawn::world(&scenario, &text, words.seed);
        Ok(Self {
            is_drawn: (drawn != scenario).then(|| variant::in_words(&scenario, &drawn)),
            scenario: drawn,
            scenario_text: Text { name, text },
            settings,
        })
    }
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    if words.show.script {
        let (lab, style) = (Lab::find(&words.lab)?, style(words, printer));
        show::script(&lab, &place.invocation, &style, printer)?;
        return Ok(Exit::Done);
    }
    let plan = Plan::read(words)?;
    words.show.can_be_shown()?;
    if let Some(out) = &words.out {
        can_be_written(out)?;
        if words.json && is_page(out) {
            return Err(Stop::file(
                out,
                "`--json` writes no page; leave it out, or name the file `.json`",
            ));
        }
    }
    let workspace = keeper(place, printer);
    let interrupt = Interrupt::listen()?;
    let warnings: Vec<String> = plan.settings.iter().filter_map(settings::warning).collect();
    // Who shows it asks the question before anything answers it.
    if !words.show.is_shown() {
        warnings.iter().for_each(|warning| printer.note(warning));
    }
    let runs = run_all(&plan, words.seed, &interrupt, printer)?;
    let mut report = judge(&plan, words, place, &runs);
    let histories: Vec<&History> = runs.iter().map(|ran| &ran.history).collect();
    let json = json::render(&report)?;
    let pairs: Vec<_> = plan.settings.iter().zip(&runs).collect();
    let files = archive::files(&json, &plan.scenario_text.text, &pairs);
    let name = format!("{}-{}", report.lab, report.seed);
    let kept = workspace.map(|it| it.keep(&name, &files));
    if let Some(Ok(kept)) = &kept {
        report.next.extend(follow(kept, &histories, place));
    }
    let shown = show::Show {
        report: &report,
        histories: &histories,
        ask: plan.scenario.predict.as_ref().map(|it| it.ask.as_str()),
        style: style(words, printer),
    };
    let is_wanted = words.show.play(&shown, &interrupt, printer);
    if words.show.is_shown() {
        warnings.iter().for_each(|warning| printer.note(warning));
    }
    if let Ok(true) = is_wanted {
        give(
            words,
            &json,
            &shown,
            |out| extras(&plan, words, place, out),
            printer,
        )?;
    }
    if let Some(kept) = kept {
        printer.note(&format!("kept in {}", place.shown(&kept?)));
    }
    is_wanted?;
    Ok(match report.control {
        Verdict::Kept => Exit::Done,
        Verdict::Broken => Exit::Broken,
        Verdict::Unknown => Exit::Unknown,
    })
}

/// One run under each of the settings.
fn run_all(
    plan: &Plan,
    seed: u64,
    interrupt: &Interrupt,
    printer: &mut Printer,
) -> Result<Vec<Ran>, Stop> {
    let settings = plan.settings.iter();
    settings
        .map(|settings| run_one(&plan.scenario, settings, seed, interrupt, printer))
        .collect()
}

/// Where runs are kept, if they can be. Showing one does not need it: a program may be started from
/// a read-only folder, by someone without a home.
fn keeper(place: &Place, printer: &mut Printer) -> Option<Workspace> {
    let found = place.workspace();
    match found.and_then(|it| it.runs().map(|_| it)) {
        Ok(workspace) => Some(workspace),
        Err(why) => {
            printer.note(&format!("nothing will be kept: {why}"));
            None
        }
    }
}

/// Prints the answer, or writes it to the file that was named.
fn give(
    words: &Words,
    json: &str,
    shown: &show::Show<'_>,
    extras: impl FnOnce(&Path) -> Extras,
    printer: &mut Printer,
) -> Result<(), Stop> {
    let answer = match &words.out {
        _ if words.json => json.to_owned(),
        Some(out) if is_page(out) => html::render(shown.report, shown.histories, &extras(out)),
        _ => text::render(shown.report, shown.histories, &shown.style),
    };
    let Some(out) = &words.out else {
        return printer.page(&answer);
    };
    write_whole(out, &answer)?;
    printer.note(&text::told(shown.report, shown.histories));
    printer.note(&format!("written to {}", out.display()));
    Ok(())
}

/// The command that follows the first wrongful permit of the kept runs, if there was one.
pub(super) fn follow(kept: &Path, histories: &[&History], place: &Place) -> Option<String> {
    let name = kept.file_name()?.to_str()?;
    let first = histories
        .iter()
        .find_map(|history| invariant::first_wrongful(&history.placed()))?;
    let words = ["trace", first.request.as_deref()?, "--run", name];
    Some(place.invocation.command(&words))
}

pub(super) fn run_one(
    scenario: &Scenario,
    settings: &Settings,
    seed: u64,
    interrupt: &Interrupt,
    printer: &mut Printer,
) -> Result<Ran, Stop> {
    let request = RunRequest {
        scenario: scenario.clone(),
        posture: settings.posture.clone(),
        policy: settings.policy.clone(),
        seed,
        mutation: Mutation::None,
    };
    let ran = run::run_watched(&request, &mut |so_far| {
        if interrupt.heard() {
            return ControlFlow::Break(());
        }
        let name = &settings.name;
        let label = match so_far.sightings.first() {
            Some(seen) => format!("{name}: {} broken", seen.invariant),
            None => name.clone(),
        };
        printer.progress(&label, so_far.share);
        ControlFlow::Continue(())
    });
    printer.clear();
    if interrupt.heard() {
        printer.note("interrupted: nothing was kept");
        return Err(Stop::Interrupted);
    }
    ran.map_err(|why| Stop::Run {
        posture: settings.name.clone(),
        why,
    })
}

fn judge(plan: &Plan, words: &Words, place: &Place, runs: &[Ran]) -> DemoReport {
    let facts = DemoFacts {
        drawn: plan.is_drawn.clone().unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lab: plan.scenario.metadata.id.clone(),
        title: plan.scenario.metadata.title.clone(),
        seed: words.seed,
        fabric: "sim".to_owned(),
        scenario_sha256: plan.scenario.canonical_sha256(),
        next: next(words, place),
    };
    let judged = plan.settings.iter().zip(runs).map(|(settings, ran)| {
        let facts = RunFacts {
            posture: settings.name.clone(),
            posture_sha256: settings.posture.sha256(),
            trace_hash: trace_hash(&ran.trace),
            wall_ms: ran.wall_ms,
        };
        RunReport::judge(&ran.history, facts)
    });
    let histories: Vec<&History> = runs.iter().map(|ran| &ran.history).collect();
    DemoReport::judge(facts, judged.collect(), &histories)
}

/// Another seed of the same; then the other way of looking: one posture, or both sides.
fn next(words: &Words, place: &Place) -> Vec<String> {
    let seed = words.seed.to_string();
    let other = words.seed.checked_add(1).unwrap_or(0).to_string();
    let shown = |path: &Path| path.display().to_string();
    let command = |words: &[&str]| place.invocation.command(words);
    let same = ["demo", &words.lab, "--seed"];
    let Some(posture) = words.posture.as_deref().map(shown) else {
        return vec![
            command(&[&same[..], &[&other]].concat()),
            command(&[&same[..], &[&seed, "--posture", "hardened"]].concat()),
        ];
    };
    let mut again = [&same[..], &[&other, "--posture", &posture]].concat();
    let policy = words.policy.as_deref().map(shown);
    if let Some(policy) = &policy {
        again.extend(["--policy", policy]);
    }
    vec![command(&again), command(&[&same[..], &[&seed]].concat())]
}

/// Whether a file of that name is a page for a browser.
fn is_page(out: &Path) -> bool {
    let ending = out.extension().unwrap_or_default();
    ["html", "htm"]
        .iter()
        .any(|it| ending.eq_ignore_ascii_case(it))
}

/// What the page shows besides the report. Its command names the page alone, not its folder.
fn extras(plan: &Plan, words: &Words, place: &Place, out: &Path) -> Extras {
    let shown = |path: &Path| path.display().to_string();
    let (seed, file) = (words.seed.to_string(), out.file_name().map(Path::new));
    let file = file.map(shown).unwrap_or_default();
    let (posture, policy) = (words.posture.as_deref(), words.policy.as_deref());
    let (posture, policy) = (posture.map(shown), policy.map(shown));
    let mut again = vec!["demo", &words.lab, "--seed", &seed];
    for (word, value) in [("--posture", &posture), ("--policy", &policy)] {
        again.extend(value.iter().flat_map(|value| [word, value]));
    }
    again.extend(["--out", &file]);
    Extras {
        scenario: plan.scenario_text.text.clone(),
        postures: plan
            .settings
            .iter()
            .map(|settings| settings.shown(&words.lab))
            .collect(),
        regenerate: place.invocation.anywhere().command(&again),
    }
}

fn style(words: &Words, printer: &Printer) -> Style {
    let style = printer.style();
    let is_file = words.out.is_some();
    let own = if is_file {
        Style::default().width
    } else {
        style.width
    };
    Style {
        width: words.width.map_or(own, usize::from),
        ascii: words.ascii,
        color: !is_file && style.color,
    }
}

/// Says before the run what would keep a file from being written after it.
pub(super) fn can_be_written(out: &Path) -> Result<(), Stop> {
    if out.is_dir() {
        return Err(Stop::file(out, "it is a folder"));
    }
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(Stop::file(out, "there is no such folder"));
    }
    if out.exists() && !out.is_file() {
        return Ok(());
    }
    let draft = draft(out);
    let tried = fs::File::create_new(&draft).and_then(|_| fs::remove_file(&draft));
    tried.map_err(|why| Stop::file(out, why))
}

/// What a file is called until all of it is written. A link keeps pointing where it did.
fn draft(out: &Path) -> PathBuf {
    let target = fs::canonicalize(out).unwrap_or_else(|_| out.to_owned());
    let mut draft = target.into_os_string();
    draft.push(format!(".{}", std::process::id()));
    draft.into()
}

/// Writes a file whole: what was there stays until all of it is written. What is no plain file,
/// such as a pipe, is written to as it is.
pub(super) fn write_whole(out: &Path, text: &str) -> Result<(), Stop> {
    let fail = |why| Stop::file(out, why);
    if out.exists() && !out.is_file() {
        return fs::write(out, text).map_err(fail);
    }
    let target = fs::canonicalize(out).unwrap_or_else(|_| out.to_owned());
    let draft = draft(out);
    let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, &target));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    written.map_err(fail)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::next::Invocation;
    use super::super::{Command, Words as All};
    use super::*;

    fn words(line: &str) -> Words {
        let all = All::try_parse_from(line.split(' ')).unwrap();
        match all.command {
            Some(Command::Demo(words)) => words,
            other => panic!("{other:?}"),
        }
    }

    fn place() -> Place {
        Place {
            folder: None,
            data: None,
            invocation: Invocation::find(Some("schism".into()), |_| None, None),
        }
    }

    #[test]
    fn what_to_type_next_is_what_this_program_understands() {
        for line in [
            "schism demo stale-acl --seed 18446744073709551615",
            "schism demo stale-acl --posture hardened --policy p.cedar --seed 3",
        ] {
            let next = next(&words(line), &place());
            assert_eq!(next.len(), 2);
            for command in &next {
                assert_eq!(words(command).lab, "stale-acl");
                assert_ne!(command, line);
            }
        }
    }

    #[test]
    fn the_command_on_the_page_makes_the_page_again() {
        for line in [
            "schism demo stale-acl --seed 3 --out some/where/page.HTML",
            "schism demo stale-acl --posture hardened --out page.htm",
        ] {
            let words = words(line);
            let (plan, out) = (Plan::read(&words).unwrap(), words.out.clone().unwrap());
            assert!(is_page(&out));
            let again = extras(&plan, &words, &place(), &out).regenerate;
            let again = self::words(&again);
            assert_eq!((again.seed, &again.posture), (words.seed, &words.posture));
            assert_eq!(again.out.as_deref(), out.file_name().map(Path::new));
        }
        assert!(!is_page(Path::new("html")) && !is_page(Path::new("page.html.txt")));
    }

    #[test]
    fn a_policy_alone_says_nothing_of_which_run_it_is_for() {
        let alone = ["schism", "demo", "stale-acl", "--policy", "p.cedar"];
        assert!(All::try_parse_from(alone).is_err());
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let temp = tempfile::tempdir().unwrap();
        let out = temp.path().join("report.json");
        for text in ["one", "two"] {
            can_be_written(&out).unwrap();
            write_whole(&out, text).unwrap();
            assert_eq!(fs::read_to_string(&out).unwrap(), text);
        }
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
        assert!(can_be_written(temp.path()).is_err());
        assert!(can_be_written(&temp.path().join("no/such")).is_err());
        // A name with a zero byte is taken by no system, whoever asks.
        assert!(can_be_written(&temp.path().join("a\0b")).is_err());
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1, "no draft");
    }
}
