//! The quiz: what a typed answer means, and how many were right.
//!
//! A letter is taken however it is dressed; what names no answer of the question is no answer, and
//! never a wrong one.

use crate::scenario::Question;

/// The letter of one of the question's answers that a line means: `b`, `B`, `b)` or `(b).`.
pub fn letter(question: &Question, said: &str) -> Option<String> {
    let dress = |c: char| c.is_whitespace() || "().:`'\"".contains(c);
    let letter = said.trim_matches(dress).to_lowercase();
    question.answers.contains_key(&letter).then_some(letter)
}

/// The letters that can be typed, in words: `a, b or c`.
pub fn letters(question: &Question) -> String {
    let letters: Vec<&str> = question.answers.keys().map(String::as_str).collect();
    match letters.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// Right answers so far, of those given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Right ones.
    pub right: u64,
    /// Given ones.
    pub of: u64,
}

impl Score {
    /// Counts an answer, and says whether it was right.
    pub fn count(&mut self, question: &Question, letter: &str) -> bool {
        let right = question.answer == letter;
        self.of += 1;
        self.right += u64::from(right);
        right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        let answers = ["a", "b", "c"].map(|letter| (letter.to_owned(), "text".to_owned()));
        Question {
            ask: "?".to_owned(),
            answers: answers.into(),
            answer: "b".to_owned(),
            because: "!".to_owned(),
        }
    }

    #[test]
    fn a_letter_is_taken_however_it_is_dressed_and_nothing_else_is() {
        let question = question();
        for said in ["b", " B ", "b)", "(b).", "`b`", "b\r"] {
            assert_eq!(letter(&question, said).as_deref(), Some("b"), "{said}");
        }
        for said in ["", "d", "ab", "bb", "yes", "2", "text"] {
            assert_eq!(letter(&question, said), None, "{said}");
        }
        assert_eq!(letters(&question), "a, b or c");
    }

    #[test]
    fn only_the_right_letter_counts() {
        let (question, mut score) = (question(), Score::default());
        assert!(!score.count(&question, "a"));
        assert!(score.count(&question, "b"));
        assert_eq!(score, Score { right: 1, of: 2 });
    }
}
