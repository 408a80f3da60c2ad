//! `schism lab hint`: the next hint, one at a time.
//!
//! A hint counts as given before it is shown, and none is ever skipped. Where nothing can be
//! written it is shown all the same.

use super::super::origin::Prose;
use super::super::printer::Printer;
use super::super::prose::prose;
use super::super::stop::Stop;
use super::super::{Exit, Place};
use crate::course::hints::hints;
use crate::course::progress::{Fact, Progress};
use crate::report::text::{Page, Tone};

/// The next hint, from a question to almost the answer
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// A lab's id, or the path of a lab's folder; the last one if left out
    lab: Option<String>,
    /// Show the last one again
    #[arg(long)]
    again: bool,
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    let workspace = place.workspace()?;
    let lab = super::chosen(words.lab.as_deref(), place, &workspace)?;
    let id = lab.parsed()?.metadata.id;
    let hints = hints(&lab.prose(Prose::Hints)?.text);
    let given = Progress::read(&workspace)?.hints_given(&id);
    let given = usize::try_from(given)
        .unwrap_or(usize::MAX)
        .min(hints.len());
    let at = if words.again { given.max(1) } else { given + 1 };
    let style = printer.style();
    let mut page = Page::new(&style);
    if let Some(hint) = hints.get(at - 1) {
        let n = at as u64;
        if at > given {
            let fact = Fact::Hinted { lab: id.clone(), n };
            if let Err(why) = Progress::record(&workspace, &fact) {
                printer.note(&format!("this hint is not counted as given: {why}"));
            }
        }
        page.heading(&format!("{id}: hint {n} of {}", hints.len()));
        page.blank();
        prose(&mut page, hint);
    } else {
        let said = format!(
            "{id}: all {} hints were given; --again shows the last.",
            hints.len()
        );
        page.wrapped(Tone::Plain, "", &said);
    }
    page.blank();
    if at < hints.len() {
        page.row(&[(Tone::Plain, "Not enough? The next goes further:")]);
        page.command(&place.invocation.command(&["lab", "hint"]));
    } else {
        page.row(&[(Tone::Plain, "That was the last one. One good answer:")]);
        page.command(&place.invocation.command(&["lab", "solution"]));
    }
    printer.page(&page.finish())?;
    Ok(Exit::Done)
}
