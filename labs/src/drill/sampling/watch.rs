//! Until when a path still served after a change: samples, a step apart, up to a limit.
//!
//! The moment that is told is the asking of the last success, and the step reaches from there to
//! the answer of the first sample that says that access had ended: the truth lies in between.
//! Failures that say nothing of the caller never end access, and silence is no refusal.

use std::time::{Duration, Instant};

use super::{Pace, Probe, Sample};
use crate::drill::answer::{Cell, Change, Path, Seen};
use crate::drill::clock::millis;

/// So many failures at the end of a watch do not yet hide that the path still served.
const STRAY: u64 = 2;

/// How a path is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// How far apart questions are asked; a stream sets its own pace.
    pub step: Duration,
    /// No longer than this.
    pub limit: Duration,
    /// No longer than this either, once the caller is refused and stays so: how long a success
    /// from a slower backend is waited for.
    pub calm: Duration,
}

/// What a watch saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// What the cell says.
    pub seen: Seen,
    /// The figure is no finer than this.
    pub step_ms: u64,
    /// How many samples there were.
    pub samples: u64,
    /// How many of them succeeded.
    pub served: u64,
    /// How many were refused.
    pub refused: u64,
    /// How many failed, or said nothing.
    pub failed: u64,
    /// How often a success came after a refusal: more than one backend answers, or one that
    /// wavers.
    pub returned: u64,
    /// What the last sample said that was no success.
    pub said: Option<String>,
}

impl Sampled {
    /// The cell of the matrix.
    pub fn cell(&self, change: Change, path: Path, allowed: Option<Duration>) -> Cell {
        Cell {
            change,
            path,
            seen: self.seen.clone(),
            step_ms: self.step_ms,
            allowed_ms: allowed.map(millis),
        }
    }
}

impl Watch {
    /// Watches a path from the moment of a change on. The first sample is taken at once, the last
    /// one at the limit.
    pub async fn run(self, pace: &impl Pace, since: Instant, probe: &mut impl Probe) -> Sampled {
        let mut tally = Tally::new(since);
        let last = since + self.limit;
        let mut due = pace.now();
        loop {
            pace.until(due).await;
            let begun = pace.now();
            let said = probe.sample().await;
            let ended = pace.now();
            let streams = matches!(said, Sample::Message | Sample::Silence);
            let gone = matches!(said, Sample::Gone(_));
            tally.add(&said, begun, ended);
            if gone || begun >= last || streams && ended >= last || tally.calm(ended, self.calm) {
                return tally.told(self.step);
            }
            due = if streams {
                ended
            } else {
                self.next(since, ended).min(last)
            };
        }
    }

    /// The next whole step after a moment. Steps that a slow answer took are left out.
    fn next(self, since: Instant, after: Instant) -> Instant {
        let step = self.step.max(Duration::from_millis(1));
        let past = after.saturating_duration_since(since).as_nanos();
        let steps = past / step.as_nanos() + 1;
        let nanos = u64::try_from(steps * step.as_nanos()).unwrap_or(u64::MAX);
        since + Duration::from_nanos(nanos)
    }
}

struct Tally {
    since: Instant,
    last_success: Option<Instant>,
    /// When the first sample after the last success that ended access was answered.
    access_ended: Option<Instant>,
    /// How many samples there were since the last success.
    trailing: u64,
    sampled: Sampled,
}

impl Tally {
    const fn new(since: Instant) -> Self {
        Self {
            since,
            last_success: None,
            access_ended: None,
            trailing: 0,
            sampled: Sampled {
                seen: Seen::RefusedAtOnce,
                step_ms: 0,
                samples: 0,
                served: 0,
                refused: 0,
                failed: 0,
                returned: 0,
                said: None,
            },
        }
    }

    fn add(&mut self, said: &Sample, begun: Instant, ended: Instant) {
        let sampled = &mut self.sampled;
        sampled.samples += 1;
        if let Some(said) = said.said() {
            sampled.said = Some(said.to_owned());
        }
        if said.is_success() {
            sampled.served += 1;
            sampled.returned += u64::from(self.access_ended.is_some());
            // A message was on its way since nobody knows when: its arrival is what is known.
            let message = matches!(said, Sample::Message);
            self.last_success = Some(if message { ended } else { begun });
            self.access_ended = None;
            self.trailing = 0;
            return;
        }
        self.trailing += 1;
        if said.ends_access() {
            sampled.refused += 1;
            self.access_ended = self.access_ended.or(Some(ended));
        } else {
            sampled.failed += 1;
        }
    }

    /// Whether the caller has been refused, and not served, for this long.
    fn calm(&self, now: Instant, calm: Duration) -> bool {
        self.access_ended
            .is_some_and(|refused| now.saturating_duration_since(refused) >= calm)
    }

    fn told(mut self, step: Duration) -> Sampled {
        let after = |moment: Instant| millis(moment.saturating_duration_since(self.since));
        let from = self.last_success.unwrap_or(self.since);
        let wide = self.access_ended.map_or(Duration::ZERO, |ended| {
            ended.saturating_duration_since(from)
        });
        let seen = match (self.last_success, self.access_ended) {
            (None, Some(_)) => Seen::RefusedAtOnce,
            (Some(last), Some(_)) => Seen::LastSuccess {
                after_ms: after(last),
            },
            (Some(last), None) if self.trailing <= STRAY => Seen::StillServed {
                watched_ms: after(last),
            },
            (last, None) => Seen::CannotJudge {
                why: self.unclear(last.map(after)),
            },
        };
        self.sampled.seen = seen;
        self.sampled.step_ms = millis(wide.max(step) + Duration::from_nanos(999_999));
        self.sampled
    }

    /// Why neither access nor its end was seen.
    fn unclear(&self, last_ms: Option<u64>) -> String {
        let said = self.sampled.said.as_deref().unwrap_or("nothing was asked");
        let count = self.trailing;
        match last_ms {
            Some(ms) => format!(
                "the last success was at {ms} ms, and the {count} samples after it were no \
                 refusals: {said}"
            ),
            None => format!("none of {count} samples was served or refused: {said}"),
        }
    }
}
