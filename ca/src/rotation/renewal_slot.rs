//! When a member with a leaf from a tainted issuer renews: in batches, so that the CA is not
//! stampeded by those who obey at once.
//!
//! It needs no word between members: each finds its own place from its name. Invariant: the place
//! lies inside a window that is as long as the batches of all members take.

use std::time::Duration;

use crate::identity::SpiffeId;
use crate::rng::{Rng, SeededRng};

/// How long after it hears of a taint a member renews. `generation` is the trust state's that
/// brought the taint, so that the last of one taint are not the last of every one; `members` is how
/// many must renew, `batch` how many of them may come in one `interval`.
///
/// Same input, same answer, everywhere. It is below `interval` times the number of batches, rounded
/// up. Members are spread evenly but not counted off: of ten thousand in batches of a hundred no
/// interval gets more than half as many again. A `batch` of none counts as one. The caller renews
/// sooner if its leaf is due sooner.
pub fn renewal_slot(
    member: &SpiffeId,
    generation: u64,
    members: u32,
    batch: u32,
    interval: Duration,
) -> Duration {
    let batches = members.div_ceil(batch.max(1));
    let window = interval.saturating_mul(batches);
    SeededRng::branch(generation, &member.to_string()).span(Duration::ZERO, window)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(n: u32) -> SpiffeId {
        SpiffeId::parse(&format!("spiffe://clinic.example/north/agent-{n}")).unwrap()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn ten_thousand_come_in_batches_that_no_interval_outgrows_by_half() {
        for generation in [1, 2, 77] {
            let mut arrivals = [0_u32; 100];
            for n in 0..10_000 {
                let at = renewal_slot(&member(n), generation, 10_000, 100, SECOND);
                assert!(at < 100 * SECOND, "{at:?}");
                arrivals[usize::try_from(at.as_secs()).unwrap()] += 1;
            }
            let (least, most) = (arrivals.iter().min(), arrivals.iter().max());
            assert!(most <= Some(&150), "{most:?} in one interval");
            assert!(least >= Some(&50), "{least:?} in one interval");
        }
    }

    #[test]
    fn the_window_grows_with_the_members_and_not_with_their_names() {
        for (members, batch, batches) in [(0, 10, 0), (1, 10, 1), (10, 10, 1), (11, 10, 2)] {
            let latest = (0..1_000)
                .map(|n| renewal_slot(&member(n), 3, members, batch, SECOND))
                .max();
            assert!(latest <= Some(batches * SECOND));
            assert!(latest >= Some(batches * SECOND * 9 / 10), "{latest:?}");
        }
        assert!(renewal_slot(&member(0), 3, u32::MAX, 0, Duration::MAX) < Duration::MAX);
    }

    #[test]
    fn a_member_has_one_place_in_a_taint_and_another_in_the_next() {
        let place = |generation| renewal_slot(&member(7), generation, 1_000, 10, SECOND);
        assert_eq!(place(5), place(5));
        assert_ne!(place(5), place(6));
    }
}
