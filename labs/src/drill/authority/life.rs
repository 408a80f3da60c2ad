//! From when until when a certificate is valid.
//!
//! It reads no clock, and does not mind a life that is over or has not begun: those are cases.

use std::time::Duration;

use time::OffsetDateTime;

/// Both ends included, in whole seconds, as certificates hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

impl Life {
    /// Rounds both ends down to whole seconds.
    pub fn new(not_before: OffsetDateTime, not_after: OffsetDateTime) -> Self {
        Self {
            not_before: whole(not_before),
            not_after: whole(not_after),
        }
    }

    /// Valid now and for `span` more; it began five minutes ago, so that a target whose clock is
    /// a little behind takes it.
    pub fn from_now(now: OffsetDateTime, span: Duration) -> Self {
        Self::new(now - time::Duration::minutes(5), now + span)
    }

    /// Over for `span` now, after an hour.
    pub fn over_for(now: OffsetDateTime, span: Duration) -> Self {
        let end = now - span;
        Self::new(end - time::Duration::hours(1), end)
    }

    /// Begins in `span`, and lasts an hour.
    pub fn begins_in(now: OffsetDateTime, span: Duration) -> Self {
        let begin = now + span;
        Self::new(begin, begin + time::Duration::hours(1))
    }

    /// First moment.
    pub const fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// Last moment.
    pub const fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }
}

fn whole(moment: OffsetDateTime) -> OffsetDateTime {
    moment - time::Duration::nanoseconds(i64::from(moment.nanosecond()))
}
