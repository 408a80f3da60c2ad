//! Many tokens with names of keys that nobody published: how often the key list is fetched then.
//!
//! The drill serves the list and counts. It asks as fast as the target answers, since a target
//! that looks again once a second is right to, however many ask; if it answers too slowly to tell
//! one from the other, nothing is said.

use std::time::Duration;

use super::{Case, Group, Need, Rests, Told, fresh_key, no_tokens};
use crate::drill::clock;
use crate::drill::eyes::{Reply, Sessions};
use crate::drill::stage::{Caller, Met, Obstacle, Signer, Stage};

pub(super) const CASE: Case = Case {
    word: "jwks-unknown-kid",
    group: Group::Tokens,
    title: "Names of keys that nobody published",
    does: "Shows 60 tokens, each with another name of a key that is not in the list, and counts \
           how often the target fetches the list.",
    why: "A name that is not known is a reason to look again, once in a while; a target that \
          fetches for each such token lets any stranger flood the issuer through it \
          (envoyproxy/gateway#4180 is the other end: it does not look again for a name).",
    rests: Rests::Advice("a token that cannot be believed must not make others work"),
    needs: &[Need::Token, Need::Listen],
    worth: 5,
};

/// Tokens, in lanes that ask at the same time.
const LANES: usize = 4;
const EACH: usize = 15;

/// As often as this, every second, it may look again of itself.
const ALLOWED: u64 = 2;

pub(super) async fn act(stage: &mut Stage) -> Result<Vec<Told>, Obstacle> {
    let stage = &*stage;
    let caller = stage.caller(Signer::Old)?;
    let tokens = stage.tokens().ok_or_else(no_tokens)?;
    let served = tokens.served();
    let served = served.ok_or_else(|| Obstacle::absent(Need::Listen.missing()))?;
    let key = fresh_key(&caller, "unknown")?;
    let mut callers = Vec::new();
    for at in 0..LANES * EACH {
        let kid = format!("{}-{at}", key.kid());
        let token = tokens.wish(&caller.leaf).signed_as(&key, &kid)?;
        callers.push(stage.with_token(&caller, &token)?);
    }
    let (begun, before) = (clock::instant(), served.fetches());
    let lane = |at: usize| lane(stage, &callers[at * EACH..(at + 1) * EACH]);
    let met = tokio::join!(lane(0), lane(1), lane(2), lane(3));
    let (fetches, took) = (served.fetches() - before, clock::millis_since(begun));
    let met: Vec<Met> = [met.0?, met.1?, met.2?, met.3?].concat();
    stage.good_is_served(&caller).await?;
    Ok(vec![told(&met, fetches, Duration::from_millis(took))])
}

/// Asks one after the other on one connection, and on others if that is closed.
async fn lane(stage: &Stage, callers: &[Caller]) -> Result<Vec<Met>, Obstacle> {
    let mut met = Vec::new();
    let Some(first) = callers.first() else {
        return Ok(met);
    };
    let client = stage.client(&first.identity(), Sessions::None)?;
    let open = client.connect().await.ok();
    for caller in callers {
        let reply = match &open {
            Some(open) => Some(open.ask(stage.call(), caller.badge.as_ref()).await),
            None => None,
        };
        met.push(match reply {
            Some(Reply::Served(_)) => Met::Served,
            Some(Reply::Refused(how)) => Met::Refused(how.to_string()),
            Some(Reply::Failed(_)) | None => stage.meet(caller).await?,
        });
    }
    Ok(met)
}

fn told(met: &[Met], fetches: u64, took: Duration) -> Told {
    let word = CASE.word;
    let asked = met.len() as u64;
    let served = met.iter().filter(|met| met.is_served()).count();
    if served > 0 {
        let says = format!("{served} of {asked} tokens of a key that nobody published were served");
        return Told::fail(word, says);
    }
    if let Some(met) = met.iter().find(|met| !met.is_refused()) {
        return Told::cannot_judge(word, format!("a token of an unknown key met: {met}"));
    }
    let says = format!(
        "{asked} tokens with names of keys that nobody published made the target fetch the list \
         {fetches} times in {} ms",
        took.as_millis()
    );
    let of_itself = ALLOWED * (took.as_secs() + 1);
    if of_itself * 2 > asked {
        return Told::cannot_judge(word, format!("{says}, which is too slow to tell"));
    }
    match fetches * 2 > asked {
        true => Told::fail(word, says),
        false => Told::pass(word, says),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::answer::Answer;

    #[test]
    fn a_fetch_for_each_is_too_many_and_one_a_second_is_not() {
        let refused = vec![Met::Refused("refused by HTTP 401".to_owned()); 60];
        let answer =
            |met: &[Met], fetches, seconds| told(met, fetches, Duration::from_secs(seconds)).answer;
        assert_eq!(answer(&refused, 60, 1), Answer::Fail);
        assert_eq!(answer(&refused, 31, 1), Answer::Fail);
        assert_eq!(answer(&refused, 4, 3), Answer::Pass);
        assert_eq!(answer(&refused, 0, 3), Answer::Pass);
        assert_eq!(answer(&refused, 60, 40), Answer::CannotJudge);
        let mut one = refused;
        one[7] = Met::Unclear("nothing came".to_owned());
        assert_eq!(answer(&one, 0, 1), Answer::CannotJudge);
        one[7] = Met::Served;
        assert_eq!(answer(&one, 0, 1), Answer::Fail);
    }
}
