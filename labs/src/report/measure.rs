//! Figures of a run, each from its history alone: availability, latency, renewals, the price.
//!
//! No verdict is reached here, and none rests on a rounded figure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure;
use crate::history::{History, Outcome, Request};
use crate::invariant::{exposure, impersonation, legitimate_users_served, outage};

/// How a group of users fared against its floor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Availability {
    /// The group's tag.
    pub tag: String,
    /// Where its users are.
    pub region: String,
    /// Inside or outside which fault, and for which action if only one counts.
    pub when: String,
    /// Requests served.
    pub ok: u64,
    /// Requests asked.
    pub total: u64,
    /// The share served, four decimals.
    pub ratio: f64,
    /// The least share owed.
    pub floor: f64,
}

/// How long answers took, in milliseconds; `None` if nothing was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half were no slower.
    pub p50: Option<f64>,
    /// 95 % were no slower.
    pub p95: Option<f64>,
    /// 99 % were no slower.
    pub p99: Option<f64>,
}

/// What went over the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Calls between nodes.
    pub rpcs: u64,
    /// Bytes, roughly.
    pub bytes_about: u64,
}

/// Leaf renewals around the cuts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewals {
    /// Published before the first cut; without a cut, all that were.
    pub before: u64,
    /// Failed while a cut was in force.
    pub during_failed: u64,
    /// Published after the last heal.
    pub after: u64,
}

/// What somebody went without, for one action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Time unserved in microseconds: from each first unserved request to the next served one.
    pub unserved_us: u64,
    /// Requests not served.
    pub unserved: u64,
    /// Requests asked.
    pub total: u64,
}

/// Each floor in each region.
pub fn availability(history: &History) -> Vec<Availability> {
    let groups = legitimate_users_served::groups(history);
    let rows = groups.iter().map(|group| Availability {
        tag: group.spec.tag.clone(),
        region: group.region.to_owned(),
        when: group.when(),
        ok: group.ok,
        total: group.total,
        ratio: figure::ratio(group.ok, group.total),
        floor: group.spec.floor,
    });
    rows.collect()
}

/// How often clients heard each refusal.
pub fn refusals(history: &History) -> BTreeMap<String, u64> {
    let mut refusals = BTreeMap::new();
    for request in &history.requests {
        if let Outcome::Refused(name) = &request.outcome {
            *refusals.entry(name.clone()).or_insert(0) += 1;
        }
    }
    refusals
}

/// The exposure by action in milliseconds, rounded up: never shown shorter than what is proved. A
/// message of a stream that nobody logged may have been sent five seconds before it was heard.
pub fn exposure_ms(history: &History) -> BTreeMap<String, u64> {
    let exposure = exposure::exposure_us(history);
    exposure
        .into_iter()
        .map(|(action, us)| (action, us.div_ceil(1_000)))
        .collect()
}

/// The longest outage by action in milliseconds, rounded up; empty where that is not what the
/// scenario measures.
pub fn outage_ms(history: &History) -> BTreeMap<String, u64> {
    let longest = outage::outage_us(history).into_iter();
    longest
        .map(|(action, us)| (action, us.div_ceil(1_000)))
        .collect()
}

/// How long somebody went under another's name by action in milliseconds, rounded up; empty where
/// that is not what the scenario measures.
pub fn impersonation_ms(history: &History) -> BTreeMap<String, u64> {
    let posed = impersonation::posed(history).into_iter();
    posed
        .map(|(action, of)| (action, of.lasted_us().div_ceil(1_000)))
        .collect()
}

/// How many requests were let in so, by action.
pub fn impersonations(history: &History) -> BTreeMap<String, u64> {
    let posed = impersonation::posed(history).into_iter();
    posed.map(|(action, of)| (action, of.let_in)).collect()
}

/// What the posture promised by action in milliseconds.
pub fn promised_ms(history: &History) -> BTreeMap<String, u64> {
    let bounds = history.promised.keys().filter_map(|action| {
        let bound_us = history.shown_promise(action).bound_us()?;
        Some((action.clone(), bound_us / 1_000))
    });
    bounds.collect()
}

/// Percentiles, by nearest rank, over every request that was answered.
pub fn latency(history: &History) -> Latency {
    let answered = history
        .requests
        .iter()
        .filter(|r| r.outcome != Outcome::Unknown);
    let took = |r: &Request| Some(r.finished_us?.saturating_sub(r.started_us));
    let mut sorted: Vec<u64> = answered.filter_map(took).collect();
    sorted.sort_unstable();
    let rank = |percent: usize| {
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(at).map(|us| *us as f64 / 1_000.0)
    };
    Latency {
        p50: rank(50),
        p95: rank(95),
        p99: rank(99),
    }
}

/// Counts renewals before, during and after the cuts.
pub fn renewals(history: &History) -> Renewals {
    let first_us = history
        .faults
        .iter()
        .map(|fault| fault.from_us)
        .min()
        .unwrap_or(u64::MAX);
    let end = |fault: &crate::history::Fault| fault.to_us.unwrap_or(u64::MAX);
    let last_us = history.faults.iter().map(end).max().unwrap_or(u64::MAX);
    let mut counts = Renewals::default();
    for renewal in &history.renewals {
        let cut = history
            .faults
            .iter()
            .any(|fault| fault.holds_at(renewal.at_us));
        counts.before += u64::from(renewal.ok && renewal.at_us < first_us);
        counts.during_failed += u64::from(!renewal.ok && cut);
        counts.after += u64::from(renewal.ok && renewal.at_us >= last_us);
    }
    counts
}

/// What that principal went without, by action.
pub fn price(history: &History, principal: &str) -> BTreeMap<String, Price> {
    let price_of = |(action, requests): (&str, Vec<&Request>)| {
        let unserved = requests.iter().filter(|r| !r.outcome.is_let_in());
        let price = Price {
            unserved: unserved.count() as u64,
            total: requests.len() as u64,
            unserved_us: outage::gaps(&requests, history.duration_us)
                .iter()
                .map(outage::Outage::lasted_us)
                .sum(),
        };
        (action.to_owned(), price)
    };
    asked(history, principal)
        .into_iter()
        .map(price_of)
        .collect()
}

/// When that principal went without, by action: from each first unserved request to the next
/// served one, or to the end of the run, in true microseconds.
pub fn gaps(history: &History, principal: &str) -> BTreeMap<String, Vec<(u64, u64)>> {
    let of = |(action, requests): (&str, Vec<&Request>)| {
        let gaps = outage::gaps(&requests, history.duration_us).into_iter();
        let gaps = gaps.map(|gap| (gap.from_us, gap.to_us));
        (action.to_owned(), gaps.collect())
    };
    asked(history, principal).into_iter().map(of).collect()
}

/// What that principal asked, by action, in order of time.
fn asked<'a>(history: &'a History, principal: &str) -> BTreeMap<&'a str, Vec<&'a Request>> {
    let mut asked: BTreeMap<&str, Vec<&Request>> = BTreeMap::new();
    for request in history
        .requests
        .iter()
        .filter(|request| history.lane(request) == principal)
    {
        asked.entry(&request.action).or_default().push(request);
    }
    for requests in asked.values_mut() {
        requests.sort_by_key(|request| (request.started_us, &request.id));
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Renewal;
    use crate::history::sample::Sample;

    #[test]
    fn the_price_is_the_time_until_served_again() {
        let mut sample = Sample::new(60);
        sample.served("a-1", "legit", "alice", "read", 1_000_000);
        sample.refused("a-2", "legit", "alice", "read", 20_000_000);
        sample.refused("a-3", "legit", "alice", "read", 30_000_000);
        sample.served("a-4", "legit", "alice", "read", 46_000_000);
        sample.ask("a-5", "legit", "alice", "read", 59_000_000);
        sample.served("a-6", "legit", "alice", "write", 20_000_000);
        let price = price(&sample.history, "alice");
        let read = Price {
            unserved_us: 27_000_000,
            unserved: 3,
            total: 5,
        };
        assert_eq!(price["read"], read);
        assert_eq!(price["write"].unserved, 0);
        let gaps = gaps(&sample.history, "alice");
        let read = [(20_000_000, 46_000_000), (59_000_000, 60_000_000)];
        assert_eq!(gaps["read"], read);
        assert!(gaps["write"].is_empty());
    }

    #[test]
    fn percentiles_are_by_nearest_rank_and_need_an_answer() {
        let mut sample = Sample::new(60);
        assert_eq!(latency(&sample.history), Latency::default());
        for (at, ms) in (0..).zip([5_u64, 1, 3, 2]) {
            let id = format!("a-{at}");
            sample.ask(&id, "legit", "alice", "read", 1_000_000);
            sample.answered(&id, 1_000_000 + ms * 1_000);
        }
        sample.ask("never", "legit", "alice", "read", 1_000_000);
        let expected = Latency {
            p50: Some(2.0),
            p95: Some(5.0),
            p99: Some(5.0),
        };
        assert_eq!(latency(&sample.history), expected);
    }

    #[test]
    fn renewals_count_by_the_cut() {
        let mut sample = Sample::new(60);
        let around = [
            (5, true),
            (9, false),
            (20, false),
            (30, true),
            (45, true),
            (50, true),
        ];
        for (at, ok) in around {
            let node = "records.south".to_owned();
            sample.history.renewals.push(Renewal {
                node,
                at_us: at * 1_000_000,
                ok,
            });
        }
        let expected = Renewals {
            before: 1,
            during_failed: 1,
            after: 2,
        };
        assert_eq!(renewals(&sample.history), expected);
    }

    #[test]
    fn exposure_is_never_shown_shorter() {
        let mut sample = Sample::new(60);
        sample.revoke("mallory", 12_000_000, Some(12_000_001));
        sample.served("m-1", "attack", "mallory", "read", 13_000_000);
        assert_eq!(exposure_ms(&sample.history)["read"], 1_010);
    }
}
