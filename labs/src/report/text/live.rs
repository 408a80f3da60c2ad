//! The lanes while time passes: what was known at one moment of the runs, and nothing later.
//!
//! A pure function of the histories and the time. A frame has as many lines at every moment, so
//! that one can be drawn over the other.

use super::lane;
use super::page::{Page, Style, Tone};
use super::{people, scale, shared};
use crate::history::{Fault, History, Outcome};
use crate::report::timeline::{self, followed};
use crate::report::{DemoReport, figure};

/// The lines at that moment of true time: one history for each run, in the same order.
pub fn frame(
    report: &DemoReport,
    histories: &[&History],
    at_us: u64,
    style: &Style,
) -> Vec<String> {
    let mut page = Page::new(style);
    let runs = &report.runs;
    let longest = histories.iter().map(|history| history.duration_us).max();
    let (now, end) = (
        figure::seconds(at_us),
        figure::seconds(longest.unwrap_or(0)),
    );
    let title = format!("{} · seed {} · {now} of {end}", report.lab, report.seed);
    page.row(&[(Tone::Strong, title)]);
    page.row(&[(Tone::Plain, "")]);
    let scale = scale(&page, histories).until(at_us);
    let past: Vec<History> = histories
        .iter()
        .map(|history| until(history, at_us))
        .collect();
    let past: Vec<&History> = past.iter().collect();
    lane::axis(&mut page, scale);
    let before = page.len();
    shared(
        &mut page,
        scale,
        runs,
        &past,
        timeline::faults_key,
        lane::faults,
    );
    shared(
        &mut page,
        scale,
        runs,
        &past,
        timeline::acts_key,
        lane::acts,
    );
    let drawn = page.len() - before;
    for _ in drawn..world_lines(histories) {
        page.row(&[(Tone::Plain, "")]);
    }
    for ((run, whole), past) in runs.iter().zip(histories).zip(&past) {
        people(&mut page, scale, &run.posture, whole, past);
    }
    page.row(&[(Tone::Plain, "")]);
    for ((run, whole), past) in runs.iter().zip(histories).zip(&past) {
        let lead = page.style.cell(&run.posture, 8) + " ";
        let words = counts(whole, past);
        page.row(&[(Tone::Plain, lead), (Tone::Strong, words)]);
    }
    page.row(&[(Tone::Plain, "")]);
    lane::legend(&mut page, scale);
    page.into_lines()
}

/// The most lines that faults and acts take: each run may come to differ from the others.
fn world_lines(histories: &[&History]) -> usize {
    let of = |history: &&History| history.faults.len().min(4) + history.acts.len().min(4);
    histories.iter().map(of).max().unwrap_or(0) + 1
}

/// The history as far as it was known by then: an answer that was not there yet is not in it.
fn until(history: &History, at_us: u64) -> History {
    let faults = history.faults.iter().filter(|fault| fault.from_us <= at_us);
    let acts = history.acts.iter().filter(|act| act.asked_us <= at_us);
    let heard = |us: Option<u64>| us.filter(|us| *us <= at_us);
    let requests = history.requests.iter();
    History {
        duration_us: history.duration_us,
        faults: faults
            .map(|fault| Fault {
                to_us: heard(fault.to_us),
                ..fault.clone()
            })
            .collect(),
        acts: acts
            .map(|act| {
                let mut act = act.clone();
                act.acknowledged_us = heard(act.acknowledged_us);
                act
            })
            .collect(),
        requests: requests
            .filter(|request| heard(request.finished_us).is_some())
            .cloned()
            .collect(),
        expect: history.expect.clone(),
        ..History::default()
    }
}

/// How often each of those who are followed was served since the revocation, or so far.
fn counts(whole: &History, past: &History) -> String {
    let acknowledged = past.acts.iter().filter(|act| act.revokes());
    let since_us = acknowledged.filter_map(|act| act.acknowledged_us).min();
    let of = |who: &str| {
        let asked = past.requests.iter().filter(|request| {
            whole.lane(request) == who && request.started_us >= since_us.unwrap_or(0)
        });
        let (served, refused) =
            asked.fold((0, 0), |(served, refused), request| match request.outcome {
                Outcome::Served { .. } => (served + 1, refused),
                Outcome::Refused(_) | Outcome::Unknown => (served, refused + 1),
            });
        format!("{who} {served} served, {refused} not")
    };
    let since = since_us.map_or("so far", |_| match past.taken_by() {
        "the end" => "since the end",
        "its first use" => "since its first use",
        _ => "since revoked",
    });
    let each: Vec<String> = followed(whole).into_iter().map(of).collect();
    format!("{since}: {}", each.join("; "))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{demo, exposed, solution};
    use super::*;

    fn at(seconds: u64, style: &Style) -> Vec<String> {
        let (exposed, solution) = (exposed(), solution());
        let histories = [&exposed.history, &solution.history];
        frame(&demo(&histories), &histories, seconds * 1_000_000, style)
    }

    #[test]
    fn a_frame_shows_the_past_and_nothing_of_what_comes() {
        let lines = at(20, &Style::default());
        for line in [
            "stale-acl · seed 7 · 20.0 s of 60.0 s",
            "cut                        ╳━━━━━━━━━━ south | north east",
            "policy                       ▼ 12.1 s revoke mallory acknowledged, checkpoint 18",
            "exposed  mallory  ●●●●●●●●●●●●●●●●●●●",
            "solution mallory  ●●●●●●●●●●●●●◐◐◐◐◐◐",
        ] {
            assert!(lines.iter().any(|it| it == line), "{line:?} in {lines:#?}");
        }
        let early = at(11, &Style::default()).join("\n");
        assert!(!early.contains("revoke"), "{early}");
        assert!(
            early.contains("so far: mallory 20 served, 0 not"),
            "{early}"
        );
        let pending = {
            let (mut exposed, solution) = (exposed(), solution());
            exposed.history.acts[0].acknowledged_us = Some(14_000_000);
            let histories = [&exposed.history, &solution.history];
            frame(&demo(&histories), &histories, 13_000_000, &Style::default()).join("\n")
        };
        assert!(pending.contains("revoke mallory pending"), "{pending}");
    }

    #[test]
    fn every_frame_has_as_many_lines_and_fits_a_terminal() {
        for ascii in [false, true] {
            let style = Style {
                ascii,
                ..Style::default()
            };
            for seconds in 0..=61 {
                let lines = at(seconds, &style);
                assert_eq!(lines.len(), at(0, &style).len(), "{lines:#?}");
                assert!(lines.len() <= 22);
                assert!(lines.iter().all(|line| line.chars().count() <= 80));
                assert!(!ascii || lines.iter().all(|line| line.is_ascii()));
            }
        }
    }

    #[test]
    fn the_last_frame_has_the_lanes_of_the_page() {
        let (exposed, solution) = (exposed(), solution());
        let histories = [&exposed.history, &solution.history];
        let report = demo(&histories);
        let page = super::super::render(&report, &histories, &Style::default());
        let last = frame(&report, &histories, 60_000_000, &Style::default());
        let lanes = |lines: &[&str]| -> Vec<String> {
            let lane = |line: &&&str| line.contains('●') && !line.contains("permitted");
            lines
                .iter()
                .filter(lane)
                .map(|line| (*line).to_owned())
                .collect()
        };
        let (page, last): (Vec<&str>, Vec<&str>) = (
            page.lines().collect(),
            last.iter().map(String::as_str).collect(),
        );
        assert_eq!(lanes(&page), lanes(&last));
        assert_eq!(lanes(&last).len(), 4);
    }
}
