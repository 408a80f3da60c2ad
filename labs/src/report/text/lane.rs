//! The swim-lane timeline: one axis of true time, one lane for each thing that happened on it.
//!
//! Each cell is a span of true time and says what was heard by requests that started in it.
//! Marks differ without colour. A lane is drawn from a history alone.

use super::page::{Page, Tone, width};
use crate::history::{Fault, History};
use crate::report::figure;
use crate::report::timeline::{self, AXIS_STEP, Heard, LANES_MAX, Mark, Scale};

/// Columns of a lane's first label, its gap included.
const RUN_COLUMNS: usize = 9;
/// Columns of a lane's second label, its gap included.
const WHO_COLUMNS: usize = 8;
/// Columns before the first cell.
const LABEL_COLUMNS: usize = RUN_COLUMNS + WHO_COLUMNS;

/// The finest round scale that fits the columns.
pub(super) fn scale(duration_us: u64, columns: usize) -> Scale {
    Scale::new(duration_us, columns.saturating_sub(LABEL_COLUMNS + 3))
}

/// The axis.
pub(super) fn axis(page: &mut Page<'_>, scale: Scale) {
    let room = page.style.columns() - LABEL_COLUMNS;
    let mut line = String::new();
    for at in (0..=scale.cells).step_by(AXIS_STEP) {
        let label = figure::tick(at as u64 * scale.cell_us);
        if at < line.len() || at + label.len() > room {
            continue;
        }
        line.extend(std::iter::repeat_n(' ', at - line.len()));
        line.push_str(&label);
        line.push(' ');
    }
    page.row(&[
        (Tone::Plain, " ".repeat(LABEL_COLUMNS)),
        (Tone::Faint, line),
    ]);
}

/// One lane for each fault.
pub(super) fn faults(page: &mut Page<'_>, scale: Scale, history: &History, run: &str) {
    for fault in history.faults.iter().take(LANES_MAX) {
        let label = page.style.cell(&fault.name, RUN_COLUMNS - 1) + " ";
        let who = page.style.cell(run, WHO_COLUMNS - 1) + " ";
        let bar = bar(page, scale, fault);
        page.row(&[(Tone::Plain, label), (Tone::Plain, who), (Tone::Bad, bar)]);
    }
    more(page, history.faults.len(), "faults");
}

fn bar(page: &Page<'_>, scale: Scale, fault: &Fault) -> String {
    let marks = page.style.marks();
    let from = scale.cell(fault.from_us);
    let to = fault
        .to_us
        .map_or(scale.last, |to| scale.cell(to))
        .max(from);
    let mut cells = vec![' '; from];
    cells.resize(to + 1, marks.cut_bar);
    cells[from] = marks.cut_end;
    if fault.to_us.is_some() {
        cells[to] = marks.cut_end;
    }
    let sides = page.style.clean(&format!(" {} ", timeline::sides(fault)));
    let columns = width(&sides);
    let inside = (to - from).saturating_sub(1);
    if columns > inside || sides.trim().is_empty() {
        let bar: String = cells.into_iter().collect();
        let room = page.style.columns() - LABEL_COLUMNS;
        // A bar too short for its names has them behind it, if they fit there.
        let fits = to + 1 + columns <= room && !sides.trim().is_empty();
        return if fits { bar + sides.trim_end() } else { bar };
    }
    let start = from + 1 + (inside - columns) / 2;
    let before: String = cells[..start].iter().collect();
    let after: String = cells[start + columns..].iter().collect();
    before + &sides + &after
}

/// One lane for each act on the policy: where it was acknowledged, or asked for if it never was.
pub(super) fn acts(page: &mut Page<'_>, scale: Scale, history: &History, run: &str) {
    for act in timeline::acts(history) {
        let label = page.style.cell(timeline::act_lane(act), RUN_COLUMNS - 1) + " ";
        let who = page.style.cell(run, WHO_COLUMNS - 1) + " ";
        let at = scale.cell(act.acknowledged_us.unwrap_or(act.asked_us));
        let mark = page.style.marks().act;
        let words = page.style.clean(&timeline::act_words(act));
        let room = page.style.columns() - LABEL_COLUMNS;
        let lane = if at + 2 + width(&words) <= room {
            format!("{}{mark} {words}", " ".repeat(at))
        } else if width(&words) < at {
            format!("{}{words} {mark}", " ".repeat(at - width(&words) - 1))
        } else {
            format!("{}{mark}", " ".repeat(at))
        };
        let told = width(&lane) > at + 1;
        page.row(&[(Tone::Plain, label + &who), (Tone::Strong, lane)]);
        if !told {
            page.wrapped(Tone::Strong, &" ".repeat(LABEL_COLUMNS), &words);
        }
    }
    more(page, history.acts.len(), "acts");
}

fn more(page: &mut Page<'_>, count: usize, of: &str) {
    if count > LANES_MAX {
        let words = format!("and {} more {of}", count - LANES_MAX);
        page.wrapped(Tone::Faint, &" ".repeat(LABEL_COLUMNS), &words);
    }
}

/// What one principal heard over the run.
pub(super) fn requests(page: &mut Page<'_>, scale: Scale, history: &History, run: &str, who: &str) {
    let labels = page.style.cell(run, RUN_COLUMNS - 1) + " ";
    let labels = labels + &page.style.cell(who, WHO_COLUMNS - 1) + " ";
    let mut parts: Vec<(Tone, String)> = vec![(Tone::Plain, labels)];
    for heard in timeline::heard(history, scale, who, None) {
        let (tone, mark) = mark(page, heard);
        match parts.last_mut() {
            Some((last, text)) if *last == tone => text.push(mark),
            _ => parts.push((tone, mark.to_string())),
        }
    }
    page.row(&parts);
}

fn mark(page: &Page<'_>, heard: Heard) -> (Tone, char) {
    let marks = page.style.marks();
    match heard.mark() {
        Mark::Empty => (Tone::Plain, ' '),
        Mark::Permitted => (Tone::Good, marks.permitted),
        Mark::Silent => (Tone::Faint, marks.silent),
        Mark::Refused => (Tone::Bad, marks.refused),
        Mark::Mixed => (Tone::Strong, marks.mixed),
    }
}

/// What the marks mean.
pub(super) fn legend(page: &mut Page<'_>, scale: Scale) {
    let marks = page.style.marks();
    let cut: String = [marks.cut_end, marks.cut_bar, marks.cut_end]
        .iter()
        .collect();
    let words = format!(
        "{} permitted, {} refused, {} mixed, {} no answer; {cut} cut, {} act; a mark is {}",
        marks.permitted,
        marks.refused,
        marks.mixed,
        marks.silent,
        marks.act,
        figure::tick(scale.cell_us)
    );
    page.wrapped(Tone::Faint, "", &words);
}

#[cfg(test)]
mod tests {
    use super::super::page::Style;
    use super::*;
    use crate::history::Outcome;
    use crate::history::sample::Sample;

    fn drawn(style: Style, draw: impl FnOnce(&mut Page<'_>, Scale)) -> String {
        let mut page = Page::new(&style);
        draw(&mut page, scale(60_000_000, style.columns()));
        page.finish()
    }

    #[test]
    fn a_minute_is_a_second_a_mark_in_80_columns() {
        let scale = |seconds: u64| scale(seconds * 1_000_000, 80);
        assert_eq!(
            scale(60),
            Scale {
                cell_us: 1_000_000,
                cells: 60,
                last: 59,
            }
        );
        assert_eq!(
            scale(61),
            Scale {
                cell_us: 2_000_000,
                cells: 31,
                last: 30,
            }
        );
        assert_eq!(
            scale(9),
            Scale {
                cell_us: 200_000,
                cells: 45,
                last: 44,
            }
        );
    }

    #[test]
    fn the_axis_and_the_cut_stand_under_each_other() {
        let sample = Sample::new(60);
        let lanes = drawn(Style::default(), |page, scale| {
            axis(page, scale);
            faults(page, scale, &sample.history, "");
        });
        let expected = "                 \
             0s        10s       20s       30s       40s       50s       60s\n\
             cut                        ╳━━━━━━━ south | north east ━━━━━━━╳\n";
        assert_eq!(lanes, expected);
    }

    #[test]
    fn an_act_is_told_beside_its_mark_on_the_side_with_room() {
        let at = |us: u64, ack: Option<u64>| {
            let mut sample = Sample::new(60);
            sample.revoke("mallory", us, ack);
            drawn(Style::default(), |page, scale| {
                acts(page, scale, &sample.history, "")
            })
        };
        let right = at(12_000_000, Some(12_120_000));
        let words = "12.1 s revoke mallory acknowledged, checkpoint 18";
        assert_eq!(
            right,
            format!("policy           {}▼ {words}\n", " ".repeat(12))
        );
        let left = at(57_000_000, Some(57_120_000));
        assert!(left.contains("57.1 s revoke mallory acknowledged, checkpoint 18 ▼\n"));
        let pending = at(12_000_000, None);
        assert!(pending.contains("▼ 12.0 s revoke mallory pending: no promise"));
        let below = at(30_000_000, Some(30_000_000));
        assert_eq!(below.lines().count(), 2);
        assert!(below.contains("30.0 s revoke mallory acknowledged, checkpoint 18"));
    }

    #[test]
    fn each_kind_of_answer_has_its_own_mark() {
        let mut sample = Sample::new(60);
        sample.served("m-1", "attack", "mallory", "read", 1_000_000);
        sample.refused("m-2", "attack", "mallory", "read", 2_000_000);
        sample.served("m-3", "attack", "mallory", "read", 3_000_000);
        sample.refused("m-4", "attack", "mallory", "write", 3_500_000);
        sample.ask("m-5", "attack", "mallory", "read", 4_000_000);
        sample.ask("m-6", "attack", "mallory", "read", 5_000_000);
        sample.history.requests[5].outcome = Outcome::Refused("unavailable".to_owned());
        let draw = |style| {
            drawn(style, |page, scale| {
                requests(page, scale, &sample.history, "exposed", "mallory")
            })
        };
        assert_eq!(draw(Style::default()), "exposed  mallory  ●○◐··\n");
        let ascii = Style {
            ascii: true,
            ..Style::default()
        };
        assert_eq!(draw(ascii), "exposed  mallory  #-+??\n");
    }

    #[test]
    fn a_cut_too_short_for_its_names_has_them_behind_it() {
        let mut sample = Sample::new(60);
        sample.history.faults[0].to_us = Some(15_000_000);
        let lane = |sample: &Sample| {
            drawn(Style::default(), |page, scale| {
                faults(page, scale, &sample.history, "")
            })
        };
        assert!(lane(&sample).ends_with("╳━━━━╳ south | north east\n"));
        let fault = &mut sample.history.faults[0];
        (fault.from_us, fault.to_us) = (50_000_000, Some(55_000_000));
        assert!(lane(&sample).ends_with("╳━━━━╳\n"), "no room");
    }

    #[test]
    fn a_one_way_cut_and_an_open_end_show() {
        let mut sample = Sample::new(60);
        sample.history.faults[0].one_way = true;
        sample.history.faults[0].to_us = None;
        let ascii = Style {
            ascii: true,
            ..Style::default()
        };
        let lane = drawn(ascii, |page, scale| {
            faults(page, scale, &sample.history, "")
        });
        assert!(lane.contains("x=") && lane.contains(" south > north east "));
        assert!(lane.ends_with("=\n") && !lane.ends_with("x\n"));
    }
}
