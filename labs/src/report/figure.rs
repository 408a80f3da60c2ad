//! Figures in words: the same digits on every machine.
//!
//! Integers only, so no float's printing decides what a reader sees. A share is rounded down:
//! 96.9 % served is not 97 %.

use std::time::Duration;

/// Microseconds as seconds with one decimal, rounded to the nearest: `33.2 s`.
pub fn seconds(us: u64) -> String {
    let tenths = us / 100_000 + u64::from(us % 100_000 >= 50_000);
    format!("{}.{} s", tenths / 10, tenths % 10)
}

/// How old something of `as_of_us` is at `at_us`, both by one clock: `1.0 s old`, or, where that
/// clock is behind, `from 44.4 s in the future`.
pub fn age(at_us: u64, as_of_us: u64) -> String {
    match as_of_us.checked_sub(at_us) {
        None | Some(0) => format!("{} old", seconds(at_us - as_of_us)),
        Some(ahead_us) => format!("from {} in the future", seconds(ahead_us)),
    }
}

/// A span as people say it, with as few decimals as are exact: `8.4 s`, `200 ms`.
pub fn span(span: Duration) -> String {
    let ms = span.as_millis();
    if (1..1_000).contains(&ms) {
        return format!("{ms} ms");
    }
    let part = format!("{:03}", ms % 1_000);
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    format!("{}{point}{part} s", ms / 1_000)
}

/// Microseconds as seconds with as few decimals as are exact, at most three: `10s`, `0.5s`.
pub fn tick(us: u64) -> String {
    let decimals = format!("{:03}", us / 1_000 % 1_000);
    let decimals = decimals.trim_end_matches('0');
    let point = if decimals.is_empty() { "" } else { "." };
    format!("{}{point}{decimals}s", us / 1_000_000)
}

/// A share in whole percent, rounded down; nothing of nothing is `0 %`.
pub fn percent(ok: u64, total: u64) -> String {
    let share = u128::from(ok) * 100 / u128::from(total.max(1));
    format!("{share} %")
}

/// A floor in percent, with a decimal only if it has one: `97 %`.
pub fn floor(share: f64) -> String {
    let tenths = format!("{:.1}", share * 100.0);
    format!("{} %", tenths.strip_suffix(".0").unwrap_or(&tenths))
}

/// A share as a number with four decimals, rounded to the nearest; nothing of nothing is 0.
pub fn ratio(ok: u64, total: u64) -> f64 {
    if total == 0 {
        return 0.0;
    }
    let (ok, total) = (u128::from(ok), u128::from(total));
    let ten_thousandths = (ok * 20_000 + total) / (2 * total);
    ten_thousandths as f64 / 10_000.0
}

/// Bytes in the largest unit that leaves a digit before the point: `4.2 MB`.
pub fn bytes(count: u64) -> String {
    let (unit, name) = match count {
        0..1_000 => return format!("{count} B"),
        1_000..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    format!("{}.{} {name}", count / unit, count % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_to_the_nearest_tenth() {
        assert_eq!(seconds(33_249_999), "33.2 s");
        assert_eq!(seconds(33_250_000), "33.3 s");
        assert_eq!(seconds(59_999_999), "60.0 s");
    }

    #[test]
    fn what_is_vouched_for_later_than_the_clock_says_is_not_young() {
        assert_eq!(age(3_500_000, 1_000_000), "2.5 s old");
        assert_eq!(age(1_000_000, 1_000_000), "0.0 s old");
        assert_eq!(age(1_000_000, 45_400_000), "from 44.4 s in the future");
    }

    #[test]
    fn a_span_is_said_as_short_as_is_exact() {
        let said = |ms| span(Duration::from_millis(ms));
        assert_eq!(
            [said(0), said(200), said(8_400), said(60_000), said(2_005)],
            ["0 s", "200 ms", "8.4 s", "60 s", "2.005 s"]
        );
    }

    #[test]
    fn a_tick_has_no_idle_zeros() {
        assert_eq!(
            [tick(10_000_000), tick(500_000), tick(0)],
            ["10s", "0.5s", "0s"]
        );
    }

    #[test]
    fn shares_never_flatter_in_words_and_are_near_in_numbers() {
        assert_eq!(percent(969, 1_000), "96 %");
        assert_eq!(percent(0, 0), "0 %");
        assert_eq!([floor(0.97), floor(0.155)], ["97 %", "15.5 %"]);
        assert_eq!(ratio(2, 3).to_string(), "0.6667");
        assert_eq!(ratio(97, 100).to_string(), "0.97");
    }

    #[test]
    fn bytes_take_the_largest_unit() {
        assert_eq!([bytes(999), bytes(4_299_999)], ["999 B", "4.2 MB"]);
    }
}
