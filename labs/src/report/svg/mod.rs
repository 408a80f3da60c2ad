//! The swim-lane timeline as a picture: inline SVG that a page's style sheet colours.
//!
//! It draws what [`timeline`](super::timeline) says and measures nothing of its own. Every mark
//! differs in form, not only in colour; all text is text. Coordinates are integers, in tenths of a
//! pixel, so that the same report gives the same bytes.

mod backdrop;
mod lane;
mod legend;
mod mark;

use super::markup::Markup;
use super::text::{Style, width};
use super::timeline::Scale;
use super::{Attack, RunReport, figure};
use crate::history::{Harm, History};
use lane::Lane;

/// The picture's width, in pixels.
const WIDTH: i64 = 1120;
/// Where the time axis begins, in pixels.
const LEFT: i64 = 170;
/// How long the time axis is, in pixels.
const PLOT: i64 = 930;
/// The most cells on it.
const CELLS_MAX: usize = 90;
/// About how wide a column of text is, in tenths of a pixel.
const COLUMN: i64 = 70;
/// Columns of a lane's label.
const LABEL_COLUMNS: usize = 21;

/// How true time maps to the picture.
#[derive(Clone, Copy, Debug)]
struct Axis {
    scale: Scale,
}

impl Axis {
    fn new(histories: &[&History]) -> Self {
        let longest = histories.iter().map(|history| history.duration_us).max();
        Self {
            scale: Scale::new(longest.unwrap_or(0), CELLS_MAX),
        }
    }

    /// What the axis spans, in microseconds.
    fn span_us(self) -> u64 {
        self.scale.cell_us.saturating_mul(self.scale.cells as u64)
    }

    /// Where that true time lies, in tenths of a pixel; the end for what is beyond it.
    fn x(self, at_us: u64) -> i64 {
        let span = u128::from(self.span_us().max(1));
        let along = u128::from(at_us).min(span) * (PLOT as u128 * 10) / span;
        LEFT * 10 + i64::try_from(along).unwrap_or(PLOT * 10)
    }

    /// From one cell to the next, in tenths of a pixel.
    fn pitch(self) -> i64 {
        PLOT * 10 / i64::try_from(self.scale.cells).unwrap_or(1).max(1)
    }
}

/// Tenths of a pixel as SVG writes them.
fn px(tenths: i64) -> String {
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        rest => {
            let sign = if tenths < 0 { "-" } else { "" };
            format!("{sign}{}.{}", (tenths / 10).abs(), rest.abs())
        }
    }
}

/// About how wide a text is, in tenths of a pixel.
fn breadth(text: &str) -> i64 {
    i64::try_from(width(text)).unwrap_or(0) * COLUMN
}

/// The text cut to that many columns.
fn fit(text: &str, columns: usize) -> String {
    Style::default().fit(text, columns)
}

/// Text at a place, in tenths of a pixel.
fn label(markup: &mut Markup, class: &str, x: i64, y: i64, text: &str) {
    markup.leaf(
        "text",
        &[("class", class), ("x", &px(x)), ("y", &px(y))],
        text,
    );
    markup.text("\n");
}

/// One run and its lanes.
struct Group<'a> {
    run: &'a RunReport,
    history: &'a History,
    lanes: Vec<Lane<'a>>,
}

impl Group<'_> {
    fn height(&self) -> i64 {
        HEADING + self.lanes.iter().map(Lane::height).sum::<i64>()
    }
}

/// The height of a run's heading, in tenths of a pixel.
const HEADING: i64 = 320;

/// Draws the timeline.
pub(super) fn draw(markup: &mut Markup, runs: &[RunReport], histories: &[&History]) {
    let axis = Axis::new(histories);
    let groups: Vec<Group<'_>> = runs
        .iter()
        .zip(histories)
        .map(|(run, history)| Group {
            run,
            history,
            lanes: lane::lanes(axis.scale, history),
        })
        .collect();
    let top = backdrop::height(histories);
    let body: i64 = groups.iter().map(Group::height).sum();
    let legend = legend::items(axis.scale, &groups);
    let height = top + body + 200 + legend::height(&legend);
    let view = format!("0 0 {WIDTH} {}", px(height));
    let attributes = [
        ("role", "img"),
        ("aria-labelledby", "timeline-title timeline-desc"),
        ("viewBox", view.as_str()),
    ];
    markup.element("svg", &attributes, |markup| {
        let title = "Who was let in, and when";
        markup.leaf("title", &[("id", "timeline-title")], title);
        markup.leaf("desc", &[("id", "timeline-desc")], &described(&groups));
        backdrop::head(markup, axis, runs, histories);
        let mut y = top;
        for group in &groups {
            backdrop::behind(markup, axis, group.history, y, y + group.height());
            heading(markup, group, y);
            let mut lane_y = y + HEADING;
            for lane in &group.lanes {
                lane.draw(markup, axis, lane_y);
                lane_y += lane.height();
            }
            y += group.height();
        }
        legend::draw(markup, &legend, y + 200);
    });
}

fn heading(markup: &mut Markup, group: &Group<'_>, y: i64) {
    let across = format!("M0 {}H{WIDTH}", px(y));
    markup.void("path", &[("class", "rule"), ("d", &across)]);
    let name = fit(&group.run.posture, LABEL_COLUMNS);
    label(markup, "run", 0, y + 215, &name);
    let (class, words) = match group.run.attack {
        _ if group.run.harm() == Harm::Outage => outage_words(group.run.attack),
        Attack::Succeeded => ("ended bad", "the attack succeeded".to_owned()),
        Attack::Refused => {
            let refusal = &group.history.expect.refusal;
            ("ended good", format!("the attack was refused: {refusal}"))
        }
        Attack::Unknown => ("ended", "the attack was not refused by name".to_owned()),
    };
    label(markup, class, LEFT * 10, y + 215, &fit(&words, 100));
}

fn outage_words(ended: Attack) -> (&'static str, String) {
    let (class, words) = match ended {
        Attack::Succeeded => (
            "ended bad",
            "people went without for longer than is allowed",
        ),
        Attack::Refused => (
            "ended good",
            "nobody went without for longer than is allowed",
        ),
        Attack::Unknown => ("ended", "what was ordered was not carried out"),
    };
    (class, words.to_owned())
}

/// The picture in words, for those who do not see it.
fn described(groups: &[Group<'_>]) -> String {
    let lanes = groups.iter().flat_map(|group| {
        group
            .lanes
            .iter()
            .map(|lane| format!("{}: {}.", group.run.posture, lane.words()))
    });
    let cuts = groups.first().map(|group| {
        let faults = group.history.faults.iter().map(|fault| {
            format!(
                "{} from {} to {}.",
                fault.name,
                figure::seconds(fault.from_us),
                figure::seconds(fault.end_us(group.history.duration_us))
            )
        });
        faults.collect::<Vec<_>>().join(" ")
    });
    let all: Vec<String> = cuts.into_iter().chain(lanes).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::sample::{demo, exposed, solution};

    fn drawn(histories: &[&History]) -> String {
        let mut markup = Markup::default();
        draw(&mut markup, &demo(histories).runs, histories);
        markup.finish()
    }

    fn paths<'a>(read: &'a roxmltree::Document<'a>, class: &str) -> Vec<&'a str> {
        let of_class = read
            .descendants()
            .filter(|node| node.attribute("class") == Some(class));
        of_class.filter_map(|node| node.attribute("d")).collect()
    }

    #[test]
    fn time_lies_where_it_belongs_and_nothing_is_off_the_picture() {
        let axis = Axis::new(&[&exposed().history]);
        assert_eq!(axis.x(0), 1_700);
        assert_eq!(axis.x(30_000_000), 1_700 + 4_650);
        assert_eq!(axis.x(u64::MAX), 11_000);
        assert_eq!([px(-5), px(120), px(123)], ["-0.5", "12", "12.3"]);
    }

    #[test]
    fn every_second_of_every_lane_has_one_mark_of_its_form() {
        let (exposed, solution) = (exposed(), solution());
        let text = drawn(&[&exposed.history, &solution.history]);
        let read = roxmltree::Document::parse(&text).unwrap();
        let marks = |class: &str| -> usize {
            let all = paths(&read, class);
            all.iter().map(|d| d.matches('z').count()).sum()
        };
        // One more of each is in the legend. Mallory's reads are late from 13 s on, the writes
        // from 12.5 s.
        assert_eq!(
            marks("mark late"),
            1 + (44 - 12) + (44 - 11) + (19 - 12) + (13 - 11)
        );
        assert_eq!(
            marks("mark refuse"),
            1 + 13 * 2 + (57 - 19) + (57 - 13) + 25 + 31
        );
        let permits = 1 + (12 + 11) * 2 + 57 * 2 + (57 - 25) + (57 - 31);
        assert_eq!(marks("mark permit"), permits);
    }

    #[test]
    fn the_figures_on_the_brackets_are_the_reports() {
        let (exposed, solution) = (exposed(), solution());
        let text = drawn(&[&exposed.history, &solution.history]);
        for words in [
            "31.9 s let in after the revocation; nothing was promised",
            "6.9 s let in after the revocation",
            "promised 10.0 s",
            "promised 3.0 s",
            "25.0 s unserved",
            "31.0 s unserved",
            "south | north east",
            "12.1 s revoke mallory acknowledged, checkpoint 18",
        ] {
            assert!(text.contains(words), "{words} is not in\n{text}");
        }
    }

    #[test]
    fn a_history_of_nothing_is_still_a_picture() {
        let empty = History::default();
        for histories in [&[][..], &[&empty][..]] {
            roxmltree::Document::parse(&drawn(histories)).unwrap();
        }
    }
}
