//! Spans of time as people write them in files: `500ms`, `5s`, `2.6s`, `2m`.
//!
//! No sign, no space, no other unit; whole milliseconds. What [`write`] writes, [`parse`] reads
//! back to the same span.

use std::time::Duration;

/// Digits before the point, and so the longest span, are bounded.
const MAX_DIGITS: usize = 9;

/// The span that `text` says, or nothing.
pub fn parse(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(at);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    let (whole, part) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, part)) => (whole, part),
        None => (number, ""),
    };
    if whole.is_empty() || whole.len() > MAX_DIGITS || part.len() > 3 {
        return None;
    }
    let scale = 10_u64.pow(u32::try_from(part.len()).ok()?);
    let part: u64 = if part.is_empty() {
        0
    } else {
        part.parse().ok()?
    };
    let scaled = (whole.parse::<u64>().ok()? * scale + part).checked_mul(unit_ms)?;
    (scaled % scale == 0).then(|| Duration::from_millis(scaled / scale))
}

/// The shortest form that is easy to read; below a millisecond nothing is kept.
pub fn write(span: Duration) -> String {
    let ms = span.as_millis();
    match (ms % 1_000, ms / 1_000) {
        (0, secs) if secs >= 120 && secs % 60 == 0 => format!("{}m", secs / 60),
        (0, secs) => format!("{secs}s"),
        _ => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read() {
        for (text, ms) in [
            ("0s", 0),
            ("500ms", 500),
            ("5s", 5_000),
            ("2.6s", 2_600),
            ("0.5m", 30_000),
            ("2m", 120_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "s",
            "5",
            "5 s",
            "-5s",
            "+5s",
            "5h",
            "5S",
            ".5s",
            "5.s",
            "1.2.3s",
            "1.5ms",
            "1.0001s",
            "1234567890s",
            "٥s",
            "5s ",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for ms in [
            0, 1, 500, 1_000, 2_600, 60_000, 90_000, 120_000, 121_000, 300_000,
        ] {
            let span = Duration::from_millis(ms);
            assert_eq!(parse(&write(span)), Some(span));
        }
        assert_eq!(write(Duration::from_secs(60)), "60s");
        assert_eq!(write(Duration::from_secs(300)), "5m");
    }
}
