//! What a scenario asks of the learner: a prediction, an attack of their own, a quiz.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use toml::Spanned;
use toml::de::DeValue;

use super::fields::Fields;
use super::flaw::{Placed, incoherent};
use super::world::World;

/// The most questions of a quiz.
const MAX_QUESTIONS: usize = 10;

/// The letters of a question's answers.
const LETTERS: [&str; 4] = ["a", "b", "c", "d"];

/// A question before the run, answered by one of its figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Predict {
    /// The question.
    pub ask: String,
    /// The figure: `exposure`, `outage` or `impersonation`, whichever the lab measures.
    pub answer: String,
}

/// What the learner's own attack may cost and must reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Task {
    /// At most this many steps.
    pub steps: u32,
    /// The exposure that it must reach on the exposed posture.
    pub reach: Duration,
}

/// One question of the quiz.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    /// The question.
    pub ask: String,
    /// The answers by letter, from `a` on without a gap.
    pub answers: BTreeMap<String, String>,
    /// The letter of the right one.
    pub answer: String,
    /// Why.
    pub because: String,
}

impl Predict {
    pub(super) fn read(value: &Spanned<DeValue<'_>>) -> Placed<Self> {
        let fields = Fields::of("[predict]", value, &["ask", "answer"])?;
        Ok(Self {
            ask: fields.needed("ask")?.text.into(),
            answer: fields
                .needed("answer")?
                .known("figure", ["exposure", "outage", "impersonation"])?,
        })
    }
}

impl Task {
    pub(super) fn read(value: &Spanned<DeValue<'_>>, world: &World) -> Placed<Self> {
        let fields = Fields::of("[attack]", value, &["steps", "reach"])?;
        let steps = fields.number("steps", 1, 20)?;
        let reach = fields.duration("reach")?;
        let reach = fields.need("reach", reach)?;
        if reach.is_zero() || reach >= world.duration {
            let word = fields.needed("reach")?;
            return Err(word.out_of_range("reach", "it is shorter than the run"));
        }
        Ok(Self { steps, reach })
    }
}

/// Reads `[[quiz]]`.
pub(super) fn read_quiz(top: &Fields<'_, '_>) -> Placed<Vec<Question>> {
    let questions = top.list("quiz", MAX_QUESTIONS)?;
    questions.into_iter().map(read_question).collect()
}

fn read_question(value: &Spanned<DeValue<'_>>) -> Placed<Question> {
    let known = ["ask", "a", "b", "c", "d", "answer", "because"];
    let fields = Fields::of("[[quiz]]", value, &known)?;
    let mut answers = BTreeMap::new();
    for (at, letter) in LETTERS.into_iter().enumerate() {
        if let Some(word) = fields.word(letter)? {
            if answers.len() != at {
                return incoherent(
                    &word.span,
                    format!("there is `{letter}` and none before it"),
                );
            }
            answers.insert(letter.to_owned(), word.text.to_owned());
        }
    }
    if answers.len() < 2 {
        return incoherent(
            fields.span(),
            "a question has at least the answers `a` and `b`",
        );
    }
    let answer = fields.needed("answer")?;
    Ok(Question {
        ask: fields.needed("ask")?.text.into(),
        answer: answer.known("answer", answers.keys().map(String::as_str))?,
        because: fields.needed("because")?.text.into(),
        answers,
    })
}
