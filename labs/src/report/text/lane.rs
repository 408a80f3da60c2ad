//! The swim-lane timeline: one axis of true time, one lane for each thing that happened on it.
//!
//! Each cell is a span of true time and says what was heard by requests that started in it.
//! Marks differ without colour. A lane is drawn from a history alone.

use super::page::{Page, Tone, width};
use crate::history::{Act, ActKind, Fault, History, Outcome, Request};
use crate::report::figure;

/// Columns of a lane's first label, its gap included.
const RUN_COLUMNS: usize = 9;
/// Columns of a lane's second label, its gap included.
const WHO_COLUMNS: usize = 8;
/// Columns before the first cell.
const LABEL_COLUMNS: usize = RUN_COLUMNS + WHO_COLUMNS;
/// Cells from one label of the axis to the next.
const AXIS_STEP: usize = 10;
/// The most lanes of one kind.
const LANES_MAX: usize = 4;

/// How true time maps to cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    /// True time in a cell, in microseconds.
    pub(super) cell_us: u64,
    cells: usize,
    /// The last cell that is drawn.
    last: usize,
}

impl Scale {
    /// The finest round scale that fits the columns.
    pub(super) fn new(duration_us: u64, columns: usize) -> Self {
        let most = columns.saturating_sub(LABEL_COLUMNS + 3).max(AXIS_STEP);
        let mut cell_us: u64 = 1_000;
        let mut factors = [2, 5, 10].iter().cycle();
        let mut unit = cell_us;
        while duration_us.div_ceil(cell_us) > most as u64 {
            let factor = *factors.next().expect("a cycle has no end");
            cell_us = unit.saturating_mul(factor);
            if factor == 10 {
                unit = cell_us;
            }
        }
        let cells = duration_us.div_ceil(cell_us).max(1);
        let cells = usize::try_from(cells).unwrap_or(most);
        Self {
            cell_us,
            cells,
            last: cells - 1,
        }
    }

    /// The same scale while time has come no further than that.
    pub(super) fn until(self, at_us: u64) -> Self {
        Self {
            last: self.cell(at_us),
            ..self
        }
    }

    fn cell(&self, at_us: u64) -> usize {
        usize::try_from(at_us / self.cell_us).map_or(self.cells - 1, |at| at.min(self.cells - 1))
    }
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
    let sides: Vec<String> = fault.groups.iter().map(|group| group.join(" ")).collect();
    let between = if fault.one_way { " > " } else { " | " };
    let sides = page.style.clean(&format!(" {} ", sides.join(between)));
    let columns = width(&sides);
    let inside = (to - from).saturating_sub(1);
    if columns > inside || sides.trim().is_empty() {
        return cells.into_iter().collect();
    }
    let start = from + 1 + (inside - columns) / 2;
    let before: String = cells[..start].iter().collect();
    let after: String = cells[start + columns..].iter().collect();
    before + &sides + &after
}

/// One lane for each act on the policy: where it was acknowledged, or asked for if it never was.
pub(super) fn acts(page: &mut Page<'_>, scale: Scale, history: &History, run: &str) {
    for act in shown(history) {
        let label = page.style.cell("policy", RUN_COLUMNS - 1) + " ";
        let who = page.style.cell(run, WHO_COLUMNS - 1) + " ";
        let at = scale.cell(act.acknowledged_us.unwrap_or(act.asked_us));
        let mark = page.style.marks().act;
        let words = page.style.clean(&words(act));
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

/// The acts that get a lane: revocations before others, then in order of time.
fn shown(history: &History) -> Vec<&Act> {
    let mut acts: Vec<&Act> = history.acts.iter().collect();
    acts.sort_by_key(|act| (act.kind != ActKind::Revoke, act.asked_us));
    acts.truncate(LANES_MAX);
    acts.sort_by_key(|act| act.asked_us);
    acts
}

/// What the lanes of acts say: runs that say the same share them.
pub(super) fn acts_key(history: &History) -> String {
    shown(history)
        .into_iter()
        .map(words)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What the lanes of faults show: runs that show the same share them.
pub(super) fn faults_key(history: &History) -> String {
    let tenth = |us: u64| us / 100_000;
    let shown = history.faults.iter().map(|fault| {
        let ends = (tenth(fault.from_us), fault.to_us.map(tenth));
        format!(
            "{} {ends:?} {:?} {}",
            fault.name, fault.groups, fault.one_way
        )
    });
    shown.collect::<Vec<_>>().join("; ")
}

fn words(act: &Act) -> String {
    let what = [act.kind.name(), act.principal.as_str()].join(" ");
    let what = what.trim_end();
    match act.acknowledged_us {
        Some(at_us) => format!(
            "{} {what} acknowledged, checkpoint {}",
            figure::seconds(at_us),
            act.policy_size
        ),
        None => format!(
            "{} {what} pending: no promise",
            figure::seconds(act.asked_us)
        ),
    }
}

fn more(page: &mut Page<'_>, count: usize, of: &str) {
    if count > LANES_MAX {
        let words = format!("and {} more {of}", count - LANES_MAX);
        page.wrapped(Tone::Faint, &" ".repeat(LABEL_COLUMNS), &words);
    }
}

/// What one principal heard over the run.
pub(super) fn requests(page: &mut Page<'_>, scale: Scale, history: &History, run: &str, who: &str) {
    let mut heard = vec![[0_u32; 3]; scale.cells];
    for request in history
        .requests
        .iter()
        .filter(|request| request.principal == who)
    {
        heard[scale.cell(request.started_us)][column(request)] += 1;
    }
    let labels = page.style.cell(run, RUN_COLUMNS - 1) + " ";
    let labels = labels + &page.style.cell(who, WHO_COLUMNS - 1) + " ";
    let mut parts: Vec<(Tone, String)> = vec![(Tone::Plain, labels)];
    for counts in heard {
        let (tone, mark) = mark(page, counts);
        match parts.last_mut() {
            Some((last, text)) if *last == tone => text.push(mark),
            _ => parts.push((tone, mark.to_string())),
        }
    }
    page.row(&parts);
}

/// Which count a request goes to: permitted, refused, no answer. A failure on the way, by
/// whatever name the client gave it, is no answer.
fn column(request: &Request) -> usize {
    match (&request.outcome, request.outcome.refusal()) {
        (Outcome::Served { .. }, _) => 0,
        (Outcome::Refused(_), Some(_)) => 1,
        (Outcome::Refused(_) | Outcome::Unknown, _) => 2,
    }
}

fn mark(page: &Page<'_>, counts: [u32; 3]) -> (Tone, char) {
    let marks = page.style.marks();
    match counts {
        [0, 0, 0] => (Tone::Plain, ' '),
        [_, 0, 0] => (Tone::Good, marks.permitted),
        [0, 0, _] => (Tone::Faint, marks.silent),
        [0, _, _] => (Tone::Bad, marks.refused),
        [_, _, _] => (Tone::Strong, marks.mixed),
    }
}

/// What the marks mean.
pub(super) fn legend(page: &mut Page<'_>, scale: Scale) {
    let marks = page.style.marks();
    let cut: String = [marks.cut_end, marks.cut_bar, marks.cut_end]
        .iter()
        .collect();
    let words = format!(
        "{} permitted, {} refused, {} mixed, {} no answer; {cut} cut, {} policy; a mark is {}",
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
    use crate::history::sample::Sample;

    fn drawn(style: Style, draw: impl FnOnce(&mut Page<'_>, Scale)) -> String {
        let mut page = Page::new(&style);
        draw(&mut page, Scale::new(60_000_000, style.columns()));
        page.finish()
    }

    #[test]
    fn a_minute_is_a_second_a_mark_in_80_columns() {
        let scale = |seconds: u64| Scale::new(seconds * 1_000_000, 80);
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
        assert_eq!(Scale::new(0, 80).cells, 1);
        assert_eq!(
            Scale::new(u64::MAX, 80).cell(u64::MAX),
            Scale::new(u64::MAX, 80).cells - 1
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
