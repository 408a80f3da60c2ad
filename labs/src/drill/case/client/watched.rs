//! Whether a target goes on calling an upstream that it should not believe any more.
//!
//! Its connections are closed once a second, so that each of its calls needs a new one. Whether it
//! tried is seen by what it broke off: a target that is silent has shown nothing.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{LOOK, PATIENCE, QUIET, ms};
use crate::drill::authority::Leaf;
use crate::drill::clock;
use crate::drill::upstream::{Asked, Upstream};

/// Looks between two hang-ups.
const LOOKS: usize = 10;

/// What was seen of a target that should not call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It called, so many milliseconds after the change.
    Called(u64),
    /// It broke its connections off.
    Declined {
        /// The last call, so many milliseconds after the change, if one came.
        last: Option<u64>,
        /// How a connection ended.
        how: String,
    },
    /// It did neither.
    Nobody,
}

/// Calls on connections that were opened at this moment or later.
pub(super) fn opened_since(moment: Instant) -> impl Fn(&Asked) -> bool {
    move |asked| asked.opened >= moment
}

/// Watches for calls that should not come since the upstream shows this leaf, or since nobody
/// should believe it, and lets those pass that come before `allowed` is over.
pub(super) async fn watched(
    (upstream, shown): (&Upstream, &Leaf),
    since: Instant,
    allowed: Duration,
    is_bad: impl Fn(&Asked) -> bool,
) -> Seen {
    for look in 0.. {
        if look % LOOKS == 0 {
            upstream.hang_up();
        }
        sleep(LOOK).await;
        let now = clock::instant();
        let mut bad = upstream.asked_since(since);
        bad.retain(&is_bad);
        if let Some(late) = bad.iter().find(|asked| asked.at >= since + allowed) {
            return Seen::Called(ms(since, late.at));
        }
        let last = bad.last().map(|asked| asked.at);
        let from = last.unwrap_or(since);
        let mut declined = upstream.declined_since(from);
        declined.retain(|it| it.shown == *shown.certificate());
        if let Some(declined) = declined.last()
            && now.saturating_duration_since(from) >= QUIET
        {
            return Seen::Declined {
                last: last.map(|at| ms(since, at)),
                how: declined.how.clone(),
            };
        }
        if now >= since + allowed + PATIENCE {
            break;
        }
    }
    Seen::Nobody
}
