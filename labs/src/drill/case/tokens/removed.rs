//! A key that is taken out of the list: until when its tokens are served, on every path.
//!
//! Before it goes a second key is seen to be taken up, so that a list that is not read at all is
//! another case's fail. Tokens that the target had seen, and may remember, are told from new ones.

use super::{Case, Group, Need, Rests, Told, comes, fresh_key, is_demanded, publish, signed_by};
use crate::drill::answer::{Change, Path};
use crate::drill::authority::Leaf;
use crate::drill::case::odd::worst;
use crate::drill::clock;
use crate::drill::eyes::{Badge, Client, Sessions};
use crate::drill::sampling::{New, Probe, Real, Sample};
use crate::drill::stage::{Caller, Obstacle, Sight, Signer, Stage, Watching};

pub(super) const CASE: Case = Case {
    word: "jwks-removed-key",
    group: Group::Tokens,
    title: "A key is taken out of the list",
    does: "Takes the key that signed a token out of the list, and goes on asking: with tokens of \
           that key that were never shown, with one that was, on an open connection and in an \
           open stream.",
    why: "Taking a key out is the only way to take back what a stolen key signs; caches of key \
          lists that only grow, or live for long, keep the thief in (OpenFGA and Envoy keep \
          theirs for a time).",
    rests: Rests::Exposure(
        Change::KeyRemoved,
        Path::New,
        "a key that is no longer published signs nothing",
    ),
    needs: &[Need::Token],
    worth: 8,
};

const CHANGE: Change = Change::KeyRemoved;

pub(super) async fn act(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let seen = stage.caller(Signer::Old)?;
    let told = taken_out(stage, &seen).await;
    // A list that is read once a minute must be read again before the next case begins.
    publish(stage, true, &[]).await?;
    comes(stage, &seen).await?.ok();
    told
}

async fn taken_out(stage: &mut Stage, seen: &Caller) -> Result<Vec<Told>, Obstacle> {
    let key = fresh_key(seen, "next")?;
    let good = signed_by(stage, &stage.caller(Signer::Old)?, &key)?;
    publish(stage, true, &[&key]).await?;
    if let Err(met) = comes(stage, &good).await? {
        return Err(Obstacle::control(format!(
            "the next key was not taken up, which is what jwks-new-key is about: {met}"
        )));
    }
    let mut paths = stage.open_paths(seen, &good).await?;
    publish(stage, false, &[&key]).await?;
    let since = clock::instant();
    let stage = &*stage;
    let mut unseen = Unseen {
        stage,
        client: stage.client(&seen.identity(), Sessions::None)?,
        leaf: &seen.leaf,
        asked: 0,
    };
    let watching = Watching {
        change: CHANGE,
        since,
        good: &good,
    };
    let watch = stage.watch_for(CHANGE);
    let (sights, fresh) = tokio::join!(
        stage.watch_paths(&mut paths, watching),
        watch.run(&Real, since, &mut unseen),
    );
    let mut all = vec![Sight {
        path: Path::New,
        seen: Ok(fresh),
        for_all: None,
    }];
    all.extend(sights?.into_iter().map(as_cached));
    Ok(told(stage, &all).into_iter().collect())
}

/// A new connection with a token that was shown before is what the matrix calls a cached token.
pub(super) fn as_cached(mut sight: Sight) -> Sight {
    if sight.path == Path::New {
        sight.path = Path::CachedToken;
    }
    sight
}

/// The answer is about new and remembered tokens; of the other paths, if the owner demands it.
fn told(stage: &Stage, sights: &[Sight]) -> Option<Told> {
    let (mut judged, mut cells) = (Vec::new(), Vec::new());
    for sight in sights {
        let mut told = stage.judged(CASE.word, CHANGE, sight);
        cells.append(&mut told.cells);
        let is_own = matches!(sight.path, Path::New | Path::CachedToken);
        if is_own || is_demanded(stage.drill(), CHANGE, sight.path) {
            told.says = format!("{}: {}", sight.path, told.says);
            judged.push(told);
        }
    }
    let worst = worst(judged)?;
    Some(Told { cells, ..worst })
}

/// New connections with tokens of the key that is gone, each shown once.
struct Unseen<'a> {
    stage: &'a Stage,
    client: Client,
    leaf: &'a Leaf,
    asked: u64,
}

impl Unseen<'_> {
    fn badge(&mut self) -> Result<Badge, String> {
        self.asked += 1;
        let tokens = self.stage.tokens().ok_or("the target wants no tokens")?;
        let wish = tokens.wish(self.leaf);
        let wish = wish.claim("jti", format!("drill-{}", self.asked).into());
        let token = wish.signed(tokens.key()).map_err(|why| why.to_string())?;
        Ok(tokens.badge(&token))
    }
}

impl Probe for Unseen<'_> {
    async fn sample(&mut self) -> Sample {
        let badge = match self.badge() {
            Ok(badge) => badge,
            Err(why) => return Sample::Untaken(why),
        };
        let mut new = New {
            client: &self.client,
            call: self.stage.call(),
            badge: Some(&badge),
        };
        new.sample().await
    }
}
