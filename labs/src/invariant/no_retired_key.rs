//! `no-retired-key`: nothing is taken under a version of a shared secret whose withdrawal was
//! acknowledged.
//!
//! The audit log of whoever took a notice says which version it was signed with; the CA says since
//! when that version is withdrawn. It does not matter who signed: a region that has not heard takes
//! the sender's notices and the thief's alike. What lies on a disk it does not judge: no log says
//! which version a record is under. Without a withdrawal there is nothing to judge.

use std::collections::BTreeMap;

use services::audit::entry::Decision;

use super::{Finding, Violation, seconds};
use crate::history::{Act, ActKind, Placed};

/// The invariant's name.
pub const NAME: &str = "no-retired-key";

/// The action that the log knows notices by. No policy decides it.
pub(super) const NOTIFY: &str = "notify";

/// What an order to withdraw begins with.
const WITHDRAW: &str = "revoke secret ";

/// Judges a history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let history = placed.history;
    let withdrawn: BTreeMap<String, u64> = history.acts.iter().filter_map(withdrawal).collect();
    let mut doubts = super::unverified(history);
    if withdrawn.is_empty() {
        doubts.push("no version of a secret was withdrawn".to_owned());
    }
    let (mut judged, mut violations) = (0, Vec::new());
    for decided in &placed.decisions {
        let entry = decided.entry;
        if entry.action != NOTIFY || entry.decision != Decision::Permit {
            continue;
        }
        judged += 1;
        let version = entry.resource.rsplit_once('@').map(|(_, version)| version);
        let since = version.and_then(|version| withdrawn.get(version));
        let Some(since) = since.filter(|since| decided.earliest_us > **since) else {
            continue;
        };
        let late = seconds(decided.earliest_us - since);
        violations.push(Violation {
            at_us: decided.earliest_us,
            node: decided.node.to_owned(),
            request: Some(entry.request.clone()),
            seq: Some(entry.seq),
            evidence: format!(
                "a notice under {} was taken {late} after that version was withdrawn",
                version.unwrap_or_default()
            ),
        });
    }
    Finding::new(NAME, judged, violations, doubts)
}

/// Which version an act withdraws, as the log writes it, and since when (µs).
fn withdrawal(act: &Act) -> Option<(String, u64)> {
    let since = act.acknowledged_us?;
    let ordered = (act.kind == ActKind::Authority).then_some(&*act.role)?;
    let (name, version) = ordered.strip_prefix(WITHDRAW)?.rsplit_once(' ')?;
    Some((format!("{name}.{version}"), since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::sample::Sample;
    use crate::invariant::Verdict;

    /// Version 1 of the webhook's secret is withdrawn at 12 s.
    fn withdrawn(acknowledged_us: Option<u64>) -> Sample {
        let mut sample = Sample::new(60);
        sample.history.acts.push(Act {
            kind: ActKind::Authority,
            role: "revoke secret webhook 1".to_owned(),
            asked_us: 11_000_000,
            acknowledged_us,
            ..Act::default()
        });
        sample
    }

    fn taken(sample: &mut Sample, version: u64, at_us: u64) {
        let id = format!("p-{at_us}");
        sample.served(&id, "notices", "pathology", NOTIFY, at_us);
        let last = sample.log("records.south").last_mut().unwrap();
        last.resource = format!("results@webhook.{version}");
    }

    #[test]
    fn a_notice_under_a_withdrawn_version_is_a_violation_and_no_other_is() {
        let mut sample = withdrawn(Some(12_000_000));
        taken(&mut sample, 1, 10_000_000);
        taken(&mut sample, 2, 30_000_000);
        let finding = check(&sample.history.placed());
        assert_eq!((finding.verdict, finding.judged), (Verdict::Kept, 2));
        taken(&mut sample, 1, 15_000_000);
        let finding = check(&sample.history.placed());
        assert_eq!((finding.verdict, finding.broken), (Verdict::Broken, 1));
        let told = "a notice under webhook.1 was taken 3.010 s after that version was withdrawn";
        assert_eq!(finding.violations[0].evidence, told);
    }

    #[test]
    fn a_refused_notice_and_another_secrets_version_are_no_violation() {
        let mut sample = withdrawn(Some(12_000_000));
        taken(&mut sample, 2, 13_000_000);
        sample.refused("p-9", "notices", "pathology", NOTIFY, 15_000_000);
        let last = sample.log("records.south").last_mut().unwrap();
        last.resource = "results@webhook.1".to_owned();
        sample.history.acts[0].role = "revoke secret webhook.1 1".to_owned();
        let finding = check(&sample.history.placed());
        assert_eq!((finding.verdict, finding.judged), (Verdict::Kept, 1));
    }

    #[test]
    fn where_no_version_was_withdrawn_it_is_not_known() {
        let mut sample = withdrawn(None);
        taken(&mut sample, 1, 15_000_000);
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Unknown);
    }
}
