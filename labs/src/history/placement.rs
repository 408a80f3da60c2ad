//! Where an audit entry lies on true time.
//!
//! A node writes its own clock's time. Removing the node's known skew gives one true time, or,
//! when the clock was stepped back, several: the client's own interval and the order of the log
//! narrow them. What cannot be narrowed stays a span, and a verdict that hangs on it is unknown. A
//! request's id is its client's own choice: an entry belongs to it only if the node is the same as
//! well, and it names the principal, or whoever asked in that name.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use services::audit::entry::Entry;

use super::{History, Request};

/// How far a client's interval may miss the decision inside it: two ticks of the simulation.
pub const PLACEMENT_SLACK_US: u64 = 10_000;

/// One audited decision on true time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided<'a> {
    /// The node whose log holds it.
    pub node: &'a str,
    /// The entry itself.
    pub entry: &'a Entry,
    /// It was decided at this true time or later, in microseconds.
    pub earliest_us: u64,
    /// It was decided at this true time or earlier, in microseconds.
    pub latest_us: u64,
    /// Whether the entry's own time agrees with the clock's skew and with what the client lived.
    pub consistent: bool,
    /// The request that it answers, if a client kept a record of it.
    pub request: Option<&'a Request>,
}

/// A history with its decisions in place: placed once, for every check that asks.
#[derive(Debug)]
pub struct Placed<'a> {
    /// What happened.
    pub history: &'a History,
    /// [`History::decisions`] of it.
    pub decisions: Vec<Decided<'a>>,
}

impl Placed<'_> {
    /// The decisions as the logs have them, in order of (node, seq).
    pub fn as_logged(&self) -> Vec<Decided<'_>> {
        let mut decisions = self.decisions.clone();
        decisions.sort_by_key(|decided| (decided.node, decided.entry.seq));
        decisions
    }
}

impl History {
    /// The history as checks ask for it.
    pub fn placed(&self) -> Placed<'_> {
        Placed {
            history: self,
            decisions: self.decisions(),
        }
    }

    /// Every decision of every log that verifies, in order of (true time, node, seq).
    pub fn decisions(&self) -> Vec<Decided<'_>> {
        let mut requests: BTreeMap<&str, BTreeMap<&str, Vec<&Request>>> = BTreeMap::new();
        for request in &self.requests {
            let of_node = requests.entry(&request.node).or_default();
            of_node.entry(&request.id).or_default().push(request);
        }
        let mut decisions = Vec::new();
        for (node, log) in &self.audits {
            let mut floor_us = 0;
            let of_node = requests.remove(node.as_str()).unwrap_or_default();
            for entry in log.iter().flatten() {
                let asked = of_node.get(entry.request.as_str());
                let asked = asked.map_or(&[][..], Vec::as_slice);
                let request = self.answered(node, entry, asked);
                let decided = self.place(node, entry, request, floor_us);
                if decided.consistent {
                    floor_us = floor_us.max(decided.earliest_us);
                }
                decisions.push(decided);
            }
        }
        decisions.sort_by_key(|decided| (decided.earliest_us, decided.node, decided.entry.seq));
        decisions
    }

    /// The one of these requests that an entry answers. A refusal from before the caller was known
    /// names nobody. Of several with one id, it is the first that was under way at the time.
    fn answered<'a>(
        &self,
        node: &str,
        entry: &Entry,
        asked: &[&'a Request],
    ) -> Option<&'a Request> {
        let of = |request: &&&Request| {
            let named = [&*request.principal, request.sender(), ""];
            named.contains(&&*entry.principal)
        };
        let times = self.true_times(node, entry.at_us);
        let mut own = asked.iter().filter(of);
        let under_way = own.clone().find(|request| {
            let span = lived(request);
            times.iter().any(|us| span.contains(us))
        });
        under_way.or_else(|| own.next()).copied()
    }

    /// `floor_us`: an entry before this one was decided then. Neighbours may be written in
    /// another order than they were decided, so it only chooses between several times.
    fn place<'a>(
        &'a self,
        node: &'a str,
        entry: &'a Entry,
        request: Option<&'a Request>,
        floor_us: u64,
    ) -> Decided<'a> {
        let asked = request.map_or(0, Request::asked_us);
        let heard = request.and_then(|r| r.finished_us);
        let span = request.map_or(0..=u64::MAX, lived);
        let mut times = self.true_times(node, entry.at_us);
        times.retain(|us| span.contains(us));
        let after = floor_us.saturating_sub(PLACEMENT_SLACK_US);
        if times.iter().any(|us| *us >= after) {
            times.retain(|us| *us >= after);
        }
        let last = heard.unwrap_or(self.duration_us).max(asked);
        Decided {
            node,
            entry,
            earliest_us: times.iter().copied().min().unwrap_or(asked),
            latest_us: times.iter().copied().max().unwrap_or(last),
            consistent: !times.is_empty(),
            request,
        }
    }

    /// Every true time at which that node's clock read `at_us`.
    fn true_times(&self, node: &str, at_us: u64) -> Vec<u64> {
        let steps = self.clocks.get(node).map_or(&[][..], Vec::as_slice);
        let spans = [(0, 0)].into_iter().chain(steps.iter().copied());
        let ends = steps.iter().map(|(from, _)| *from).chain([u64::MAX]);
        let mut times: Vec<u64> = (spans.zip(ends))
            .filter_map(|((from, skew), end)| {
                let unskewed = at_us.checked_add_signed(skew.checked_neg()?)?;
                let at = unskewed.checked_sub(self.epoch_us)?;
                (from..end).contains(&at).then_some(at)
            })
            .collect();
        times.dedup();
        times
    }
}

/// When a request may have been decided, in true microseconds, by what its client lived.
fn lived(request: &Request) -> RangeInclusive<u64> {
    let from = request.asked_us().saturating_sub(PLACEMENT_SLACK_US);
    let to = request.finished_us.unwrap_or(u64::MAX);
    from..=to.saturating_add(PLACEMENT_SLACK_US)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{EPOCH_US, Sample};

    const SEC: u64 = 1_000_000;

    fn placed(clock: &[(u64, i64)], at_us: u64, heard: Option<(u64, u64)>) -> (u64, u64, bool) {
        let mut sample = Sample::new(60);
        if let Some((started, finished)) = heard {
            sample.ask("m-1", "attack", "mallory", "read", started);
            sample.answered("m-1", finished);
        }
        sample.entry("records.south", "m-1", "mallory", "read", None, 0);
        let mut history = sample.history;
        history
            .clocks
            .insert("records.south".to_owned(), clock.to_vec());
        let log = history
            .audits
            .get_mut("records.south")
            .expect("just written");
        log.as_mut().expect("it verifies")[0].at_us = EPOCH_US + at_us;
        let decided = history.decisions()[0];
        (decided.earliest_us, decided.latest_us, decided.consistent)
    }

    #[test]
    fn a_known_skew_is_removed() {
        let stepped_forward = [(10 * SEC, 3_000_000)];
        assert_eq!(
            placed(&stepped_forward, 5 * SEC, None),
            (5 * SEC, 5 * SEC, true)
        );
        assert_eq!(
            placed(&stepped_forward, 15 * SEC, None),
            (12 * SEC, 12 * SEC, true)
        );
    }

    #[test]
    fn a_clock_stepped_back_leaves_two_times_and_the_client_chooses() {
        let stepped_back = [(10 * SEC, -3_000_000)];
        assert_eq!(
            placed(&stepped_back, 8 * SEC, None),
            (8 * SEC, 11 * SEC, true)
        );
        let heard = Some((10_900_000, 11_100_000));
        assert_eq!(
            placed(&stepped_back, 8 * SEC, heard),
            (11 * SEC, 11 * SEC, true)
        );
    }

    #[test]
    fn a_message_heard_late_was_decided_when_its_entry_says() {
        let mut sample = Sample::new(60);
        sample.ask("m-1.4", "attack", "mallory", "watch", 5_500_000);
        sample.answered("m-1.4", 5_500_000);
        let (node, id) = ("records.south", "m-1.4");
        sample.entry(node, id, "mallory", "watch", None, 2_970_000);
        assert!(!sample.history.decisions()[0].consistent, "none was asked");
        sample.history.requests[0].since_us = Some(2_000_000);
        let decided = sample.history.decisions()[0];
        let placed = (decided.earliest_us, decided.latest_us);
        assert_eq!(placed, (2_970_000, 2_970_000));
        assert!(decided.consistent);
    }

    #[test]
    fn an_id_that_another_client_or_another_node_uses_too_is_another_request() {
        let mut sample = Sample::new(60);
        sample.served("x", "legit", "alice", "read", 5 * SEC);
        sample.entry("records.south", "x", "mallory", "read", None, 30 * SEC);
        sample.entry("records.north", "x", "alice", "read", None, 31 * SEC);
        sample.entry(
            "records.south",
            "x",
            "",
            "read",
            Some("token-expired"),
            5 * SEC,
        );
        let whose: Vec<_> = (sample.history.decisions().iter())
            .map(|d| (d.earliest_us, d.consistent, d.request.is_some()))
            .collect();
        let (at, other) = (5 * SEC + 10_000, false);
        let expected = [
            (5 * SEC, true, true),
            (at, true, true),
            (30 * SEC, true, other),
            (31 * SEC, true, other),
        ];
        assert_eq!(whose, expected);
    }

    #[test]
    fn of_two_requests_with_one_id_an_entry_answers_the_one_that_was_under_way() {
        let mut sample = Sample::new(60);
        sample.served("x", "legit", "alice", "read", 5 * SEC);
        sample.served("x", "legit", "alice", "read", 30 * SEC);
        for decided in sample.history.decisions() {
            let asked = decided.request.expect("alice asked").started_us;
            assert!(decided.consistent && decided.earliest_us == asked + 10_000);
        }
    }

    #[test]
    fn the_order_of_the_log_chooses_too_and_never_contradicts() {
        let mut sample = Sample::new(60);
        for at in [9, 8, 5] {
            let (id, at_us) = (format!("m-{at}"), at * SEC);
            sample.entry("records.south", &id, "mallory", "read", None, at_us);
        }
        let back = vec![(10 * SEC, -3_000_000)];
        sample
            .history
            .clocks
            .insert("records.south".to_owned(), back);
        let decisions = sample.history.decisions();
        let placed: Vec<_> = decisions
            .iter()
            .map(|d| (d.entry.seq, d.earliest_us))
            .collect();
        assert_eq!(placed, [(2, 5 * SEC), (0, 9 * SEC), (1, 11 * SEC)]);
        let second = decisions
            .iter()
            .find(|d| d.entry.seq == 1)
            .expect("it is there");
        assert_eq!(second.latest_us, 11 * SEC);
    }

    #[test]
    fn a_time_the_client_cannot_have_lived_gives_way_to_the_clients_interval() {
        let heard = Some((20 * SEC, 21 * SEC));
        assert_eq!(placed(&[], 40 * SEC, heard), (20 * SEC, 21 * SEC, false));
        assert_eq!(
            placed(&[(10 * SEC, 5_000_000)], 12 * SEC, None),
            (0, 60 * SEC, false)
        );
    }
}
