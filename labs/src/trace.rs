//! The trace of a run, and its hash: the same scenario, posture and seed give the same one.
//!
//! It holds decisions and nothing that may differ between two runs of one seed: no bytes, keys,
//! serials, floats, paths, wall or CPU time. Events are put in order of (true time, node,
//! sequence), so that the order in which tasks ran cannot show.

use ca::journal::Event;
use ring::digest::{Context, SHA256};

/// The first bytes that are hashed: which encoding follows.
const ENCODING: &[u8] = b"schism trace 1\n";

/// One event of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEvent {
    /// When, in true microseconds since the run's start.
    pub at_us: u64,
    /// Where.
    pub node: String,
    /// Which of this node's events, from 0.
    pub seq: u64,
    /// What.
    pub event: Event,
}

impl TraceEvent {
    fn key(&self) -> (u64, &str, u64) {
        (self.at_us, &self.node, self.seq)
    }

    /// The fields that count, each with its length before it, so that no two events share bytes.
    fn canonical(&self) -> Vec<u8> {
        let event = &self.event;
        let mut bytes = self.at_us.to_be_bytes().to_vec();
        let fields = [
            self.node.as_str(),
            event.kind,
            &event.principal,
            &event.action,
            &event.resource,
            &event.decision,
            &event.refusal,
        ];
        for field in fields {
            bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
            bytes.extend_from_slice(field.as_bytes());
        }
        bytes.extend_from_slice(&event.policy_size.to_be_bytes());
        bytes
    }

    /// The same fields in words.
    fn words(&self) -> String {
        let event = &self.event;
        let mut words = format!("{} us {} {}", self.at_us, self.node, event.kind);
        for field in [
            &event.principal,
            &event.action,
            &event.resource,
            &event.decision,
            &event.refusal,
        ] {
            if !field.is_empty() {
                words.push(' ');
                words.push_str(field);
            }
        }
        words.push_str(&format!(" policy {}", event.policy_size));
        words
    }
}

/// Puts events in the order that counts.
pub fn sort(events: &mut [TraceEvent]) {
    events.sort_by(|a, b| a.key().cmp(&b.key()));
}

/// The hash of a trace, lower-case hex, whatever order its events come in.
pub fn trace_hash(events: &[TraceEvent]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(ENCODING);
    for event in in_order(events) {
        context.update(&event.canonical());
    }
    context
        .finish()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The first event in which two traces differ: its position in order, and both sides in words.
pub fn first_difference(a: &[TraceEvent], b: &[TraceEvent]) -> Option<(usize, String)> {
    let (at, [one, other]) = sides(a, b)?;
    Some((at, format!("one has `{one}`, the other `{other}`")))
}

/// The first event in which two traces differ: its position in order, and each side in words.
pub fn sides(a: &[TraceEvent], b: &[TraceEvent]) -> Option<(usize, [String; 2])> {
    let (a, b) = (in_order(a), in_order(b));
    let at = (0..a.len().max(b.len())).find(|at| {
        a.get(*at).map(|event| event.canonical()) != b.get(*at).map(|event| event.canonical())
    })?;
    let side = |events: &[&TraceEvent]| {
        events
            .get(at)
            .map_or("nothing more".to_owned(), |event| event.words())
    };
    Some((at, [side(&a), side(&b)]))
}

fn in_order(events: &[TraceEvent]) -> Vec<&TraceEvent> {
    let mut ordered: Vec<&TraceEvent> = events.iter().collect();
    ordered.sort_by(|a, b| a.key().cmp(&b.key()));
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at_us: u64, node: &str, seq: u64, principal: &str) -> TraceEvent {
        let principal = principal.to_owned();
        let event = Event {
            kind: "decision",
            principal,
            policy_size: 7,
            ..Event::default()
        };
        TraceEvent {
            at_us,
            node: node.to_owned(),
            seq,
            event,
        }
    }

    #[test]
    fn the_order_of_arrival_does_not_show() {
        let (a, b, c) = (
            event(1, "n", 0, "x"),
            event(1, "n", 1, "y"),
            event(1, "s", 0, "z"),
        );
        let sorted = [a.clone(), b.clone(), c.clone()];
        let mut shuffled = [c, b, a];
        assert_eq!(trace_hash(&sorted), trace_hash(&shuffled));
        assert_eq!(first_difference(&sorted, &shuffled), None);
        sort(&mut shuffled);
        assert_eq!(sorted, shuffled);
    }

    #[test]
    fn every_field_that_counts_changes_the_hash_and_no_other() {
        let base = event(1, "n", 0, "x");
        let hash = trace_hash(std::slice::from_ref(&base));
        let change: [fn(&mut TraceEvent); 9] = [
            |e| e.at_us += 1,
            |e| e.node.push('x'),
            |e| e.event.kind = "renewed",
            |e| e.event.principal.push('x'),
            |e| e.event.action.push('x'),
            |e| e.event.resource.push('x'),
            |e| e.event.decision.push('x'),
            |e| e.event.refusal.push('x'),
            |e| e.event.policy_size += 1,
        ];
        for change in change {
            let mut other = base.clone();
            change(&mut other);
            assert_ne!(trace_hash(&[other]), hash);
        }
        let mut request = base;
        request.event.request.push_str("only for people");
        request.seq += 1;
        assert_eq!(trace_hash(&[request]), hash);
    }

    #[test]
    fn a_letter_moved_to_the_next_field_is_another_trace() {
        let mut one = event(1, "n", 0, "ab");
        let mut other = event(1, "n", 0, "a");
        one.event.action = "c".to_owned();
        other.event.action = "bc".to_owned();
        assert_ne!(trace_hash(&[one]), trace_hash(&[other]));
    }

    #[test]
    fn the_first_difference_is_named_with_both_sides() {
        let one = [event(1, "n", 0, "x"), event(2, "n", 1, "y")];
        let other = [event(1, "n", 0, "x"), event(3, "n", 1, "y")];
        let (at, words) = first_difference(&one, &other).expect("they differ");
        assert_eq!(at, 1);
        assert_eq!(
            words,
            "one has `2 us n decision y policy 7`, the other `3 us n decision y policy 7`"
        );
        let (at, words) = first_difference(&one, &one[..1]).expect("one is longer");
        assert_eq!(at, 1);
        assert!(words.ends_with("the other `nothing more`"));
    }
}
