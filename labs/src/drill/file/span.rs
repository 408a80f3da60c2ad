//! Spans of time as people write them in a file: `500ms`, `5s`, `2m`, `1h`.
//!
//! A whole number and one unit; no sign, no space, no point. A day at most.

use std::time::Duration;

/// What a span looks like, for messages.
pub(super) const WANTED: &str = "a span such as \"500ms\", \"5s\", \"2m\" or \"1h\", a day at most";

/// A day.
const MOST: u64 = 86_400_000;

/// The span that `text` says, or nothing.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let unit: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let ms = number.parse::<u64>().ok()?.checked_mul(unit)?;
    (ms <= MOST).then(|| Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read_and_anything_else_is_not() {
        for (text, ms) in [
            ("0s", 0),
            ("500ms", 500),
            ("120s", 120_000),
            ("2m", 120_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(parse("24h"), Some(Duration::from_secs(86_400)));
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "1.5s",
            "25h",
            "5S",
            "99999999999999999999h",
            "٥s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
