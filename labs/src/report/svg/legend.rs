//! What the marks mean: those that this picture has, and no others.

use super::mark::Form;
use super::{Group, WIDTH, breadth, label, px};
use crate::report::figure;
use crate::report::markup::Markup;
use crate::report::timeline::Scale;

/// The height of a row, in tenths of a pixel.
const ROW: i64 = 240;

/// One thing and what it means.
pub(super) struct Item {
    sign: Option<Sign>,
    words: String,
}

#[derive(Clone, Copy)]
enum Sign {
    Mark(Form),
    Cut,
    Act,
    Flag,
}

impl Item {
    fn breadth(&self) -> i64 {
        let sign = if self.sign.is_some() { 220 } else { 0 };
        sign + breadth(&self.words) + 260
    }
}

/// The legend of these lanes.
pub(super) fn items(scale: Scale, groups: &[Group<'_>]) -> Vec<Item> {
    let lanes = || groups.iter().flat_map(|group| &group.lanes);
    let has = |form: Form| {
        lanes().any(|lane| lane.cells.iter().any(|cell| Form::of(*cell) == Some(form)))
    };
    let item = |sign, words: &str| Item {
        sign: Some(sign),
        words: words.to_owned(),
    };
    let mut items: Vec<Item> = Form::ALL
        .into_iter()
        .filter(|form| has(*form))
        .map(|form| item(Sign::Mark(form), form.words()))
        .collect();
    if groups.iter().any(|group| !group.history.faults.is_empty()) {
        items.push(item(Sign::Cut, "cut"));
    }
    if groups.iter().any(|group| !group.history.acts.is_empty()) {
        items.push(item(Sign::Act, "an administrator's act"));
    }
    if groups.iter().any(|group| !group.run.promised_ms.is_empty()) {
        items.push(item(Sign::Flag, "the promise ends"));
    }
    items.push(Item {
        sign: None,
        words: format!("a mark is {}", figure::tick(scale.cell_us)),
    });
    items
}

/// Where each item stands: column and row.
fn places(items: &[Item]) -> Vec<(i64, i64)> {
    let (mut x, mut row) = (0, 0);
    let place = |item: &Item| {
        if x > 0 && x + item.breadth() > WIDTH * 10 {
            (x, row) = (0, row + 1);
        }
        let place = (x, row);
        x += item.breadth();
        place
    };
    items.iter().map(place).collect()
}

/// The legend's height, in tenths of a pixel.
pub(super) fn height(items: &[Item]) -> i64 {
    let rows = places(items).last().map_or(0, |(_, row)| row + 1);
    rows * ROW
}

/// Draws it.
pub(super) fn draw(markup: &mut Markup, items: &[Item], y: i64) {
    for (item, (x, row)) in items.iter().zip(places(items)) {
        let y = y + row * ROW;
        let Some(sign) = item.sign else {
            label(markup, "legend", x, y + 140, &item.words);
            continue;
        };
        match sign {
            Sign::Mark(form) => form.draw(markup, &[x + 80], y + 95, 52),
            Sign::Cut => {
                let (x, y) = (px(x), px(y + 40));
                let place = [
                    ("x", x.as_str()),
                    ("y", &y),
                    ("width", "18"),
                    ("height", "11"),
                ];
                let class = [("class", "cut")];
                markup.void("rect", &[&class[..], &place].concat());
            }
            Sign::Act => {
                let d = format!("M{} {}h14l-7 12z", px(x + 10), px(y + 35));
                markup.void("path", &[("class", "act"), ("d", &d)]);
            }
            Sign::Flag => {
                let (x, y) = (px(x + 60), px(y + 30));
                markup.void("path", &[("class", "pole"), ("d", &format!("M{x} {y}v13"))]);
                markup.void(
                    "path",
                    &[("class", "flag"), ("d", &format!("M{x} {y}l9 4-9 4z"))],
                );
            }
        }
        label(markup, "legend", x + 220, y + 140, &item.words);
    }
}
