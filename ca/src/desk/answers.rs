//! What the desk answers: the state of a CA, in words and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, Declined};
use crate::bundle_json::{Document, USUAL_HINT};
use crate::clock::Time;
use crate::error::CaError;
use crate::federation::Federated;
use crate::identity::TrustDomain;
use crate::issue::Ca;
use crate::journaled::Returned;
use crate::pem;
use crate::returns::Return;
use crate::rotation::{SlotStatus, Status, Transition};
use crate::secrets::SecretName;

/// What became of authorities, or of a secret's versions.
pub(super) fn acted(
    ca: &Ca,
    secret: Option<&SecretName>,
    transitions: &[Transition],
) -> Result<Answer, Declined> {
    let mut words = String::new();
    let of = secret.map_or_else(String::new, |name| format!(" {name}"));
    for it in transitions {
        let _ = writeln!(words, "{}{of} {} is {}", it.kind, it.id, it.to);
    }
    let journal = serde_json::to_value(transitions).map_err(|error| {
        // A transition was just written to the journal as JSON.
        Declined::Ca(CaError::encoding(error))
    })?;
    let mut json = json!({ "transitions": journal, "generation": ca.bundle().generation });
    if let Some(name) = secret {
        json["secret"] = json!(name);
    }
    Ok(Answer { words, json })
}

/// The roots: in words this CA's own alone, since bundles are never merged.
pub(super) fn bundle(ca: &Ca, hint_s: Option<u64>, now: Time) -> Answer {
    let bundle = ca.bundle();
    let words = pem::certificates(&bundle.roots);
    let hint = hint_s.map_or(USUAL_HINT, Duration::from_secs);
    let spiffe = Document::of(&ca.announced().borrow(), hint).to_json();
    Answer {
        json: json!({
            "trust_domain": bundle.trust_domain,
            "generation": bundle.generation,
            "roots_pem": words,
            "spiffe": spiffe,
            "federated": others(ca, now),
        }),
        words,
    }
}

/// The other trust domains, as tools read them.
fn others(ca: &Ca, now: Time) -> Vec<Value> {
    let other = |it: &Federated| {
        json!({
            "trust_domain": it.trust_domain,
            "sequence": it.document.sequence,
            "generation": it.generation,
            "counts": ca.counts(&it.trust_domain),
            "seen_us": it.seen.as_micros(),
            "age_s": now.since(it.seen).as_secs(),
            "max_age_s": it.limit().map(|limit| limit.as_secs()),
            "endpoint": it.relation.endpoint,
            "failure": it.failure,
            "roots_pem": pem::certificates(&it.document.roots),
        })
    };
    ca.federated().map(other).collect()
}

/// A trust domain that is federated now.
pub(super) fn federated_with(ca: &Ca, domain: &TrustDomain, now: Time) -> Answer {
    let one = ca.federated().find(|it| it.trust_domain == *domain);
    let json = others(ca, now);
    let mut json = json
        .into_iter()
        .filter(|it| it["trust_domain"] == domain.as_str());
    Answer {
        words: one.map_or_else(String::new, |one| other_words(ca, one, now)),
        json: json.next().unwrap_or_default(),
    }
}

/// One that is not any more.
pub(super) fn withdrawn(domain: &TrustDomain) -> Answer {
    Answer {
        words: format!("withdrew {domain}\n"),
        json: json!({ "trust_domain": domain, "withdrawn": true }),
    }
}

fn other_words(ca: &Ca, it: &Federated, now: Time) -> String {
    let domain = &it.trust_domain;
    let (sequence, roots) = (it.document.sequence, it.document.roots.len());
    let age = span(now.since(it.seen));
    let limit = match (it.limit(), ca.counts(domain)) {
        (_, false) => "too old: it counts no more".to_owned(),
        (Some(limit), true) => format!("counts until it is {} old", span(limit)),
        (None, true) => "counts until it is withdrawn".to_owned(),
    };
    let number = if roots == 1 { "root" } else { "roots" };
    let mut words =
        format!("{domain}: sequence {sequence}, {roots} {number}, {age} old, {limit}\n");
    if let Some(endpoint) = &it.relation.endpoint {
        let _ = writeln!(words, "  fetched from {}", endpoint.url);
    }
    if let Some(failure) = &it.failure {
        let _ = writeln!(words, "  not fetched the last time: {failure}");
    }
    words
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
        "secrets": ca.secret_status(now).iter().map(|(name, status)| json!({
            "secret": name,
            "status": status,
        })).collect::<Vec<_>>(),
        "members": ca.facts(now).members.iter().map(|(id, member)| json!({
            "spiffe_id": id,
            "acknowledged": member.acknowledged,
            "leaves": member.leaves.len(),
        })).collect::<Vec<_>>(),
        "federated": others(ca, now),
        "waiting": ca.waiting(now).iter().map(|(it, until)| json!({
            "spiffe_id": it.returned.spiffe_id,
            "serial": it.returned.serial,
            "superseded": it.returned.superseded,
            "since_us": it.returned.at_us,
            "until_us": until.as_micros(),
        })).collect::<Vec<_>>(),
    });
    Answer {
        words: status_words(ca, &status, now) + &secret_words(ca, now) + &waiting_words(ca, now),
        json,
    }
}

/// What comes next for one, and what is in the way.
fn next_words(it: &SlotStatus) -> String {
    match &it.next {
        None => "none".to_owned(),
        Some(next) => match &next.obstacle {
            None => format!("{}: nothing is in the way", next.to),
            Some(obstacle) => format!("{}: {}", next.to, obstacle.message),
        },
    }
}

/// Each version of each secret, and what comes next; nothing if there are none.
fn secret_words(ca: &Ca, now: Time) -> String {
    let mut words = String::new();
    for (name, status) in ca.secret_status(now) {
        for it in &status.slots {
            let slot = &it.slot;
            let (phase, next) = (slot.phase.to_string(), next_words(it));
            let _ = writeln!(words, "secret:{name} {}  {phase}  {next}", slot.id);
        }
    }
    if words.is_empty() {
        return words;
    }
    format!("\n{words}")
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
        let next = next_words(it);
        let _ = writeln!(
            words,
            "{name:<10} {:<9} {ends:<11} {next}",
            slot.phase.to_string()
        );
    }
    let others: String = ca.federated().map(|it| other_words(ca, it, now)).collect();
    if !others.is_empty() {
        let _ = write!(words, "\nfederated with\n{others}");
    }
    words
}

/// Who came back and waits to be confirmed; nothing if nobody does.
fn waiting_words(ca: &Ca, now: Time) -> String {
    let mut words = String::new();
    for (it, _) in ca.waiting(now) {
        let Returned {
            spiffe_id,
            serial,
            superseded,
            at_us,
            ..
        } = &it.returned;
        let _ = writeln!(
            words,
            "\n{spiffe_id} is back since {} and stands apart\n  by the key of leaf {serial}{}",
            span(now.since(Time::from_micros(*at_us))),
            if *superseded {
                ", which was not its last"
            } else {
                ""
            },
        );
        let _ = writeln!(
            words,
            "  `schism ca confirm --spiffe-id {spiffe_id}` lets it in"
        );
    }
    words
}

/// Who is let in again.
pub(super) fn confirmed(it: &Return) -> Answer {
    let Returned {
        spiffe_id, serial, ..
    } = &it.returned;
    Answer {
        words: format!("{spiffe_id} has its own name again at its next renewal\n"),
        json: json!({ "spiffe_id": spiffe_id, "serial": serial }),
    }
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
