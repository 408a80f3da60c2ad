//! What lies behind and over the lanes: the axis, the faults, the acts on the policy.

use super::{Axis, LABEL_COLUMNS, LEFT, PLOT, breadth, fit, label, px};
use crate::history::{Act, Fault, History};
use crate::invariant::exposure::revocations;
use crate::report::markup::Markup;
use crate::report::timeline::{self, AXIS_STEP, LANES_MAX};
use crate::report::{RunReport, figure};

/// Heights in tenths of a pixel.
const AXIS: i64 = 300;
const ROW: i64 = 280;

/// The height of the head, in tenths of a pixel.
pub(super) fn height(histories: &[&History]) -> i64 {
    let faults = shown(histories, timeline::faults_key).map(|history| history.faults.len());
    let acts = shown(histories, timeline::acts_key).map(|history| history.acts.len());
    // A line, too, for those that got no lane.
    let rows: usize = faults.chain(acts).map(|of| of.min(LANES_MAX + 1)).sum();
    AXIS + ROW * i64::try_from(rows).unwrap_or(0) + 60
}

fn shown<'a>(
    histories: &'a [&'a History],
    key: fn(&History) -> String,
) -> impl Iterator<Item = &'a History> {
    let lanes = timeline::distinct(histories, key);
    histories.iter().copied().take(lanes)
}

/// The axis, then one lane for each fault and each act.
pub(super) fn head(markup: &mut Markup, axis: Axis, runs: &[RunReport], histories: &[&History]) {
    for at in ticks(axis) {
        let x = axis.x(at);
        label(markup, "tick middle", x, 140, &figure::tick(at));
    }
    let line = format!("M{LEFT} 20H{}", LEFT + PLOT);
    markup.void("path", &[("class", "axis"), ("d", &line)]);
    let mut y = AXIS;
    for (history, name) in named(runs, histories, timeline::faults_key) {
        for one in history.faults.iter().take(LANES_MAX) {
            fault(markup, axis, one, name, history.duration_us, y);
            y += ROW;
        }
        y = more(markup, history.faults.len(), "faults", y);
    }
    for (history, name) in named(runs, histories, timeline::acts_key) {
        for one in timeline::acts(history) {
            act(markup, axis, one, name, y);
            y += ROW;
        }
        y = more(markup, history.acts.len(), "acts", y);
    }
}

/// The histories with lanes of their own, each with its run's name if there are several.
fn named<'a>(
    runs: &'a [RunReport],
    histories: &'a [&'a History],
    key: fn(&History) -> String,
) -> impl Iterator<Item = (&'a History, &'a str)> {
    let lanes = timeline::distinct(histories, key);
    let names = runs.iter().map(
        move |run| {
            if lanes == 1 { "" } else { run.posture.as_str() }
        },
    );
    histories.iter().copied().zip(names).take(lanes)
}

fn ticks(axis: Axis) -> impl Iterator<Item = u64> {
    let cells = axis.scale.cells;
    let step = if cells < 5 * AXIS_STEP {
        AXIS_STEP / 2
    } else {
        AXIS_STEP
    };
    (0..=cells)
        .step_by(step)
        .map(move |at| axis.scale.cell_us * at as u64)
}

fn more(markup: &mut Markup, count: usize, of: &str, y: i64) -> i64 {
    if count <= LANES_MAX {
        return y;
    }
    let words = format!("and {} more {of}", count - LANES_MAX);
    label(markup, "caption", LEFT * 10, y + 150, &words);
    y + ROW
}

fn fault(markup: &mut Markup, axis: Axis, fault: &Fault, run: &str, duration_us: u64, y: i64) {
    let name = format!("{} {run}", fault.name);
    label(
        markup,
        "lane",
        0,
        y + 155,
        &fit(name.trim_end(), LABEL_COLUMNS),
    );
    let (from, to) = (axis.x(fault.from_us), axis.x(fault.end_us(duration_us)));
    let place = [
        ("class", "cut"),
        ("x", &px(from)),
        ("y", &px(y)),
        ("width", &px((to - from).max(10))),
        ("height", "21"),
    ];
    markup.void("rect", &place);
    let words = timeline::sides(fault);
    let ends = format!(
        "{} to {}",
        figure::seconds(fault.from_us),
        fault.to_us.map_or("the end".to_owned(), figure::seconds)
    );
    let words = format!("{words}, {ends}");
    let words = words.trim_start_matches(", ");
    if breadth(words) + 100 < to - from {
        label(
            markup,
            "cut-words middle",
            i64::midpoint(from, to),
            y + 150,
            words,
        );
    } else {
        beside(markup, "cut-words", from, to, y + 150, words);
    }
}

/// Words on the side with more room, cut to it.
fn beside(markup: &mut Markup, class: &str, from: i64, to: i64, y: i64, words: &str) {
    let (before, after) = (from - LEFT * 10, (LEFT + PLOT) * 10 - to);
    let room = usize::try_from(before.max(after) / super::COLUMN).unwrap_or(0);
    let words = fit(words, room.saturating_sub(2));
    if after >= breadth(&words) + 130 || after >= before {
        label(markup, class, to + 130, y, &words);
    } else {
        label(markup, &format!("{class} end"), from - 130, y, &words);
    }
}

fn act(markup: &mut Markup, axis: Axis, act: &Act, run: &str, y: i64) {
    let name = format!("{} {run}", timeline::act_lane(act));
    label(
        markup,
        "lane",
        0,
        y + 155,
        &fit(name.trim_end(), LABEL_COLUMNS),
    );
    let x = axis.x(act.acknowledged_us.unwrap_or(act.asked_us));
    let d = format!("M{} {}h14l-7 12z", px(x - 70), px(y + 50));
    markup.void("path", &[("class", "act"), ("d", &d)]);
    beside(
        markup,
        "act-words",
        x,
        x,
        y + 155,
        &timeline::act_words(act),
    );
}

/// What runs through a run's lanes: the grid, its faults, its acknowledged revocations.
pub(super) fn behind(markup: &mut Markup, axis: Axis, history: &History, top: i64, bottom: i64) {
    let mut grid = String::new();
    for at in ticks(axis) {
        grid.push_str(&format!("M{} {}V{}", px(axis.x(at)), px(top), px(bottom)));
    }
    markup.void("path", &[("class", "grid"), ("d", &grid)]);
    for fault in history.faults.iter().take(LANES_MAX) {
        let from = axis.x(fault.from_us);
        let to = axis.x(fault.end_us(history.duration_us));
        let place = [
            ("class", "shade"),
            ("x", &px(from)),
            ("y", &px(top)),
            ("width", &px((to - from).max(0))),
            ("height", &px(bottom - top)),
        ];
        markup.void("rect", &place);
    }
    for (_, acknowledged_us) in revocations(history).take(LANES_MAX) {
        let d = format!(
            "M{} {}V{}",
            px(axis.x(acknowledged_us)),
            px(top),
            px(bottom)
        );
        markup.void("path", &[("class", "moment"), ("d", &d)]);
    }
}
