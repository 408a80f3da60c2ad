//! The two files of a kept run that are lines: its events, and what its clients asked and heard.
//!
//! What is written here reads back to the same values. A line that is none is an error with its
//! number; what a line says is data and is never trusted to be what ran.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use ca::journal::Event;
use serde::{Deserialize, Serialize};

use super::origin::Text;
use super::stop::Stop;
use crate::history::{Outcome, Posing, Request};
use crate::trace::TraceEvent;

/// The longest file of lines that is read back, in bytes.
pub(super) const MAX_LINES_FILE: usize = 256 * 1024 * 1024;

/// The most kinds of event in one file: a trace has a dozen.
const MAX_KINDS: usize = 100;

/// One event.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventLine<'a> {
    run: Cow<'a, str>,
    at_us: u64,
    node: Cow<'a, str>,
    seq: u64,
    kind: Cow<'a, str>,
    principal: Cow<'a, str>,
    action: Cow<'a, str>,
    resource: Cow<'a, str>,
    decision: Cow<'a, str>,
    refusal: Cow<'a, str>,
    policy_size: u64,
    request: Cow<'a, str>,
}

/// The events of one run, one a line.
pub(super) fn events(run: &str, events: &[TraceEvent]) -> String {
    let line = |traced: &TraceEvent| {
        let event = &traced.event;
        to_line(&EventLine {
            run: run.into(),
            at_us: traced.at_us,
            node: traced.node.as_str().into(),
            seq: traced.seq,
            kind: event.kind.into(),
            principal: event.principal.as_str().into(),
            action: event.action.as_str().into(),
            resource: event.resource.as_str().into(),
            decision: event.decision.as_str().into(),
            refusal: event.refusal.as_str().into(),
            policy_size: event.policy_size,
            request: event.request.as_str().into(),
        })
    };
    events.iter().map(line).collect()
}

/// The events of every run of a file.
pub(super) fn read_events(text: &Text) -> Result<BTreeMap<String, Vec<TraceEvent>>, Stop> {
    let mut runs: BTreeMap<String, Vec<TraceEvent>> = BTreeMap::new();
    let mut kinds = Kinds::default();
    for (number, line) in (1..).zip(text.text.lines()) {
        let line: EventLine<'_> = from_line(text, number, line)?;
        let Some(kind) = kinds.get(&line.kind) else {
            return Err(broken(text, number, "there are too many kinds of event"));
        };
        let event = Event {
            kind,
            principal: line.principal.into_owned(),
            action: line.action.into_owned(),
            resource: line.resource.into_owned(),
            decision: line.decision.into_owned(),
            refusal: line.refusal.into_owned(),
            policy_size: line.policy_size,
            request: line.request.into_owned(),
        };
        runs.entry(line.run.into_owned())
            .or_default()
            .push(TraceEvent {
                at_us: line.at_us,
                node: line.node.into_owned(),
                seq: line.seq,
                event,
            });
    }
    Ok(runs)
}

/// An event's kind is a word of the program. One read from a file is kept to the program's end,
/// once each, and no more than a few.
#[derive(Debug, Default)]
struct Kinds(BTreeSet<&'static str>);

impl Kinds {
    fn get(&mut self, word: &str) -> Option<&'static str> {
        if let Some(known) = self.0.get(word) {
            return Some(known);
        }
        if self.0.len() == MAX_KINDS {
            return None;
        }
        let word: &'static str = word.to_owned().leak();
        self.0.insert(word);
        Some(word)
    }
}

/// One request as its client lived it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestLine<'a> {
    run: Cow<'a, str>,
    id: Cow<'a, str>,
    tag: Cow<'a, str>,
    principal: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    posing: Option<PosingLine<'a>>,
    region: Cow<'a, str>,
    node: Cow<'a, str>,
    action: Cow<'a, str>,
    resource: Cow<'a, str>,
    started_us: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since_us: Option<u64>,
    finished_us: Option<u64>,
    heard: Heard,
}

/// Who asked in another's name.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PosingLine<'a> {
    by: Cow<'a, str>,
    with_key: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Heard {
    Served { policy_size: u64 },
    Refused(String),
    Nothing,
}

/// The requests of one run, one a line.
pub(super) fn requests(run: &str, requests: &[Request]) -> String {
    let line = |request: &Request| {
        to_line(&RequestLine {
            run: run.into(),
            id: request.id.as_str().into(),
            tag: request.tag.as_str().into(),
            principal: request.principal.as_str().into(),
            posing: request.posing.as_ref().map(|posing| PosingLine {
                by: posing.by.as_str().into(),
                with_key: posing.with_key,
            }),
            region: request.region.as_str().into(),
            node: request.node.as_str().into(),
            action: request.action.as_str().into(),
            resource: request.resource.as_str().into(),
            started_us: request.started_us,
            since_us: request.since_us,
            finished_us: request.finished_us,
            heard: match &request.outcome {
                Outcome::Served { policy_size } => Heard::Served {
                    policy_size: *policy_size,
                },
                Outcome::Refused(name) => Heard::Refused(name.clone()),
                Outcome::Unknown => Heard::Nothing,
            },
        })
    };
    requests.iter().map(line).collect()
}

/// The requests of every run of a file.
pub(super) fn read_requests(text: &Text) -> Result<BTreeMap<String, Vec<Request>>, Stop> {
    let mut runs: BTreeMap<String, Vec<Request>> = BTreeMap::new();
    for (number, line) in (1..).zip(text.text.lines()) {
        let line: RequestLine<'_> = from_line(text, number, line)?;
        let request = Request {
            id: line.id.into_owned(),
            tag: line.tag.into_owned(),
            principal: line.principal.into_owned(),
            posing: line.posing.map(|posing| Posing {
                by: posing.by.into_owned(),
                with_key: posing.with_key,
            }),
            region: line.region.into_owned(),
            node: line.node.into_owned(),
            action: line.action.into_owned(),
            resource: line.resource.into_owned(),
            started_us: line.started_us,
            since_us: line.since_us,
            finished_us: line.finished_us,
            outcome: match line.heard {
                Heard::Served { policy_size } => Outcome::Served { policy_size },
                Heard::Refused(name) => Outcome::Refused(name),
                Heard::Nothing => Outcome::Unknown,
            },
        };
        runs.entry(line.run.into_owned()).or_default().push(request);
    }
    Ok(runs)
}

fn to_line(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("a line has text for keys") + "\n"
}

fn from_line<'a, T: Deserialize<'a>>(text: &Text, number: usize, line: &'a str) -> Result<T, Stop> {
    serde_json::from_str(line).map_err(|why| {
        let why = why.to_string();
        // The parser sees one line; its own count of lines would mislead.
        let why = why.split(" at line ").next().unwrap_or_default();
        broken(text, number, why)
    })
}

fn broken(text: &Text, number: usize, why: &str) -> Stop {
    Stop::Usage(format!("{}:{number}: {why}", text.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: String) -> Text {
        let name = "lines".to_owned();
        Text { name, text }
    }

    fn traced(kind: &'static str, request: &str) -> TraceEvent {
        let event = Event {
            kind,
            principal: "a\"b\n\u{1b}é".to_owned(),
            policy_size: u64::MAX,
            request: request.to_owned(),
            ..Event::default()
        };
        TraceEvent {
            at_us: 5,
            node: "records.south".to_owned(),
            seq: 3,
            event,
        }
    }

    #[test]
    fn what_is_written_reads_back_run_by_run() {
        let (one, two) = (
            [traced("decision", "m-1"), traced("act", "")],
            [traced("act", "")],
        );
        let written = events("exposed", &one) + &events("solution", &two);
        let read = read_events(&text(written)).unwrap();
        assert_eq!(read["exposed"], one);
        assert_eq!(read["solution"], two);
        let outcomes = [
            Outcome::Served { policy_size: 3 },
            Outcome::Refused("policy-stale".to_owned()),
            Outcome::Unknown,
        ];
        let asked = outcomes.map(|outcome| Request {
            id: "m-1".to_owned(),
            since_us: Some(2_000_000),
            outcome,
            ..Request::default()
        });
        let read = read_requests(&text(requests("exposed", &asked))).unwrap();
        assert_eq!(read["exposed"], asked);
    }

    #[test]
    fn a_line_that_is_none_is_named_by_its_number() {
        let good = events("exposed", &[traced("act", "")]);
        let said = |bad: &str| {
            let bad = text(format!("{good}{bad}"));
            read_events(&bad).unwrap_err().to_string()
        };
        for bad in ["{}", "", "nonsense", "[]", &good[..good.len() - 2]] {
            let said = said(&format!("{bad}\n"));
            assert!(said.starts_with("lines:2: "), "{said}");
            assert!(!said.contains("line 1"), "{said}");
        }
        let kinds: String = (0..=MAX_KINDS)
            .map(|n| good.replace("\"act\"", &format!("\"act{n}\"")))
            .collect();
        assert!(said(&kinds).ends_with("too many kinds of event"));
    }
}
