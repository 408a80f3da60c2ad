//! The evidence in words: the first wrongful permit with the entry that allowed it, and each
//! verdict with what it rests on.
//!
//! Every value of the entry is given whole. The entry is called honest only when its log verifies
//! and its time agrees with what the client lived.

use services::audit::entry::{Decision, Entry};

use super::RunReport;
use super::figure;
use crate::history::{Decided, History, Outcome, Request};
use crate::invariant::legitimate_users_served::{self, Group};
use crate::invariant::{self, Finding, Verdict, Violation};

/// The first wrongful permit of the first run that had one.
pub(super) struct Wrongful<'a> {
    pub(super) run: &'a RunReport,
    pub(super) violation: Violation,
    /// What the client kept of it, if the reply was heard.
    pub(super) record: Option<&'a Request>,
    /// The entry that allowed it, if one was logged.
    pub(super) decided: Option<Decided<'a>>,
}

/// Finds it.
pub(super) fn wrongful<'a>(
    runs: &'a [RunReport],
    histories: &[&'a History],
) -> Option<Wrongful<'a>> {
    runs.iter().zip(histories).find_map(|(run, history)| {
        let placed = history.placed();
        let violation = invariant::first_wrongful(&placed)?;
        let id = violation.request.as_deref();
        let behind = |decided: &Decided<'_>| {
            decided.node == violation.node && Some(decided.entry.seq) == violation.seq
        };
        let decided = placed.decisions.into_iter().find(behind);
        let heard = |r: &&Request| Some(r.id.as_str()) == id && r.node == violation.node;
        let record = decided.map_or_else(
            || history.requests.iter().find(heard),
            |decided| decided.request,
        );
        Some(Wrongful {
            run,
            record,
            decided,
            violation,
        })
    })
}

impl Wrongful<'_> {
    /// What the client kept.
    pub(super) fn record_words(&self) -> String {
        let Some(request) = self.record else {
            return "no client kept one: the reply was not heard".to_owned();
        };
        let heard = match &request.outcome {
            Outcome::Served { policy_size } => format!("served under policy {policy_size}"),
            Outcome::Refused(name) => format!("refused, {name}"),
            Outcome::Unknown => "no answer".to_owned(),
        };
        let answered = request.finished_us.map_or("never".to_owned(), exact);
        format!(
            "{} {} of {} by {} ({}) at {}, asked {}, answered {answered}: {heard}",
            request.id,
            request.action,
            request.resource,
            request.who(),
            request.region,
            request.node,
            exact(request.started_us),
        )
    }
}

/// Whether that entry is honest, and how old its policy was.
pub(super) fn entry_words(decided: &Decided<'_>) -> String {
    let entry = decided.entry;
    let honest = if decided.consistent && decided.request.is_some() {
        "the log verifies and the client lived the same: an honest entry, nobody lied"
    } else {
        "the log verifies; no client confirms the entry's time"
    };
    if entry.policy_size == 0 {
        return format!("{honest}; it had no policy yet");
    }
    let age = figure::age(entry.at_us, entry.as_of_us);
    format!("{honest}; its policy was {age}")
}

/// Every field of an entry, in its own order.
pub(super) fn fields(entry: &Entry) -> Vec<(&'static str, String)> {
    let decision = match entry.decision {
        Decision::Permit => "permit",
        Decision::Refuse => "refuse",
    };
    let mut fields = vec![
        ("node", entry.node.clone()),
        ("seq", entry.seq.to_string()),
        ("prev", entry.prev.clone()),
        ("request", entry.request.clone()),
        ("principal", entry.principal.clone()),
        ("spiffe_id", entry.spiffe_id.clone()),
    ];
    if let Some(leaf) = &entry.leaf {
        fields.push(("leaf", leaf.serial.clone()));
        if !leaf.sha256.is_empty() {
            fields.push(("leaf_sha256", leaf.sha256.clone()));
        }
        fields.push(("not_after_us", leaf.not_after_us.to_string()));
    }
    fields.extend([
        ("action", entry.action.clone()),
        ("resource", entry.resource.clone()),
        ("decision", decision.to_owned()),
    ]);
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

/// A true time to the microsecond.
pub(super) fn exact(us: u64) -> String {
    format!("{}.{:06} s", us / 1_000_000, us % 1_000_000)
}

/// One invariant and how it fared in each run that it was expected of.
pub(super) struct Judged<'a> {
    pub(super) name: &'static str,
    pub(super) words: &'static str,
    pub(super) runs: Vec<(&'a RunReport, Finding, String)>,
}

/// Each invariant that was judged, in order of name.
pub(super) fn judged<'a>(runs: &'a [RunReport], histories: &[&History]) -> Vec<Judged<'a>> {
    let findings: Vec<Vec<Finding>> = histories
        .iter()
        .map(|history| invariant::check_expected(history))
        .collect();
    let of = |invariant: &invariant::Invariant| {
        let each = runs.iter().zip(histories).zip(&findings);
        let told = each.filter_map(|((run, history), findings)| {
            let finding = findings.iter().find(|f| f.name == invariant.name)?.clone();
            let because = because(history, &finding);
            Some((run, finding, because))
        });
        Judged {
            name: invariant.name,
            words: invariant.words,
            runs: told.collect(),
        }
    };
    let all = invariant::ALL.iter().map(of);
    all.filter(|judged| !judged.runs.is_empty()).collect()
}

/// What a verdict rests on.
fn because(history: &History, finding: &Finding) -> String {
    match finding.verdict {
        Verdict::Kept => kept(history, finding),
        Verdict::Broken => broken(finding),
        Verdict::Unknown => finding.doubts.first().map_or(String::new(), Clone::clone),
    }
}

fn kept(history: &History, finding: &Finding) -> String {
    if finding.name != legitimate_users_served::NAME {
        let judged = format!("{} judged", finding.judged);
        let told = [judged].into_iter().chain(finding.left_out.iter().cloned());
        return told.collect::<Vec<_>>().join("; ");
    }
    let share = |group: &Group<'_>| group.ratio().unwrap_or(0.0);
    let groups = legitimate_users_served::groups(history);
    let least = history.expect.floors.iter().filter_map(|floor| {
        let of = groups.iter().filter(|group| group.spec == floor);
        let group = of.min_by(|a, b| share(a).total_cmp(&share(b)))?;
        let (when, region) = (group.when(), group.region);
        Some(format!(
            "{when}: {} of {} in {region}, floor {}",
            group.ok,
            group.total,
            figure::floor(floor.floor)
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
