//! The report as people read it: a timeline, what it promised, what it cost, and the proof.
//!
//! Every figure comes from the histories and the report. Every line fits the width, also with
//! long names; nothing is said by colour alone.

mod evidence;
mod lane;
mod page;
#[cfg(test)]
pub(crate) mod sample;
mod table;

use std::collections::BTreeSet;

use super::control::{Attack, control};
use super::{DemoReport, RunReport, figure};
use crate::history::{History, When};
use crate::invariant::{Verdict, legitimate_users_served};
use lane::Scale;
pub use page::Style;
use page::{Page, Tone, width};

/// Writes the page: one history for each run, in the same order.
pub fn render(report: &DemoReport, histories: &[&History], style: &Style) -> String {
    let mut page = Page::new(style);
    let runs = &report.runs;
    header(&mut page, report);
    timeline(&mut page, runs, histories);
    table::exposure_and_price(&mut page, runs, histories);
    table::running(&mut page, runs);
    evidence::wrongful(&mut page, runs, histories);
    evidence::verdicts(&mut page, runs, histories);
    page.blank();
    lesson(&mut page, runs, histories);
    if !report.next.is_empty() {
        page.heading("Next:");
        for command in &report.next {
            page.command(command);
        }
    }
    page.finish()
}

fn header(page: &mut Page<'_>, report: &DemoReport) {
    let longest = report
        .runs
        .iter()
        .map(|run| run.virtual_ms)
        .max()
        .unwrap_or(0);
    let wall: u64 = report.runs.iter().map(|run| run.wall_ms).sum();
    let runs = if report.runs.len() == 1 {
        String::new()
    } else {
        format!("{} x ", report.runs.len())
    };
    let name = format!("{} · {}", report.lab, report.title);
    let name = name.trim_end_matches(" · ");
    let facts = format!(
        "seed {} · {} · {runs}{} in {}",
        report.seed,
        report.fabric,
        figure::tick(longest.saturating_mul(1_000)).replace('s', " s"),
        figure::seconds(wall.saturating_mul(1_000))
    );
    let whole = format!("{name} · {facts}");
    if width(&page.style.clean(&whole)) <= page.style.columns() {
        page.row(&[(Tone::Strong, whole)]);
    } else {
        page.row(&[(Tone::Strong, name)]);
        page.row(&[(Tone::Plain, facts)]);
    }
    page.blank();
}

fn timeline(page: &mut Page<'_>, runs: &[RunReport], histories: &[&History]) {
    let longest = histories
        .iter()
        .map(|history| history.duration_us)
        .max()
        .unwrap_or(0);
    let scale = Scale::new(longest, page.style.columns());
    lane::axis(page, scale);
    shared(
        page,
        scale,
        runs,
        histories,
        |history| format!("{:?}", history.faults),
        lane::faults,
    );
    shared(
        page,
        scale,
        runs,
        histories,
        |history| format!("{:?}", history.acts),
        lane::acts,
    );
    for (run, history) in runs.iter().zip(histories) {
        let mut label = run.posture.as_str();
        for who in [attacker(history), legitimate(history)]
            .into_iter()
            .flatten()
        {
            lane::requests(page, scale, history, label, who);
            label = "";
        }
    }
    page.blank();
    lane::legend(page, scale);
}

/// Draws lanes once if every run had the same, else once a run.
fn shared(
    page: &mut Page<'_>,
    scale: Scale,
    runs: &[RunReport],
    histories: &[&History],
    key: fn(&History) -> String,
    draw: fn(&mut Page<'_>, Scale, &History, &str),
) {
    let distinct: BTreeSet<String> = histories.iter().map(|history| key(history)).collect();
    for (run, history) in runs.iter().zip(histories) {
        if distinct.len() == 1 {
            return draw(page, scale, history, "");
        }
        draw(page, scale, history, &run.posture);
    }
}

/// Who attacked: the first by name.
pub(super) fn attacker(history: &History) -> Option<&str> {
    let attacks = history
        .requests
        .iter()
        .filter(|r| r.tag == history.expect.attack_tag);
    attacks.map(|request| request.principal.as_str()).min()
}

/// A legitimate user to follow: one in a cut-off region if there is one, the first by name.
pub(super) fn legitimate(history: &History) -> Option<&str> {
    let floors = &history.expect.floors;
    let owed = |tag: &str| floors.iter().any(|floor| floor.tag == tag);
    let cut = |region: &String| history.faults.iter().any(|f| f.cut_off().contains(region));
    let users = history.requests.iter().filter(|request| owed(&request.tag));
    users
        .map(|request| (!cut(&request.region), request.principal.as_str()))
        .min()
        .map(|(_, principal)| principal)
}

/// Where that principal asked from.
pub(super) fn region<'a>(history: &'a History, principal: &str) -> &'a str {
    let asked = history
        .requests
        .iter()
        .find(|request| request.principal == principal);
    asked.map_or("", |request| &request.region)
}

fn lesson(page: &mut Page<'_>, runs: &[RunReport], histories: &[&History]) {
    let control = control(runs, histories);
    let last = runs.last().zip(histories.last());
    let outcome = last.map_or(String::new(), |(run, history)| outcome(run, history));
    let (tone, text) = match (control.verdict, runs.len()) {
        (Verdict::Kept, 2..) => (
            Tone::Good,
            format!(
                "The lesson stands: the attack worked {}, {outcome}",
                runs[0].posture
            ),
        ),
        (Verdict::Kept, _) => (Tone::Good, format!("Kept: the attack {outcome}")),
        (Verdict::Broken, 2..) => (
            Tone::Bad,
            format!("The lesson does not stand: {}.", control.reasons.join("; ")),
        ),
        (Verdict::Broken, _) => (
            Tone::Bad,
            format!("Broken: {}.", control.reasons.join("; ")),
        ),
        (Verdict::Unknown, _) => (
            Tone::Strong,
            format!("Cannot tell: {}.", control.reasons.join("; ")),
        ),
    };
    page.wrapped(tone, "", &text);
}

/// How the last run ended: the refusal, and the least share served outside and inside the cut.
fn outcome(run: &RunReport, history: &History) -> String {
    let refusal = match run.attack {
        Attack::Refused => format!("was refused ({})", history.expect.refusal),
        Attack::Succeeded => "succeeded".to_owned(),
        Attack::Unknown => "was not refused by name".to_owned(),
    };
    let groups = legitimate_users_served::groups(history);
    let least = |inside: bool| {
        let of = groups
            .iter()
            .filter(|g| matches!(g.spec.when, When::Inside(_)) == inside);
        let least = of.min_by_key(|g| (u128::from(g.ok) << 32) / u128::from(g.total.max(1)))?;
        let (When::Inside(fault) | When::Outside(fault)) = &least.spec.when;
        let side = if inside { "inside" } else { "outside" };
        Some(format!(
            "{} served {side} the {fault}",
            figure::percent(least.ok, least.total)
        ))
    };
    let shares: Vec<String> = [least(false), least(true)].into_iter().flatten().collect();
    let with = format!("with the {}", run.posture);
    [vec![format!("{refusal} {with}")], shares]
        .concat()
        .join(", ")
        + "."
}
