//! What was stolen: keys that sign tokens or certificates, tokens, and whole identities.
//!
//! A thief has what a step `steal` gave them at its moment, and nothing that came later: a key's
//! successor and a token's renewal are not theirs. What was copied stays with thief and victim, and
//! is in no trace and no history. History is told when a copied identity ends, since that is what
//! it is judged by: the sooner of the ends that its certificate and its token bear, as true time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ca::agent::Published;
use ca::authority::Issuer as CertificateIssuer;
use ca::identity::SpiffeId;
use ca::journal::Event;
use ca::token_keys::TokenKey;
use services::forwarded::Shown;
use services::member::Member;
use services::node::AUDIENCE;
use services::token::claims::Claims;
use services::token::grpc::TTL;
use services::token::issue::Issuer;
use tokio::sync::watch;

use super::rogue::Rogue;
use super::users::{Heard, begin, until};
use super::world::ISSUER;
use crate::fabric::EPOCH;
use crate::history::{self, ActKind};
use crate::scenario::{Act, Booty, Guise, Scenario};

/// What thieves hold.
pub(super) type Loot = Arc<Mutex<Stolen>>;

/// Everything that was stolen so far.
#[derive(Default)]
pub(super) struct Stolen {
    /// Signing keys, by thief, each with the moment of it in the schedule.
    keys: BTreeMap<String, (Duration, TokenKey)>,
    /// Tokens, by thief and by whom they were copied from.
    tokens: BTreeMap<(String, String), (Duration, String)>,
    /// Identities, by the same.
    leaves: BTreeMap<(String, String), Arc<Published>>,
    /// Issuers of certificates, as keys are.
    issuers: BTreeMap<String, (Duration, Arc<CertificateIssuer>)>,
    /// What is made with them, by thief and by the name that it bears.
    rogues: BTreeMap<(String, String), Arc<Rogue>>,
}

/// One copy of somebody's token.
#[derive(Clone, Debug)]
pub(super) struct Theft {
    at: Duration,
    thief: String,
    /// Key and certificate as well.
    whole: bool,
}

/// When `victim`'s token is copied, and by whom.
pub(super) fn thefts(scenario: &Scenario, victim: &str) -> Vec<Theft> {
    let steps = scenario.schedule.iter();
    let of = |step: &crate::scenario::Step| match &step.act {
        Act::Steal { as_, what } if what.of() == Some(victim) => Some(Theft {
            at: step.at,
            thief: as_.clone(),
            whole: matches!(what, Booty::Leaf { .. }),
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

/// A thief has that issuer from now on. Whether it was taken, as of a key.
pub(super) fn take_issuer(
    loot: &Loot,
    thief: &str,
    at: Duration,
    issuer: CertificateIssuer,
) -> bool {
    let mut loot = loot.lock().unwrap_or_else(PoisonError::into_inner);
    if loot.issuers.get(thief).is_some_and(|(done, _)| *done >= at) {
        return false;
    }
    loot.issuers
        .insert(thief.to_owned(), (at, Arc::new(issuer)));
    true
}

/// The name that a thief goes by, made of the issuer that they stole; nothing if they did not.
pub(super) fn rogue(thief: &Member, subject: &str, loot: &Loot) -> Option<Arc<Rogue>> {
    let mut loot = loot.lock().unwrap_or_else(PoisonError::into_inner);
    let name = &thief.start.name;
    let issuer = Arc::clone(&loot.issuers.get(name)?.1);
    let of = (name.clone(), subject.to_owned());
    let rogue = loot.rogues.entry(of);
    let rogue = rogue.or_insert_with(|| Arc::new(Rogue::new(subject, issuer)));
    Some(Arc::clone(rogue))
}

/// Waits for the moment of a theft and lets it happen: what the victim has then, if anything, is
/// copied.
pub(super) async fn lose(victim: Member, theft: Theft, loot: Loot, heard: Heard) {
    until(theft.at).await;
    let own = victim.identity.borrow().clone();
    let Some(own) = own.filter(|own| own.bearer.is_some()) else {
        return;
    };
    let whose = victim.start.name.clone();
    let taken = if theft.whole {
        take_leaf(&loot, &theft, &whose, &own, &heard)
    } else {
        take_token(&loot, &theft, &whose, &own)
    };
    if let Some(what) = taken {
        victim.start.seams.journal.note(Event {
            kind: "stolen",
            principal: theft.thief,
            action: what.to_owned(),
            resource: whose,
            ..Event::default()
        });
    }
}

/// A thief has that token from now on, if they had none from this theft before.
fn take_token(loot: &Loot, theft: &Theft, whose: &str, own: &Published) -> Option<&'static str> {
    let bearer = own.bearer.as_ref()?;
    let mut loot = loot.lock().unwrap_or_else(PoisonError::into_inner);
    let of = (theft.thief.clone(), whose.to_owned());
    if loot
        .tokens
        .get(&of)
        .is_some_and(|(done, _)| *done >= theft.at)
    {
        return None;
    }
    loot.tokens.insert(of, (theft.at, bearer.text.to_string()));
    Some("token")
}

/// A thief has that identity from now on, and history knows when it ends.
fn take_leaf(
    loot: &Loot,
    theft: &Theft,
    whose: &str,
    own: &Arc<Published>,
    heard: &Heard,
) -> Option<&'static str> {
    let (facts, bearer) = (&own.credential.facts, own.bearer.as_ref()?);
    {
        let mut loot = loot.lock().unwrap_or_else(PoisonError::into_inner);
        let of = (theft.thief.clone(), whose.to_owned());
        if loot.leaves.contains_key(&of) {
            return None;
        }
        loot.leaves.insert(of, Arc::clone(own));
    }
    let (ends, first) = if bearer.expires < facts.not_after {
        (bearer.expires, "token")
    } else {
        (facts.not_after, "certificate")
    };
    let ends_us = ends.as_micros().saturating_sub(EPOCH.as_micros());
    let act = history::Act {
        kind: ActKind::Expiry,
        principal: whose.to_owned(),
        role: first.to_owned(),
        asked_us: ends_us,
        serials: vec![facts.serial_hex()],
        acknowledged_us: Some(ends_us),
        ..history::Act::default()
    };
    begin(heard, act);
    Some("leaf")
}

/// The thief as whom they have robbed, as far as what they copied goes; nothing if they did not.
pub(super) fn copied(thief: &Member, whose: &str, loot: &Loot) -> Option<Member> {
    let loot = loot.lock().unwrap_or_else(PoisonError::into_inner);
    let of = (thief.start.name.clone(), whose.to_owned());
    let published = loot.leaves.get(&of).cloned();
    published.map(|published| {
        // It never changes: what renews it was not copied.
        let identity = watch::channel(Some(published)).1;
        Member::known(thief.start.clone(), identity)
    })
}

/// What is shown beside the way's own certificate: a token for a guise, or none where the way has
/// its own. Nothing if nothing was stolen that could be shown.
pub(super) async fn shown(
    guise: Option<&Guise>,
    asker: &Member,
    loot: &Loot,
    jti: &str,
) -> Option<Option<String>> {
    match guise {
        None => Some(None),
        Some(Guise::Rogue { rogue_leaf_of }) => {
            let rogue = rogue(asker, rogue_leaf_of, loot)?;
            rogue.ready(asker).await.then_some(None)
        }
        // Who has a certificate in that name has the token that goes with it, or none.
        Some(guise) if !guise.shows_token() => Some(None),
        Some(guise) => token(guise, asker, loot, jti).map(Some),
    }
}

/// Somebody has an identity in that name from now on, whoever certified it.
pub(super) fn hold(loot: &Loot, who: &str, name: &str, identity: Published) {
    let mut loot = loot.lock().unwrap_or_else(PoisonError::into_inner);
    let of = (who.to_owned(), name.to_owned());
    loot.leaves.insert(of, Arc::new(identity));
}

/// What a thief has to show for a guise; nothing if nothing was stolen.
fn token(guise: &Guise, thief: &Member, loot: &Loot, jti: &str) -> Option<String> {
    let name = &thief.start.name;
    let loot = loot.lock().unwrap_or_else(PoisonError::into_inner);
    match guise {
        Guise::Forged(subject) => {
            let key = loot.keys.get(name)?.1.clone();
            drop(loot);
            forge(&key, subject, thief, jti)
        }
        Guise::Replayed { token_of: whose } | Guise::Headed { header_of: whose } => {
            let held = loot.tokens.get(&(name.clone(), whose.clone()));
            held.map(|(_, token)| token.clone())
        }
        // What it comes with is the certificate's own token, if there is one.
        Guise::Named { .. } | Guise::Namesake { .. } => None,
        Guise::Copied { leaf_of: whose } => {
            let own = loot.leaves.get(&(name.clone(), whose.clone()))?;
            own.bearer.as_ref().map(|bearer| bearer.text.to_string())
        }
        Guise::Rogue { .. } => None,
    }
}

/// The header that names the certificate that a token is bound to. Nothing in it is secret: whoever
/// has the token reads it there.
pub(super) fn header(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let leaf_sha256 = claims.cnf?.leaf().ok()??;
    let spiffe_id = claims.sub;
    let shown = Shown {
        spiffe_id,
        leaf_sha256,
    };
    Some(shown.to_string())
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
