//! `schism trace`: one request of a kept run, through every hop, log and event that carries its id.
//!
//! What the client lived, what the nodes said and what their signed logs say stand beside each
//! other, with whatever they disagree in. It judges nothing anew: the verdict is the report's.

mod page;
mod story;

use super::answer::Answer;
use super::kept::Kept;
use super::printer::Printer;
use super::stop::Stop;
use super::{Exit, Place};
use services::posture::document::{nearest, quoted};
use story::{Story, ids, wrongful};

/// Follow one request through hops, logs and timeline
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// The request's id, such as `alice-3`
    request: Option<String>,
    /// The run's folder, or its name under `.schism/runs/`; the newest if left out
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    words.answer.can_be_given()?;
    let kept = Kept::find(words.run.as_deref(), place)?;
    let (events, requests) = (kept.events()?, kept.requests()?);
    let suggestion = wrongful(&kept.report, &events);
    let Some(id) = &words.request else {
        let hint = suggestion.map_or_else(String::new, |(run, id)| {
            format!("; `{id}` is the first wrongful permit of `{run}`")
        });
        let text = format!("which request of `{}`? its id is missing{hint}", kept.name);
        return Err(Stop::Usage(text));
    };
    let known = ids(&events, &requests);
    if !known.contains(id.as_str()) {
        let near = nearest(id, known.iter().copied());
        let hint = match (near, suggestion) {
            (Some(near), _) => format!("the nearest is `{near}`"),
            (None, Some((run, id))) => {
                format!("`{id}` is the first wrongful permit of `{run}`")
            }
            (None, None) => format!("it has {} requests", known.len()),
        };
        let (id, name) = (quoted(id), &kept.name);
        return Err(Stop::Usage(format!("no request {id} in `{name}`; {hint}")));
    }
    let mut stories = Vec::new();
    for run in &kept.report.runs {
        let of = |name: &str| (events.get(name), requests.get(name));
        let (events, requests) = of(&run.posture);
        stories.push(Story::new(
            id,
            &run.posture,
            events.map_or(&[], Vec::as_slice),
            requests.map_or(&[], Vec::as_slice),
            &kept.audits(run)?,
        ));
    }
    let said = if words.answer.json {
        page::json(id, &kept, &stories)
    } else {
        page::page(id, &kept.name, &stories, &words.answer.style(printer))
    };
    words.answer.give(&said, printer)?;
    Ok(Exit::Done)
}
