//! How long somebody who is owed an answer goes without.
//!
//! An outage is measured where it is felt, at the client: from the first request that was not let
//! in to the next that was, by the same person at the same door for the same action. Only groups
//! that a floor speaks of are counted. One that is not over when the run ends lasts at least as
//! long as is left of the run, and says so.

use std::collections::BTreeMap;

use crate::history::{Act, ActKind, History, Request};

/// Requests in a row that were not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Who went without.
    pub principal: String,
    /// Of what.
    pub action: String,
    /// At which door.
    pub node: String,
    /// The first of the requests.
    pub request: String,
    /// When it was asked, in true microseconds.
    pub from_us: u64,
    /// When the next one was asked that was let in, or the end of the run, in true microseconds.
    pub to_us: u64,
    /// Whether it ended before the run did.
    pub is_over: bool,
}

impl Outage {
    /// How long it lasted, in microseconds.
    pub const fn lasted_us(&self) -> u64 {
        self.to_us.saturating_sub(self.from_us)
    }
}

/// Every outage of those who are owed something, in order of (person, door, action, time).
pub fn outages(history: &History) -> Vec<Outage> {
    let owed = |request: &&Request| {
        let mut floors = history.expect.floors.iter();
        floors.any(|floor| floor.tag == request.tag)
    };
    let mut doors: BTreeMap<(&str, &str, &str), Vec<&Request>> = BTreeMap::new();
    for request in history.requests.iter().filter(owed) {
        let door = (&*request.principal, &*request.node, &*request.action);
        doors.entry(door).or_default().push(request);
    }
    let mut all = Vec::new();
    for requests in doors.values_mut() {
        requests.sort_by_key(|request| (request.started_us, &request.id));
        all.extend(gaps(requests, history.duration_us));
    }
    all
}

/// The outages in the requests of one person at one door, which are in order of time.
pub(crate) fn gaps(requests: &[&Request], duration_us: u64) -> Vec<Outage> {
    let mut gaps: Vec<Outage> = Vec::new();
    let mut open = false;
    for request in requests {
        match (request.outcome.is_let_in(), gaps.last_mut()) {
            (true, Some(gap)) if open => {
                (gap.to_us, gap.is_over, open) = (request.started_us, true, false);
            }
            (true, _) => {}
            (false, _) if open => {}
            (false, _) => {
                open = true;
                gaps.push(Outage {
                    principal: request.principal.clone(),
                    action: request.action.clone(),
                    node: request.node.clone(),
                    request: request.id.clone(),
                    from_us: request.started_us,
                    to_us: duration_us.max(request.started_us),
                    is_over: false,
                });
            }
        }
    }
    gaps
}

/// For each action that the scenario bounds, the longest outage (µs); 0 if there was none.
pub fn outage_us(history: &History) -> BTreeMap<String, u64> {
    let bounded = history.expect.outage_us.keys();
    let mut longest: BTreeMap<String, u64> = bounded.map(|action| (action.clone(), 0)).collect();
    for outage in outages(history) {
        if let Some(longest) = longest.get_mut(&outage.action) {
            *longest = (*longest).max(outage.lasted_us());
        }
    }
    longest
}

/// The longest outage of all in actions that the scenario bounds.
pub fn longest(history: &History) -> Option<Outage> {
    let bounded = outages(history).into_iter();
    bounded
        .filter(|outage| history.expect.outage_us.contains_key(&outage.action))
        .max_by_key(|outage| (outage.lasted_us(), std::cmp::Reverse(outage.from_us)))
}

/// The outages that lasted longer than the scenario allows, in order of time.
pub fn too_long(history: &History) -> Vec<Outage> {
    let mut found = outages(history);
    found.retain(|outage| {
        let allowed = history.expect.outage_us.get(&outage.action);
        allowed.is_some_and(|allowed| outage.lasted_us() > *allowed)
    });
    found.sort_by_key(|outage| (outage.from_us, outage.principal.clone()));
    found
}

/// What was ordered of authorities.
pub fn orders(history: &History) -> impl Iterator<Item = &Act> {
    let acts = history.acts.iter();
    acts.filter(|act| matches!(act.kind, ActKind::Rotate | ActKind::Authority))
}

/// The orders that were not carried out.
pub fn pending(history: &History) -> impl Iterator<Item = &Act> {
    orders(history).filter(|act| act.acknowledged_us.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::sample::Sample;

    fn sample() -> Sample {
        let mut sample = Sample::new(60);
        let outage_us = [("read".to_owned(), 3_000_000)].into();
        sample.history.expect.outage_us = outage_us;
        sample.served("a-1", "legit", "alice", "read", 1_000_000);
        sample.refused("a-2", "legit", "alice", "read", 10_000_000);
        sample.ask("a-3", "legit", "alice", "read", 12_000_000);
        sample.served("a-4", "legit", "alice", "read", 14_500_000);
        sample.refused("a-5", "legit", "alice", "read", 58_000_000);
        sample
    }

    #[test]
    fn it_lasts_from_the_first_unserved_to_the_next_served_or_to_the_end() {
        let sample = sample();
        let found = outages(&sample.history);
        let spans: Vec<(u64, u64, bool)> = found
            .iter()
            .map(|it| (it.from_us, it.to_us, it.is_over))
            .collect();
        let expected = [
            (10_000_000, 14_500_000, true),
            (58_000_000, 60_000_000, false),
        ];
        assert_eq!(spans, expected);
        assert_eq!(outage_us(&sample.history)["read"], 4_500_000);
        let late = too_long(&sample.history);
        assert_eq!((late.len(), &*late[0].request), (1, "a-2"));
        assert_eq!(longest(&sample.history), Some(late[0].clone()));
    }

    #[test]
    fn another_door_does_not_end_it_and_nobody_unowed_has_one() {
        let mut sample = sample();
        sample.served("a-9", "legit", "alice", "read", 11_000_000);
        let at_north = sample.history.requests.last_mut().unwrap();
        at_north.node = "records.north".to_owned();
        assert_eq!(outage_us(&sample.history)["read"], 4_500_000);
        sample.refused("m-1", "attack", "mallory", "read", 1_000_000);
        assert_eq!(outage_us(&sample.history)["read"], 4_500_000);
        sample.history.expect.floors.clear();
        assert!(outages(&sample.history).is_empty());
    }
}
