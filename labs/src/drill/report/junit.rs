//! The report as JUnit XML, for what shows test results in CI.
//!
//! Red there is what makes the command's status red, and nothing else: what is known from the
//! baseline, accepted for now or advice alone is skipped, with the reason. What cannot be judged
//! is an error and not a failure. A status that no case explains, such as that of a run which broke
//! off, is an error of the run itself, so that nothing is green which did not pass.

use super::verdict::Outcome;
use super::words::clean;
use crate::drill::answer::{CaseRow, Group, Report};
use crate::report::markup::Markup;

/// What a run's rows do not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Besides<'a> {
    /// Why the run is no pass, whatever its rows say.
    pub broken: Option<&'a str>,
    /// Cases that there was no time for.
    pub left_out: &'a [(Group, &'static str)],
}

/// Writes the report; each row's outcome beside it, as [`super::verdict::outcomes`] gives them.
pub fn write(report: &Report, outcomes: &[Outcome], besides: Besides<'_>) -> String {
    let rows: Vec<(&CaseRow, Outcome)> = report.rows.iter().zip(outcomes.iter().copied()).collect();
    let mut markup = Markup::default();
    let counts = counts(&rows, besides, report.took_ms);
    markup.element(
        "testsuites",
        &with(&counts, ("name", "schism drill")),
        |markup| {
            for group in Group::ALL {
                let of_group = rows.iter().filter(|(row, _)| row.group == group);
                let of_group: Vec<_> = of_group.copied().collect();
                if !of_group.is_empty() {
                    suite(markup, report, group, &of_group);
                }
            }
            if besides.broken.is_some() || !besides.left_out.is_empty() {
                whole(markup, report, besides);
            }
        },
    );
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}",
        markup.finish()
    )
}

fn suite(markup: &mut Markup, report: &Report, group: Group, rows: &[(&CaseRow, Outcome)]) {
    let took = rows.iter().map(|(row, _)| row.took_ms).sum();
    let counts = counts(rows, Besides::default(), took);
    let target = clean(&report.target);
    let mut attributes = with(&counts, ("name", group.word()));
    attributes.push(("hostname", &target));
    markup.element("testsuite", &attributes, |markup| {
        for (row, outcome) in rows {
            case(markup, row, *outcome);
        }
    });
}

const fn named<'a>(class: &'a str, name: &'a str) -> [(&'static str, &'a str); 3] {
    [("classname", class), ("name", name), ("time", "0.000")]
}

/// The run itself, and what it left out.
fn whole(markup: &mut Markup, report: &Report, besides: Besides<'_>) {
    let counts = counts(&[], besides, 0);
    let target = clean(&report.target);
    let mut attributes = with(&counts, ("name", "run"));
    attributes.push(("hostname", &target));
    markup.element("testsuite", &attributes, |markup| {
        if let Some(why) = besides.broken {
            let why = clean(why);
            markup.element("testcase", &named("drill", "drill.run"), |markup| {
                let told = [("message", why.as_str()), ("type", "run")];
                markup.leaf("error", &told, &why);
            });
        }
        for (group, word) in besides.left_out {
            let class = format!("drill.{group}");
            markup.element("testcase", &named(&class, word), |markup| {
                let why = "left out: there was no time for it";
                markup.void("skipped", &[("message", why)]);
            });
        }
    });
}

fn case(markup: &mut Markup, row: &CaseRow, outcome: Outcome) {
    let (word, time) = (clean(&row.word), time(row.took_ms));
    let class = format!("drill.{}", row.group);
    let attributes = [
        ("classname", class.as_str()),
        ("name", word.as_str()),
        ("time", time.as_str()),
    ];
    markup.element("testcase", &attributes, |markup| {
        let (basis, says) = (clean(&row.basis.words()), clean(&row.says));
        let told = [("message", says.as_str()), ("type", basis.as_str())];
        let skipped = |markup: &mut Markup, why: &str| {
            let why = format!("{why}: {says}");
            markup.void("skipped", &[("message", why.as_str())]);
        };
        match outcome {
            Outcome::Pass => {}
            Outcome::Fail => markup.leaf("failure", &told, &says),
            Outcome::AcceptanceOver => {
                let why = format!("its acceptance is over; {says}");
                let told = [("message", why.as_str()), ("type", basis.as_str())];
                markup.leaf("failure", &told, &says);
            }
            Outcome::CannotJudge if row.basis.binds() => markup.leaf("error", &told, &says),
            Outcome::CannotJudge => skipped(markup, "cannot be judged"),
            Outcome::Accepted => skipped(markup, "accepted for now"),
            Outcome::Known => skipped(markup, "no worse than in the baseline"),
            Outcome::Advice => skipped(markup, "failed, and is advice"),
            Outcome::NotApplicable => skipped(markup, "not applicable"),
            Outcome::Lost => {
                let why = format!("it passed in the baseline, and is not applicable now: {says}");
                let told = [("message", why.as_str()), ("type", basis.as_str())];
                markup.leaf("error", &told, &says);
            }
        }
    });
}

/// How many there are of which kind, as JUnit's attributes.
fn counts(
    rows: &[(&CaseRow, Outcome)],
    besides: Besides<'_>,
    took_ms: u64,
) -> Vec<(&'static str, String)> {
    let broken = usize::from(besides.broken.is_some());
    let left_out = besides.left_out.len();
    let kind = |(row, outcome): &(&CaseRow, Outcome)| match outcome {
        Outcome::Pass => "passed",
        Outcome::Fail | Outcome::AcceptanceOver => "failures",
        Outcome::CannotJudge if row.basis.binds() => "errors",
        Outcome::Lost => "errors",
        _ => "skipped",
    };
    let of = |wanted| rows.iter().filter(|row| kind(row) == wanted).count();
    [
        ("tests", rows.len() + broken + left_out),
        ("failures", of("failures")),
        ("errors", of("errors") + broken),
        ("skipped", of("skipped") + left_out),
    ]
    .map(|(name, count)| (name, count.to_string()))
    .into_iter()
    .chain([("time", time(took_ms))])
    .collect()
}

fn with<'a>(
    counts: &'a [(&'static str, String)],
    first: (&'a str, &'a str),
) -> Vec<(&'a str, &'a str)> {
    let counts = counts.iter().map(|(name, value)| (*name, value.as_str()));
    std::iter::once(first).chain(counts).collect()
}

/// Seconds, as JUnit writes them.
fn time(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use roxmltree::{Document, Node};
    use time::macros::date;

    use super::super::sample::{EVIL, bad, good, hostile};
    use super::super::verdict::{Against, Exit, beyond_the_rows, exit, outcomes};
    use super::*;
    use crate::drill::answer::{Answer, Basis};

    fn written(report: &Report, baseline: Option<&Report>) -> String {
        let accepts = BTreeMap::new();
        let against = Against {
            baseline,
            accepts: &accepts,
            today: date!(2026 - 11 - 27),
        };
        let broken = beyond_the_rows(report, against);
        let besides = Besides {
            broken: broken.as_deref(),
            ..Besides::default()
        };
        write(report, &outcomes(report, against), besides)
    }

    fn of<'a>(page: &'a Document<'a>, tag: &'a str) -> Vec<Node<'a, 'a>> {
        page.descendants()
            .filter(|node| node.has_tag_name(tag))
            .collect()
    }

    #[test]
    fn what_fails_is_red_and_the_counts_are_those_of_the_cases() {
        let text = written(&bad(), None);
        let page = Document::parse(&text).unwrap();
        let root = page.root_element();
        let counts = ["tests", "failures", "errors", "skipped"].map(|name| root.attribute(name));
        assert_eq!(counts, [Some("6"), Some("3"), Some("1"), Some("1")]);
        assert_eq!(of(&page, "testcase").len(), 6);
        let red: Vec<_> = of(&page, "failure")
            .iter()
            .map(|node| {
                node.parent_element()
                    .unwrap()
                    .attribute("name")
                    .unwrap()
                    .to_owned()
            })
            .collect();
        let expected = [
            "leaf-swap",
            "revoked-leaf-resumed",
            "revoked-leaf-open-stream",
        ];
        assert_eq!(red, expected);
        let suites = of(&page, "testsuite");
        let sum: usize = suites
            .iter()
            .map(|s| s.children().filter(Node::is_element).count())
            .sum();
        assert_eq!(sum, 6);
        assert_eq!(root.attribute("time"), Some("58.200"));
    }

    #[test]
    fn with_the_same_baseline_nothing_is_red() {
        let text = written(&bad(), Some(&bad()));
        let page = Document::parse(&text).unwrap();
        assert_eq!(of(&page, "failure").len() + of(&page, "error").len(), 0);
        assert!(text.contains("no worse than in the baseline"));
        let text = written(&good(), None);
        assert_eq!(of(&Document::parse(&text).unwrap(), "testcase").len(), 2);
    }

    #[test]
    fn it_is_red_exactly_where_the_status_is() {
        let accepts = BTreeMap::new();
        let against = Against {
            baseline: None,
            accepts: &accepts,
            today: date!(2026 - 11 - 27),
        };
        let bases = [
            Basis::Must("RFC 5280".to_owned()),
            Basis::Advice("it is good".to_owned()),
        ];
        let pairs = Answer::ALL
            .into_iter()
            .flat_map(|answer| bases.each_ref().map(|b| (answer, b)));
        for (answer, basis) in pairs {
            for accepted in [None, Some("OPS-142".to_owned())] {
                let mut report = good();
                report.rows[1].answer = answer;
                report.rows[1].basis = basis.clone();
                report.rows[1].accepted = accepted;
                let text = write(&report, &outcomes(&report, against), Besides::default());
                let page = Document::parse(&text).unwrap();
                let red = (of(&page, "failure").len(), of(&page, "error").len());
                let expected = match exit(&report, against) {
                    Exit::Pass | Exit::Usage => (0, 0),
                    Exit::Fail => (1, 0),
                    Exit::CannotJudge => (0, 1),
                };
                assert_eq!(red, expected, "{answer}, {basis:?}");
            }
        }
    }

    #[test]
    fn a_status_that_no_case_explains_is_an_error_of_the_run() {
        let errors = |text: &str| {
            let page = Document::parse(text).unwrap();
            let errors = of(&page, "error");
            let names = errors.iter().map(|it| it.parent_element().unwrap());
            let names: Vec<_> = names.filter_map(|it| it.attribute("name")).collect();
            let counted = page.root_element().attribute("errors").unwrap().to_owned();
            assert_eq!(counted, names.len().to_string());
            names.join(" ")
        };
        let mut fewer = good();
        assert_eq!(errors(&written(&fewer, None)), "");
        fewer.rows.pop();
        assert_eq!(errors(&written(&fewer, Some(&good()))), "drill.run");
        fewer.rows.clear();
        assert_eq!(errors(&written(&fewer, None)), "drill.run");
        let besides = Besides {
            broken: Some("the run was interrupted"),
            left_out: &[(Group::Time, "expired-caller")],
        };
        let text = write(&good(), &[Outcome::Pass; 2], besides);
        assert_eq!(errors(&text), "drill.run");
        let page = Document::parse(&text).unwrap();
        assert_eq!(page.root_element().attribute("tests"), Some("4"));
        let left_out = of(&page, "skipped")[0].parent_element().unwrap();
        assert_eq!(left_out.attribute("name"), Some("expired-caller"));
        assert_eq!(left_out.attribute("classname"), Some("drill.time"));
    }

    #[test]
    fn hostile_names_are_text_and_nothing_else() {
        let text = written(&hostile(), None);
        let page = Document::parse(&text).unwrap();
        assert_eq!(of(&page, "script").len(), 0);
        assert!(
            page.descendants()
                .all(|node| node.attribute("onload").is_none())
        );
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains(EVIL));
        let named = of(&page, "testcase");
        let name = named[0].attribute("name").unwrap();
        assert!(name.starts_with("leaf-swap</td>]]><script>"), "{name}");
    }
}
