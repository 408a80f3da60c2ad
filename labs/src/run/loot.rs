//! What was stolen: keys that sign tokens, and tokens.
//!
//! A thief has what a step `steal` gave them at its moment, and nothing that came later: a key's
//! successor and a token's renewal are not theirs. What was copied stays with thief and victim, and
//! is in no trace and no history.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ca::identity::SpiffeId;
use ca::journal::Event;
use ca::token_keys::TokenKey;
use services::member::Member;
use services::node::AUDIENCE;
use services::token::grpc::TTL;
use services::token::issue::Issuer;

use super::users::until;
use super::world::ISSUER;
use crate::scenario::{Act, Guise, Scenario};

/// What thieves hold.
pub(super) type Loot = Arc<Mutex<Stolen>>;

/// Everything that was stolen so far.
#[derive(Default)]
pub(super) struct Stolen {
    /// Signing keys, by thief, each with the moment of it in the schedule.
    keys: BTreeMap<String, (Duration, TokenKey)>,
    /// Tokens, by thief and by whom they were copied from.
    tokens: BTreeMap<(String, String), (Duration, String)>,
}

/// One copy of somebody's token.
#[derive(Clone, Debug)]
pub(super) struct Theft {
    at: Duration,
    thief: String,
}

/// When `victim`'s token is copied, and by whom.
pub(super) fn thefts(scenario: &Scenario, victim: &str) -> Vec<Theft> {
    let steps = scenario.schedule.iter();
    let of = |step: &crate::scenario::Step| match &step.act {
        Act::Steal {
            as_,
            token_of: Some(whose),
        } if whose == victim => Some(Theft {
            at: step.at,
            thief: as_.clone(),
        }),
        _ => None,
    };
    steps.filter_map(of).collect()
}

/// A thief has that key from now on.
/// Whether it was taken: a node that was started again is not robbed again.
pub(super) fn take_key(loot: &Loot, thief: &str, at: Duration, key: TokenKey) -> bool {
    let mut loot = loot.lock().unwrap_or_else(PoisonError::into_inner);
    if loot.keys.get(thief).is_some_and(|(done, _)| *done >= at) {
        return false;
    }
    loot.keys.insert(thief.to_owned(), (at, key));
    true
}

/// Waits for the moment of a theft and lets it happen: the token that the victim has then, if any,
/// is copied.
pub(super) async fn lose_token(victim: Member, theft: Theft, loot: Loot) {
    until(theft.at).await;
    let own = victim.identity.borrow().clone();
    let Some(bearer) = own.and_then(|own| own.bearer.clone()) else {
        return;
    };
    let (thief, whose) = (theft.thief, victim.start.name.clone());
    {
        let mut loot = loot.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, token) = ((thief.clone(), whose.clone()), bearer.text.to_string());
        if loot
            .tokens
            .get(&of)
            .is_some_and(|(done, _)| *done >= theft.at)
        {
            return;
        }
        loot.tokens.insert(of, (theft.at, token));
    }
    victim.start.seams.journal.note(Event {
        kind: "stolen",
        principal: thief,
        action: "token".to_owned(),
        resource: whose,
        ..Event::default()
    });
}

/// What a thief has to show for a guise; nothing if nothing was stolen.
pub(super) fn token(guise: &Guise, thief: &Member, loot: &Loot, jti: &str) -> Option<String> {
    let name = &thief.start.name;
    let loot = loot.lock().unwrap_or_else(PoisonError::into_inner);
    match guise {
        Guise::Forged(subject) => {
            let key = loot.keys.get(name)?.1.clone();
            drop(loot);
            forge(&key, subject, thief, jti)
        }
        Guise::Replayed { token_of } => {
            let held = loot.tokens.get(&(name.clone(), token_of.clone()));
            held.map(|(_, token)| token.clone())
        }
    }
}

/// A token in another's name, which whoever stole the key has signed over their own leaf.
fn forge(key: &TokenKey, subject: &str, thief: &Member, jti: &str) -> Option<String> {
    let own = thief.identity.borrow().clone()?;
    let issuer = Issuer::new(ISSUER, key.kid(), key.pkcs8()).ok()?;
    let facts = &own.credential.facts;
    let domain = facts.spiffe_id.trust_domain();
    let whose = SpiffeId::new(domain, &format!("/user/{subject}")).ok()?;
    let (leaf, now) = (&facts.leaf_sha256, thief.start.seams.clock.now());
    issuer.issue(&whose, AUDIENCE, leaf, now, TTL, jti).ok()
}
