//! What a pass does not rest on: bounds beyond the promise that no seed caught, and actions that
//! nobody asked for.
//!
//! A check tries schedules, and a schedule can be kind. What the settings allow is read from the
//! settings; nothing here runs anything or changes a verdict.

use std::collections::BTreeSet;

use services::posture::{ACTIONS, Freshness};

use super::trial::{Entrant, Trial};
use crate::report::figure;
use crate::scenario::{Act, Booty, Scenario, Step};

/// The dial whose value is a demand for each action.
const FRESHNESS: &str = "policy.freshness";

/// What is to be said beside a pass, a sentence each; nothing of a lab that is not about freshness.
pub fn notes(scenario: &Scenario, entrant: &Entrant, trials: &[Trial]) -> Vec<String> {
    let is_about = |dial: &String| dial == FRESHNESS;
    if !scenario.expect.dials.iter().any(is_about) {
        return Vec::new();
    }
    let mut notes: Vec<String> = beyond(scenario, entrant).collect();
    notes.extend(unasked(trials));
    notes
}

/// Bounds longer than the lab allows: what is allowed will happen one day.
fn beyond<'a>(
    scenario: &'a Scenario,
    entrant: &'a Entrant,
) -> impl Iterator<Item = String> + use<'a> {
    let freshness = &entrant.posture.policy.freshness;
    // What ends of itself is no news: no policy is late with it.
    let ends = |step: &Step| {
        matches!(
            &step.act,
            Act::Steal {
                what: Booty::Leaf { .. },
                ..
            }
        )
    };
    let of_policy = !scenario.schedule.iter().any(ends);
    let allowed = scenario.expect.exposure.iter().filter(move |_| of_policy);
    allowed.filter_map(move |(action, allowed)| {
        let limit = figure::span(*allowed);
        let may = match freshness.get(action) {
            Freshness::Any => "a policy of any age".to_owned(),
            Freshness::Within(bound) if bound > *allowed => {
                format!("a policy {} old", figure::span(bound))
            }
            Freshness::Within(_) | Freshness::Latest => return None,
        };
        Some(format!(
            "Beyond the promise: {may} may decide {action}, and this lab allows {limit}. That no \
             seed here caught it was luck."
        ))
    })
}

/// What nobody asked to do in any trial.
fn unasked(trials: &[Trial]) -> Option<String> {
    let requests = trials.iter().flat_map(|trial| &trial.ran.history.requests);
    let asked: BTreeSet<&str> = requests.map(|request| request.action.as_str()).collect();
    let unasked = ACTIONS.into_iter().filter(|action| !asked.contains(action));
    let unasked: Vec<&str> = unasked.collect();
    (!unasked.is_empty()).then(|| {
        format!(
            "Nobody asked to {}: what your settings say of that was not tried.",
            unasked.join(" or ")
        )
    })
}

#[cfg(test)]
mod tests {
    use services::posture::Posture;

    use super::*;
    use crate::catalog;

    /// What is said of a posture in a lab.
    fn said(lab: &str, text: &str) -> Vec<String> {
        let lab = catalog::find(lab).unwrap();
        let scenario = Scenario::parse("lab.toml", lab.lab_toml).unwrap();
        let entrant = Entrant {
            name: "posture".to_owned(),
            posture: Posture::parse("posture.toml", text).unwrap().0,
            policy: String::new(),
        };
        notes(&scenario, &entrant, &[])
    }

    #[test]
    fn a_bound_beyond_the_promise_is_named_also_if_it_was_left_out() {
        let of = |freshness: &str| said("stale-acl", &format!("policy.freshness = {freshness}"));
        let kept = of("{ read = \"10s\", write = \"3s\" }");
        assert_eq!(kept.len(), 1, "{kept:?}");
        let default = of("{ read = \"10s\" }");
        assert!(
            default[0].contains("a policy 5 s old may decide write, and this lab allows 3 s"),
            "{default:?}"
        );
        let both = of("{ read = \"12s\", write = \"5s\" }");
        assert!(both[0].contains("12 s old may decide read"), "{both:?}");
        assert_eq!(both.len(), 3);
    }

    #[test]
    fn where_something_ends_of_itself_no_bound_is_beyond_the_promise() {
        let said = said("borrowed-time", "policy.freshness = \"9s\"");
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("Nobody asked to"));
    }

    #[test]
    fn what_nobody_asked_for_is_named_and_only_where_it_could_be_set() {
        let kept = said("stale-acl", "policy.freshness = \"3s\"");
        let every = "Nobody asked to read or share or watch or write: what your settings say of \
                     that was not tried.";
        assert_eq!(kept, [every]);
        let other = said("vanished-forbid", "policy.errors = \"deny\"");
        assert_eq!(other, Vec::<String>::new());
    }
}
