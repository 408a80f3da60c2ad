//! Whom a posture that refuses too much locked out, and what they heard instead of an answer.

use std::collections::{BTreeMap, BTreeSet};

use services::refusal::Refusal;

use super::LockedOut;
use crate::history::{History, Request, When};
use crate::invariant::legitimate_users_served as served;
use crate::report::figure;

/// The groups below their floors.
pub(super) fn locked_out(history: &History) -> Vec<LockedOut> {
    let groups = served::groups(history);
    let short = groups
        .iter()
        .filter(|group| group.ratio().is_some_and(|ratio| ratio < group.spec.floor));
    let told = short.map(|group| {
        let most = group.heard.iter();
        let most = most.max_by_key(|(name, count)| (**count, std::cmp::Reverse(**name)));
        LockedOut {
            tag: group.spec.tag.clone(),
            region: group.region.to_owned(),
            when: group.when(),
            ok: group.ok,
            total: group.total,
            floor: figure::floor(group.spec.floor),
            heard: most.map_or(String::new(), |(name, _)| (*name).to_owned()),
            logged: logged(history, group),
        }
    });
    told.collect()
}

/// The refusal that verified logs give most for a group's unserved requests; nothing if the clients
/// heard most a refusal by name. A client that gave up heard nothing of it.
fn logged(history: &History, group: &served::Group<'_>) -> Option<String> {
    let heard = group.heard.iter();
    let most = heard.max_by_key(|(name, count)| (**count, std::cmp::Reverse(**name)))?;
    if Refusal::from_name(most.0).is_some() {
        return None;
    }
    let unserved: BTreeSet<&str> = asked(history, group)
        .filter(|request| !request.outcome.is_served())
        .map(|request| request.id.as_str())
        .collect();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in history.audits.values().flatten().flatten() {
        if let (Some(refusal), true) = (&entry.refusal, unserved.contains(entry.request.as_str())) {
            *counts.entry(refusal).or_insert(0) += 1;
        }
    }
    let most = counts.into_iter();
    let most = most.max_by_key(|(name, count)| (*count, std::cmp::Reverse(*name)));
    most.map(|(name, _)| name.to_owned())
}

/// The requests that a group's floor counts.
pub(super) fn asked<'h>(
    history: &'h History,
    group: &served::Group<'h>,
) -> impl Iterator<Item = &'h Request> + use<'h> {
    let (spec, region) = (group.spec, group.region);
    let (name, inside) = match &spec.when {
        When::Inside(name) => (name.as_str(), true),
        When::Outside(name) => (name.as_str(), false),
        When::Throughout => ("", false),
    };
    let of_group = move |request: &&Request| {
        let mut faults = history.faults.iter().filter(|fault| fault.name == name);
        request.tag == spec.tag
            && request.region == region
            && spec.action.as_ref().is_none_or(|it| *it == request.action)
            && faults.any(|fault| fault.cuts_off(region, request.started_us)) == inside
    };
    history.requests.iter().filter(of_group)
}
