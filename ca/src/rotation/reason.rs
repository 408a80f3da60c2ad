//! Why an operator skips a gate, in the operator's own words.
//!
//! It ends in a signed log and on other people's terminals. So it refuses to be empty, endless, or
//! to hold a character that does not show. Invariant: whatever holds a [`Reason`] can be printed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest reason, in bytes.
pub const MAX_REASON: usize = 256;

/// Why a reason was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReason {
    /// Nothing but blanks.
    #[error("an override needs a reason")]
    Empty,
    /// Longer than [`MAX_REASON`].
    #[error("reason of {0} bytes is too long: at most {MAX_REASON}")]
    TooLong(usize),
    /// It has a character that does not show, or that turns the text around.
    #[error("reason has the character U+{0:04X}, which does not print")]
    Unprintable(u32),
}

/// A reason for an override.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(String);

impl Reason {
    /// Takes a reason, without the blanks around it.
    ///
    /// # Errors
    /// When it is empty, too long, or does not print.
    pub fn new(text: &str) -> Result<Self, InvalidReason> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidReason::Empty);
        }
        if text.len() > MAX_REASON {
            return Err(InvalidReason::TooLong(text.len()));
        }
        if let Some(hidden) = text.chars().find(|c| hides(*c)) {
            return Err(InvalidReason::Unprintable(u32::from(hidden)));
        }
        Ok(Self(text.to_owned()))
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, and Unicode's invisible ones: a name that reads backwards in an audit is a
/// trick, not a language.
fn hides(c: char) -> bool {
    let invisible = matches!(
        u32::from(c),
        0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff
            | 0xfff9..=0xfffb | 0xe0000..=0xe007f
    );
    c.is_control() || invisible
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Reason {
    type Error = InvalidReason;

    fn try_from(text: String) -> Result<Self, InvalidReason> {
        Self::new(&text)
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_said_in_words_that_show() {
        let reason = Reason::new("  south is cut off: Zoë agreed, ticket #7 ").unwrap();
        assert_eq!(reason.as_str(), "south is cut off: Zoë agreed, ticket #7");
        for (text, error) in [
            ("", InvalidReason::Empty),
            (" \t\n", InvalidReason::Empty),
            ("a\nb", InvalidReason::Unprintable(0x0a)),
            ("a\u{1b}[2Jb", InvalidReason::Unprintable(0x1b)),
            ("a\u{202e}b", InvalidReason::Unprintable(0x202e)),
        ] {
            assert_eq!(Reason::new(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_reason_is_bounded_to_the_byte() {
        let longest = "r".repeat(MAX_REASON);
        assert!(Reason::new(&longest).is_ok());
        assert_eq!(
            Reason::new(&format!("{longest}r")),
            Err(InvalidReason::TooLong(MAX_REASON + 1))
        );
    }

    #[test]
    fn a_reason_read_back_from_a_journal_is_checked_again() {
        assert!(serde_json::from_str::<Reason>("\"cut off\"").is_ok());
        assert!(serde_json::from_str::<Reason>("\"\"").is_err());
    }
}
