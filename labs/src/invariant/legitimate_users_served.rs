//! `legitimate-users-served`: each group of legitimate users is served above its own floor.
//!
//! Refusing everyone is no defence. Groups are by region, so that a served majority cannot hide
//! the region that was cut off: inside a fault only users on its smaller side count, and everyone
//! and every time else is outside; a floor without a fault counts throughout. A request counts
//! where it started; one without an answer was not served. A group without requests leaves the
//! verdict unknown.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Violation};
use crate::history::{Fault, FloorSpec, History, Outcome, Placed, Request, When};

/// The invariant's name.
pub const NAME: &str = "legitimate-users-served";

/// One floor in one region.
#[derive(Clone, Debug, PartialEq)]
pub struct Group<'a> {
    /// The floor it is held to.
    pub spec: &'a FloorSpec,
    /// Where its users are.
    pub region: &'a str,
    /// Requests served.
    pub ok: u64,
    /// Requests asked.
    pub total: u64,
    /// The first that was not served.
    pub first_unserved: Option<&'a Request>,
    /// What was heard instead, and how often.
    pub heard: BTreeMap<&'a str, u64>,
}

impl Group<'_> {
    /// The share served, from 0 to 1; `None` if nothing was asked.
    pub fn ratio(&self) -> Option<f64> {
        (self.total > 0).then(|| self.ok as f64 / self.total as f64)
    }

    /// When it counts, in words.
    pub fn when(&self) -> String {
        let when = match &self.spec.when {
            When::Inside(fault) => format!("inside {fault}"),
            When::Outside(fault) => format!("outside {fault}"),
            When::Throughout => "throughout".to_owned(),
        };
        let action = self.spec.action.as_deref();
        action.map_or(when.clone(), |action| format!("{when}, {action}"))
    }
}

/// Judges the history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let history = placed.history;
    let mut violations = Vec::new();
    let mut doubts = Vec::new();
    let mut judged = 0;
    for spec in &history.expect.floors {
        let groups = groups_of(history, spec);
        if groups.is_empty() {
            doubts.push(format!(
                "no request tagged {} to hold to its floor",
                spec.tag
            ));
        }
        for group in &groups {
            judged += 1;
            match group.ratio() {
                None => doubts.push(format!(
                    "nobody tagged {} in {} asked {}",
                    spec.tag,
                    group.region,
                    group.when()
                )),
                Some(ratio) if ratio < spec.floor => violations.push(violation(group)),
                Some(_) => {}
            }
        }
    }
    if judged == 0 {
        doubts.push("no group of legitimate users was to be served".to_owned());
    }
    Finding::new(NAME, judged, violations, doubts)
}

/// Every floor in every region it speaks of, in the scenario's order, then by region.
pub fn groups(history: &History) -> Vec<Group<'_>> {
    history
        .expect
        .floors
        .iter()
        .flat_map(|spec| groups_of(history, spec))
        .collect()
}

fn groups_of<'a>(history: &'a History, spec: &'a FloorSpec) -> Vec<Group<'a>> {
    let (name, inside) = match &spec.when {
        When::Inside(name) => (name.as_str(), true),
        When::Outside(name) => (name.as_str(), false),
        When::Throughout => ("", false),
    };
    let faults: Vec<&Fault> = history.faults.iter().filter(|f| f.name == name).collect();
    let wanted = |request: &&Request| {
        request.tag == spec.tag && spec.action.as_ref().is_none_or(|a| *a == request.action)
    };
    let asked: Vec<&Request> = history.requests.iter().filter(wanted).collect();
    let regions: BTreeSet<&str> = if inside {
        faults
            .iter()
            .flat_map(|fault| fault.cut_off())
            .map(String::as_str)
            .collect()
    } else {
        asked
            .iter()
            .map(|request| request.region.as_str())
            .collect()
    };
    let mut groups: BTreeMap<&str, Group<'a>> = BTreeMap::new();
    for region in regions {
        let heard = BTreeMap::new();
        let group = Group {
            spec,
            region,
            ok: 0,
            total: 0,
            first_unserved: None,
            heard,
        };
        groups.insert(region, group);
    }
    for request in asked {
        let cut = faults
            .iter()
            .any(|fault| fault.cuts_off(&request.region, request.started_us));
        if cut != inside {
            continue;
        }
        if let Some(group) = groups.get_mut(request.region.as_str()) {
            count(group, request);
        }
    }
    groups.into_values().collect()
}

fn count<'a>(group: &mut Group<'a>, request: &'a Request) {
    group.total += 1;
    let heard = match &request.outcome {
        Outcome::Served { .. } => {
            group.ok += 1;
            return;
        }
        Outcome::Refused(name) => name.as_str(),
        Outcome::Unknown => "no answer",
    };
    *group.heard.entry(heard).or_insert(0) += 1;
    if group
        .first_unserved
        .is_none_or(|first| request.started_us < first.started_us)
    {
        group.first_unserved = Some(request);
    }
}

fn violation(group: &Group<'_>) -> Violation {
    let most = group
        .heard
        .iter()
        .max_by_key(|(name, count)| (**count, std::cmp::Reverse(*name)));
    let heard = most.map_or(String::new(), |(name, count)| {
        format!("; {count} heard {name}")
    });
    // Rounded down: what is below the floor never looks like it.
    let tenths = group.ok.saturating_mul(1_000) / group.total.max(1);
    let first = group.first_unserved;
    Violation {
        at_us: first.map_or(0, |request| request.started_us),
        node: first.map_or(String::new(), |request| request.node.clone()),
        request: first.map(|request| request.id.clone()),
        seq: None,
        evidence: format!(
            "{} users in {}, {}: {} of {} served, {}.{} % where the floor is {:.1} %{heard}",
            group.spec.tag,
            group.region,
            group.when(),
            group.ok,
            group.total,
            tenths / 10,
            tenths % 10,
            group.spec.floor * 100.0,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::history::sample::Sample;

    /// Alice asks each second; she is refused in these seconds.
    fn alice(refused: std::ops::Range<u64>) -> Sample {
        let mut sample = Sample::new(60);
        for at in 1..58 {
            let id = format!("a-{at}");
            if refused.contains(&at) {
                sample.refused(&id, "legit", "alice", "read", at * 1_000_000);
            } else {
                sample.served(&id, "legit", "alice", "read", at * 1_000_000);
            }
        }
        sample
    }

    #[test]
    fn refused_for_part_of_the_cut_is_above_the_floor() {
        let sample = alice(20..45);
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Kept);
        let groups = groups(&sample.history);
        assert_eq!((groups[0].ok, groups[0].total), (22, 22));
        assert_eq!(
            (groups[1].ok, groups[1].total, groups[1].region),
            (10, 35, "south")
        );
        assert_eq!(groups[1].when(), "inside cut, read");
    }

    #[test]
    fn refusing_the_cut_off_region_outright_breaks_its_floor() {
        let finding = check(&alice(10..45).history.placed());
        assert_eq!(finding.verdict, Verdict::Broken);
        assert_eq!(finding.violations[0].at_us, 10_000_000);
        assert!(finding.violations[0].evidence.contains("0 of 35 served"));
        assert!(
            finding.violations[0]
                .evidence
                .contains("35 heard policy-stale")
        );
    }

    #[test]
    fn a_region_is_judged_alone_and_the_far_side_is_outside() {
        let mut sample = alice(20..45);
        for at in 0..100 {
            let id = format!("n-{at}");
            sample.served(&id, "legit", "nadia", "read", 11_000_000 + at);
            sample.move_to(&id, "north");
        }
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Kept);
        sample.refused("e-1", "legit", "emil", "read", 12_000_000);
        sample.move_to("e-1", "east");
        let finding = check(&sample.history.placed());
        assert_eq!((finding.verdict, finding.broken), (Verdict::Broken, 1));
        assert!(
            finding.violations[0]
                .evidence
                .contains("users in east, outside cut: 0 of 1")
        );
    }

    #[test]
    fn no_answer_is_not_served_and_a_request_counts_where_it_started() {
        let mut sample = alice(0..0);
        sample.ask("a-edge", "legit", "alice", "read", 9_999_999);
        assert_eq!(groups(&sample.history)[0].total, 23);
        assert_eq!(groups(&sample.history)[0].ok, 22);
        assert_eq!(
            check(&sample.history.placed()).verdict,
            Verdict::Broken,
            "22 of 23 is below 0.97"
        );
    }

    #[test]
    fn a_floor_throughout_counts_whoever_is_cut_off_and_whoever_is_not() {
        let mut sample = alice(0..0);
        sample.history.expect.floors.truncate(1);
        sample.history.expect.floors[0].when = When::Throughout;
        let asked = sample.history.requests.len() as u64;
        let groups = groups(&sample.history);
        assert_eq!((groups.len(), groups[0].total), (1, asked));
        assert_eq!(groups[0].when(), "throughout");
    }

    #[test]
    fn an_empty_group_leaves_it_unknown() {
        let mut writes_only = alice(0..0);
        for request in &mut writes_only.history.requests {
            request.action = "write".to_owned();
        }
        let finding = check(&writes_only.history.placed());
        assert_eq!(finding.verdict, Verdict::Unknown);
        assert_eq!(
            finding.doubts,
            ["nobody tagged legit in south asked inside cut, read"]
        );
        let mut no_cut = alice(0..0);
        no_cut.history.faults.clear();
        assert_eq!(check(&no_cut.history.placed()).verdict, Verdict::Unknown);
    }
}
