//! The report as one page for a browser: offline, whole, and true of this run alone.
//!
//! It loads nothing and runs nothing: no script, no font, no image from elsewhere, and a policy in
//! the page that forbids them. It is well formed as XML too. The same report gives the same
//! bytes: how long it took to run is left out.

mod figures;
mod headline;
mod making;
mod proof;

use super::lesson::lesson;
use super::markup::Markup;
use super::{DemoReport, svg};
use crate::history::History;
use crate::invariant::Verdict;

/// The page's style sheet: light, dark, narrow and printed.
const SHEET: &str = include_str!("page.css");

/// What a report does not hold and a page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// The scenario's text, as it was read.
    pub scenario: String,
    /// Each run's posture, in the order of the runs.
    pub postures: Vec<Shown>,
    /// The command that makes this page again.
    pub regenerate: String,
}

/// A text, or why it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The text, as it was read.
    Text(String),
    /// Why it is not shown, in a sentence.
    Withheld(String),
}

/// Writes the page: one history for each run, in the same order.
pub fn render(report: &DemoReport, histories: &[&History], extras: &Extras) -> String {
    let mut markup = Markup::page();
    markup.element("html", &[("lang", "en")], |markup| {
        let title = format!("{}, seed {} · Schism", report.lab, report.seed);
        markup.head(&title, SHEET);
        markup.element("body", &[], |markup| {
            header(markup, report, histories);
            markup.element("main", &[], |markup| {
                timeline(markup, report, histories);
                figures::write(markup, &report.runs, histories);
                proof::write(markup, &report.runs, histories);
                making::write(markup, report, extras);
            });
        });
    });
    markup.finish()
}

fn header(markup: &mut Markup, report: &DemoReport, histories: &[&History]) {
    let headline = headline::headline(&report.runs, histories);
    markup.element("header", &[], |markup| {
        let kicker = [
            report.lab.as_str(),
            report.title.as_str(),
            report.drawn.as_str(),
        ];
        let kicker: Vec<&str> = kicker.into_iter().filter(|part| !part.is_empty()).collect();
        markup.leaf("p", &[("class", "kicker")], &kicker.join(" · "));
        markup.leaf("h1", &[], &headline.what);
        if !headline.price.is_empty() {
            markup.leaf("p", &[("class", "cost")], &headline.price);
        }
        let (verdict, sentence) = lesson(&report.runs, histories);
        let class = format!("lesson {verdict}");
        markup.element("p", &[("class", &class)], |markup| {
            markup.leaf("span", &[("class", "sign")], sign(verdict));
            markup.text(&format!(" {sentence}"));
        });
    });
}

fn timeline(markup: &mut Markup, report: &DemoReport, histories: &[&History]) {
    markup.element("section", &[("class", "timeline")], |markup| {
        markup.leaf("h2", &[], "What happened");
        markup.element("figure", &[], |markup| {
            let scroll = [("class", "scroll"), ("tabindex", "0")];
            markup.element("div", &scroll, |markup| {
                svg::draw(markup, &report.runs, histories);
            });
        });
    });
}

/// A verdict's sign, which is not told apart by colour.
const fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Kept => "✓",
        Verdict::Broken => "✗",
        Verdict::Unknown => "?",
    }
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node, ParsingOptions};

    use super::*;
    use crate::history::sample::Sample;
    use crate::report::markup::LOADS;
    use crate::report::text::sample::{demo, exposed, solution};

    const SECRET: &str = "freshness = { read = \"10s\"";

    fn extras() -> Extras {
        Extras {
            scenario: "title = \"x\"\n".to_owned(),
            postures: vec![
                Shown::Text("[policy]\nfreshness = \"any\"\n".to_owned()),
                Shown::Withheld("Not shown here.".to_owned()),
            ],
            regenerate: "schism demo stale-acl --seed 7 --out page.html".to_owned(),
        }
    }

    fn page_of(samples: &[&Sample], extras: &Extras) -> (DemoReport, String) {
        let histories: Vec<&History> = samples.iter().map(|sample| &sample.history).collect();
        let report = demo(&histories);
        let page = render(&report, &histories, extras);
        (report, page)
    }

    fn page() -> (DemoReport, String) {
        page_of(&[&exposed(), &solution()], &extras())
    }

    #[track_caller]
    fn read(page: &str) -> Document<'_> {
        let options = ParsingOptions {
            allow_dtd: true,
            ..ParsingOptions::default()
        };
        Document::parse_with_options(page, options).unwrap()
    }

    fn words(node: Node<'_, '_>) -> String {
        let texts = node.descendants().filter(Node::is_text);
        texts.filter_map(|text| text.text()).collect()
    }

    fn named<'a>(page: &'a Document<'a>, tag: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
        page.descendants()
            .filter(move |node| node.has_tag_name(tag))
    }

    #[test]
    fn a_stranger_reads_first_what_happened_and_what_it_cost() {
        let (_, text) = page();
        let page = read(&text);
        let first = |tag| words(named(&page, tag).next().unwrap());
        assert_eq!(
            first("h1"),
            "mallory was revoked at 12.1 s. With the exposed settings the south let mallory read \
             for 31.9 s more; with the solution, for 6.9 s more, inside the promised 10.0 s."
        );
        let cost = named(&page, "p").find(|p| p.attribute("class") == Some("cost"));
        assert_eq!(
            words(cost.unwrap()),
            "The price: alice could not read for 25.0 s, nor write for 31.0 s."
        );
        assert!(text.contains("The lesson stands: the attack worked exposed"));
    }

    #[test]
    fn the_page_loads_nothing_and_runs_nothing() {
        let (_, text) = page();
        let page = read(&text);
        for node in page.descendants().filter(Node::is_element) {
            let tag = node.tag_name().name();
            let loads = [
                "script", "link", "img", "image", "iframe", "object", "embed", "use",
            ];
            assert!(!loads.contains(&tag), "<{tag}>");
            for attribute in node.attributes() {
                let name = attribute.name();
                assert!(
                    !["src", "href", "srcset", "style", "action"].contains(&name),
                    "{name}"
                );
                assert!(!name.starts_with("on"), "{name}");
            }
        }
        assert!(!text.contains("http://") && !text.contains("https://"));
        assert!(!SHEET.contains("url(") && !SHEET.contains("@import"));
        let policy = named(&page, "meta").find(|meta| meta.has_attribute("http-equiv"));
        assert_eq!(policy.unwrap().attribute("content"), Some(LOADS));
    }

    #[test]
    fn what_a_file_says_is_text_on_the_page_and_nothing_else() {
        let (mut one, other) = (exposed(), solution());
        let evil = "</pre></title><script>alert(1)</script>\" onload=\"x' --> ]]>\u{202e}\u{1b}";
        one.history.faults[0].name = evil.to_owned();
        one.history.faults[0].groups[0].push(evil.to_owned());
        one.history.acts[0].principal = evil.to_owned();
        for request in &mut one.history.requests {
            request.principal.push_str(evil);
            request.action.push_str(evil);
            request.resource.push_str(evil);
        }
        for entry in one.log("records.south") {
            entry.principal.push_str(evil);
            entry.request.push_str(evil);
        }
        let histories = [&one.history, &other.history];
        let mut report = demo(&histories);
        report.title = evil.to_owned();
        report.lab = evil.to_owned();
        for run in &mut report.runs {
            run.posture = evil.to_owned();
            run.refusals.insert(evil.to_owned(), 1);
        }
        let extras = Extras {
            scenario: evil.to_owned(),
            postures: vec![
                Shown::Text(evil.to_owned()),
                Shown::Withheld(evil.to_owned()),
            ],
            regenerate: evil.to_owned(),
        };
        let text = render(&report, &histories, &extras);
        assert!(!text.contains("<script") && !text.contains("\u{202e}"));
        let page = read(&text);
        assert_eq!(named(&page, "script").count(), 0);
        let handlers = page
            .descendants()
            .filter(|node| node.has_attribute("onload"));
        assert_eq!(handlers.count(), 0);
    }

    #[test]
    fn every_figure_of_the_report_is_on_the_page() {
        let (report, text) = page();
        let page = read(&text);
        let figures: Vec<&str> = named(&page, "data")
            .filter_map(|d| d.attribute("value"))
            .collect();
        let mut expected: Vec<String> = Vec::new();
        for run in &report.runs {
            expected.extend(run.exposure_ms.values().map(u64::to_string));
            expected.extend(run.promised_ms.values().map(u64::to_string));
            expected.extend(run.availability.iter().map(|group| group.ratio.to_string()));
            expected.extend(run.refusals.values().map(u64::to_string));
            let renewals = run.renewals;
            expected.extend(
                [
                    renewals.before,
                    renewals.during_failed,
                    renewals.after,
                    run.cost.rpcs,
                ]
                .map(|count| count.to_string()),
            );
            expected.push(run.cost.bytes_about.to_string());
            let latency = run.latency_ms;
            let took = [latency.p50, latency.p95, latency.p99];
            expected.extend(took.into_iter().flatten().map(|ms| ms.to_string()));
            for whole in [&run.trace_hash, &run.posture_sha256] {
                assert!(text.contains(whole.as_str()));
            }
        }
        for figure in &expected {
            assert!(
                figures.contains(&figure.as_str()),
                "{figure} is not on the page"
            );
        }
        assert!(expected.len() >= 30);
        assert!(text.contains(&report.scenario_sha256));
        assert!(
            !text.contains("</data>\n"),
            "a line's end would show as a space"
        );
    }

    #[test]
    fn the_evidence_is_whole() {
        let (report, text) = page();
        let page = read(&text);
        let all = words(page.root_element());
        assert!(all.contains("4.390 s after the revocation was acknowledged: "));
        assert!(all.contains(&"e9".repeat(32)) && all.contains("1767225616510000"));
        assert!(all.contains("nobody revoked is let in later than was promised"));
        for violation in &report.runs[0].violations {
            assert!(all.contains(&violation.evidence), "{}", violation.evidence);
        }
    }

    #[test]
    fn what_is_withheld_is_not_there_and_says_why() {
        let (_, text) = page();
        assert!(text.contains("freshness = &quot;any&quot;"));
        assert!(text.contains("Not shown here."));
        assert!(!text.contains(&SECRET.replace('"', "&quot;")) && !text.contains(SECRET));
    }

    #[test]
    fn the_same_report_is_the_same_page_however_long_it_took() {
        let (exposed, solution) = (exposed(), solution());
        let histories = [&exposed.history, &solution.history];
        let mut report = demo(&histories);
        let one = render(&report, &histories, &extras());
        for run in &mut report.runs {
            run.wall_ms += 12_345;
        }
        assert_eq!(render(&report, &histories, &extras()), one);
        assert!(one.len() < 200_000, "{} bytes", one.len());
    }

    #[test]
    fn an_empty_history_and_no_run_at_all_make_a_page() {
        let empty = History::default();
        for histories in [&[][..], &[&empty][..]] {
            let page = render(&demo(histories), histories, &Extras::default());
            read(&page);
            assert!(!page.contains("stands"));
        }
    }
}
