//! `schism lab list`: the labs of a path, how far the learner is, and which one is next.
//!
//! Only labs that exist are listed. Reading the list changes nothing.

use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::super::answer::Answer;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, Place};
use crate::course::path::{self, CORE, State};
use crate::course::progress::Progress;
use crate::report::text::{Page, Style, Tone};
use crate::scenario::{Metadata, Minutes};

/// List the labs in the order of the course
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// The labs of this path
    #[arg(long, value_name = "PATH", default_value = CORE, conflicts_with = "all",
          value_parser = PossibleValuesParser::new([CORE, "rotation", "interview", "class"]))]
    path: String,
    /// Every lab that there is
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    answer: Answer,
}

/// The list, in JSON too.
#[derive(Debug, Serialize)]
struct List {
    format: u32,
    path: Option<String>,
    next: Option<String>,
    labs: Vec<Entry>,
    /// Built labs that are not on the path, for people only.
    #[serde(skip)]
    beside: usize,
}

#[derive(Debug, Serialize)]
struct Entry {
    state: State,
    #[serde(flatten)]
    lab: Metadata,
}

impl List {
    fn read(path: Option<&str>, progress: &Progress) -> Result<Self, Stop> {
        let labs = path::labs(path)?;
        let next = path::next(&labs, progress).map(|lab| lab.id.clone());
        let entry = |lab: Metadata| Entry {
            state: State::of(progress, &lab.id),
            lab,
        };
        Ok(Self {
            format: 1,
            path: path.map(str::to_owned),
            next,
            beside: path::labs(None)?.len() - labs.len(),
            labs: labs.into_iter().map(entry).collect(),
        })
    }

    fn page(&self, style: &Style, place: &Place) -> String {
        let mut page = Page::new(style);
        let passed = self.labs.iter().filter(|it| it.state == State::Passed);
        let heading = self.path.as_ref().map_or_else(
            || "Every lab".to_owned(),
            |path| format!("The path `{path}`"),
        );
        let (count, passed) = (self.labs.len(), passed.count());
        page.heading(&format!("{heading}: {count} built, {passed} passed"));
        page.blank();
        let widest = self.labs.iter().map(|it| it.lab.id.len()).max();
        for Entry { state, lab } in &self.labs {
            let is_next = self.next.as_ref() == Some(&lab.id);
            // How long it takes is not known before people have taken it.
            let minutes = match lab.minutes {
                Minutes::Untried => String::new(),
                Minutes::Median(minutes) => format!(", {minutes} minutes"),
            };
            let mark = if is_next { "> " } else { "  " };
            let id = format!("{mark}{:1$}  ", lab.id, widest.unwrap_or(0));
            let facts = format!("{:9}level {}{minutes}", state.word(), lab.level);
            page.row(&[(Tone::Strong, id), (Tone::Plain, facts)]);
            page.wrapped(Tone::Plain, "    ", &lab.title);
        }
        page.blank();
        match (&self.next, self.labs.is_empty()) {
            (Some(next), _) => {
                page.row(&[(Tone::Plain, "Next (>):")]);
                page.command(&place.invocation.command(&["lab", "start", next]));
            }
            (None, true) => page.wrapped(Tone::Plain, "", "No lab of this path is built yet."),
            (None, false) => page.wrapped(Tone::Plain, "", "All of them are passed."),
        }
        if self.beside > 0 {
            let all = place.invocation.command(&["lab", "list", "--all"]);
            let labs = if self.beside == 1 { "lab" } else { "labs" };
            let more = format!("{} more {labs} on no path or another:", self.beside);
            page.row(&[(Tone::Plain, more)]);
            page.command(&all);
        }
        page.finish()
    }
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    words.answer.can_be_given()?;
    let progress = Progress::read(&place.workspace()?)?;
    if let Some(unread) = progress.unread() {
        printer.note(&unread);
    }
    let path = (!words.all).then_some(words.path.as_str());
    let list = List::read(path, &progress)?;
    let text = if words.answer.json {
        let json = serde_json::to_string_pretty(&list).expect("a list has text for keys");
        json + "\n"
    } else {
        list.page(&words.answer.style(printer), place)
    };
    words.answer.give(&text, printer)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::super::super::next::Invocation;
    use super::*;

    fn page(list: &List) -> String {
        let place = Place {
            folder: None,
            data: None,
            invocation: Invocation::find(Some("schism".into()), |_| None, None),
        };
        let ascii = Style {
            ascii: true,
            ..Style::default()
        };
        list.page(&ascii, &place)
    }

    #[test]
    fn every_lab_has_its_state_and_one_is_next_in_80_columns() {
        let mut list = List::read(None, &Progress::default()).unwrap();
        let text = page(&list);
        assert!(text.contains("> first-handshake"), "{text}");
        assert_eq!(text.matches("> ").count(), 1, "{text}");
        assert!(
            text.contains("\n  schism lab start first-handshake\n"),
            "{text}"
        );
        let long = &mut list.labs[0].lab;
        (long.id, long.title) = ("x".repeat(40), "long words ".repeat(20));
        let text = page(&list);
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert_eq!(text.matches("long words").count(), 20, "{text}");
    }

    #[test]
    fn a_path_without_labs_says_so() {
        let mut list = List::read(Some(CORE), &Progress::default()).unwrap();
        list.labs.clear();
        list.next = None;
        assert!(page(&list).contains("No lab of this path is built yet."));
    }
}
