//! Why a trial failed: the rule in words, the first moment, the entry behind it, the dials that
//! govern it, and whom a posture that refuses too much locked out.
//!
//! Every word rests on the trial's history and its posture; what the evidence does not say is left
//! out. One cause is told in full, the others by name.

mod clocks;
mod dials;
mod locked_out;
mod told;

use std::collections::BTreeMap;

use services::posture::Posture;

use self::dials::governing;
use self::locked_out::{asked, locked_out};
pub use self::told::{Explanation, Governing, LockedOut, Moment, Smallest};

use super::trial::Trial;
use crate::history::{Harm, History, Outcome, Request};
use crate::invariant::exposure::{self, Late};
use crate::invariant::{
    self, Violation, legitimate_users_served as served, no_foreign_identity, outage, revocation,
};
use crate::report::control::{self, Attack};
use crate::report::figure;

/// Where each dial of the entrant's posture was set: `posture.toml:6`. One that is absent is at its
/// hardened value.
pub type Places = BTreeMap<&'static str, String>;

/// What is wrong with a trial, the worst first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The attack succeeded later than the lab allows.
    Attack,
    /// An invariant that the lab names is broken.
    Invariant(&'static str),
    /// Nothing is broken, but the attack was not refused by the lab's refusal.
    NotRefused,
    /// The policy never let the attacker in, so that nothing was revoked.
    NeverLetIn,
    /// The evidence does not say.
    Doubt(String),
}

/// What is wrong with a trial, the worst first; nothing if it passed.
pub fn causes(trial: &Trial) -> Vec<Cause> {
    let history = &trial.ran.history;
    let findings = invariant::check_expected(history);
    let attacked = trial.report.attack == Attack::Succeeded;
    let mut causes = Vec::new();
    if attacked {
        causes.push(Cause::Attack);
    }
    let broken = findings
        .iter()
        .filter(|it| it.verdict == invariant::Verdict::Broken);
    // That somebody revoked was let in is what a successful attack is; that somebody went without,
    // what an outage is.
    let other = broken.filter(|it| !(attacked && invariant::is_the_harm(history, it.name)));
    let (floors, rules): (Vec<_>, Vec<_>) = other.partition(|it| it.name == served::NAME);
    let both = rules.into_iter().chain(floors);
    causes.extend(both.map(|finding| Cause::Invariant(finding.name)));
    let doubts = findings.iter().flat_map(|finding| {
        let doubts = finding.doubts.iter();
        doubts.map(move |doubt| Cause::Doubt(format!("{}: {doubt}", finding.name)))
    });
    if !control::was_let_in(history) {
        causes.push(Cause::NeverLetIn);
    }
    if causes.is_empty() {
        causes.extend(doubts);
    }
    if causes.is_empty() && trial.report.attack == Attack::Unknown {
        causes.push(Cause::NotRefused);
    }
    causes
}

/// Explains a trial that did not pass; nothing for one that did.
pub fn explain(
    trial: &Trial,
    posture: &Posture,
    places: &Places,
    variant: String,
) -> Option<Explanation> {
    let causes = causes(trial);
    let (cause, others) = causes.split_first()?;
    let history = &trial.ran.history;
    let locked_out = locked_out(history);
    let (rule, words) = rule(cause, history);
    Some(Explanation {
        seed: trial.seed,
        variant,
        rule,
        words,
        first: first(cause, trial),
        dials: governing(cause, history, &locked_out, (posture, places)),
        locked_out,
        also: others
            .iter()
            .map(|cause| {
                let (rule, words) = self::rule(cause, history);
                format!("{rule}: {words}")
            })
            .collect(),
        smallest: None,
        run: None,
    })
}

/// The rule's name and what it says.
fn rule(cause: &Cause, history: &History) -> (String, String) {
    let named = |name: &str| {
        let words = invariant::by_name(name).map_or("", |invariant| invariant.words);
        (name.to_owned(), words.to_owned())
    };
    match cause {
        Cause::Attack if history.expect.harm() == Harm::Outage => {
            let words = "nobody who is owed an answer goes without for longer than is allowed";
            ("outage".to_owned(), words.to_owned())
        }
        Cause::NotRefused if history.expect.harm() == Harm::Outage => {
            let waits = outage::pending(history).next();
            let what = waits.map_or("nothing", |act| act.role.as_str());
            let words = format!("every order is carried out by the end: {what} was not");
            ("order".to_owned(), words)
        }
        Cause::Attack if history.expect.harm() == Harm::Impersonation => {
            named(no_foreign_identity::NAME)
        }
        Cause::Attack => {
            let kind = first_late(history).map(|late| late.kind);
            named(revocation::rule_of(kind.unwrap_or_default()))
        }
        Cause::Invariant(name) => named(name),
        Cause::NotRefused => {
            let words = format!("the attack is refused by {}", history.expect.refusal);
            ("refusal".to_owned(), words)
        }
        Cause::NeverLetIn => {
            let words = match history.expect.harm() {
                Harm::Exposure => {
                    "who is to be revoked is first let in, to all that they try: this policy does \
                     not"
                }
                Harm::Outage => "whoever is owed an answer once had one: nobody had",
                Harm::Impersonation => {
                    "who is posed as is let in themselves, to all that is tried in their name: \
                     this policy does not"
                }
            };
            ("attack".to_owned(), words.to_owned())
        }
        Cause::Doubt(doubt) => ("unknown".to_owned(), doubt.clone()),
    }
}

fn first(cause: &Cause, trial: &Trial) -> Option<Moment> {
    let history = &trial.ran.history;
    let violation = match cause {
        Cause::Attack if history.expect.harm() == Harm::Outage => went_without(history)?,
        Cause::Attack if history.expect.harm() == Harm::Impersonation => {
            invariant::first_wrongful(&history.placed())?
        }
        Cause::Attack => too_late(history)?,
        Cause::Invariant(name) => {
            let check = invariant::by_name(name)?.check;
            let first = check(&history.placed()).violations.into_iter().next()?;
            if *name == served::NAME {
                most_heard(history, first)
            } else {
                first
            }
        }
        Cause::NotRefused => not_refused(history)?,
        Cause::NeverLetIn | Cause::Doubt(_) => return None,
    };
    Some(moment(history, violation))
}

/// Of a group served too little, the first request that heard what most of it heard: the very first
/// may have met a node that was not up yet.
fn most_heard(history: &History, violation: Violation) -> Violation {
    let groups = served::groups(history);
    let is_it = |group: &&served::Group<'_>| {
        let first = group.first_unserved.map(|request| &request.id);
        group.ratio().is_some_and(|ratio| ratio < group.spec.floor)
            && first == violation.request.as_ref()
    };
    let first = groups.iter().find(is_it).and_then(|group| {
        let heard = group.heard.iter();
        let (most, _) = heard.max_by_key(|(name, count)| (**count, std::cmp::Reverse(**name)))?;
        let told = |request: &&Request| match &request.outcome {
            Outcome::Refused(name) => name == most,
            Outcome::Unknown => *most == "no answer",
            Outcome::Served { .. } => false,
        };
        asked(history, group)
            .filter(told)
            .min_by_key(|request| request.started_us)
    });
    match first {
        None => violation,
        Some(request) => Violation {
            at_us: request.started_us,
            node: request.node.clone(),
            request: Some(request.id.clone()),
            ..violation
        },
    }
}

/// The first success that is later than the lab allows.
fn first_late(history: &History) -> Option<Late> {
    let expect = &history.expect;
    let attackers: Vec<&str> = attacks(history).map(|it| it.principal.as_str()).collect();
    let mut lates = exposure::successes(history);
    lates.sort_by_key(|late| (late.earliest_us, late.node.clone()));
    lates.into_iter().find(|late| {
        let margin_us = history.margin_us(late.kind);
        let allowed = expect.exposure_us.get(&late.action);
        let allowed = allowed.map(|us| us.saturating_add(margin_us));
        attackers.contains(&late.principal.as_str())
            && allowed.is_some_and(|allowed| late.after_us() > allowed)
    })
}

fn too_late(history: &History) -> Option<Violation> {
    let late = first_late(history)?;
    let allowed = history
        .expect
        .exposure_us
        .get(&late.action)
        .copied()
        .unwrap_or(0);
    let by = late
        .seq
        .map_or(String::new(), |seq| format!(" (audit entry {seq})"));
    let evidence = format!(
        "{} was let in to {}{by} {} after {}; this lab allows {}",
        late.principal,
        late.action,
        figure::seconds(late.after_us()),
        revocation::since(late.kind),
        figure::seconds(allowed),
    );
    Some(Violation {
        at_us: late.earliest_us,
        node: late.node,
        request: Some(late.request),
        seq: late.seq,
        evidence,
    })
}

/// The first outage that is longer than the lab allows.
fn went_without(history: &History) -> Option<Violation> {
    let outage = outage::too_long(history).into_iter().next()?;
    let allowed = history.expect.outage_us.get(&outage.action);
    let evidence = format!(
        "{} could not {} for {}; this lab allows {}",
        outage.principal,
        outage.action,
        figure::seconds(outage.lasted_us()),
        figure::seconds(allowed.copied().unwrap_or(0)),
    );
    Some(Violation {
        at_us: outage.from_us,
        node: outage.node,
        request: Some(outage.request),
        seq: None,
        evidence,
    })
}

/// The first attack after the revocation, and what it heard instead.
fn not_refused(history: &History) -> Option<Violation> {
    let since = exposure::revocations(history).map(|(_, at)| at).min();
    let (since, after) = match history.expect.harm() {
        Harm::Impersonation => (0, String::new()),
        Harm::Exposure | Harm::Outage => (since?, format!(" after {}", history.taken_by())),
    };
    let asked = attacks(history).find(|request| request.started_us >= since)?;
    let heard = heard(&asked.outcome);
    Some(Violation {
        at_us: asked.started_us,
        node: asked.node.clone(),
        request: Some(asked.id.clone()),
        seq: None,
        evidence: format!(
            "no attack was ever answered {}; the first{after} was {heard}",
            history.expect.refusal,
        ),
    })
}

fn attacks(history: &History) -> impl Iterator<Item = &crate::history::Request> {
    let tag = &history.expect.attack_tag;
    history.requests.iter().filter(move |it| it.tag == *tag)
}

fn heard(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Served { policy_size } => format!("served under policy {policy_size}"),
        Outcome::Refused(name) => format!("refused, {name}"),
        Outcome::Unknown => "not answered".to_owned(),
    }
}

fn moment(history: &History, violation: Violation) -> Moment {
    let of_client = history
        .requests
        .iter()
        .find(|request| Some(&request.id) == violation.request.as_ref());
    let record = of_client.map(|it| {
        let (asked, heard) = (figure::seconds(it.started_us), heard(&it.outcome));
        format!(
            "{} asked {} of {} at {asked}: {heard}",
            it.who(),
            it.action,
            it.resource
        )
    });
    let log = history
        .audits
        .get(&violation.node)
        .and_then(|log| log.as_ref().ok());
    let entry = log.into_iter().flatten().find(|entry| match violation.seq {
        Some(seq) => entry.seq == seq,
        None => Some(&entry.request) == violation.request.as_ref(),
    });
    let entry = entry.map(|entry| {
        let decision = entry.refusal.as_ref().map_or_else(
            || "permit".to_owned(),
            |refusal| format!("refuse, {refusal}"),
        );
        let age = figure::age(entry.at_us, entry.as_of_us);
        let (node, seq, size) = (&entry.node, entry.seq, entry.policy_size);
        let taken = history.acts.iter().flat_map(|act| &act.serials);
        let leaf = entry.leaf.as_ref();
        let leaf = leaf.filter(|leaf| taken.clone().any(|serial| *serial == leaf.serial));
        let on = leaf.map_or("", |_| ", on a certificate that was revoked");
        if entry.policy_size == 0 {
            return format!("{node} {seq}: {decision}, before it had any policy");
        }
        format!("{node} {seq}: {decision}, by policy {size}, {age}{on}")
    });
    Moment {
        at_us: violation.at_us,
        node: violation.node,
        request: violation.request,
        evidence: violation.evidence,
        record,
        entry,
    }
}

#[cfg(test)]
mod tests;
