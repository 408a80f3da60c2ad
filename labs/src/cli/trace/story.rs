//! What a kept run holds of one request: the client's line, the nodes' events, the logs' entries.
//!
//! A pure function of what was read. Times are true microseconds; an entry's own times are its
//! node's clock and only their difference is told.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use services::audit::entry::{Decision, Entry, Leaf};

use crate::history::{Outcome, Request};
use crate::invariant::{no_foreign_identity, revocation};
use crate::report::DemoReport;
use crate::trace::TraceEvent;

/// How far a violation's time may be from the event that is it: two ticks of the simulation.
const NEAR_US: u64 = 10_000;

/// One request in one run.
#[derive(Debug, Serialize)]
pub(super) struct Story {
    pub(super) run: String,
    /// What its client lived; nothing if no client kept a record.
    pub(super) asked: Option<Asked>,
    /// What was done to its principal's roles before it was decided.
    pub(super) acts: Vec<ActBefore>,
    /// Every event that carries its id, in order.
    pub(super) events: Vec<Hop>,
    /// Every audit entry that carries its id.
    pub(super) entries: Vec<Logged>,
    /// The logs that do not verify, and why; its entry may be in one of them.
    pub(super) broken_logs: BTreeMap<String, String>,
    /// Requests that continue it: the messages of a stream.
    pub(super) messages: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Asked {
    pub(super) at_us: u64,
    pub(super) principal: String,
    /// Who asked, if that is not whose name it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<String>,
    pub(super) region: String,
    pub(super) node: String,
    pub(super) action: String,
    pub(super) resource: String,
    pub(super) tag: String,
    pub(super) answered_us: Option<u64>,
    /// In words.
    pub(super) heard: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct ActBefore {
    pub(super) at_us: u64,
    pub(super) kind: String,
    pub(super) principal: String,
    pub(super) role: String,
    /// Whether it had been acknowledged: a pending one has no promise.
    pub(super) acknowledged: bool,
    pub(super) policy_size: u64,
    /// Whether the policy that decided held it; nothing if no entry says which that was.
    pub(super) known_to_decision: Option<bool>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Hop {
    pub(super) at_us: u64,
    pub(super) node: String,
    pub(super) kind: String,
    pub(super) decision: String,
    pub(super) refusal: String,
    pub(super) policy_size: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Logged {
    pub(super) node: String,
    pub(super) seq: u64,
    pub(super) permit: bool,
    pub(super) refusal: Option<String>,
    pub(super) policy_size: u64,
    pub(super) policy_root: String,
    /// The certificate that the caller came with.
    pub(super) leaf: Option<Leaf>,
    /// How old that policy was at the decision, on the node's clock.
    pub(super) age_us: u64,
    /// How far in the future that clock took it to be; 0 unless it was behind.
    pub(super) ahead_us: u64,
    /// How many entries the log has that verified with it.
    pub(super) of: usize,
}

impl Story {
    pub(super) fn new(
        id: &str,
        run: &str,
        events: &[TraceEvent],
        requests: &[Request],
        audits: &BTreeMap<String, Result<Vec<Entry>, String>>,
    ) -> Self {
        let request = requests.iter().find(|request| request.id == id);
        let own = || events.iter().filter(|traced| traced.event.request == id);
        let mut entries = Vec::new();
        let mut broken_logs = BTreeMap::new();
        for (node, log) in audits {
            match log {
                Ok(log) => entries.extend(logged(id, log)),
                Err(why) => {
                    broken_logs.insert(node.clone(), why.clone());
                }
            }
        }
        let decided = own().find(|traced| traced.event.kind == "decision");
        let until_us = decided
            .or_else(|| own().next_back())
            .map(|traced| traced.at_us)
            .or_else(|| request.map(|request| request.started_us));
        let principal = request
            .map(|request| request.principal.as_str())
            .or_else(|| own().next().map(|traced| traced.event.principal.as_str()));
        let size = entries.first().map(|entry: &Logged| entry.policy_size);
        let stream = format!("{id}.");
        // In the order of their numbers.
        let messages: BTreeSet<(usize, &str)> = events
            .iter()
            .map(|traced| traced.event.request.as_str())
            .filter(|other| other.starts_with(&stream))
            .map(|other| (other.len(), other))
            .collect();
        Self {
            run: run.to_owned(),
            asked: request.map(asked),
            acts: acts(events, principal, until_us.unwrap_or(0), size),
            events: own().map(hop).collect(),
            entries,
            broken_logs,
            messages: messages.into_iter().map(|(_, id)| id.to_owned()).collect(),
        }
    }
}

fn asked(request: &Request) -> Asked {
    Asked {
        at_us: request.started_us,
        principal: request.principal.clone(),
        by: request.posing.as_ref().map(|posing| posing.by.clone()),
        region: request.region.clone(),
        node: request.node.clone(),
        action: request.action.clone(),
        resource: request.resource.clone(),
        tag: request.tag.clone(),
        answered_us: request.finished_us,
        heard: match &request.outcome {
            Outcome::Served { policy_size } => format!("served under policy {policy_size}"),
            Outcome::Refused(name) => format!("refused, {name}"),
            Outcome::Unknown => "no answer".to_owned(),
        },
    }
}

fn hop(traced: &TraceEvent) -> Hop {
    Hop {
        at_us: traced.at_us,
        node: traced.node.clone(),
        kind: traced.event.kind.to_owned(),
        decision: traced.event.decision.clone(),
        refusal: traced.event.refusal.clone(),
        policy_size: traced.event.policy_size,
    }
}

fn logged(id: &str, log: &[Entry]) -> Vec<Logged> {
    let own = log.iter().filter(|entry| entry.request == id);
    own.map(|entry| Logged {
        node: entry.node.clone(),
        seq: entry.seq,
        permit: entry.decision == Decision::Permit,
        refusal: entry.refusal.clone(),
        leaf: entry.leaf.clone(),
        policy_size: entry.policy_size,
        policy_root: entry.policy_root.clone(),
        age_us: entry.at_us.saturating_sub(entry.as_of_us),
        ahead_us: entry.as_of_us.saturating_sub(entry.at_us),
        of: log.len(),
    })
    .collect()
}

/// What administrators did to a principal's roles up to a time.
fn acts(
    events: &[TraceEvent],
    principal: Option<&str>,
    until_us: u64,
    size: Option<u64>,
) -> Vec<ActBefore> {
    let about = |traced: &&TraceEvent| {
        let event = &traced.event;
        let whom = event.principal.is_empty() || Some(event.principal.as_str()) == principal;
        event.kind == "administered" && whom && traced.at_us <= until_us
    };
    let of = |traced: &TraceEvent| ActBefore {
        at_us: traced.at_us,
        kind: traced.event.action.clone(),
        principal: traced.event.principal.clone(),
        role: traced.event.resource.clone(),
        acknowledged: traced.event.decision == "acknowledged",
        policy_size: traced.event.policy_size,
        // What the CA did is in no policy.
        known_to_decision: size
            .filter(|_| traced.event.policy_size > 0)
            .map(|size| size >= traced.event.policy_size),
    };
    events.iter().filter(about).map(of).collect()
}

/// Every id of every run.
pub(super) fn ids<'a>(
    events: &'a BTreeMap<String, Vec<TraceEvent>>,
    requests: &'a BTreeMap<String, Vec<Request>>,
) -> BTreeSet<&'a str> {
    let said = events.values().flatten();
    let said = said.map(|traced| traced.event.request.as_str());
    let asked = requests.values().flatten();
    let asked = asked.map(|request| request.id.as_str());
    said.chain(asked).filter(|id| !id.is_empty()).collect()
}

/// Whether a break of that invariant is somebody let in who should not have been.
fn is_wrongful(invariant: &str) -> bool {
    revocation::is_about_revocation(invariant) || invariant == no_foreign_identity::NAME
}

/// The first wrongful permit of the first run that had one: the run and the request's id.
pub(super) fn wrongful(
    report: &DemoReport,
    events: &BTreeMap<String, Vec<TraceEvent>>,
) -> Option<(String, String)> {
    report.runs.iter().find_map(|run| {
        let mut violations = run.violations.iter();
        let first = violations.find(|it| is_wrongful(&it.invariant))?;
        let permits = events.get(&run.posture)?.iter().filter(|traced| {
            let permit = traced.event.kind == "decision" && traced.event.decision == "permit";
            permit && traced.node == first.node && traced.at_us.abs_diff(first.at_us) <= NEAR_US
        });
        // Requests of the same moment are told apart by the words of the evidence.
        let named = permits.filter(|traced| {
            let (who, action) = (&traced.event.principal, &traced.event.action);
            let told = |word: &str| first.evidence.split(' ').any(|it| it == word);
            told(who) && told(action)
        });
        let nearest = named.min_by_key(|traced| traced.at_us.abs_diff(first.at_us))?;
        Some((run.posture.clone(), nearest.event.request.clone()))
    })
}

#[cfg(test)]
mod tests {
    use ca::journal::Event;

    use super::*;
    use crate::history::sample::Sample;

    fn event(at_us: u64, node: &str, kind: &'static str, request: &str) -> TraceEvent {
        let event = Event {
            kind,
            principal: "mallory".to_owned(),
            action: "revoke".to_owned(),
            decision: if kind == "decision" {
                "permit"
            } else {
                "acknowledged"
            }
            .to_owned(),
            policy_size: 18,
            request: request.to_owned(),
            ..Event::default()
        };
        let node = node.to_owned();
        TraceEvent {
            at_us,
            node,
            seq: 0,
            event,
        }
    }

    fn sample() -> (Vec<TraceEvent>, Sample) {
        let mut sample = Sample::new(60);
        sample.served("mallory-3", "attack", "mallory", "read", 20_000_000);
        let events = vec![
            event(12_120_000, "admin", "administered", ""),
            event(20_010_000, "records.south", "decision", "mallory-3"),
            event(20_010_000, "records.south", "decision", "mallory-3.1"),
            event(50_000_000, "admin", "administered", ""),
        ];
        (events, sample)
    }

    #[test]
    fn a_request_is_followed_from_its_client_to_the_log_and_no_other_is() {
        let (events, sample) = sample();
        let history = &sample.history;
        let story =
            |id: &str| Story::new(id, "exposed", &events, &history.requests, &history.audits);
        let told = story("mallory-3");
        let asked = told.asked.as_ref().unwrap();
        assert_eq!(
            (asked.at_us, asked.answered_us),
            (20_000_000, Some(20_020_000))
        );
        assert_eq!(told.events.len(), 1);
        assert_eq!(told.messages, ["mallory-3.1"]);
        assert_eq!(told.entries.len(), 1);
        assert_eq!(told.entries[0].age_us, 1_000_000);
        assert_eq!(
            told.acts.len(),
            1,
            "an act after the decision says nothing of it"
        );
        assert_eq!(told.acts[0].known_to_decision, Some(true));
        let other = story("mallory-4");
        assert!(other.asked.is_none() && other.events.is_empty() && other.entries.is_empty());
    }

    #[test]
    fn a_decision_under_an_older_policy_did_not_know_the_act() {
        let (mut events, sample) = sample();
        events[0].event.policy_size = 19;
        let history = &sample.history;
        let told = Story::new(
            "mallory-3",
            "x",
            &events,
            &history.requests,
            &history.audits,
        );
        assert_eq!(told.acts[0].known_to_decision, Some(false));
    }

    #[test]
    fn a_log_that_does_not_verify_gives_no_entry_and_says_why() {
        let (events, mut sample) = sample();
        let node = "records.south".to_owned();
        sample
            .history
            .audits
            .insert(node.clone(), Err("entry 3 is malformed".to_owned()));
        let history = &sample.history;
        let told = Story::new(
            "mallory-3",
            "x",
            &events,
            &history.requests,
            &history.audits,
        );
        assert!(told.entries.is_empty());
        assert_eq!(told.broken_logs[&node], "entry 3 is malformed");
    }
}
