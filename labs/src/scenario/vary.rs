//! What `check` and variants draw anew, so that a schedule cannot be learnt by heart.
//!
//! A key is a named step and one of its parts: `"cut.at" = ["8s", "11s"]` draws a time between
//! the two, `"cut.for"` a length, `"cut.region"` one region of the list. A drawn region trades
//! places with the first region of the step's first side *throughout* the scenario, users and
//! doors included: the story stays the same somewhere else.

use std::time::Duration;

use serde::Serialize;
use services::posture::document::{instead, ordered, quoted};
use services::posture::span;
use toml::Spanned;
use toml::de::DeValue;

use super::act::Act;
use super::before;
use super::fields::{Word, words};
use super::flaw::{Flaw, Placed, incoherent};
use super::step::{self, Step};
use super::world::World;

/// What is drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// When the step begins, between the two, both included.
    At(Duration, Duration),
    /// How long it lasts, between the two, both included.
    For(Duration, Duration),
    /// The region that it cuts off, one of these.
    Region(Vec<String>),
}

/// One thing that is drawn anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vary {
    /// The step's name.
    pub step: String,
    /// What of it.
    pub part: Part,
}

/// Reads `[vary]`.
pub(super) fn read(
    value: &Spanned<DeValue<'_>>,
    world: &World,
    schedule: &[Step],
) -> Placed<Vec<Vary>> {
    let Some(table) = value.get_ref().as_table() else {
        return incoherent(&value.span(), "`vary` is a table: `[vary]`");
    };
    let mut drawn: Vec<Vary> = Vec::new();
    for (key, value) in ordered(table) {
        let key = Word {
            text: key.get_ref().as_ref(),
            span: key.span(),
        };
        let Some((name, part)) = key.text.split_once('.') else {
            return Err(key.out_of_range("vary", "a key is `\"step.at\"`, in quotes"));
        };
        let name = Word {
            text: name,
            span: key.span.clone(),
        };
        let names = schedule.iter().filter_map(|step| step.name.as_deref());
        name.known("named step", names)?;
        let step = schedule
            .iter()
            .find(|step| step.name.as_deref() == Some(name.text));
        let Some(step) = step else { continue };
        let part = match part {
            "at" => range(value, "at").map(|(low, high)| Part::At(low, high))?,
            "for" if step.lasts.is_some() => {
                range(value, "for").map(|(low, high)| Part::For(low, high))?
            }
            "region" if matches!(step.act, Act::Partition { .. }) => {
                cuts_a_region(step, world).or_else(|why| incoherent(&key.span, why))?;
                regions(value, world)?
            }
            _ => {
                let (word, hint) = (quoted(part), instead(part, parts(step)));
                let what = "part of that step";
                return Err((key.span, Flaw::UnknownWord { what, word, hint }));
            }
        };
        drawn.push(Vary {
            step: name.text.into(),
            part,
        });
        check_latest(step, &drawn, world, value)?;
    }
    check_order(&drawn, world, schedule).or_else(|why| incoherent(&value.span(), why))?;
    Ok(drawn)
}

/// What must come before what in the schedule must do so in every variant: each step at its
/// earliest with all others at their latest.
fn check_order(drawn: &[Vary], world: &World, schedule: &[Step]) -> Result<(), String> {
    let ends = |step: &Step| {
        let of = |vary: &&Vary| Some(&vary.step) == step.name.as_ref();
        drawn.iter().filter(of).find_map(|vary| match vary.part {
            Part::At(low, high) => Some((low, high)),
            Part::For(..) | Part::Region(_) => None,
        })
    };
    let latest = |step: &Step| {
        let mut step = step.clone();
        step.at = ends(&step).map_or(step.at, |(_, high)| high);
        step
    };
    let latest: Vec<Step> = schedule.iter().map(latest).collect();
    for step in schedule {
        let mut earliest = step.clone();
        earliest.at = ends(step).map_or(step.at, |(low, _)| low);
        before::check(&earliest, &latest, world)
            .map_err(|why| format!("with these ranges {why}"))?;
    }
    let earliest = schedule.iter().map(|step| {
        let mut step = step.clone();
        step.at = ends(&step).map_or(step.at, |(low, _)| low);
        step.requests(world.duration)
    });
    if earliest.fold(0, u64::saturating_add) > step::MAX_REQUESTS {
        let most = step::MAX_REQUESTS;
        return Err(format!(
            "with these ranges the run may make more than {most} requests"
        ));
    }
    Ok(())
}

/// The latest beginning and the greatest length together must still end within the run.
fn check_latest(
    step: &Step,
    drawn: &[Vary],
    world: &World,
    value: &Spanned<DeValue<'_>>,
) -> Placed<()> {
    let (mut at, mut lasts) = (step.at, step.lasts.unwrap_or_default());
    for vary in drawn
        .iter()
        .filter(|vary| Some(&vary.step) == step.name.as_ref())
    {
        match &vary.part {
            Part::At(_, high) => at = *high,
            Part::For(_, high) => lasts = *high,
            Part::Region(_) => {}
        }
    }
    let until = step.until.unwrap_or(world.duration);
    if at >= world.duration || at + lasts > world.duration || at > until {
        let end = span::write(world.duration);
        return incoherent(
            &value.span(),
            format!("the step may then end after the run, at {end}"),
        );
    }
    Ok(())
}

fn parts(step: &Step) -> Vec<&'static str> {
    let mut parts = vec!["at"];
    if step.lasts.is_some() {
        parts.push("for");
    }
    if matches!(step.act, Act::Partition { .. }) {
        parts.push("region");
    }
    parts
}

fn range(value: &Spanned<DeValue<'_>>, field: &str) -> Placed<(Duration, Duration)> {
    let ends = words(field, value)?;
    let [low, high] = ends.as_slice() else {
        return incoherent(&value.span(), "a range has two ends: `[\"8s\", \"11s\"]`");
    };
    let (low, high) = (low.span(field)?, high.span(field)?);
    if low > high || high.is_zero() {
        return incoherent(&value.span(), "a range goes from the lesser to the greater");
    }
    Ok((low, high))
}

/// A region is drawn for the first one on the first side, so there must be one.
fn cuts_a_region(step: &Step, world: &World) -> Result<(), String> {
    let Act::Partition { between, .. } = &step.act else {
        return Ok(());
    };
    let region = |member: &String| world.regions.contains(member);
    match between.first() {
        Some(side) if side.iter().any(region) => Ok(()),
        _ => Err("the first side of that cut names no region to draw another for".to_owned()),
    }
}

fn regions(value: &Spanned<DeValue<'_>>, world: &World) -> Placed<Part> {
    let mut regions: Vec<String> = Vec::new();
    for word in words("region", value)? {
        let region = word.known("region", world.regions.iter().map(String::as_str))?;
        if regions.contains(&region) {
            return incoherent(&word.span, format!("region `{region}` is named twice"));
        }
        regions.push(region);
    }
    if regions.is_empty() {
        return incoherent(&value.span(), "there is no region to draw");
    }
    Ok(Part::Region(regions))
}
