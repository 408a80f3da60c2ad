//! The drill's clock: the machine's own, and the only place of the drill where it is read.
//!
//! Spans are told from the monotonic clock and dates from the other, so that a step of the wall
//! clock makes no exposure longer or shorter. It never moves a clock: cases about time move the
//! dates in certificates instead.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// Now, for measuring spans.
#[expect(clippy::disallowed_methods, reason = "this is the drill's clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// Now, for dates in certificates, lists and tokens.
#[expect(clippy::disallowed_methods, reason = "this is the drill's clock")]
pub fn system() -> SystemTime {
    SystemTime::now()
}

/// Now, as a calendar date and time in UTC.
pub fn date() -> OffsetDateTime {
    OffsetDateTime::from(system())
}

/// The moment of the monotonic clock that a calendar date is, as the clocks stand now; now, if it
/// is past.
pub fn instant_of(date: OffsetDateTime) -> Instant {
    let left = Duration::try_from(date - self::date());
    instant() + left.unwrap_or_default()
}

/// Now, in whole seconds since 1970, rounded down: what a certificate and a token can say.
pub fn unix_seconds() -> i64 {
    let since = system().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Whole milliseconds of a span: what a report can say.
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Whole milliseconds since a moment.
pub fn millis_since(moment: Instant) -> u64 {
    millis(instant().saturating_duration_since(moment))
}
