//! The dials that decide a cause, and what their values did.

use std::time::Duration;

use services::client::IN_HANDSHAKE;
use services::posture::{
    Dial, Freshness, OnStale, Posture, Recheck, Reconcile, TokenStatus, Withdrawal,
};
use services::refusal::Refusal;

use super::{Cause, Governing, LockedOut, Places, clocks};
use crate::history::{ActKind, Harm, History};
use crate::invariant::{self, every_leaf_was_issued, legitimate_users_served as served};
use crate::report::figure;

/// The dials behind a cause: those of the lab if any govern it, else all that do.
pub(super) fn governing(
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
            clocks::refusals(history).unwrap_or_else(|| vec![refusal(history, posture)])
        }
        Cause::NeverLetIn | Cause::Doubt(_) => Vec::new(),
    };
    let unasked = posture.tls.recheck != Recheck::Message && is_message(cause, history);
    let late = clocks::too_late(history, locked_out, posture);
    let rogue = is_rogue(cause, history);
    let hasty = strict && is_hasty(history, posture);
    let governs = |dial: &&Dial| {
        if rogue {
            return ROGUE.contains(&dial.name);
        }
        if hasty && dial.name == HASTE {
            return true;
        }
        if unasked {
            return dial.name == "tls.recheck";
        }
        let mut own = dial.refusals.iter();
        let behind = strict && dial.name == "tls.tolerance" && !late.is_empty();
        // Who is taken for whom is decided by these, and where nobody poses they decide nothing.
        let named = dial.name.starts_with("identity.");
        let poses = history.expect.harm() == Harm::Impersonation;
        if named != poses && (named || !strict) {
            return false;
        }
        dial.is_built() && (behind || own.any(|refusal| refusals.contains(refusal)))
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
                let clock = clocks::effect(dial.name, posture, history);
                match dial.name {
                    "tls.tolerance" if strict => late.clone(),
                    _ if strict => effect(dial.name, posture, history, strict),
                    _ => clock.unwrap_or_else(|| effect(dial.name, posture, history, strict)),
                }
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

/// The dials behind a certificate that nobody issued: no refusal names it, since whoever lets it in
/// cannot tell it from another.
const ROGUE: [&str; 2] = ["issuance.reconcile", "rotation.revoke"];

/// Which of them cuts off those who did nothing.
const HASTE: &str = "rotation.revoke";

/// Whether the issuer behind such certificates went, and whoever still had one from it.
fn is_hasty(history: &History, posture: &Posture) -> bool {
    let rogue = history.acts.iter().any(|act| act.kind == ActKind::Rogue);
    rogue && posture.rotation.revoke == Withdrawal::Immediately
}

/// Whether it is about such a certificate.
fn is_rogue(cause: &Cause, history: &History) -> bool {
    let about = match cause {
        Cause::Attack | Cause::NotRefused => true,
        Cause::Invariant(name) => *name == every_leaf_was_issued::NAME,
        Cause::NeverLetIn | Cause::Doubt(_) => false,
    };
    about && history.acts.iter().any(|act| act.kind == ActKind::Rogue)
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
        "rotation.revoke" if strict && is_hasty(history, posture) => {
            "whoever still had a certificate from the stolen issuer went with the thief".to_owned()
        }
        "issuance.reconcile" if posture.issuance.reconcile == Reconcile::Off => {
            "nobody holds whom a node let in against what the CA issued".to_owned()
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
