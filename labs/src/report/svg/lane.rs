//! One lane: what one principal heard for one action, with the bracket that measures it.
//!
//! Over an attacker's marks lie the exposure and the promise; under a legitimate user's, the
//! price.

use std::collections::BTreeSet;

use super::mark::Form;
use super::{Axis, LABEL_COLUMNS, LEFT, PLOT, breadth, fit, label, px};
use crate::history::{Harm, History, Promise};
use crate::invariant::{exposure, impersonation};
use crate::report::figure::seconds;
use crate::report::markup::Markup;
use crate::report::measure;
use crate::report::timeline::{self, Heard, LANES_MAX, Scale};

/// Heights in tenths of a pixel: of the caption, the brackets, the marks.
const CAPTION: i64 = 230;
const OVER: i64 = 330;
const MARKS: i64 = 210;
const UNDER: i64 = 240;
/// The largest radius of a mark.
const RADIUS: i64 = 52;

/// A lane.
pub(super) struct Lane<'a> {
    who: &'a str,
    action: &'a str,
    /// Who that is, over the first of their lanes.
    caption: Option<String>,
    pub(super) cells: Vec<Heard>,
    measured: Measured<'a>,
}

/// What a lane measures.
enum Measured<'a> {
    /// When the revocation was acknowledged, if it was; and what came of it.
    Exposure(Option<Exposure<'a>>),
    /// When the user went without.
    Price(Vec<(u64, u64)>),
}

#[derive(Clone, Copy, Debug)]
struct Exposure<'a> {
    acknowledged_us: u64,
    /// The last success after it, if there was one.
    last_us: Option<u64>,
    promise: Promise,
    /// What it is counted from.
    since: Since<'a>,
}

/// What an exposure is counted from.
#[derive(Clone, Copy, Debug)]
enum Since<'a> {
    /// A revocation or an end, in words.
    Taken(&'static str),
    /// The first request that was let in under another's name: whose, and how many were.
    Posing(&'a str, u64),
}

/// The lanes of one run: the attacker's, then the legitimate user's; where nobody attacks, those of
/// all who are followed.
pub(super) fn lanes(scale: Scale, history: &History) -> Vec<Lane<'_>> {
    let mut lanes = Vec::new();
    if let Some(who) = timeline::attacker(history) {
        lanes.extend(of(scale, history, who, "the attacker", |action| {
            Measured::Exposure(exposure(history, who, action))
        }));
    }
    let outage = history.expect.harm() == Harm::Outage;
    let owed = if outage {
        timeline::followed(history)
    } else {
        timeline::legitimate(history).into_iter().collect()
    };
    for who in owed {
        let mut gaps = measure::gaps(history, who);
        lanes.extend(of(scale, history, who, "a legitimate user", |action| {
            Measured::Price(gaps.remove(action).unwrap_or_default())
        }));
    }
    lanes
}

fn of<'a>(
    scale: Scale,
    history: &'a History,
    who: &'a str,
    part: &str,
    mut measured: impl FnMut(&str) -> Measured<'a>,
) -> Vec<Lane<'a>> {
    let asked = history.requests.iter().filter(|r| history.lane(r) == who);
    let actions: BTreeSet<&str> = asked.map(|request| request.action.as_str()).collect();
    let lane = |(at, action)| Lane {
        who,
        action,
        caption: (at == 0).then(|| format!("{part}, {}", timeline::region(history, who))),
        cells: timeline::heard(history, scale, who, Some(action)),
        measured: measured(action),
    };
    let actions = actions.into_iter().take(LANES_MAX);
    actions.enumerate().map(lane).collect()
}

/// How long somebody went as somebody else for that action, if that is what is measured.
fn posing<'a>(history: &'a History, action: &str) -> Option<Exposure<'a>> {
    let posed = impersonation::posed(history).remove(action)?;
    let name = impersonation::name(history)?;
    Some(Exposure {
        acknowledged_us: posed.from_us,
        last_us: (posed.let_in > 0).then_some(posed.to_us),
        promise: Promise::Any,
        since: Since::Posing(name, posed.let_in),
    })
}

/// The exposure of that principal for that action, from the last success that counts.
fn exposure<'a>(history: &'a History, who: &str, action: &str) -> Option<Exposure<'a>> {
    if history.expect.harm() == Harm::Impersonation {
        return posing(history, action);
    }
    let promise = history.shown_promise(action);
    let lates = exposure::successes(history);
    let lates = lates.iter();
    let longest = lates
        .filter(|late| late.principal == who && late.action == action)
        .max_by_key(|late| late.after_us());
    if let Some(late) = longest {
        return Some(Exposure {
            acknowledged_us: late.acknowledged_us,
            last_us: Some(late.earliest_us),
            promise,
            since: Since::Taken(history.taken_by()),
        });
    }
    let mut revoked = exposure::revocations(history).filter(|(act, _)| act.principal == who);
    revoked.next().map(|(_, acknowledged_us)| Exposure {
        acknowledged_us,
        last_us: None,
        promise,
        since: Since::Taken(history.taken_by()),
    })
}

impl Exposure<'_> {
    fn words(&self) -> String {
        let promised = match self.promise {
            Promise::Any => "; nothing was promised",
            Promise::Within(_) | Promise::Latest => "",
        };
        let lasted = |last_us: u64| seconds(last_us.saturating_sub(self.acknowledged_us));
        match (self.since, self.last_us) {
            (Since::Taken(since), Some(last_us)) => {
                format!("{} let in after {since}{promised}", lasted(last_us))
            }
            (Since::Taken(since), None) => format!("not let in once after {since}{promised}"),
            (Since::Posing(name, let_in), Some(last_us)) => {
                let times = if let_in == 1 { "once" } else { "times" };
                let count = if let_in == 1 {
                    String::new()
                } else {
                    format!("{let_in} ")
                };
                format!("let in as {name} {count}{times}, in {}", lasted(last_us))
            }
            (Since::Posing(name, _), None) => format!("not let in once as {name}"),
        }
    }

    fn promise_words(&self) -> Option<String> {
        match self.promise {
            Promise::Any => None,
            Promise::Within(us) => Some(format!("promised {}", seconds(us))),
            Promise::Latest => Some("promised: latest".to_owned()),
        }
    }

    fn draw(&self, markup: &mut Markup, axis: Axis, y: i64) {
        let from = axis.x(self.acknowledged_us);
        let to = self.last_us.map_or(from, |last_us| axis.x(last_us));
        if self.last_us.is_some() {
            bracket(markup, "bracket late", from, to, y + 245);
        }
        let flag = self.flag(markup, axis, y);
        let words = self.words();
        let broad = breadth(&words);
        if flag.is_none() && to - from > broad {
            return label(
                markup,
                "measure middle",
                i64::midpoint(from, to),
                y + 170,
                &words,
            );
        }
        // The flag's pole does not cross the words.
        let after = match flag {
            Some(pole) if pole >= to && pole < to + broad + 160 => pole,
            _ => to,
        };
        if after + 80 + broad <= (LEFT + PLOT) * 10 {
            label(markup, "measure", after + 80, y + 285, &words);
        } else {
            label(markup, "measure end", from - 80, y + 285, &words);
        }
    }

    /// The flag where the promise ends, if that is on the picture: where its pole stands.
    fn flag(&self, markup: &mut Markup, axis: Axis, y: i64) -> Option<i64> {
        let words = self.promise_words()?;
        let until_us = self
            .acknowledged_us
            .saturating_add(self.promise.bound_us()?);
        let pole = axis.x(until_us);
        if until_us > axis.span_us() {
            label(
                markup,
                "promise end",
                (LEFT + PLOT) * 10,
                y + 115,
                &format!("{words} →"),
            );
            return None;
        }
        let (x, top) = (px(pole), px(y + 40));
        let d = format!("M{x} {top}V{}", px(y + OVER + MARKS - 20));
        markup.void("path", &[("class", "pole"), ("d", &d)]);
        let d = format!("M{x} {top}l9 4-9 4z");
        markup.void("path", &[("class", "flag"), ("d", &d)]);
        if pole + 130 + breadth(&words) <= (LEFT + PLOT) * 10 {
            label(markup, "promise", pole + 130, y + 115, &words);
        } else {
            label(markup, "promise end", pole - 60, y + 115, &words);
        }
        Some(pole)
    }
}

/// A line with an end at each side.
fn bracket(markup: &mut Markup, class: &str, from: i64, to: i64, y: i64) {
    let (from, to) = (px(from), px(to));
    let (top, middle, bottom) = (px(y - 50), px(y), px(y + 50));
    let d = format!("M{from} {top}V{bottom}M{from} {middle}H{to}M{to} {top}V{bottom}");
    markup.void("path", &[("class", class), ("d", &d)]);
}

impl Lane<'_> {
    pub(super) fn height(&self) -> i64 {
        let measured = match &self.measured {
            Measured::Exposure(Some(_)) => OVER,
            Measured::Price(gaps) if !gaps.is_empty() => UNDER,
            Measured::Exposure(None) | Measured::Price(_) => 0,
        };
        self.caption_height() + measured + MARKS + 40
    }

    /// The caption stands beside the brackets if there are any over the marks.
    fn caption_height(&self) -> i64 {
        match (&self.caption, &self.measured) {
            (None, _) | (Some(_), Measured::Exposure(Some(_))) => 0,
            (Some(_), Measured::Exposure(None) | Measured::Price(_)) => CAPTION,
        }
    }

    /// The lane in words.
    pub(super) fn words(&self) -> String {
        let sum = |of: fn(&Heard) -> u64| self.cells.iter().map(of).sum::<u64>();
        let counts = format!(
            "{} asked to {}: {} let in, {} refused, {} without answer",
            self.who,
            self.action,
            sum(|cell| cell.permitted),
            sum(|cell| cell.refused),
            sum(|cell| cell.silent),
        );
        match &self.measured {
            Measured::Exposure(Some(exposure)) => {
                let promise = exposure.promise_words();
                let promise = promise.map_or(String::new(), |words| format!(", {words}"));
                format!("{counts}; {}{promise}", exposure.words())
            }
            Measured::Price(gaps) if !gaps.is_empty() => {
                format!("{counts}; {}", price_words(gaps))
            }
            Measured::Exposure(None) | Measured::Price(_) => counts,
        }
    }

    pub(super) fn draw(&self, markup: &mut Markup, axis: Axis, y: i64) {
        markup.element("g", &[], |markup| {
            markup.leaf("title", &[], &self.words());
            self.fill(markup, axis, y);
        });
    }

    fn fill(&self, markup: &mut Markup, axis: Axis, mut y: i64) {
        y += self.caption_height();
        if let Measured::Exposure(Some(exposure)) = &self.measured {
            exposure.draw(markup, axis, y);
            y += OVER;
        }
        if let Some(caption) = &self.caption {
            label(
                markup,
                "caption",
                0,
                y - 30,
                &fit(caption, LABEL_COLUMNS + 4),
            );
        }
        let place = [("class", "lane"), ("x", "0"), ("y", &px(y + 150))];
        markup.element("text", &place, |markup| {
            let who = fit(self.who, LABEL_COLUMNS - 7);
            markup.leaf("tspan", &[("class", "who")], &who);
            markup.text(&format!(" {}", fit(self.action, 7)));
        });
        self.marks(markup, axis, y + MARKS / 2);
        if let Measured::Price(gaps) = &self.measured {
            price(markup, axis, gaps, y + MARKS);
        }
    }

    fn marks(&self, markup: &mut Markup, axis: Axis, y: i64) {
        let pitch = axis.pitch();
        let radius = (pitch * 9 / 25).min(RADIUS);
        for form in Form::ALL {
            let cells = (0_u64..).zip(&self.cells);
            let places: Vec<i64> = cells
                .filter(|(_, heard)| Form::of(**heard) == Some(form))
                .map(|(at, _)| axis.x(at * axis.scale.cell_us) + pitch / 2)
                .collect();
            if !places.is_empty() {
                form.draw(markup, &places, y, radius);
            }
        }
    }
}

fn price_words(gaps: &[(u64, u64)]) -> String {
    let unserved = seconds(gaps.iter().map(|(from, to)| to - from).sum());
    match gaps.len() {
        1 => format!("{unserved} unserved"),
        many => format!("{unserved} unserved, in {many} stretches"),
    }
}

/// The stretches unserved, those too short to see left out, and all of them in one figure.
fn price(markup: &mut Markup, axis: Axis, gaps: &[(u64, u64)], y: i64) {
    let Some((from, to)) = gaps.iter().max_by_key(|(from, to)| to - from) else {
        return;
    };
    for (from, to) in gaps {
        let (from, to) = (axis.x(*from), axis.x(*to));
        if to > from + 10 {
            bracket(markup, "bracket price", from, to, y + 60);
        }
    }
    let words = price_words(gaps);
    let half = breadth(&words) / 2;
    let middle = i64::midpoint(axis.x(*from), axis.x(*to));
    let middle = middle.clamp(LEFT * 10 + half, (LEFT + PLOT) * 10 - half);
    label(markup, "measure middle", middle, y + 195, &words);
}
