//! The evidence: the first wrongful permit with the entry that allowed it, and each verdict.
//!
//! Every value of the entry is printed whole. The entry is called honest only when its log
//! verifies and its time agrees with what the client lived.

use services::audit::entry::Entry;

use super::page::{Page, Tone};
use crate::history::{Decided, History, Outcome};
use crate::invariant::legitimate_users_served::{self, Group};
use crate::invariant::{self, Finding, Verdict, Violation, no_permit_after_revoke};
use crate::report::RunReport;
use crate::report::figure;

/// The first wrongful permit of the first run that had one.
pub(super) fn wrongful(page: &mut Page<'_>, runs: &[RunReport], histories: &[&History]) {
    let first = runs.iter().zip(histories).find_map(|(run, history)| {
        let finding = no_permit_after_revoke::check(history);
        Some((run, *history, finding.violations.into_iter().next()?))
    });
    let Some((run, history, violation)) = first else {
        return;
    };
    page.heading("The first wrongful permit");
    let lead = format!("  {}: ", run.posture);
    page.wrapped(Tone::Plain, &lead, &violation.evidence);
    record(page, history, &violation);
    let decisions = history.decisions();
    let behind = decisions
        .iter()
        .find(|decided| decided.node == violation.node && Some(decided.entry.seq) == violation.seq);
    match behind {
        Some(decided) => allowed(page, decided),
        None => page.wrapped(Tone::Plain, "  ", "No audit entry allowed it."),
    }
}

fn record(page: &mut Page<'_>, history: &History, violation: &Violation) {
    let id = violation.request.as_deref();
    let Some(request) = history.requests.iter().find(|r| Some(r.id.as_str()) == id) else {
        page.wrapped(
            Tone::Plain,
            "  record  ",
            "no client kept one: the reply was not heard",
        );
        return;
    };
    let heard = match &request.outcome {
        Outcome::Served { policy_size } => format!("served under policy {policy_size}"),
        Outcome::Refused(name) => format!("refused, {name}"),
        Outcome::Unknown => "no answer".to_owned(),
    };
    let answered = request.finished_us.map_or("never".to_owned(), exact);
    let words = format!(
        "{} {} of {} by {} ({}) at {}, asked {}, answered {answered}: {heard}",
        request.id,
        request.action,
        request.resource,
        request.principal,
        request.region,
        request.node,
        exact(request.started_us),
    );
    page.wrapped(Tone::Plain, "  record  ", &words);
}

fn allowed(page: &mut Page<'_>, decided: &Decided<'_>) {
    let entry = decided.entry;
    let age_us = entry.at_us.saturating_sub(entry.as_of_us);
    let honest = if decided.consistent && decided.request.is_some() {
        "the log verifies and the client lived the same: an honest entry, nobody lied"
    } else {
        "the log verifies; no client confirms the entry's time"
    };
    let words = format!("{honest}; its policy was {} old", figure::seconds(age_us));
    page.wrapped(Tone::Plain, "  entry   ", &words);
    for (name, value) in fields(entry) {
        page.wrapped(Tone::Faint, &format!("    {name:<11} "), &value);
    }
}

fn fields(entry: &Entry) -> Vec<(&'static str, String)> {
    let decision = match entry.decision {
        services::audit::entry::Decision::Permit => "permit",
        services::audit::entry::Decision::Refuse => "refuse",
    };
    let mut fields = vec![
        ("node", entry.node.clone()),
        ("seq", entry.seq.to_string()),
        ("prev", entry.prev.clone()),
        ("request", entry.request.clone()),
        ("principal", entry.principal.clone()),
        ("spiffe_id", entry.spiffe_id.clone()),
        ("action", entry.action.clone()),
        ("resource", entry.resource.clone()),
        ("decision", decision.to_owned()),
    ];
    if let Some(refusal) = &entry.refusal {
        fields.push(("refusal", refusal.clone()));
    }
    fields.extend([
        ("policy_size", entry.policy_size.to_string()),
        ("policy_root", entry.policy_root.clone()),
        ("as_of_us", entry.as_of_us.to_string()),
        ("at_us", entry.at_us.to_string()),
    ]);
    fields
}

fn exact(us: u64) -> String {
    format!("{}.{:06} s", us / 1_000_000, us % 1_000_000)
}

/// Each invariant's verdict in each run, with what it rests on.
pub(super) fn verdicts(page: &mut Page<'_>, runs: &[RunReport], histories: &[&History]) {
    page.heading("What was judged");
    let judged: Vec<Vec<Finding>> = histories
        .iter()
        .map(|history| invariant::check_expected(history))
        .collect();
    for invariant in invariant::ALL {
        let mut told = false;
        for ((run, history), findings) in runs.iter().zip(histories).zip(&judged) {
            let Some(finding) = findings.iter().find(|f| f.name == invariant.name) else {
                continue;
            };
            if !told {
                let text = format!("{}: {}", invariant.name, invariant.words);
                page.wrapped(Tone::Plain, "  ", &text);
                told = true;
            }
            verdict(page, run, history, finding);
        }
    }
}

fn verdict(page: &mut Page<'_>, run: &RunReport, history: &History, finding: &Finding) {
    let (tone, word, because) = match finding.verdict {
        Verdict::Kept => (Tone::Good, "kept   ", kept(history, finding)),
        Verdict::Broken => (Tone::Bad, "BROKEN ", broken(finding)),
        Verdict::Unknown => {
            let doubt = finding.doubts.first().map_or(String::new(), Clone::clone);
            (Tone::Strong, "unknown", doubt)
        }
    };
    let lead = format!("    {} {word}  ", page.style.cell(&run.posture, 8));
    page.wrapped(tone, &lead, &because);
}

fn kept(history: &History, finding: &Finding) -> String {
    if finding.judged == 0 {
        return "there was nothing to judge".to_owned();
    }
    if finding.name != legitimate_users_served::NAME {
        return format!("{} judged", finding.judged);
    }
    let share = |group: &Group<'_>| group.ratio().unwrap_or(0.0);
    let groups = legitimate_users_served::groups(history);
    let least = history.expect.floors.iter().filter_map(|floor| {
        let of = groups.iter().filter(|group| group.spec == floor);
        let group = of.min_by(|a, b| share(a).total_cmp(&share(b)))?;
        let (when, region) = (group.when(), group.region);
        Some(format!(
            "{when}: {} of {} in {region}, floor {}",
            group.ok, group.total, floor.floor
        ))
    });
    format!("the least served {}", least.collect::<Vec<_>>().join("; "))
}

fn broken(finding: &Finding) -> String {
    let Some(first) = finding.violations.first() else {
        return String::new();
    };
    let request = first
        .request
        .as_deref()
        .map_or(String::new(), |id| format!(", {id}"));
    let node = if first.node.is_empty() {
        "the run"
    } else {
        &first.node
    };
    let times = if finding.broken == 1 {
        "once".to_owned()
    } else {
        format!("{} times, first", finding.broken)
    };
    format!(
        "{times} at {} at {node}{request}: {}",
        exact(first.at_us),
        first.evidence
    )
}
