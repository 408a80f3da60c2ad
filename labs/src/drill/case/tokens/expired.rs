//! Tokens past their end: one that ended long ago, and one that ends while it is in use.
//!
//! The first is what the standard speaks of. How long after its end the second is served is
//! measured, and judged if the owner demands something, since a leeway of a few minutes is
//! allowed. No clock is moved: tokens are made with the dates that are needed.

use std::time::{Duration, SystemTime};

use super::removed::as_cached;
use super::{Case, Group, Need, Rests, Told, is_demanded, no_tokens};
use crate::drill::answer::{Answer, Cell, Change, Path, Seen};
use crate::drill::case::odd::{refused, worst};
use crate::drill::clock;
use crate::drill::stage::{Obstacle, Sight, Signer, Stage, Watching};

pub(super) const CASE: Case = Case {
    word: "expired-token",
    group: Group::Tokens,
    title: "A token past its end",
    does: "Shows a token that ended an hour ago. Then opens every path with one that ends in a \
           few seconds, and goes on asking after its end.",
    why: "A token's end is all that bounds what a thief can do with it. Libraries differ in how \
          they read it: jsonwebtoken allows 60 s more unless it is told otherwise, and before \
          10.3.0 took a text for no end at all where none is required (CVE-2026-25537).",
    rests: Rests::Must("RFC 7519, section 4.1.4"),
    needs: &[Need::Token],
    worth: 8,
};

const CHANGE: Change = Change::TokenWithdrawn;

/// How long ago the first token ended, in seconds: no leeway is so long.
const LONG_AGO: i64 = 3600;

/// How long the second one lives, in seconds: the paths are opened in that time. A slow target gets
/// a longer one.
const LIVES: [i64; 2] = [4, 20];

/// The leeway that the standard allows, "usually no more than a few minutes".
const LEEWAY: Duration = Duration::from_secs(180);

pub(super) async fn act(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let stage = &*stage;
    let good = stage.caller(Signer::Old)?;
    let tokens = stage.tokens().ok_or_else(no_tokens)?;
    let now = clock::unix_seconds();
    let from = now - 2 * LONG_AGO;
    let wish = tokens.wish(&good.leaf);
    let wish = wish.claim("nbf", from.into()).claim("iat", from.into());
    let old = wish.until(now - LONG_AGO).signed(tokens.key())?;
    let old = stage.with_token(&good, &old)?;
    let what = "a token that ended an hour ago";
    let told = refused(stage, CASE.word, what, &old).await?;
    if told.answer == Answer::Fail {
        // Whoever takes that one takes the other for ever: one fact, told once.
        return Ok(vec![told]);
    }
    let sights = match ending(stage, LIVES[0]).await {
        Err(Obstacle::Control(_)) => ending(stage, LIVES[1]).await?,
        sights => sights?,
    };
    Ok(with_sights(stage, told, &sights).into_iter().collect())
}

/// Opens the paths with a token that is about to end, and watches them from its end on.
async fn ending(stage: &Stage, life: i64) -> Result<Vec<Sight>, Obstacle> {
    let (caller, good) = (stage.caller(Signer::Old)?, stage.caller(Signer::Old)?);
    let tokens = stage.tokens().ok_or_else(no_tokens)?;
    let end = clock::unix_seconds() + life;
    let token = tokens.wish(&caller.leaf).until(end).signed(tokens.key())?;
    let caller = stage.with_token(&caller, &token)?;
    let mut paths = stage.open_paths(&caller, &good).await?;
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(end.unsigned_abs());
    let left = end.duration_since(clock::system()).map_err(|_| {
        Obstacle::control(format!(
            "control: the paths were not open before a token that lives {life} s was over"
        ))
    })?;
    let since = clock::instant() + left;
    stage.until(since).await;
    let watching = Watching {
        change: CHANGE,
        since,
        good: &good,
    };
    let sights = stage.watch_paths(&mut paths, watching).await?;
    Ok(sights.into_iter().map(as_cached).collect())
}

fn with_sights(stage: &Stage, told: Told, sights: &[Sight]) -> Option<Told> {
    let says = told.says.clone();
    let (mut all, mut cells, mut late) = (vec![told], Vec::new(), Vec::new());
    for sight in sights {
        let mut judged = stage.judged(CASE.word, CHANGE, sight);
        if is_demanded(stage.drill(), CHANGE, sight.path) {
            cells.append(&mut judged.cells);
            judged.says = format!("{}: {}", sight.path, judged.says);
            let demanded = "its owner demands it";
            all.push(judged.resting(Rests::Exposure(CHANGE, sight.path, demanded)));
            continue;
        }
        for cell in &mut judged.cells {
            cell.allowed_ms = Some(clock::millis(LEEWAY));
            late.extend(served_late(cell));
        }
        cells.append(&mut judged.cells);
    }
    let mut worst = worst(all)?;
    if worst.answer == Answer::Pass && !late.is_empty() {
        worst.says = format!(
            "{says}; one that ended in use was served on: {}",
            late.join(", ")
        );
    }
    Some(Told { cells, ..worst })
}

/// How long after its end a token was served, if it was.
fn served_late(cell: &Cell) -> Option<String> {
    let path: Path = cell.path;
    match cell.seen {
        Seen::LastSuccess { after_ms } => Some(format!("{path} for {after_ms} ms")),
        Seen::StillServed { watched_ms } => Some(format!(
            "{path} for longer than the {watched_ms} ms watched"
        )),
        Seen::RefusedAtOnce | Seen::CannotJudge { .. } | Seen::NotApplicable => None,
    }
}
