//! The report as people read it: a timeline, what it promised, what it cost, and the proof.
//!
//! Every figure comes from the histories and the report. Every line fits the width, also with
//! long names; nothing is said by colour alone.

pub mod act;
mod evidence;
mod lane;
pub mod live;
mod page;
#[cfg(test)]
pub(crate) mod sample;
mod table;

use super::lesson::lesson;
use super::timeline::{self, Scale};
use super::{DemoReport, RunReport, figure};
use crate::history::{History, Outcome};
use crate::invariant::Verdict;
pub use page::Style;
pub(crate) use page::{Page, Tone, steers, width};

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
    verdict(&mut page, runs, histories);
    next(&mut page, report);
    page.finish()
}

/// The last sentence of the page alone.
pub fn told(report: &DemoReport, histories: &[&History]) -> String {
    lesson(&report.runs, histories).1
}

/// The one sentence that everything comes to.
fn verdict(page: &mut Page<'_>, runs: &[RunReport], histories: &[&History]) {
    let (verdict, sentence) = lesson(runs, histories);
    page.wrapped(tone(verdict), "", &sentence);
}

/// What to type next.
fn next(page: &mut Page<'_>, report: &DemoReport) {
    if !report.next.is_empty() {
        page.heading("Next:");
        for command in &report.next {
            page.command(command);
        }
    }
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
    if !report.drawn.is_empty() {
        let drawn = format!("this seed's world: {}", report.drawn);
        page.wrapped(Tone::Plain, "", &drawn);
    }
    page.blank();
}

fn timeline(page: &mut Page<'_>, runs: &[RunReport], histories: &[&History]) {
    let scale = scale(page, histories);
    world(page, scale, runs, histories);
    for (run, history) in runs.iter().zip(histories) {
        people(page, scale, &run.posture, history, history);
    }
    page.blank();
    legend(page, scale, histories);
}

/// What the marks mean, and what makes the first one mixed.
fn legend(page: &mut Page<'_>, scale: Scale, histories: &[&History]) {
    lane::legend(page, scale);
    let later = |history: &&History| {
        let people = timeline::followed(history).into_iter();
        people
            .flat_map(|who| {
                timeline::heard(history, scale, who, None)
                    .into_iter()
                    .skip(2)
            })
            .any(|heard| heard.mark() == timeline::Mark::Mixed)
    };
    if histories.iter().any(later) {
        let mixed = page.style.marks().mixed;
        let words = format!("a {mixed} in the middle: some were let in, some were not");
        page.wrapped(Tone::Faint, "", &words);
    }
    let early = |history: &&History| {
        let nothing = Outcome::Refused("no-such-record".to_owned());
        history.requests.iter().any(|it| it.outcome == nothing)
    };
    if histories.iter().any(early) {
        let mixed = page.style.marks().mixed;
        let words =
            format!("a first {mixed}: let in, and there was nothing to read yet (no-such-record)");
        page.wrapped(Tone::Faint, "", &words);
    }
}

/// One scale for every run.
fn scale(page: &Page<'_>, histories: &[&History]) -> Scale {
    let longest = histories.iter().map(|history| history.duration_us).max();
    lane::scale(longest.unwrap_or(0), page.style.columns())
}

/// The axis, and what was done to the world on it.
fn world(page: &mut Page<'_>, scale: Scale, runs: &[RunReport], histories: &[&History]) {
    lane::axis(page, scale);
    let (faults, acts) = (timeline::faults_key, timeline::acts_key);
    shared(page, scale, runs, histories, faults, lane::faults);
    shared(page, scale, runs, histories, acts, lane::acts);
}

/// The lanes of those who are [followed](timeline::followed) in `whole`, as far as `history` goes.
fn people(page: &mut Page<'_>, scale: Scale, run: &str, whole: &History, history: &History) {
    let mut label = run;
    for who in timeline::followed(whole) {
        lane::requests(page, scale, history, label, who);
        label = "";
    }
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
    let lanes = timeline::distinct(histories, key);
    for (run, history) in runs.iter().zip(histories).take(lanes) {
        let name = if lanes == 1 { "" } else { &run.posture };
        draw(page, scale, history, name);
    }
}

const fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Kept => Tone::Good,
        Verdict::Broken => Tone::Bad,
        Verdict::Unknown => Tone::Strong,
    }
}

#[cfg(test)]
mod tests {
    use super::sample::{demo, exposed, solution};
    use super::*;
    use crate::history::sample::Sample;

    const ASCII: Style = Style {
        width: 80,
        ascii: true,
        color: false,
    };

    fn page(samples: &[&Sample], style: &Style) -> String {
        let histories: Vec<&History> = samples.iter().map(|sample| &sample.history).collect();
        render(&demo(&histories), &histories, style)
    }

    #[test]
    fn the_page_tells_the_run_in_80_columns() {
        let (exposed, solution) = (exposed(), solution());
        let text = page(&[&exposed, &solution], &Style::default());
        let expected = [
            "stale-acl · Revoked in the north, welcome in the south",
            "seed 7 · sim · 2 x 60 s in 0.4 s",
            "                 0s        10s       20s       30s       40s       50s       60s",
            "cut                        ╳━━━━━━━ south | north east ━━━━━━━╳",
            "policy                       ▼ 12.1 s revoke mallory acknowledged, checkpoint 18",
            "exposed  mallory  ●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●○○○○○○○○○○○○○",
            "         alice    ●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●",
            "solution mallory  ●●●●●●●●●●●●●◐◐◐◐◐◐○○○○○○○○○○○○○○○○○○○○○○○○○○○○○○○○○○○○○○",
            "         alice    ●●●●●●●●●●●●●◐◐◐◐◐◐○○○○○○○○○○○○○○○○○○○○○○○○○●●●●●●●●●●●●●",
            "● permitted, ○ refused, ◐ mixed, · no answer; ╳━╳ cut, ▼ act; a mark is 1s",
            "a ◐ in the middle: some were let in, some were not",
            "         mallory let in after the revocation  price: alice (south) unserved",
            "exposed  read        31.9 s   none promised   never (57 asked)",
            "         write       32.4 s   none promised   never (57 asked)",
            "solution read         6.9 s   of 10.0 s       25.0 s (25 of 57)",
            "         write        1.4 s   of 3.0 s        31.0 s (31 of 57)",
            "exposed  leaves renewed 1 before, 1 after, 2 failed during the cut; 1234 calls,",
            "         about 4.2 MB; simulated delays p50 20.0 p95 20.0 p99 20.0 ms",
        ];
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines[..expected.len()], expected);
        let last = [
            "The lesson stands: the attack worked exposed, was refused (policy-stale) with",
            "the solution, 100 % served outside the cut, 28 % of reads served inside the cut.",
            "Next:",
            "  schism lab start stale-acl",
        ];
        assert_eq!(lines[lines.len() - last.len()..], last);
    }

    #[test]
    fn what_is_mixed_before_anything_was_written_is_explained() {
        let mut exposed = exposed();
        let explained = "a first +: let in, and there was nothing to read yet (no-such-record)\n";
        assert!(!page(&[&exposed], &ASCII).contains(explained));
        let first = exposed.history.requests.iter_mut();
        let first = first.min_by_key(|request| request.started_us).unwrap();
        first.outcome = Outcome::Refused("no-such-record".to_owned());
        assert!(page(&[&exposed], &ASCII).contains(explained));
    }

    #[test]
    fn the_wrongful_permit_is_shown_whole_with_its_entry() {
        let (exposed, solution) = (exposed(), solution());
        let text = page(&[&exposed, &solution], &ASCII);
        for line in [
            "The first wrongful permit",
            "  exposed: mallory was let in to write (audit entry 77) 4.390 s after the",
            "  record  mallory-33 write of r1 by mallory (south) at records.south, asked",
            "          16.500000 s, answered 16.520000 s: served under policy 18",
            "  entry   the log verifies and the client lived the same: an honest entry,",
            "          nobody lied; its policy was 1.0 s old",
            &format!("    policy_root {}", "e9".repeat(32)),
            "    at_us       1767225616510000",
            "    solution kept     the least served outside cut: 57 of 57 in north, floor 97",
        ] {
            assert!(
                text.lines().any(|shown| shown == line),
                "{line} is not in\n{text}"
            );
        }
        let mut lying = exposed.history;
        lying
            .clocks
            .insert("records.south".to_owned(), vec![(0, 60_000_000)]);
        let text = render(&demo(&[&lying]), &[&lying], &ASCII);
        assert!(
            !text.contains("honest"),
            "its time is not what the client lived"
        );
    }

    #[test]
    fn no_line_is_wider_than_80_whatever_the_names() {
        let mut exposed = exposed();
        let long = "a-very-long-name-indeed-".repeat(9);
        exposed.history.faults[0].name.clone_from(&long);
        exposed.history.faults[0].groups[1].push(long.clone());
        exposed.history.acts[0].principal.clone_from(&long);
        for request in &mut exposed.history.requests {
            request.resource.clone_from(&long);
            request.principal = format!("{long}{}", request.principal);
        }
        for entry in exposed.log("records.south") {
            entry.principal.clone_from(&long);
            entry.action.push_str(&long);
        }
        let histories = [&exposed.history, &exposed.history];
        let mut report = demo(&histories);
        for run in &mut report.runs {
            run.posture.clone_from(&long);
        }
        report.title = "長い".repeat(60);
        for ascii in [true, false] {
            let text = render(
                &report,
                &histories,
                &Style {
                    ascii,
                    ..Style::default()
                },
            );
            for line in text.lines() {
                assert!(width(line) <= 80, "{} columns: {line}", width(line));
                assert_eq!(line.trim_end(), line);
            }
        }
    }

    #[test]
    fn ascii_is_ascii_and_colour_only_repeats() {
        let (exposed, solution) = (exposed(), solution());
        let samples = [&exposed, &solution];
        let ascii = page(&samples, &ASCII);
        assert!(ascii.is_ascii());
        assert!(ascii.contains("exposed  mallory  ####"));
        let plain = page(&samples, &Style::default());
        assert!(!plain.contains('\u{1b}') && !ascii.contains('\u{1b}'));
        let colored = page(
            &samples,
            &Style {
                color: true,
                ..Style::default()
            },
        );
        assert_ne!(colored, plain);
        let mut bare = String::new();
        for (at, part) in colored.split('\u{1b}').enumerate() {
            bare.push_str(if at == 0 {
                part
            } else {
                part.split_once('m').expect("a code").1
            });
        }
        assert_eq!(bare, plain);
    }

    #[test]
    fn runs_share_a_lane_until_they_differ() {
        let (exposed, mut solution) = (exposed(), solution());
        solution.history.acts[0].acknowledged_us = Some(12_121_000);
        let policy = |text: &str| {
            text.lines()
                .filter(|line| line.starts_with("policy"))
                .count()
        };
        assert_eq!(policy(&page(&[&exposed, &solution], &ASCII)), 1);
        solution.history.acts[0].acknowledged_us = None;
        let text = page(&[&exposed, &solution], &ASCII);
        assert_eq!(policy(&text), 2);
        assert!(text.contains("policy   soluti~"));
    }

    #[test]
    fn what_does_not_stand_says_why() {
        let (exposed, solution) = (exposed(), solution());
        let text = page(&[&solution, &solution], &Style::default());
        assert!(text.contains("The lesson does not stand: exposed: the attack no longer works."));
        let text = page(&[&exposed], &Style::default());
        assert!(text.contains("Broken: solution: the attack succeeded"));
        let mut torn = solution;
        torn.history
            .audits
            .insert("records.south".to_owned(), Err("entry 9 is cut".to_owned()));
        let text = page(&[&exposed, &torn], &Style::default());
        assert!(text.contains("Cannot tell: solution: "));
        assert!(!text.contains("lesson stands"));
    }

    #[test]
    fn an_empty_history_makes_a_page_and_never_a_pass() {
        let empty = History::default();
        let report = demo(&[&empty]);
        assert_eq!(
            report.control,
            Verdict::Broken,
            "nothing was refused by name"
        );
        assert!(!render(&report, &[&empty], &Style::default()).contains("stands"));
        assert_eq!(demo(&[]).control, Verdict::Unknown);
        render(&demo(&[]), &[], &Style::default());
    }
}
