//! The proof: the first wrongful permit whole, with the entry that allowed it, and each verdict
//! with its violations.

use crate::history::History;
use crate::invariant::Verdict;
use crate::report::RunReport;
use crate::report::evidence::{self, Judged, Wrongful, entry_words, exact, fields};
use crate::report::markup::Markup;

/// Writes the section.
pub(super) fn write(markup: &mut Markup, runs: &[RunReport], histories: &[&History]) {
    markup.element("section", &[], |markup| {
        if let Some(found) = evidence::wrongful(runs, histories) {
            markup.leaf("h2", &[], "The first wrongful permit");
            wrongful(markup, &found);
        }
        let judged = evidence::judged(runs, histories);
        if !judged.is_empty() {
            markup.leaf("h2", &[], "What was judged");
            for judged in &judged {
                invariant(markup, judged);
            }
        }
    });
}

fn wrongful(markup: &mut Markup, found: &Wrongful<'_>) {
    markup.element("p", &[], |markup| {
        markup.leaf("strong", &[], &found.run.posture);
        markup.text(&format!(": {}.", found.violation.evidence));
    });
    markup.element("div", &[("class", "papers")], |markup| {
        markup.element("div", &[("class", "paper")], |markup| {
            markup.leaf("h3", &[], "What the client lived");
            markup.leaf("p", &[], &found.record_words());
        });
        markup.element("div", &[("class", "paper")], |markup| {
            markup.leaf("h3", &[], "What the node wrote down");
            let Some(decided) = &found.decided else {
                return markup.leaf("p", &[], "No audit entry allowed it.");
            };
            markup.leaf("p", &[], &format!("{}.", entry_words(decided)));
            markup.element("dl", &[], |markup| {
                for (name, value) in fields(decided.entry) {
                    markup.leaf("dt", &[], name);
                    markup.leaf("dd", &[], &value);
                }
            });
        });
    });
}

fn invariant(markup: &mut Markup, judged: &Judged<'_>) {
    markup.element("div", &[("class", "judged")], |markup| {
        markup.element("h3", &[], |markup| {
            markup.leaf("code", &[], judged.name);
            markup.text(&format!(" {}", judged.words));
        });
        for (run, finding, because) in &judged.runs {
            let class = format!("verdict {}", finding.verdict);
            markup.element("p", &[("class", &class)], |markup| {
                markup.leaf("strong", &[], &run.posture);
                markup.text(" ");
                let word = format!("{} {}", super::sign(finding.verdict), finding.verdict);
                markup.leaf("span", &[("class", "chip")], &word);
                markup.text(&format!(" {because}"));
            });
            if finding.verdict == Verdict::Broken {
                violations(markup, run, finding.name, finding.broken);
            }
        }
    });
}

fn violations(markup: &mut Markup, run: &RunReport, invariant: &str, broken: u64) {
    let told = || {
        let all = run.violations.iter();
        all.filter(|violation| violation.invariant == invariant)
    };
    let shown = told().count();
    let summary = match (broken, shown) {
        (1, _) => "the violation".to_owned(),
        (broken, shown) if broken > shown as u64 => {
            format!("the first {shown} of {broken} violations")
        }
        (broken, _) => format!("all {broken} violations"),
    };
    markup.element("details", &[], |markup| {
        markup.leaf("summary", &[], &summary);
        markup.element("ol", &[], |markup| {
            for violation in told() {
                let at = exact(violation.at_us);
                let node = match violation.node.as_str() {
                    "" => "the run",
                    node => node,
                };
                let words = format!("{at}, {node}: {}", violation.evidence);
                markup.leaf("li", &[], &words);
            }
        });
    });
}
