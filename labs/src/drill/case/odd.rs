//! A caller that nobody should let in, and what is said of a target that does.
//!
//! It asks a few times, since several backends may answer: one that serves is enough for a fail,
//! and a refusal counts when it was met each time. What is no word about the caller says nothing.

use tokio::time::sleep;

use super::Told;
use crate::drill::answer::Answer;
use crate::drill::stage::{Caller, Met, Obstacle, Signer, Stage};

/// So many refusals make a pass.
const REFUSALS: usize = 3;

/// So often it is asked at most.
const ASKED: usize = 6;

/// Asks as a caller that is to be refused; `what` begins a sentence about it.
pub(super) async fn refused(
    stage: &Stage,
    word: &'static str,
    what: &str,
    caller: &Caller,
) -> Result<Told, Obstacle> {
    let (mut refusals, mut how, mut unclear) = (0, String::new(), String::new());
    for _ in 0..ASKED {
        match stage.meet(caller).await? {
            Met::Served => return Ok(Told::fail(word, format!("{what} was served"))),
            Met::Refused(said) => {
                refusals += 1;
                how = said;
            }
            Met::Unclear(said) => {
                unclear = said;
                sleep(stage.manner().step).await;
            }
        }
        if refusals == REFUSALS {
            let pass = Told::pass(word, format!("{what} was {}", verb(&how)));
            return unless_nobody_is_served(stage, pass).await;
        }
    }
    let says = format!("{what} was neither served nor refused: {unclear}");
    Ok(Told::cannot_judge(word, says))
}

/// A refusal, unless the target refuses everybody by now: one that broke down is none.
async fn unless_nobody_is_served(stage: &Stage, refused: Told) -> Result<Told, Obstacle> {
    let good = stage.caller(Signer::Old)?;
    match stage.good_is_served(&good).await {
        Ok(()) => Ok(refused),
        Err(Obstacle::Control(why)) => {
            let says = format!("{why}; before that {}", refused.says);
            Ok(Told::cannot_judge(refused.word, says))
        }
        Err(other) => Err(other),
    }
}

/// How a refusal reads after "was".
fn verb(how: &str) -> String {
    match how.starts_with("refused") {
        true => how.to_owned(),
        false => format!("refused without a word: {how}"),
    }
}

/// The same of several variants of one thing: the worst of them is the answer, and all are told.
pub(super) fn worst(all: Vec<Told>) -> Option<Told> {
    let rank = |told: &Told| match told.answer {
        Answer::Fail => 3,
        Answer::CannotJudge => 2,
        Answer::Pass => 1,
        Answer::NotApplicable => 0,
    };
    let most = all.iter().map(rank).max()?;
    let mut worst = all.iter().find(|told| rank(told) == most)?.clone();
    let says = all.iter().filter(|told| rank(told) == most);
    worst.says = says
        .map(|told| told.says.as_str())
        .collect::<Vec<_>>()
        .join("; ");
    worst.cells = all.into_iter().flat_map(|told| told.cells).collect();
    Some(worst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts_and_is_told() {
        let told = |answer, says: &str| Told::new("wrong-name", answer, says);
        let all = vec![
            told(Answer::Pass, "a"),
            told(Answer::Fail, "b"),
            told(Answer::CannotJudge, "c"),
            told(Answer::Fail, "d"),
        ];
        let worst_of = |all: &[Told]| worst(all.to_vec()).map(|it| (it.answer, it.says));
        assert_eq!(worst_of(&all), Some((Answer::Fail, "b; d".to_owned())));
        assert_eq!(worst_of(&all[..1]), Some((Answer::Pass, "a".to_owned())));
        let unsure = worst_of(&[all[0].clone(), all[2].clone()]);
        assert_eq!(unsure, Some((Answer::CannotJudge, "c".to_owned())));
        assert_eq!(worst_of(&[]), None);
    }

    #[test]
    fn a_refusal_reads_as_a_sentence() {
        assert_eq!(verb("refused by HTTP 403"), "refused by HTTP 403");
        let silent = verb("the handshake failed: the connection was closed");
        assert!(silent.starts_with("refused without a word: "), "{silent}");
    }
}
