//! A history as it stood at an earlier moment.
//!
//! It keeps what had happened by then and forgets the rest; an answer still on its way is no
//! answer, and an act not yet acknowledged is pending.

use std::collections::BTreeSet;

use super::{History, Outcome};

impl History {
    /// What was known at that true time (µs): checks on it say what could be said then.
    pub fn prefix(&self, until_us: u64) -> Self {
        let mut early = self.clone();
        early.duration_us = self.duration_us.min(until_us);
        early.faults.retain(|fault| fault.from_us <= until_us);
        for fault in &mut early.faults {
            fault.to_us = fault.to_us.filter(|to| *to <= until_us);
        }
        early.acts.retain(|act| act.asked_us <= until_us);
        for act in &mut early.acts {
            act.acknowledged_us = act.acknowledged_us.filter(|at| *at <= until_us);
        }
        early
            .requests
            .retain(|request| request.started_us <= until_us);
        for request in &mut early.requests {
            request.finished_us = request.finished_us.filter(|at| *at <= until_us);
            if request.finished_us.is_none() {
                request.outcome = Outcome::Unknown;
            }
        }
        early.renewals.retain(|renewal| renewal.at_us <= until_us);
        let later: BTreeSet<(&str, u64)> = self
            .decisions()
            .iter()
            .filter(|decided| decided.earliest_us > until_us)
            .map(|decided| (decided.node, decided.entry.seq))
            .collect();
        for (node, log) in &mut early.audits {
            if let Ok(entries) = log {
                entries.retain(|entry| !later.contains(&(node.as_str(), entry.seq)));
            }
        }
        early
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::Sample;

    #[test]
    fn the_past_does_not_know_the_answer_still_on_its_way() {
        let mut sample = Sample::new(60);
        sample.revoke("mallory", 2_000_000, Some(2_500_000));
        sample.served("m-1", "attack", "mallory", "read", 1_000_000);
        sample.served("m-2", "attack", "mallory", "read", 3_000_000);
        let early = sample.history.prefix(2_000_000);
        assert_eq!(early.requests.len(), 1);
        assert!(early.requests[0].outcome.is_served());
        assert_eq!(early.decisions().len(), 1);
        assert_eq!(early.acts[0].acknowledged_us, None);
        let mid_answer = sample.history.prefix(3_000_001);
        assert!(!mid_answer.requests[1].outcome.is_served());
        assert_eq!(sample.history.prefix(60_000_000), sample.history);
    }
}
