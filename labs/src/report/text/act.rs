//! The page in acts, for showing it to people one thing at a time.
//!
//! The acts say what the page says and nothing else, in the order of the story: the question, the
//! exposed run, the honest entry, the solution and its price, the verdict.

use super::page::{Page, Style, Tone};
use super::{evidence, header, legend, next, people, scale, table, verdict, world};
use crate::history::History;
use crate::report::DemoReport;

/// The acts, each a text of whole lines; `ask` is the lab's question before the run.
pub fn acts(
    report: &DemoReport,
    histories: &[&History],
    ask: Option<&str>,
    style: &Style,
) -> Vec<String> {
    let runs = &report.runs;
    let act = |draw: &dyn Fn(&mut Page<'_>)| {
        let mut page = Page::new(style);
        draw(&mut page);
        page.finish()
    };
    let lanes = |page: &mut Page<'_>, from: usize, to: usize| {
        let scale = scale(page, histories);
        world(page, scale, runs, histories);
        for (run, history) in runs.iter().zip(histories).take(to).skip(from) {
            people(page, scale, &run.posture, history, history);
        }
        page.blank();
        legend(page, scale, histories);
    };
    let mut acts = vec![act(&|page| {
        header(page, report);
        lanes(page, 0, 0);
        if let Some(ask) = ask {
            page.blank();
            page.wrapped(Tone::Strong, "", ask);
        }
    })];
    acts.push(act(&|page| {
        lanes(page, 0, 1);
        table::exposure_and_price(page, runs.get(..1).unwrap_or(runs), histories);
    }));
    let honest = act(&|page| evidence::wrongful(page, runs, histories));
    if !honest.trim().is_empty() {
        acts.push(honest);
    }
    acts.push(act(&|page| {
        if runs.len() > 1 {
            lanes(page, 1, runs.len());
        }
        table::exposure_and_price(page, runs, histories);
        table::running(page, runs);
    }));
    acts.push(act(&|page| {
        evidence::verdicts(page, runs, histories);
        page.blank();
        verdict(page, runs, histories);
        next(page, report);
    }));
    acts
}

#[cfg(test)]
mod tests {
    use super::super::render;
    use super::super::sample::{demo, exposed, solution};
    use super::*;

    #[test]
    fn the_acts_tell_the_page_in_the_order_of_the_story() {
        let (exposed, solution) = (exposed(), solution());
        let histories = [&exposed.history, &solution.history];
        let report = demo(&histories);
        let style = Style::default();
        let acts = acts(&report, &histories, Some("For how long?"), &style);
        assert_eq!(acts.len(), 5);
        assert!(acts[0].ends_with("\nFor how long?\n") && !acts[0].contains("exposed"));
        assert!(acts[1].contains("exposed  mallory") && !acts[1].contains("solution"));
        let figure = "exposed  read        31.9 s";
        assert!(!acts[0].contains(figure) && acts[1].contains(figure));
        assert!(acts[2].contains("an honest entry"));
        assert!(acts[3].contains("solution mallory") && acts[3].contains("price: alice"));
        assert!(acts[4].contains("The lesson stands") && acts[4].contains("Next:"));
        let all = acts.concat();
        for line in render(&report, &histories, &style).lines() {
            assert!(all.lines().any(|told| told == line), "{line}");
        }
    }

    #[test]
    fn a_run_alone_and_without_a_wrongful_permit_has_fewer_acts() {
        let solution = solution();
        let histories = [&solution.history];
        let acts = acts(&demo(&histories), &histories, None, &Style::default());
        assert_eq!(acts.len(), 4);
        assert!(acts.iter().all(|act| !act.trim().is_empty()));
        assert!(acts[3].contains("Kept: "));
    }
}
