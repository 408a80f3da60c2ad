//! What the desk answers: the state of a CA, in words and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, Declined};
use crate::clock::Time;
use crate::error::CaError;
use crate::issue::Ca;
use crate::pem;
use crate::rotation::{Status, Transition};

/// What became of authorities.
pub(super) fn acted(ca: &Ca, transitions: &[Transition]) -> Result<Answer, Declined> {
    let mut words = String::new();
    for it in transitions {
        let _ = writeln!(words, "{} {} is {}", it.kind, it.id, it.to);
    }
    let journal = serde_json::to_value(transitions).map_err(|error| {
        // A transition was just written to the journal as JSON.
        Declined::Ca(CaError::encoding(error))
    })?;
    Ok(Answer {
        words,
        json: json!({ "transitions": journal, "generation": ca.bundle().generation }),
    })
}

/// The roots.
pub(super) fn bundle(ca: &Ca) -> Answer {
    let bundle = ca.bundle();
    let words = pem::certificates(&bundle.roots);
    Answer {
        json: json!({
            "trust_domain": bundle.trust_domain,
            "generation": bundle.generation,
            "roots_pem": words,
        }),
        words,
    }
}

/// The newest revocation lists.
pub(super) fn lists(ca: &Ca) -> Answer {
    let announced = ca.announced();
    let lists = &announced.borrow().listed;
    let words: String = lists.iter().map(|list| pem::crl(&list.crl)).collect();
    Answer {
        json: json!({ "lists_pem": words }),
        words,
    }
}

/// The issuance log from that entry on.
pub(super) fn log(ca: &Ca, from: u64) -> Answer {
    let log = ca.log();
    let from = from.min(log.committed());
    let entries = log.entries(from..log.committed());
    let lines: Vec<String> = entries
        .map(|entry| String::from_utf8_lossy(entry).into_owned())
        .collect();
    let parsed = lines.iter().map(|line| {
        // What is in the log was written as JSON, by whatever version.
        serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.clone()))
    });
    Answer {
        json: json!({
            "from": from,
            "size": log.committed(),
            "entries": parsed.collect::<Vec<_>>(),
        }),
        words: lines.iter().map(|line| format!("{line}\n")).collect(),
    }
}

/// How the authorities stand.
pub(super) fn status(ca: &Ca, now: Time) -> Answer {
    let status = ca.status(now);
    let json = json!({
        "trust_domain": ca.config().trust_domain,
        "now_us": now.as_micros(),
        "status": status,
        "members": ca.facts(now).members.iter().map(|(id, member)| json!({
            "spiffe_id": id,
            "acknowledged": member.acknowledged,
            "leaves": member.leaves.len(),
        })).collect::<Vec<_>>(),
    });
    Answer {
        words: status_words(ca, &status, now),
        json,
    }
}

fn status_words(ca: &Ca, status: &Status, now: Time) -> String {
    let Status {
        generation,
        members,
        up_to_date,
        ..
    } = status;
    let mut words = format!(
        "{}: generation {generation}, held by {up_to_date} of {members} members\n\n",
        ca.config().trust_domain
    );
    let _ = writeln!(words, "authority  phase     ends in     next step");
    for it in &status.slots {
        let slot = &it.slot;
        let name = format!("{} {}", slot.kind, slot.id);
        let ends = if it.expired {
            "over".to_owned()
        } else {
            span(slot.not_after.since(now))
        };
        let next = match &it.next {
            None => "none".to_owned(),
            Some(next) => match &next.obstacle {
                None => format!("{}: nothing is in the way", next.to),
                Some(obstacle) => format!("{}: {}", next.to, obstacle.message),
            },
        };
        let _ = writeln!(
            words,
            "{name:<10} {:<9} {ends:<11} {next}",
            slot.phase.to_string()
        );
    }
    words
}

/// A span in its two largest units.
fn span(span: Duration) -> String {
    let secs = span.as_secs();
    match (secs / 86_400, secs / 3600 % 24, secs / 60 % 60) {
        (0, 0, 0) => format!("{secs} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", secs % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
