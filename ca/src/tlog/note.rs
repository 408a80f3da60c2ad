//! Signed notes (C2SP signed-note v1.0.0): a text, and who vouches for it.
//!
//! Parsing believes nothing: it says who claims to have signed, and [`VerifyingKey::verify`] says
//! who did. A note that parses is written back byte for byte.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};

pub use super::key::{Algorithm, InvalidKey, SigningKey, VerifyingKey};

/// The most bytes that a note may have.
pub const MAX_NOTE: usize = 64 << 10;

/// The most signatures that a note may carry.
pub const MAX_SIGNATURES: usize = 64;

/// How a signature line begins: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// Why bytes are not a note, or a note is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNote {
    /// More than [`MAX_NOTE`] bytes.
    #[error("a note of {0} bytes is longer than {MAX_NOTE}")]
    TooLong(usize),
    /// Not UTF-8, or with control characters.
    #[error("not plain UTF-8 text")]
    NotText,
    /// No text that ends in a newline, then a blank line, then signature lines.
    #[error("no signature lines after a blank line")]
    NoSignatures,
    /// A line that should be a signature is none.
    #[error("signature line {0} is malformed")]
    SignatureLine(usize),
    /// More than [`MAX_SIGNATURES`] signatures.
    #[error("more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// The key that was asked for did not sign.
    #[error("not signed by `{0}`")]
    Unsigned(String),
    /// A signature is not what its key would have made.
    #[error("the signature of `{0}` does not fit the text")]
    WrongSignature(String),
}

/// One signature line of a note: a claim, until it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    name: String,
    id: u32,
    bytes: Vec<u8>,
}

impl Signature {
    pub(super) fn new(name: &str, id: u32, bytes: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            id,
            bytes,
        }
    }

    /// Reads one signature line, without its newline.
    ///
    /// # Errors
    /// [`InvalidNote::SignatureLine`] if it is none.
    pub fn parse(line: &str) -> Result<Self, InvalidNote> {
        Self::read(line).ok_or(InvalidNote::SignatureLine(1))
    }

    fn read(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
        let blob = match encoded.len() {
            ..=MAX_NOTE => BASE64_STANDARD.decode(encoded).ok()?,
            _ => return None,
        };
        let (id, bytes) = blob.split_first_chunk()?;
        let fits = is_name(name) && !bytes.is_empty();
        fits.then(|| Self::new(name, u32::from_be_bytes(*id), bytes.to_vec()))
    }

    /// Whose signature it claims to be.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which of that name's keys it claims to be of.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The signature itself; its form depends on the key's algorithm.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The signature line, without a newline.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [&self.id.to_be_bytes(), self.bytes.as_slice()].concat();
        write!(f, "{DASH}{} {}", self.name, BASE64_STANDARD.encode(blob))
    }
}

/// A text and its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is signed; it ends in a newline.
    pub text: String,
    /// Who claims to have signed it.
    pub signatures: Vec<Signature>,
}

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    /// Whatever about its form is wrong. Signatures are not looked at beyond their form.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidNote> {
        if bytes.len() > MAX_NOTE {
            return Err(InvalidNote::TooLong(bytes.len()));
        }
        let whole = str::from_utf8(bytes).map_err(|_| InvalidNote::NotText)?;
        if whole.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(InvalidNote::NotText);
        }
        // The text may have blank lines of its own: the last one parts it from the signatures.
        let end = whole.rfind("\n\n").ok_or(InvalidNote::NoSignatures)?;
        let lines = whole[end + 2..]
            .strip_suffix('\n')
            .ok_or(InvalidNote::NoSignatures)?;
        let mut signatures = Vec::new();
        for (number, line) in (1..).zip(lines.split('\n')) {
            if number > MAX_SIGNATURES {
                return Err(InvalidNote::TooManySignatures);
            }
            let signature = Signature::read(line).ok_or(InvalidNote::SignatureLine(number))?;
            signatures.push(signature);
        }
        Ok(Self {
            text: whole[..=end].to_owned(),
            signatures,
        })
    }

    /// The note as it is stored and sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{}\n", self.text);
        for signature in &self.signatures {
            out.push_str(&signature.to_string());
            out.push('\n');
        }
        out.into_bytes()
    }
}

/// Whether a key may have this name. Control characters are those that a note may not have.
pub(super) fn is_name(name: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c < ' ' || c == '+';
    !name.is_empty() && !name.contains(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the documentation of Go's `golang.org/x/mod/sumdb/note`.
    const PUBLISHED: &str = "\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInN\
IuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
";

    #[test]
    fn a_note_comes_back_byte_for_byte() {
        let note = Note::parse(PUBLISHED.as_bytes()).unwrap();
        assert_eq!(note.signatures.len(), 1);
        assert_eq!(note.signatures[0].name(), "PeterNeumann");
        assert_eq!(note.signatures[0].id(), 0xc74f_20a3);
        assert!(note.text.ends_with("problem is.\n"));
        assert_eq!(note.to_bytes(), PUBLISHED.as_bytes());
        assert_eq!(
            Signature::parse(&note.signatures[0].to_string()),
            Ok(note.signatures[0].clone())
        );
    }

    #[test]
    fn the_last_blank_line_ends_the_text() {
        let note = Note::parse("a\n\n\nb\n\n\u{2014} n AAAAAAA=\n".as_bytes()).unwrap();
        assert_eq!(note.text, "a\n\n\nb\n");
        assert_eq!(note.signatures[0].bytes(), [0]);
    }

    #[test]
    fn malformed_notes_are_refused_by_what_is_wrong() {
        let refused = |note: &str| Note::parse(note.as_bytes()).unwrap_err();
        for bare in [
            "",
            "\n",
            "text",
            "text\n",
            "text\n\n",
            "t\n\n\u{2014} n AAAAAAA=",
        ] {
            assert_eq!(refused(bare), InvalidNote::NoSignatures, "{bare:?}");
        }
        for control in [
            "t\r\n\n\u{2014} n AAAAAAA=\n",
            "t\0\n\n\u{2014} n AAAAAAA=\n",
        ] {
            assert_eq!(refused(control), InvalidNote::NotText, "{control:?}");
        }
        assert_eq!(Note::parse(b"\xff\n\n"), Err(InvalidNote::NotText));
        for line in [
            "- n AAAAAAA=",
            "\u{2014}n AAAAAAA=",
            "\u{2014} n",
            "\u{2014}  AAAAAAA=",
            "\u{2014} a+b AAAAAAA=",
            "\u{2014} a\u{a0}b AAAAAAA=",
            "\u{2014} n  AAAAAAA=",
            "\u{2014} n AAAAAAA",
            "\u{2014} n AAAAAAB=",
            "\u{2014} n AAAAAA==",
            "\u{2014} n ",
        ] {
            assert_eq!(
                refused(&format!("t\n\n{line}\n")),
                InvalidNote::SignatureLine(1),
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let line = "\u{2014} n AAAAAAA=\n";
        let note = |count| format!("t\n\n{}", line.repeat(count));
        assert!(Note::parse(note(MAX_SIGNATURES).as_bytes()).is_ok());
        let verdict = Note::parse(note(MAX_SIGNATURES + 1).as_bytes());
        assert_eq!(verdict, Err(InvalidNote::TooManySignatures));
        let long = format!("{}{}", "t".repeat(MAX_NOTE), note(1));
        assert!(matches!(
            Note::parse(long.as_bytes()),
            Err(InvalidNote::TooLong(_))
        ));
    }
}
