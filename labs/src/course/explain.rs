//! Why a trial failed: the rule in words, the first moment, the entry behind it, the dials that
//! govern it, and whom a posture that refuses too much locked out.
//!
//! Every word rests on the trial's history and its posture; what the evidence does not say is left
//! out. One cause is told in full, the others by name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use services::client::IN_HANDSHAKE;
use services::posture::{Dial, Freshness, OnStale, Posture, Recheck, TokenStatus};
use services::refusal::Refusal;

use super::trial::Trial;
use crate::history::{History, Outcome, Request, When};
use crate::invariant::exposure::{self, Late};
use crate::invariant::{self, Violation, legitimate_users_served as served, revocation};
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

/// One request that should have gone otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// When, in true microseconds.
    pub at_us: u64,
    /// Where.
    pub node: String,
    /// Which request.
    pub request: Option<String>,
    /// What was seen.
    pub evidence: String,
    /// What the client lived.
    pub record: Option<String>,
    /// What the node's own audit log says.
    pub entry: Option<String>,
}

/// A dial that decides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Governing {
    /// Its name.
    pub dial: String,
    /// Its value.
    pub value: String,
    /// Where it was set.
    pub set_at: String,
    /// What that value did here; empty if the value alone says it.
    pub effect: String,
}

/// A group of users who were served less than they are owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockedOut {
    /// The group's tag.
    pub tag: String,
    /// Where its users are.
    pub region: String,
    /// When its requests count.
    pub when: String,
    /// Requests served.
    pub ok: u64,
    /// Requests asked.
    pub total: u64,
    /// The least share owed, in words: `15 %`.
    pub floor: String,
    /// What was heard most instead.
    pub heard: String,
    /// What the nodes' logs say most of the unserved, where the clients heard no refusal by name.
    pub logged: Option<String>,
}

/// The least of the schedule that still shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Smallest {
    /// Its steps in words.
    pub steps: Vec<String>,
    /// How many steps the schedule had.
    pub of: usize,
    /// How many runs it took to find.
    pub runs: usize,
}

/// Why a trial failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Which trial.
    pub seed: u64,
    /// How its variant differs from the lab.
    pub variant: String,
    /// The rule that is broken, by name.
    pub rule: String,
    /// What the rule says.
    pub words: String,
    /// The first moment of it.
    pub first: Option<Moment>,
    /// The dials that govern it.
    pub dials: Vec<Governing>,
    /// Whom the posture locked out.
    pub locked_out: Vec<LockedOut>,
    /// What else is broken, each with its words.
    pub also: Vec<String>,
    /// The smallest schedule, once it was looked for.
    pub smallest: Option<Smallest>,
    /// The kept run of it, by its folder's name, if it was kept.
    pub run: Option<String>,
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
    // That somebody revoked was let in is what a successful attack is.
    let other = broken.filter(|it| !(attacked && revocation::is_about_revocation(it.name)));
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
            let words =
                "who is to be revoked is first let in, to all that they try: this policy does not";
            ("attack".to_owned(), words.to_owned())
        }
        Cause::Doubt(doubt) => ("unknown".to_owned(), doubt.clone()),
    }
}

fn first(cause: &Cause, trial: &Trial) -> Option<Moment> {
    let history = &trial.ran.history;
    let violation = match cause {
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
        "{} was let in to {}{by} {} after the revocation was acknowledged; this lab allows {}",
        late.principal,
        late.action,
        figure::seconds(late.after_us()),
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

/// The first attack after the revocation, and what it heard instead.
fn not_refused(history: &History) -> Option<Violation> {
    let since = exposure::revocations(history).map(|(_, at)| at).min()?;
    let asked = attacks(history).find(|request| request.started_us >= since)?;
    let heard = heard(&asked.outcome);
    Some(Violation {
        at_us: asked.started_us,
        node: asked.node.clone(),
        request: Some(asked.id.clone()),
        seq: None,
        evidence: format!(
            "no attack was ever answered {}; the first after the revocation was {heard}",
            history.expect.refusal
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
            it.principal, it.action, it.resource
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
        let age = entry.at_us.saturating_sub(entry.as_of_us);
        let age = figure::seconds(age);
        let (node, seq, size) = (&entry.node, entry.seq, entry.policy_size);
        let taken = history.acts.iter().flat_map(|act| &act.serials);
        let leaf = entry.leaf.as_ref();
        let leaf = leaf.filter(|leaf| taken.clone().any(|serial| *serial == leaf.serial));
        let on = leaf.map_or("", |_| ", on a certificate that was revoked");
        if entry.policy_size == 0 {
            return format!("{node} {seq}: {decision}, before it had any policy");
        }
        format!("{node} {seq}: {decision}, by policy {size}, {age} old{on}")
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

fn locked_out(history: &History) -> Vec<LockedOut> {
    let groups = served::groups(history);
    let short = groups
        .iter()
        .filter(|group| group.ratio().is_some_and(|ratio| ratio < group.spec.floor));
    let told = short.map(|group| {
        let most = group.heard.iter();
        let most = most.max_by_key(|(name, count)| (**count, std::cmp::Reverse(**name)));
        LockedOut {
            tag: group.spec.tag.clone(),
            region: group.region.to_owned(),
            when: group.when(),
            ok: group.ok,
            total: group.total,
            floor: figure::floor(group.spec.floor),
            heard: most.map_or(String::new(), |(name, _)| (*name).to_owned()),
            logged: logged(history, group),
        }
    });
    told.collect()
}

/// The refusal that verified logs give most for a group's unserved requests; nothing if the clients
/// heard most a refusal by name. A client that gave up heard nothing of it.
fn logged(history: &History, group: &served::Group<'_>) -> Option<String> {
    let heard = group.heard.iter();
    let most = heard.max_by_key(|(name, count)| (**count, std::cmp::Reverse(**name)))?;
    if Refusal::from_name(most.0).is_some() {
        return None;
    }
    let unserved: BTreeSet<&str> = asked(history, group)
        .filter(|request| !request.outcome.is_served())
        .map(|request| request.id.as_str())
        .collect();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in history.audits.values().flatten().flatten() {
        if let (Some(refusal), true) = (&entry.refusal, unserved.contains(entry.request.as_str())) {
            *counts.entry(refusal).or_insert(0) += 1;
        }
    }
    let most = counts.into_iter();
    let most = most.max_by_key(|(name, count)| (*count, std::cmp::Reverse(*name)));
    most.map(|(name, _)| name.to_owned())
}

/// The requests that a group's floor counts.
fn asked<'h>(
    history: &'h History,
    group: &served::Group<'h>,
) -> impl Iterator<Item = &'h Request> + use<'h> {
    let (spec, region) = (group.spec, group.region);
    let (name, inside) = match &spec.when {
        When::Inside(name) => (name.as_str(), true),
        When::Outside(name) => (name.as_str(), false),
        When::Throughout => ("", false),
    };
    let of_group = move |request: &&Request| {
        let mut faults = history.faults.iter().filter(|fault| fault.name == name);
        request.tag == spec.tag
            && request.region == region
            && spec.action.as_ref().is_none_or(|it| *it == request.action)
            && faults.any(|fault| fault.cuts_off(region, request.started_us)) == inside
    };
    history.requests.iter().filter(of_group)
}

/// The dials behind a cause: those of the lab if any govern it, else all that do.
fn governing(
    cause: &Cause,
    history: &History,
    locked_out: &[LockedOut],
    (posture, places): (&Posture, &Places),
) -> Vec<Governing> {
    let strict = *cause == Cause::Invariant(served::NAME);
    let refusals: Vec<&str> = match cause {
        Cause::Invariant(name) if strict || *name == served::NAME => locked_out
            .iter()
            .map(|group| group.logged.as_ref().unwrap_or(&group.heard).as_str())
            .map(|heard| heard.strip_prefix(IN_HANDSHAKE).unwrap_or(heard))
            .collect(),
        Cause::Invariant("monotone-policy") => vec!["policy-rolled-back"],
        Cause::Invariant("no-unlogged-decision") => vec!["audit-unavailable"],
        Cause::Attack | Cause::Invariant(_) | Cause::NotRefused => {
            vec![refusal(history, posture)]
        }
        Cause::NeverLetIn | Cause::Doubt(_) => Vec::new(),
    };
    let unasked = posture.tls.recheck != Recheck::Message && is_message(cause, history);
    let governs = |dial: &&Dial| {
        if unasked {
            return dial.name == "tls.recheck";
        }
        dial.is_built()
            && dial
                .refusals
                .iter()
                .any(|refusal| refusals.contains(refusal))
    };
    let told = services::posture::DIALS.iter().filter(governs).map(|dial| {
        let set_at = places.get(dial.name);
        Governing {
            dial: dial.name.to_owned(),
            value: posture.value(dial.name).unwrap_or_default(),
            set_at: set_at.map_or_else(|| "not set: hardened".to_owned(), Clone::clone),
            effect: if unasked {
                "a message of an open stream is decided, and logged, under `message` alone"
                    .to_owned()
            } else {
                effect(dial.name, posture, history, strict)
            },
        }
    });
    told.collect()
}

/// The refusal that was missing: the lab's, or, where log-outs are looked at, that of a policy too
/// old to know of one.
fn refusal<'h>(history: &'h History, posture: &Posture) -> &'h str {
    let named = history.expect.refusal.as_str();
    let looked_at = posture.token.status == TokenStatus::Check;
    if named == Refusal::TokenRevoked.name() && looked_at {
        return Refusal::PolicyStale.name();
    }
    named
}

/// Whether what was served without an entry is a message of a stream.
fn is_message(cause: &Cause, history: &History) -> bool {
    let Cause::Invariant("no-unlogged-decision") = cause else {
        return false;
    };
    let first = invariant::by_name("no-unlogged-decision").and_then(|invariant| {
        (invariant.check)(&history.placed())
            .violations
            .into_iter()
            .next()
    });
    let id = first.and_then(|violation| violation.request);
    let mut requests = history.requests.iter();
    requests.any(|request| Some(&request.id) == id.as_ref() && request.since_us.is_some())
}

/// What a dial's value did: only for those whose value alone does not say it.
fn effect(dial: &str, posture: &Posture, history: &History, strict: bool) -> String {
    match dial {
        "policy.freshness" if strict => too_young(posture, history),
        "policy.freshness" => too_old(posture, history),
        "policy.on_stale" if posture.policy.on_stale == OnStale::Allow => {
            "a policy that is too old decides all the same".to_owned()
        }
        _ => String::new(),
    }
}

/// Bounds that are longer than the lab allows, or none at all.
fn too_old(posture: &Posture, history: &History) -> String {
    let mut effects = Vec::new();
    for (action, allowed_us) in &history.expect.exposure_us {
        let allowed = figure::span(Duration::from_micros(*allowed_us));
        match posture.policy.freshness.get(action) {
            Freshness::Any => effects.push(format!(
                "a policy of any age may decide {action}; this lab allows {allowed}"
            )),
            Freshness::Within(bound) if bound.as_micros() > u128::from(*allowed_us) => {
                let bound = figure::span(bound);
                effects.push(format!(
                    "a policy {bound} old may still decide {action}; this lab allows {allowed}"
                ));
            }
            Freshness::Within(_) | Freshness::Latest => {}
        }
    }
    effects.join("; ")
}

/// From which age on whom the bound refuses.
fn too_young(posture: &Posture, history: &History) -> String {
    let mut asked: Vec<&str> = served::groups(history)
        .iter()
        .filter(|group| group.ratio().is_some_and(|ratio| ratio < group.spec.floor))
        .flat_map(|group| match &group.spec.action {
            Some(action) => vec![action.as_str()],
            None => history
                .expect
                .exposure_us
                .keys()
                .map(String::as_str)
                .collect(),
        })
        .collect();
    asked.sort_unstable();
    asked.dedup();
    let told = asked
        .iter()
        .filter_map(|action| match posture.policy.freshness.get(action) {
            Freshness::Within(bound) => Some(format!(
                "{action} is refused to everyone once the policy is {} old",
                figure::span(bound)
            )),
            Freshness::Latest => Some(format!(
                "{action} is refused to everyone who cannot reach a quorum"
            )),
            Freshness::Any => None,
        });
    told.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
