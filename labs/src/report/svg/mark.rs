//! The marks: one form for each thing that was heard, so that none needs its colour.

use super::px;
use crate::report::markup::Markup;
use crate::report::timeline::{Heard, Mark};

/// A mark's class and form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// A full disc: let in.
    Permit,
    /// A full diamond: let in though revoked.
    Late,
    /// A ring: refused.
    Refuse,
    /// A ring, half of it full: some of each.
    Mixed,
    /// The same of someone revoked.
    MixedLate,
    /// A cross: no answer.
    Silent,
}

impl Form {
    /// Every form, in the order of the legend.
    pub(super) const ALL: [Self; 6] = [
        Self::Permit,
        Self::Late,
        Self::Refuse,
        Self::Mixed,
        Self::MixedLate,
        Self::Silent,
    ];

    /// The form of a cell; none if nothing was asked.
    pub(super) const fn of(heard: Heard) -> Option<Self> {
        match (heard.mark(), heard.is_late()) {
            (Mark::Empty, _) => None,
            (Mark::Permitted, false) => Some(Self::Permit),
            (Mark::Permitted, true) => Some(Self::Late),
            (Mark::Refused, _) => Some(Self::Refuse),
            (Mark::Mixed, false) => Some(Self::Mixed),
            (Mark::Mixed, true) => Some(Self::MixedLate),
            (Mark::Silent, _) => Some(Self::Silent),
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Permit => "let in",
            Self::Late => "let in though revoked",
            Self::Refuse => "refused",
            Self::Mixed => "some let in, some not",
            Self::MixedLate => "some let in though revoked",
            Self::Silent => "no answer",
        }
    }

    /// Draws one path with this form at each of these places, in tenths of a pixel.
    pub(super) fn draw(self, markup: &mut Markup, places: &[i64], y: i64, radius: i64) {
        let shapes = |shape: fn(i64, i64, i64) -> String| -> String {
            places.iter().map(|x| shape(*x, y, radius)).collect()
        };
        let mut path = |class: &str, d: &str| {
            markup.void("path", &[("class", class), ("d", d)]);
        };
        match self {
            Self::Permit => path("mark permit", &shapes(disc)),
            Self::Late => path("mark late", &shapes(diamond)),
            Self::Refuse => path("mark refuse", &shapes(disc)),
            Self::Silent => path("mark silent", &shapes(cross)),
            Self::Mixed => {
                path("mark permit half", &shapes(half));
                path("mark mixed", &shapes(disc));
            }
            Self::MixedLate => {
                path("mark late half", &shapes(half));
                path("mark mixed", &shapes(disc));
            }
        }
    }
}

fn disc(x: i64, y: i64, r: i64) -> String {
    let (radius, across) = (px(r), px(2 * r));
    format!(
        "M{} {}a{radius} {radius} 0 1 0 {across} 0a{radius} {radius} 0 1 0-{across} 0z",
        px(x - r),
        px(y)
    )
}

fn half(x: i64, y: i64, r: i64) -> String {
    let radius = px(r);
    format!(
        "M{} {}a{radius} {radius} 0 0 0 0 {}z",
        px(x),
        px(y - r),
        px(2 * r)
    )
}

/// Wider than a disc of that radius, to cover as much.
fn diamond(x: i64, y: i64, r: i64) -> String {
    let r = r + r / 5;
    let side = px(r);
    format!(
        "M{} {}l{side} {side}-{side} {side}-{side}-{side}z",
        px(x),
        px(y - r)
    )
}

fn cross(x: i64, y: i64, r: i64) -> String {
    let r = r * 7 / 10;
    let across = px(2 * r);
    format!(
        "M{} {}l{across} {across}m0-{across}l-{across} {across}",
        px(x - r),
        px(y - r)
    )
}
