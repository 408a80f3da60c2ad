//! The evidence on the page: the first wrongful permit whole, and each verdict.

use super::page::{Page, Tone};
use crate::history::History;
use crate::invariant::Verdict;
use crate::report::RunReport;
use crate::report::evidence::{self, entry_words, fields};

/// The first wrongful permit of the first run that had one.
pub(super) fn wrongful(page: &mut Page<'_>, runs: &[RunReport], histories: &[&History]) {
    let Some(wrongful) = evidence::wrongful(runs, histories) else {
        return;
    };
    page.heading("The first wrongful permit");
    let lead = format!("  {}: ", wrongful.run.posture);
    page.wrapped(Tone::Plain, &lead, &wrongful.violation.evidence);
    page.wrapped(Tone::Plain, "  record  ", &wrongful.record_words());
    let Some(decided) = &wrongful.decided else {
        return page.wrapped(Tone::Plain, "  ", "No audit entry allowed it.");
    };
    page.wrapped(Tone::Plain, "  entry   ", &entry_words(decided));
    for (name, value) in fields(decided.entry) {
        page.wrapped(Tone::Faint, &format!("    {name:<11} "), &value);
    }
}

/// Each invariant's verdict in each run, with what it rests on.
pub(super) fn verdicts(page: &mut Page<'_>, runs: &[RunReport], histories: &[&History]) {
    page.heading("What was judged");
    for judged in evidence::judged(runs, histories) {
        let text = format!("{}: {}", judged.name, judged.words);
        page.wrapped(Tone::Plain, "  ", &text);
        for (run, finding, because) in &judged.runs {
            let word = match finding.verdict {
                // What had no case to judge is no achievement.
                Verdict::Kept if finding.judged == 0 => "-      ",
                Verdict::Kept => "kept   ",
                Verdict::Broken => "BROKEN ",
                Verdict::Unknown => "unknown",
            };
            let lead = format!("    {} {word}  ", page.style.cell(&run.posture, 8));
            page.wrapped(super::tone(finding.verdict), &lead, because);
        }
    }
}
