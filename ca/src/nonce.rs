//! Numbers that nobody may guess: serials and join codes.
//!
//! They come from the operating system, not from the run's seed, since the seed is no secret. So
//! none of them may reach a trace.

use ring::rand::{SecureRandom, SystemRandom};

use crate::keys::NoRandomness;

/// Fresh random bytes.
///
/// # Errors
/// When the operating system has no randomness.
pub(crate) fn fresh<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A certificate's serial: 127 bits, first byte not zero, so that it always takes 16 bytes.
///
/// # Errors
/// When the operating system has no randomness.
pub(crate) fn serial() -> Result<[u8; 16], NoRandomness> {
    let mut serial = fresh::<16>()?;
    serial[0] &= 0x7f;
    if serial[0] == 0 {
        serial[0] = 0x40;
    }
    Ok(serial)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Exactly `N` bytes from lower-case hexadecimal.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let mut out = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_take_sixteen_bytes_and_are_positive() {
        for _ in 0..2_000 {
            let serial = serial().unwrap();
            assert!((1..0x80).contains(&serial[0]));
        }
    }

    #[test]
    fn hexadecimal_comes_back_and_anything_else_does_not() {
        assert_eq!(unhex::<3>(&hex(&[0, 0xab, 0xff])), Some([0, 0xab, 0xff]));
        for broken in ["", "00ab", "00abfg", "00ABFF", "00abff00"] {
            assert_eq!(unhex::<3>(broken), None, "`{broken}`");
        }
    }
}
