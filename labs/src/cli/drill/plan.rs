//! `schism drill plan`: what a run would do, and touches nothing.
//!
//! The plan is [`crate::drill::plan`]'s; here it is laid out. A page for a person shows what is
//! written, what is run and what is asked; why a case matters is told with `--why`.

use super::super::answer::Answer;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, Place};
use super::{Which, Wished, stopped};
use crate::drill::plan::{Plan, PlannedCase, PlannedScene};
use crate::report::json::InvalidReport;
use crate::report::text::{Page, Style, Tone};

/// Columns before what a case does.
const WORD: usize = 32;

/// Say what a run would do: each file, command, probe and case, and about how long it takes
///
/// It touches nothing and asks nobody: it is made from the file alone.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    wished: Wished,
    /// Say also why each case matters, and what it rests on
    #[arg(long)]
    why: bool,
    #[command(flatten)]
    answer: Answer,
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    words.answer.can_be_given()?;
    let drill = words.which.read()?;
    let plan = Plan::of(&drill, &words.wished.options()).map_err(|error| stopped(&error))?;
    let text = if words.answer.json {
        serde_json::to_string_pretty(&plan).map_err(InvalidReport::from)? + "\n"
    } else {
        let shown = |path: &std::path::Path| place.shown(path);
        page(&plan, words.why, &shown, &words.answer.style(printer))
    };
    words.answer.give(&text, printer)?;
    Ok(Exit::Done)
}

fn page(
    plan: &Plan,
    why: bool,
    shown: &dyn Fn(&std::path::Path) -> String,
    style: &Style,
) -> String {
    let mut page = Page::new(style);
    let head = format!(
        "The drill of {}: {} in {}; {} if everything is wrong, since a fail is seen three times.",
        plan.target,
        count(plan.judged(), "case"),
        minutes(plan.about_s),
        minutes(plan.at_worst_s),
    );
    page.wrapped(Tone::Strong, "", &head);
    page.heading("Files, copied first and put back at the end");
    for file in &plan.files {
        let owner = file.owner.map(|(uid, gid)| format!(", of {uid}:{gid}"));
        let told = format!(
            "{} ({}, mode {}{}), {}",
            shown(&file.path),
            file.form,
            file.mode,
            owner.unwrap_or_default(),
            if file.is_there {
                "there now"
            } else {
                "not there now"
            },
        );
        page.wrapped(Tone::Plain, &format!("  {:<14}", file.piece), &told);
    }
    page.heading("Commands, without a shell");
    if plan.commands.is_empty() {
        page.wrapped(
            Tone::Plain,
            "  ",
            "none: the target runs, and watches its files",
        );
    }
    for command in &plan.commands {
        page.wrapped(Tone::Plain, "  ", &format!("{:?}", command.argv));
        page.wrapped(Tone::Faint, "      ", command.when);
    }
    page.heading("Over the network");
    for probe in &plan.probes {
        page.wrapped(Tone::Plain, "  ", probe);
    }
    for listen in &plan.listens {
        page.wrapped(Tone::Plain, "  the drill listens on ", listen);
    }
    page.heading("Cases; those of one block look at one change");
    for scene in &plan.scenes {
        block(&mut page, scene, why);
    }
    if !plan.left_out.is_empty() {
        let left = plan.left_out.join(", ");
        page.wrapped(Tone::Plain, "No time for: ", &left);
    }
    for obstacle in &plan.obstacles {
        page.blank();
        page.wrapped(Tone::Bad, "As it stands a run is refused: ", obstacle);
    }
    page.finish()
}

fn block(page: &mut Page<'_>, scene: &PlannedScene, why: bool) {
    for (at, case) in scene.cases.iter().enumerate() {
        let took = match (at, scene.about_s) {
            (0, 1..) => format!(" About {}.", minutes(scene.about_s)),
            _ => String::new(),
        };
        one(page, case, &took, why);
    }
    page.blank();
}

fn one(page: &mut Page<'_>, case: &PlannedCase, took: &str, why: bool) {
    let lead = format!("  {:<width$}", case.word, width = WORD - 2);
    if let Some(lacks) = case.lacks {
        page.wrapped(Tone::Faint, &lead, &format!("not applicable: {lacks}"));
        return;
    }
    page.wrapped(
        Tone::Plain,
        &lead,
        &format!("{}{took}", sentence(case.does)),
    );
    if why {
        let lead = " ".repeat(WORD);
        page.wrapped(Tone::Faint, &lead, &sentence(case.why));
        page.wrapped(Tone::Faint, &lead, &sentence(&case.basis.words()));
    }
}

/// A text with a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim();
    match text.ends_with('.') {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}

fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

/// Seconds while they are few, and else minutes.
fn minutes(seconds: u64) -> String {
    match seconds {
        0..=90 => format!("{seconds} s"),
        more => format!("{} min", more.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::drill::file::DrillFile;
    use crate::drill::run::Options;

    const TEXT: &str = "format = 1\n[target]\naddress = \"localhost:8443\"\n\
        start = [\"./orders\", \"two words\"]\nreload = []\nsettle = \"10s\"\n\
        [files]\nkey = \"k.pem\"\nchain = \"c.pem\"\ntrust = \"t.pem\"\n[caller]\ndns = \"cart\"\n\
        [calls]\nallowed = { http = \"GET /orders\" }\n";

    fn shown(why: bool) -> String {
        let drill = DrillFile::parse("drill.toml", TEXT, Path::new("/nowhere")).unwrap();
        let plan = Plan::of(&drill, &Options::default()).unwrap();
        let path = |path: &Path| path.display().to_string();
        page(&plan, why, &path, &Style::default())
    }

    #[test]
    fn the_page_names_files_commands_probes_and_cases_and_fits() {
        let text = shown(false);
        for part in [
            "The drill of localhost:8443: ",
            "/nowhere/k.pem (PKCS#8 in PEM, mode 0600), not there now",
            "[\"./orders\", \"two words\"]",
            "GET /orders: what a good caller may",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        for line in text.lines().chain(shown(true).lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(shown(true).len() >= text.len());
    }

    #[test]
    fn short_times_are_told_in_seconds_and_long_ones_never_too_short() {
        assert_eq!(
            [5, 90, 91, 121].map(minutes),
            ["5 s", "90 s", "2 min", "3 min"]
        );
    }
}
