//! Spans of time as they are typed and answered: `1h`, `1h30m`, `90s`, `500ms`, `2d`.
//!
//! Largest unit first, none twice, no sign and no space. What is shown can be typed, and is the
//! same span to the millisecond.

use std::fmt::Write as _;
use std::time::Duration;

use ca::budget::MOST;

/// Units, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A span, which may be nothing.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let takes = || "it takes a span such as `90s`, `1h30m` or `500ms`".to_owned();
    let (mut rest, mut units, mut total) = (text, &UNITS[..], 0_u64);
    while !rest.is_empty() {
        let (number, unit) = piece(rest).ok_or_else(takes)?;
        let at = units.iter().position(|(name, _)| *name == unit);
        let at = at.ok_or_else(takes)?;
        let ms = in_ms(number, units[at].1).ok_or_else(takes)?;
        total = total.checked_add(ms).ok_or_else(takes)?;
        (rest, units) = (&rest[number.len() + unit.len()..], &units[at + 1..]);
    }
    let span = Duration::from_millis(total);
    match span {
        _ if text.is_empty() => Err(takes()),
        _ if span > MOST => Err("it is a hundred years at most".to_owned()),
        _ => Ok(span),
    }
}

/// A span that is something.
pub(super) fn some(text: &str) -> Result<Duration, String> {
    let span = span(text)?;
    let is_none = span.is_zero();
    (!is_none)
        .then_some(span)
        .ok_or_else(|| "it is more than nothing".to_owned())
}

/// The first number and its unit.
fn piece(text: &str) -> Option<(&str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(digits);
    let letters = rest.find(|c: char| !c.is_ascii_lowercase());
    Some((number, &rest[..letters.unwrap_or(rest.len())]))
}

/// So many of a unit, in whole milliseconds.
fn in_ms(number: &str, unit: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || part.is_empty() || part.len() > 3 {
        return None;
    }
    let scale = 10_u64.pow(u32::try_from(part.len()).ok()?);
    let parts = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    let scaled = (parts.checked_add(part.parse().ok()?)?).checked_mul(unit)?;
    (scaled % scale == 0).then_some(scaled / scale)
}

/// A span in as few units as are exact; what is below a millisecond is left out.
pub(super) fn shown(span: Duration) -> String {
    let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if (1..1_000).contains(&ms) {
        return format!("{ms}ms");
    }
    // Seconds as people count them: two minutes of them are still seconds.
    if ms <= 120_000 {
        return seconds(ms);
    }
    let (mut text, mut rest) = (String::new(), ms);
    for (name, unit) in &UNITS[..3] {
        if rest >= *unit {
            // Writing to a string does not fail.
            let _ = write!(text, "{}{name}", rest / unit);
        }
        rest %= unit;
    }
    if rest > 0 {
        text.push_str(&seconds(rest));
    }
    text
}

fn seconds(ms: u64) -> String {
    let part = format!("{:03}", ms % 1_000);
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    format!("{}{point}{part}s", ms / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_from_its_largest_unit_down() {
        for (text, ms) in [
            ("0s", 0),
            ("500ms", 500),
            ("1.5s", 1_500),
            ("90s", 90_000),
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
            ("2d1h", 176_400_000),
            ("1m1s1ms", 61_001),
        ] {
            assert_eq!(span(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_says_what_it_takes() {
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "5S",
            "30m1h",
            "1h1h",
            ".5s",
            "5.s",
            "1.0001s",
            "1w",
            "5m ",
            "1.5ms",
            "99999999999999999999s",
            "٥s",
            "1..2s",
            "1.2.3s",
        ] {
            let said = span(text).unwrap_err();
            assert!(said.contains("`1h30m`"), "{text}: {said}");
        }
        assert!(span("36501d").unwrap_err().contains("hundred years"));
        assert!(some("0s").unwrap_err().contains("more than nothing"));
        assert_eq!(some("1ms"), Ok(Duration::from_millis(1)));
    }

    #[test]
    fn what_is_shown_can_be_typed_and_is_the_same() {
        for ms in [
            0, 1, 500, 1_000, 37_500, 60_000, 100_000, 120_001, 3_600_000, 97_225_250,
        ] {
            let one = Duration::from_millis(ms);
            assert_eq!(span(&shown(one)), Ok(one), "{ms}");
        }
        let said = |ms| shown(Duration::from_millis(ms));
        assert_eq!(
            [
                said(0),
                said(37_500),
                said(3_600_000),
                said(1_612_500),
                said(432_000_000)
            ],
            ["0s", "37.5s", "1h", "26m52.5s", "5d"]
        );
    }
}
