//! What happened, in two sentences that a stranger understands, made only of this run's figures.
//!
//! One action is told: the one with the longest exposure in the last run, which flatters no
//! defence. The price names every action that somebody went without.

use std::collections::BTreeSet;

use crate::history::{Harm, History, Promise};
use crate::invariant::exposure::{self, Late};
use crate::invariant::{impersonation, outage};
use crate::report::balance::longest_wait;
use crate::report::figure::seconds;
use crate::report::{RunReport, measure, timeline};

/// The first words of the page.
pub(super) struct Headline {
    pub(super) what: String,
    /// What it cost; empty if nobody was followed.
    pub(super) price: String,
}

/// The headline of these runs.
pub(super) fn headline(runs: &[RunReport], histories: &[&History]) -> Headline {
    if runs.first().is_some_and(|run| run.harm() == Harm::Outage) {
        return outage(runs, histories);
    }
    let price = histories.last().map_or(String::new(), |last| price(last));
    if runs
        .first()
        .is_some_and(|run| run.harm() == Harm::Impersonation)
    {
        let what = posing(runs, histories);
        return Headline { what, price };
    }
    let what = match histories.first().and_then(|first| revoked(first)) {
        Some(who) => let_in(&who, runs, histories),
        None => nobody(histories),
    };
    Headline { what, price }
}

/// The headline of runs that measure outages.
fn outage(runs: &[RunReport], histories: &[&History]) -> Headline {
    let told = runs.iter().zip(histories).map(|(run, history)| {
        let with = with(&run.posture);
        match outage::longest(history) {
            None => format!("{with} nobody went without"),
            Some(it) => {
                let (who, action, lasted) = (&it.principal, &it.action, seconds(it.lasted_us()));
                let end = if it.is_over { "" } else { ", to the end" };
                let place = place(&it.node);
                format!("{with} {who} could not {action} in {place} for {lasted}{end}")
            }
        }
    });
    let told: Vec<String> = told.collect();
    let waited = histories.last().and_then(|last| longest_wait(last));
    let price = match waited {
        None => String::new(),
        Some((order, us, true)) => {
            format!(
                "The price: {order} waited {} to be carried out.",
                seconds(us)
            )
        }
        Some((order, us, false)) => {
            format!("The price: {order} waited {} and longer.", seconds(us))
        }
    };
    let what = format!("{}.", capital(&told.join("; ")));
    Headline { what, price }
}

/// What there is to say of who went as whom.
fn posing(runs: &[RunReport], histories: &[&History]) -> String {
    let told = runs.iter().zip(histories).map(|(run, history)| {
        let (with, placed) = (with(&run.posture), history.placed());
        let impostures = impersonation::seen(&placed).impostures;
        let Some(first) = impostures.first() else {
            return format!("{with} nobody was let in under a name that is not theirs");
        };
        let (who, name) = (first.request.sender(), first.taken_for);
        let last_us = impostures
            .iter()
            .map(impersonation::Imposture::ended_us)
            .max();
        let lasted = last_us.map_or(0, |us| us.saturating_sub(first.request.asked_us()));
        let times = impostures.len();
        let place = place(&first.request.node);
        let lasted = seconds(lasted);
        format!("{with} {place} took {who} for {name}, {times} times in {lasted}")
    });
    let told: Vec<String> = told.collect();
    format!("{}.", capital(&told.join("; ")))
}

/// Who was revoked: a name, or how many.
struct Revoked {
    names: BTreeSet<String>,
}

impl Revoked {
    fn name(&self) -> String {
        match (self.names.len(), self.names.first()) {
            (1, Some(name)) => name.clone(),
            (many, _) => format!("{many} users"),
        }
    }
}

fn revoked(history: &History) -> Option<Revoked> {
    let revocations = exposure::revocations(history);
    let names: BTreeSet<String> = revocations.map(|(act, _)| act.principal.clone()).collect();
    (!names.is_empty()).then_some(Revoked { names })
}

/// What there is to say when no revocation was acknowledged.
fn nobody(histories: &[&History]) -> String {
    let acts = histories.first().map_or(&[][..], |first| &first.acts);
    let pending = acts.iter().find(|act| act.revokes());
    pending.map_or("Nobody was revoked.".to_owned(), |act| {
        format!(
            "The revocation of {} was never acknowledged, so nothing was promised of it.",
            act.principal
        )
    })
}

fn let_in(who: &Revoked, runs: &[RunReport], histories: &[&History]) -> String {
    let name = who.name();
    let was = if who.names.len() == 1 { "was" } else { "were" };
    let by = histories.first().map(|first| first.taken_by());
    let at = when(runs, histories);
    let revoked = match by {
        Some("the end") => format!("What was copied of {name} ended at {at}."),
        Some("its first use") => {
            format!("A certificate of {name} that nobody had issued was let in at {at}.")
        }
        _ => format!("{name} {was} revoked at {at}."),
    };
    let Some(action) = told(histories) else {
        return format!("{revoked} Nobody asked for anything after that.");
    };
    let mut clauses = Vec::new();
    for (at, (run, history)) in runs.iter().zip(histories).enumerate() {
        let with = with(&run.posture);
        let longest = longest(history, &action);
        let clause = match (&longest, at) {
            (Some(late), 0) => {
                let (place, more) = (place(&late.node), seconds(late.after_us()));
                format!("{with} {place} let {name} {action} for {more} more")
            }
            (Some(late), _) => format!("{with}, for {} more", seconds(late.after_us())),
            (None, 0) => format!("{with} {name} could not {action} once more"),
            (None, _) => format!("{with}, not once more"),
        };
        let is_last = at + 1 == runs.len();
        let kept = if is_last {
            promised(history, &action, longest.as_ref())
        } else {
            String::new()
        };
        clauses.push(clause + &kept);
    }
    format!("{revoked} {}.", capital(&clauses.join("; ")))
}

/// When the revocation was acknowledged; of runs that differ in it, each.
fn when(runs: &[RunReport], histories: &[&History]) -> String {
    let first = |history: &&History| {
        let times = exposure::revocations(history).map(|(_, at)| at);
        times.min().map_or("no time".to_owned(), seconds)
    };
    let times: Vec<String> = histories.iter().map(first).collect();
    if times.windows(2).all(|pair| pair[0] == pair[1]) {
        return times.into_iter().next().unwrap_or_default();
    }
    let each = times.iter().zip(runs);
    let each: Vec<String> = each
        .map(|(time, run)| format!("{time} ({})", run.posture))
        .collect();
    each.join(" and ")
}

/// The action that is told of.
fn told(histories: &[&History]) -> Option<String> {
    let exposure = |history: Option<&&History>, action: &str| {
        let all = history.map(|history| exposure::exposure_us(history));
        all.and_then(|all| all.get(action).copied()).unwrap_or(0)
    };
    let first = exposure::exposure_us(histories.first()?);
    let actions = first.keys().rev();
    actions
        .max_by_key(|action| {
            (
                exposure(histories.last(), action),
                exposure(histories.first(), action),
            )
        })
        .cloned()
}

/// The success that makes the exposure for that action.
fn longest(history: &History, action: &str) -> Option<Late> {
    let lates = exposure::successes(history).into_iter();
    lates
        .filter(|late| late.action == action)
        .max_by_key(Late::after_us)
}

/// How the exposure compares with what the posture promised.
fn promised(history: &History, action: &str, longest: Option<&Late>) -> String {
    let promise = history.shown_promise(action);
    let Some(after_us) = longest.map(Late::after_us) else {
        return String::new();
    };
    match promise {
        Promise::Any => ", and nothing was promised".to_owned(),
        Promise::Latest => ", though none was promised".to_owned(),
        Promise::Within(us) => {
            let side = if after_us <= us {
                "inside"
            } else if after_us > us.saturating_add(history.tolerance_us) {
                "beyond"
            } else {
                "within the tolerance of"
            };
            format!(", {side} the promised {}", seconds(us))
        }
    }
}

fn with(posture: &str) -> String {
    match posture {
        "exposed" => "with the exposed settings".to_owned(),
        "solution" => "with the solution".to_owned(),
        "yours" => "with your settings".to_owned(),
        "posture" => "with this posture".to_owned(),
        "hardened" => "with every dial hardened".to_owned(),
        name => format!("with the settings of {name}"),
    }
}

/// A node's region, if it has one in its name.
fn place(node: &str) -> String {
    let region = node.split_once('.').map(|(_, region)| region);
    region.map_or(node.to_owned(), |region| format!("the {region}"))
}

fn price(history: &History) -> String {
    let Some(user) = timeline::legitimate(history) else {
        return String::new();
    };
    let prices = measure::price(history, user);
    let unserved: Vec<String> = prices
        .iter()
        .filter(|(_, price)| price.unserved > 0)
        .map(|(action, price)| format!("{action} for {}", seconds(price.unserved_us)))
        .collect();
    if unserved.is_empty() {
        return format!("The price: none. {user} was served throughout.");
    }
    format!("The price: {user} could not {}.", unserved.join(", nor "))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::sample::Sample;
    use crate::report::text::sample::{exposed, judged, solution};

    fn said(samples: &[&Sample]) -> (String, String) {
        let histories: Vec<&History> = samples.iter().map(|sample| &sample.history).collect();
        let headline = headline(&judged(&histories), &histories);
        (headline.what, headline.price)
    }

    #[test]
    fn one_run_alone_is_told_with_its_promise() {
        assert_eq!(
            said(&[&solution()]).0,
            "mallory was revoked at 12.1 s. With the solution the south let mallory read for \
             6.9 s more, inside the promised 10.0 s."
        );
        let (what, price) = said(&[&exposed()]);
        assert!(
            what.ends_with("write for 32.4 s more, and nothing was promised."),
            "{what}"
        );
        assert_eq!(price, "The price: none. alice was served throughout.");
    }

    #[test]
    fn a_broken_promise_is_never_told_as_kept() {
        let mut late = solution();
        for (bound, words) in [
            (5_000_000, "beyond the promised 5.0 s"),
            (6_500_000, "within the tolerance of the promised 6.5 s"),
        ] {
            let promise = Promise::Within(bound);
            late.history.promised.insert("read".to_owned(), promise);
            assert!(said(&[&late]).0.contains(words), "{}", said(&[&late]).0);
        }
        late.history
            .promised
            .insert("read".to_owned(), Promise::Latest);
        assert!(said(&[&late]).0.contains("though none was promised"));
    }

    #[test]
    fn what_was_never_acknowledged_and_who_was_never_let_in_are_said_plainly() {
        let mut pending = exposed();
        pending.history.acts[0].acknowledged_us = None;
        assert!(
            said(&[&pending])
                .0
                .contains("of mallory was never acknowledged")
        );
        let mut refused = solution();
        refused.history.acts[0].acknowledged_us = Some(59_000_000);
        let what = said(&[&exposed(), &refused]).0;
        assert!(
            what.contains("12.1 s (exposed) and 59.0 s (solution)"),
            "{what}"
        );
        assert!(
            what.ends_with("with the solution, not once more."),
            "{what}"
        );
        assert_eq!(said(&[]).0, "Nobody was revoked.");
    }
}
