//! Tokens and the keys that sign them: the key list changes, and tokens that nobody should take.
//!
//! A key that is tried out is never one that the target may have seen: each try makes its own,
//! under a name of its own. A token of a key is not shown before the key is published, since a
//! target may rightly not look again for a while after a name that it does not know.

mod expired;
mod forged;
mod removed;
mod unknown;

use std::time::Duration;

use super::{Before, Case, Need, Rests, Scene, Told};
use crate::drill::answer::{Change, Group, Path};
use crate::drill::clock;
use crate::drill::file::DrillFile;
use crate::drill::place::Material;
use crate::drill::stage::{Caller, Met, Obstacle, Signer, Stage, Until};
use crate::drill::tokens::{Jwks, TokenKey};

pub(super) const SCENES: &[Scene] = &[
    Scene {
        cases: &[NEW_KEY],
        before: Before::Good,
        about: |_| Duration::from_secs(3),
        act: |stage| Box::pin(new_key(stage)),
    },
    Scene {
        cases: &[removed::CASE],
        before: Before::Good,
        about: |_| Duration::from_secs(6),
        act: |stage| Box::pin(removed::act(stage)),
    },
    Scene {
        cases: &[ONE_KID],
        before: Before::Good,
        about: |_| Duration::from_secs(4),
        act: |stage| Box::pin(one_kid(stage)),
    },
    Scene {
        cases: &[unknown::CASE],
        before: Before::Good,
        about: |_| Duration::from_secs(4),
        act: |stage| Box::pin(unknown::act(stage)),
    },
    Scene {
        cases: &[expired::CASE],
        before: Before::Good,
        about: |_| Duration::from_secs(9),
        act: |stage| Box::pin(expired::act(stage)),
    },
    Scene {
        cases: forged::CASES,
        before: Before::Good,
        about: |_| Duration::from_secs(2),
        act: |stage| Box::pin(forged::act(stage)),
    },
];

const NEW_KEY: Case = Case {
    word: "jwks-new-key",
    group: Group::Tokens,
    title: "A new key in the list",
    does: "Publishes a second key, and shows tokens of it until one is served; those of the first \
           must go on being served.",
    why: "A list that is read once, or kept too long, refuses every token of the new key for as \
          long as it is kept (envoyproxy/gateway#4180).",
    rests: Rests::Said("target.settle"),
    needs: &[Need::Token],
    worth: 8,
};

const ONE_KID: Case = Case {
    word: "jwks-one-kid-two-keys",
    group: Group::Tokens,
    title: "Two keys of one name",
    does: "Publishes a key, and then a second one under the same name beside it; tokens of both \
           must be served.",
    why: "Names of keys should differ (RFC 7517, 4.5), and do not always: an issuer that counts \
          from 1 again after a restart, two issuers behind one list. Whoever keeps one key a name \
          refuses good tokens.",
    rests: Rests::Advice("a name is a hint which key to try, and not a key"),
    needs: &[Need::Token],
    worth: 4,
};

/// A key that no target has seen, for this caller's try.
fn fresh_key(of: &Caller, what: &str) -> Result<TokenKey, Obstacle> {
    let serial = of.leaf.serial.iter().take(4);
    let serial: String = serial.map(|byte| format!("{byte:02x}")).collect();
    Ok(TokenKey::new(&format!("drill-{what}-{serial}"))?)
}

/// The same caller with a good token of this key.
fn signed_by(stage: &Stage, caller: &Caller, key: &TokenKey) -> Result<Caller, Obstacle> {
    let tokens = stage.tokens().ok_or_else(no_tokens)?;
    let token = tokens.wish(&caller.leaf).signed(key)?;
    stage.with_token(caller, &token)
}

fn no_tokens() -> Obstacle {
    Obstacle::absent("the target wants no tokens")
}

/// Publishes these keys, after the one that is in use if it is `with_own`.
async fn publish(stage: &mut Stage, with_own: bool, more: &[&TokenKey]) -> Result<(), Obstacle> {
    let tokens = stage.tokens().ok_or_else(no_tokens)?;
    let own = with_own.then(|| tokens.key());
    let list = Jwks::of(own.into_iter().chain(more.iter().copied()));
    if let Some(served) = tokens.served() {
        served.show(&list);
        return Ok(());
    }
    let jwks = Some(list.bytes());
    let material = Material {
        jwks,
        ..Material::default()
    };
    stage.put(&material).await?.told()
}

/// Shows a token of a key that was just published until it is served; says after how long, or
/// what it met instead.
async fn comes(stage: &Stage, caller: &Caller) -> Result<Result<u64, Met>, Obstacle> {
    let since = clock::instant();
    let limit = stage.settle();
    let met = stage.meet_until(caller, Until::Served, limit).await?;
    Ok(match met {
        Met::Served => Ok(clock::millis_since(since)),
        met => Err(met),
    })
}

async fn new_key(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let word = NEW_KEY.word;
    let old = stage.caller(Signer::Old)?;
    let key = fresh_key(&old, "new")?;
    let new = signed_by(stage, &old, &key)?;
    publish(stage, true, &[&key]).await?;
    let told = match comes(stage, &new).await? {
        Ok(after) => match stays(stage, &old).await? {
            Met::Served => Told::pass(
                word,
                format!("a token of the new key was served {after} ms after it was published"),
            ),
            Met::Refused(how) => Told::fail(
                word,
                format!("with the new key, tokens of the one that is still published: {how}"),
            ),
            Met::Unclear(said) => Told::cannot_judge(word, said),
        },
        Err(Met::Refused(how)) => {
            stage.good_is_served(&old).await?;
            let settle = stage.settle().as_millis();
            let says = format!("{settle} ms after a new key was published, a token of it: {how}");
            Told::fail(word, says)
        }
        Err(met) => Told::cannot_judge(word, format!("a token of the new key met: {met}")),
    };
    Ok(vec![told])
}

/// What a caller meets that was served before and should be now: a refusal must come three times.
async fn stays(stage: &Stage, caller: &Caller) -> Result<Met, Obstacle> {
    let mut met = stage.meet(caller).await?;
    for _ in 0..2 {
        if met.is_served() {
            break;
        }
        tokio::time::sleep(stage.manner().step).await;
        met = stage.meet(caller).await?;
    }
    Ok(met)
}

async fn one_kid(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let word = ONE_KID.word;
    let caller = stage.caller(Signer::Old)?;
    let (first, second) = (fresh_key(&caller, "twin")?, fresh_key(&caller, "twin")?);
    let of_first = signed_by(stage, &caller, &first)?;
    let of_second = signed_by(stage, &caller, &second)?;
    publish(stage, true, &[&first]).await?;
    if let Err(met) = comes(stage, &of_first).await? {
        return Err(Obstacle::control(format!(
            "a new key was not taken up at all, which is what jwks-new-key is about: {met}"
        )));
    }
    publish(stage, true, &[&first, &second]).await?;
    let says = "with a second key under the same name in the list, a token of";
    let second = match comes(stage, &of_second).await? {
        Ok(after) => Told::pass(word, format!("{says} it was served after {after} ms")),
        Err(Met::Unclear(said)) => Told::cannot_judge(word, format!("{says} it met: {said}")),
        Err(met) => Told::fail(word, format!("{says} it: {met}")),
    };
    let first = match stays(stage, &of_first).await? {
        Met::Served => Told::pass(word, "one of the first is still served"),
        Met::Unclear(said) => Told::cannot_judge(word, format!("{says} the first met: {said}")),
        met @ Met::Refused(_) => Told::fail(word, format!("{says} the first: {met}")),
    };
    match stage.good_is_served(&caller).await {
        Ok(()) => Ok(super::odd::worst(vec![second, first]).into_iter().collect()),
        Err(Obstacle::Control(_)) => Ok(vec![without_twins(stage, word, &caller).await?]),
        Err(other) => Err(other),
    }
}

/// What is said if every token is refused while there are twins in the list: that it is the list,
/// if one without them ends that.
async fn without_twins(
    stage: &mut Stage,
    word: &'static str,
    good: &Caller,
) -> Result<Told, Obstacle> {
    publish(stage, true, &[]).await?;
    match comes(stage, good).await? {
        Ok(_) => Ok(Told::fail(
            word,
            "with two keys under one name in the list, no token was served at all",
        )),
        Err(met) => Err(Obstacle::control(format!(
            "control: a good caller is not served, also once the list is as before: {met}"
        ))),
    }
}

/// Whether the owner demands something of this path.
fn is_demanded(drill: &DrillFile, change: Change, path: Path) -> bool {
    drill.objectives.of(change, path).is_some()
}
