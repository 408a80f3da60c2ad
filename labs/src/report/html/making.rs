//! How the page was made, and how to make it again: command, seed, hashes, scenario, postures.
//!
//! It gives nothing away that a learner is to find: a posture may be withheld, and the answers of
//! the quiz are left out of the scenario.

use super::{Extras, Shown};
use crate::report::markup::Markup;
use crate::report::{DemoReport, figure};

/// Writes the section.
pub(super) fn write(markup: &mut Markup, report: &DemoReport, extras: &Extras) {
    markup.element("section", &[("class", "making")], |markup| {
        markup.leaf("h2", &[], "How to see it again");
        let words = "The same scenario, posture and seed give the same trace hash, on any machine. \
                     Keys are new each time, so the bytes sent may differ a little. This command \
                     makes this page again:";
        markup.leaf("p", &[], words);
        markup.element("pre", &[("class", "command")], |markup| {
            markup.leaf("code", &[], &extras.regenerate);
        });
        facts(markup, report);
        markup.element("details", &[], |markup| {
            markup.leaf("summary", &[], "The scenario");
            let (text, quiz) = without_quiz(&extras.scenario);
            if quiz {
                markup.leaf(
                    "p",
                    &[],
                    "The questions of the quiz are left out, with their answers.",
                );
            }
            markup.leaf("pre", &[("tabindex", "0")], &text);
        });
        for (run, shown) in report.runs.iter().zip(&extras.postures) {
            markup.element("details", &[], |markup| {
                markup.leaf("summary", &[], &format!("The posture: {}", run.posture));
                match shown {
                    Shown::Text(text) => markup.leaf("pre", &[("tabindex", "0")], text),
                    Shown::Withheld(why) => markup.leaf("p", &[("class", "withheld")], why),
                }
            });
        }
    });
}

fn facts(markup: &mut Markup, report: &DemoReport) {
    markup.element("dl", &[], |markup| {
        let mut fact = |name: &str, value: &str| {
            markup.leaf("dt", &[], name);
            markup.leaf("dd", &[], value);
        };
        fact("Schism", &report.version);
        fact("lab", &report.lab);
        fact("seed", &report.seed.to_string());
        let longest = report.runs.iter().map(|run| run.virtual_ms).max();
        let lasted = figure::tick(longest.unwrap_or(0).saturating_mul(1_000));
        let runs = report.runs.len();
        fact(
            "ran",
            &format!("{} fabric, {runs} x {lasted}", report.fabric),
        );
        fact("scenario", &report.scenario_sha256);
        for run in &report.runs {
            fact(&format!("{}: posture", run.posture), &run.posture_sha256);
            fact(&format!("{}: trace", run.posture), &run.trace_hash);
        }
    });
}

/// The text of a scenario without its `[[quiz]]` tables, and whether there were any.
fn without_quiz(text: &str) -> (String, bool) {
    let (mut kept, mut quiz, mut inside) = (String::new(), false, false);
    for line in text.lines() {
        let header: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        if header.starts_with('[') {
            inside = header.starts_with("[[quiz]]");
            quiz |= inside;
        }
        if !inside {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    (kept.trim_end().to_owned() + "\n", quiz)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quiz_is_not_given_away_and_nothing_else_is_lost() {
        let text =
            "a = 1\n\n[[quiz]]\nanswer = \"b\"\n\n[attack]\r\nx = 1\n [[ quiz ]]\nanswer = 1\n";
        let (kept, quiz) = without_quiz(text);
        assert_eq!(kept, "a = 1\n\n[attack]\nx = 1\n");
        assert!(quiz);
        assert_eq!(without_quiz("a = 1\n"), ("a = 1\n".to_owned(), false));
    }
}
