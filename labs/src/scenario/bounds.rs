//! How much harm a good posture allows, by action: how late somebody revoked is let in, or for how
//! long somebody who is owed an answer goes without.
//!
//! A scenario is about one thing: where somebody attacks who is revoked, it says `exposure`; where
//! an administrator's own deed is what hurts, it says `outage`, and nobody attacks. Where somebody
//! asks in a name that is not theirs it says `impersonation`, and of that nothing is ever allowed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::act::{ASKED, Act, Guise};
use super::expect::{ATTACK_TAG, Floor};
use super::fields::{Fields, word};
use super::flaw::{Placed, incoherent};
use super::step::Step;
use super::world::MAX_DURATION;

/// All but one are empty.
#[derive(Default)]
pub(super) struct Bounds {
    pub(super) exposure: BTreeMap<String, Duration>,
    pub(super) outage: BTreeMap<String, Duration>,
    pub(super) impersonation: Vec<String>,
}

impl Bounds {
    pub(super) fn read(
        fields: &Fields<'_, '_>,
        schedule: &[Step],
        floors: &[Floor],
    ) -> Placed<Self> {
        let attacked = asked(schedule, &[ATTACK_TAG]);
        if fields.get("impersonation").is_some() {
            return Self::impersonation(fields, schedule, &attacked);
        }
        if let Some(value) = fields.get("outage") {
            if let Some(exposure) = fields.get("exposure") {
                let why = "a scenario is about `exposure` or about `outage`, not about both";
                return incoherent(&exposure.span(), why);
            }
            if !attacked.is_empty() {
                let why = format!(
                    "of an outage nobody is the cause by attacking: no request has the tag \
                     `{ATTACK_TAG}`"
                );
                return incoherent(&value.span(), why);
            }
            let owed: Vec<&str> = floors.iter().map(|floor| &*floor.tag).collect();
            let outage = bounds("outage", fields)?;
            let asked = asked(schedule, &owed);
            if let Some(action) = outage
                .keys()
                .find(|action| !asked.contains(&action.as_str()))
            {
                let why = format!("nobody to whom a floor owes it asks for `{action}`");
                return incoherent(&value.span(), why);
            }
            if let Some(action) = asked.iter().find(|action| !outage.contains_key(**action)) {
                let why = format!("`{action}` is owed by a floor, and its outage has no bound");
                return incoherent(&value.span(), why);
            }
            return Ok(Self {
                outage,
                ..Self::default()
            });
        }
        let value = fields.need("exposure", fields.get("exposure"))?;
        let exposure = bounds("exposure", fields)?;
        for action in ASKED {
            let why = match (attacked.contains(&action), exposure.contains_key(action)) {
                (true, false) => {
                    format!("the attack tries `{action}`, for which nothing is promised")
                }
                (false, true) => {
                    format!("a promise for `{action}`, which the attack never tries")
                }
                _ => continue,
            };
            return incoherent(&value.span(), why);
        }
        Ok(Self {
            exposure,
            ..Self::default()
        })
    }

    /// Every action of the attack is named, and every attack is in a name that is not the asker's.
    fn impersonation(
        fields: &Fields<'_, '_>,
        schedule: &[Step],
        attacked: &[&str],
    ) -> Placed<Self> {
        let value = fields.need("impersonation", fields.get("impersonation"))?;
        for other in ["exposure", "outage"] {
            if let Some(other_value) = fields.get(other) {
                let why = format!("a scenario is about `impersonation` or about `{other}`");
                return incoherent(&other_value.span(), why);
            }
        }
        let mut impersonation: Vec<String> = Vec::new();
        for word in fields.words("impersonation")? {
            let action = word.known("action", ASKED)?;
            if !attacked.contains(&action.as_str()) {
                let why = format!("the attack never tries `{action}`");
                return incoherent(&word.span, why);
            }
            if impersonation.contains(&action) {
                return incoherent(&word.span, format!("`{action}` is named twice"));
            }
            impersonation.push(action);
        }
        if let Some(action) = attacked
            .iter()
            .find(|it| !impersonation.iter().any(|named| named == **it))
        {
            let why = format!("the attack tries `{action}`, which is not named");
            return incoherent(&value.span(), why);
        }
        let own = |step: &Step| match &step.act {
            Act::Request { tag, forging, .. } => {
                tag == ATTACK_TAG && forging.as_ref().is_none_or(Guise::has_key)
            }
            _ => false,
        };
        if schedule.iter().any(own) {
            let why = "an attack is in the asker's own name, or with the owner's own key: nobody \
                       could tell that it is an impostor's";
            return incoherent(&value.span(), why);
        }
        Ok(Self {
            impersonation,
            ..Self::default()
        })
    }
}

/// The actions that requests with one of these tags ask for.
fn asked<'s>(schedule: &'s [Step], tags: &[&str]) -> Vec<&'s str> {
    let steps = schedule.iter().filter_map(|step| match &step.act {
        Act::Request { tag, actions, .. } if tags.contains(&tag.as_str()) => Some(actions),
        _ => None,
    });
    steps.flatten().map(String::as_str).collect()
}

fn bounds(field: &'static str, fields: &Fields<'_, '_>) -> Placed<BTreeMap<String, Duration>> {
    let value = fields.need(field, fields.get(field))?;
    let place = format!("`{field}`");
    let given = Fields::of(&place, value, &ASKED)?;
    let mut bounds = BTreeMap::new();
    for action in ASKED {
        let Some(value) = given.get(action) else {
            continue;
        };
        let word = word(action, value)?;
        let bound = word.span(action)?;
        if bound.is_zero() || bound > MAX_DURATION {
            return Err(word.out_of_range(action, "a promise is from 5 ms to 10 min"));
        }
        bounds.insert(action.to_owned(), bound);
    }
    if bounds.is_empty() {
        return incoherent(&value.span(), format!("{place} says nothing of any action"));
    }
    Ok(bounds)
}

#[cfg(test)]
#[path = "bounds_tests.rs"]
mod tests;
