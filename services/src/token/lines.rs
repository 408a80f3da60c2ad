//! A token a line in, `valid` or the name of a refusal a line out: what `schism token verify` is.
//!
//! Each line is judged by the very code that the services run. A line is never kept whole beyond
//! the longest token; what is longer, or is not UTF-8, is `token-malformed` like any other noise.

use std::io::{self, BufRead, Write};

use ca::clock::Time;

use super::MAX_TOKEN;
use super::keys::KeySet;
use super::verify::{Demand, verify};
use crate::refusal::Refusal;

/// How many lines were judged, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines answered `valid`.
    pub valid: u64,
    /// Lines answered with a refusal.
    pub refused: u64,
}

/// What some editors put before the first line.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Answers every line of `input` on `out`. A line ends with LF, CR LF or the end of the input; an
/// empty one is a malformed token. A byte order mark before the first is passed over.
///
/// # Errors
/// When the input cannot be read or the output not be written.
pub fn judge_lines(
    mut input: impl BufRead,
    keys: &KeySet,
    demand: &Demand<'_>,
    now: Time,
    mut out: impl Write,
) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let mut line = Vec::new();
    while next_line(&mut input, &mut line)? {
        let is_first = tally == Tally::default();
        let marked = line.strip_prefix(BYTE_ORDER_MARK).filter(|_| is_first);
        match judge(marked.unwrap_or(&line), keys, demand, now) {
            Ok(()) => {
                tally.valid += 1;
                writeln!(out, "valid")?;
            }
            Err(refusal) => {
                tally.refused += 1;
                writeln!(out, "{refusal}")?;
            }
        }
    }
    out.flush()?;
    Ok(tally)
}

fn judge(line: &[u8], keys: &KeySet, demand: &Demand<'_>, now: Time) -> Result<(), Refusal> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let token = str::from_utf8(line).map_err(|_| Refusal::TokenMalformed)?;
    verify(token, keys, demand, now).map(|_| ())
}

/// Reads one line without its LF; of a longer one than any token, just enough to tell. False at
/// the end of the input.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    const KEPT: usize = BYTE_ORDER_MARK.len() + MAX_TOKEN + 2;
    line.clear();
    let mut any = false;
    loop {
        let chunk = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = chunk.iter().position(|&byte| byte == b'\n');
        let piece = &chunk[..end.unwrap_or(chunk.len())];
        let room = KEPT - line.len();
        line.extend_from_slice(&piece[..piece.len().min(room)]);
        let used = piece.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::specimen::{BORN, DEMAND, TTL, issuer, keys, token};
    use super::*;

    fn answers(input: &[u8], keys: &KeySet, now: Time) -> String {
        let mut out = Vec::new();
        // A buffer of three bytes: lines must survive being read in pieces.
        let input = io::BufReader::with_capacity(3, input);
        judge_lines(input, keys, &DEMAND, now, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_line_gets_one_answer() {
        let issuer = issuer();
        let (keys, good) = (keys(&issuer), token(&issuer, "t"));
        let input = format!("{good}\n\n{good}\r\n {good}\n{good}x\n{good}");
        let said = "valid\ntoken-malformed\nvalid\ntoken-malformed\ntoken-forged\nvalid\n";
        assert_eq!(answers(input.as_bytes(), &keys, BORN), said);
        assert_eq!(
            answers(good.as_bytes(), &keys, BORN + 2 * TTL),
            "token-expired\n"
        );
        assert_eq!(answers(b"", &keys, BORN), "");
    }

    #[test]
    fn a_byte_order_mark_counts_only_before_the_first_line() {
        let issuer = issuer();
        let (keys, good) = (keys(&issuer), token(&issuer, "t"));
        let input = format!("\u{feff}{good}\r\n\u{feff}{good}\n{good}");
        let said = "valid\ntoken-malformed\nvalid\n";
        assert_eq!(answers(input.as_bytes(), &keys, BORN), said);
    }

    #[test]
    fn noise_and_endless_lines_are_malformed_and_the_next_line_is_heard() {
        let issuer = issuer();
        let mut input = b"\xff\xfe\n".to_vec();
        input.extend(std::iter::repeat_n(b'a', 100_000));
        input.push(b'\n');
        input.extend(token(&issuer, "t").as_bytes());
        let said = "token-malformed\ntoken-malformed\nvalid\n";
        assert_eq!(answers(&input, &keys(&issuer), BORN), said);
    }
}
