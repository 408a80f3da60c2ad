//! The tries of one scene: controls before, the act, controls after, and again if it failed.
//!
//! Controls after a try are those before the next: the good state is made once between two. A
//! fail stands although the target did not come back from it, since the controls before it held;
//! a pass does not.

use std::collections::BTreeMap;

use super::rows::{self, FAILS};
use super::{Chosen, Event, Watcher};
use crate::drill::answer::{Answer, CaseRow};
use crate::drill::case::{Before, Case, Rests, Told};
use crate::drill::clock;
use crate::drill::stage::{Obstacle, Signer, Stage, StageError};

/// So many tries may say nothing.
const SPARE: usize = 1;

/// Why there are no rows.
#[derive(Debug)]
pub(super) enum Stop {
    /// Somebody asked for an end: what the tries until then say.
    Interrupted(Vec<CaseRow>),
    /// The run cannot go on.
    Broken(StageError),
}

/// What is known of the target between two tries.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// Whether it is in the good state, with all controls.
    is_good: bool,
}

/// The answers of one scene so far, by word.
type Said = BTreeMap<&'static str, Vec<Told>>;

impl Tries {
    /// Acts a scene as often as it needs, and gives a row of each case that was asked for.
    pub(super) async fn scene(
        &mut self,
        stage: &mut Stage,
        chosen: &Chosen,
        (at, of): (usize, usize),
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<CaseRow>, Stop> {
        let begun = clock::instant();
        let cases = chosen.applicable(stage.drill());
        let words: Vec<&'static str> = cases.iter().map(|case| case.word).collect();
        let mut said = Said::new();
        let mut turn = 0;
        while !cases.is_empty() && wants_more(&cases, &said, turn) {
            turn += 1;
            watcher.tell(&Event::Begins {
                words: &words,
                at,
                of,
                turn,
            });
            let told = tokio::select! {
                biased;
                () = watcher.interrupted() => {
                    let begun = cases.iter().filter_map(|case| {
                        let tries = said.get(case.word)?;
                        let took_ms = clock::millis_since(begun);
                        Some(rows::begun(stage.drill(), case, tries, took_ms))
                    });
                    return Err(Stop::Interrupted(begun.collect()));
                }
                told = self.once(stage, chosen) => told.map_err(Stop::Broken)?,
            };
            for case in &cases {
                let found = told.iter().find(|it| it.word == case.word).cloned();
                let silent = || Told::cannot_judge(case.word, "the try said nothing of it");
                said.entry(case.word)
                    .or_default()
                    .push(found.unwrap_or_else(silent));
            }
        }
        let took_ms = clock::millis_since(begun);
        let rows = chosen.cases.iter().map(|case| {
            let missing = case.needs.iter().find(|need| !need.is_met(stage.drill()));
            let none =
                missing.map(|need| Told::new(case.word, Answer::NotApplicable, need.missing()));
            let tries = said.get(case.word).cloned().unwrap_or_default();
            let tries = none.map_or(tries, |none| vec![none]);
            rows::row(stage.drill(), case, &tries, took_ms)
        });
        Ok(rows.collect())
    }

    /// One try, with what is told of every case of the scene.
    async fn once(&mut self, stage: &mut Stage, chosen: &Chosen) -> Result<Vec<Told>, StageError> {
        let of_all = |answer: Answer, why: &str| -> Vec<Told> {
            let cases = chosen.scene.cases.iter();
            cases
                .map(|case| Told::new(case.word, answer, why))
                .collect()
        };
        match self.before(stage, chosen.scene.before).await {
            Ok(()) => {}
            Err(Obstacle::Control(why)) => return Ok(of_all(Answer::CannotJudge, &why)),
            Err(Obstacle::Absent(why)) => return Ok(of_all(Answer::NotApplicable, &why)),
            Err(Obstacle::Broken(why)) => return Err(why),
        }
        self.is_good = false;
        stage.watch_life();
        let mut told = match (chosen.scene.act)(stage).await {
            Ok(told) => told,
            Err(Obstacle::Control(why)) => of_all(Answer::CannotJudge, &why),
            Err(Obstacle::Absent(why)) => of_all(Answer::NotApplicable, &why),
            Err(Obstacle::Broken(why)) => return Err(why),
        };
        if let Some(how) = stage.death().await {
            told = told
                .into_iter()
                .map(|told| of_the_dead(told, &how))
                .collect();
        }
        match self.make_good(stage).await {
            Ok(()) => {}
            Err(Obstacle::Broken(why)) => return Err(why),
            Err(Obstacle::Control(why) | Obstacle::Absent(why)) => {
                for told in told.iter_mut().filter(|it| it.answer == Answer::Pass) {
                    told.answer = Answer::CannotJudge;
                    told.says = format!("{}; afterwards {why}", told.says);
                    told.cells = rows::blind(std::mem::take(&mut told.cells), &told.says);
                }
            }
        }
        Ok(told)
    }

    async fn before(&mut self, stage: &mut Stage, before: Before) -> Result<(), Obstacle> {
        if self.is_good {
            return Ok(());
        }
        match (self.make_good(stage).await, before) {
            (Err(Obstacle::Control(why)), Before::Served) => {
                // The leaf that is served may be an older one: that is what the scene is about.
                if !stage.serves_one_of_ours().await? {
                    return Err(Obstacle::Control(why));
                }
                let good = stage.caller(Signer::Old)?;
                stage.good_is_served(&good).await?;
                stage.stranger_is_refused().await
            }
            (made, _) => made,
        }
    }

    async fn make_good(&mut self, stage: &mut Stage) -> Result<(), Obstacle> {
        stage.reset().await?;
        stage.controls(Signer::Old).await?;
        self.is_good = true;
        Ok(())
    }
}

/// What is said of a case in which the target ended: no refusal of the dead is a pass.
fn of_the_dead(told: Told, how: &str) -> Told {
    let says = format!("{}; the target itself ended meanwhile: {how}", told.says);
    match told.answer {
        Answer::Pass => {
            let ended = Told::fail(told.word, says);
            ended.resting(Rests::Advice("what a service reads must not end it"))
        }
        Answer::Fail | Answer::CannotJudge => Told { says, ..told },
        Answer::NotApplicable => told,
    }
}

/// Whether another try is due: of a fail that was seen less than three times, or after one that
/// said nothing.
fn wants_more(cases: &[&'static Case], said: &Said, turn: usize) -> bool {
    if turn >= FAILS + SPARE {
        return false;
    }
    let wants = |case: &&'static Case| {
        let tries = said.get(case.word).map_or(&[][..], Vec::as_slice);
        let count = |wanted| tries.iter().filter(|it| it.answer == wanted).count();
        let silent = count(Answer::CannotJudge);
        let fails = count(Answer::Fail);
        let is_mixed = fails > 0 && count(Answer::Pass) > 0;
        let is_open = tries.is_empty() || (1..FAILS).contains(&fails);
        !is_mixed && silent <= SPARE && (is_open || silent == tries.len())
    };
    cases.iter().any(wants)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::case;

    /// Whether another try is due after these, of one case.
    fn more(tries: &[Answer]) -> bool {
        let found = case::find("leaf-swap").unwrap();
        let told = tries
            .iter()
            .map(|answer| Told::new(found.word, *answer, ""));
        let said = Said::from([(found.word, told.collect())]);
        wants_more(&[found], &said, tries.len())
    }

    #[test]
    fn a_refusal_by_the_dead_is_no_pass_and_everybody_is_told_of_the_end() {
        use Answer::{CannotJudge as C, Fail as F, NotApplicable as N, Pass as P};
        for (answer, then, is_told) in [(P, F, true), (F, F, true), (C, C, true), (N, N, false)] {
            let told = of_the_dead(Told::new("empty-trust", answer, "said"), "exit status: 1");
            assert_eq!(told.answer, then);
            assert_eq!(
                told.says.contains("exit status: 1"),
                is_told,
                "{}",
                told.says
            );
            // What was no fail of the standard's is none by this.
            assert_eq!(told.rests.is_some(), answer == P);
        }
    }

    #[test]
    fn a_fail_is_seen_three_times_and_a_pass_once() {
        use Answer::{CannotJudge as C, Fail as F, NotApplicable as N, Pass as P};
        assert!(more(&[]));
        assert!(!more(&[P]));
        assert!(!more(&[N]));
        assert!(more(&[F]));
        assert!(more(&[F, F]));
        assert!(!more(&[F, F, F]));
        // Once they disagree there is nothing more to learn.
        assert!(!more(&[F, P]));
        // One try may say nothing, and a second one is enough of that.
        assert!(more(&[C]));
        assert!(!more(&[C, C]));
        assert!(!more(&[C, P]));
        assert!(more(&[C, F, F]));
        assert!(!more(&[C, F, F, F]));
    }
}
