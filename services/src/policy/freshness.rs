//! How old a policy is, and whether that is too old.
//!
//! A policy's as-of is the k-th newest of the times at which distinct witnesses cosigned its
//! checkpoint, for quorum k. One witness with a fast clock cannot make it young, and with quorums
//! that intersect no checkpoint without an acknowledged act gains an as-of later than the
//! acknowledgement. Cosignature times are whole seconds, rounded down, so rounding only ages it.
//! Nothing here reads a clock; `now` is always the caller's.

use std::collections::BTreeMap;
use std::time::Duration;

use ca::clock::Time;

use super::danger::Mutation;

/// Whether a policy as of `as_of` is too old at `now` for an action that bears `bound`.
///
/// An as-of further in the future than `tolerance` says that this node's clock is behind: the age
/// is then unknown, and unknown is stale. An as-of of the epoch means that there is none yet, and
/// is always older than any bound.
pub fn is_stale(as_of: Time, now: Time, bound: Duration, tolerance: Duration) -> bool {
    as_of > now + tolerance || now.since(as_of) > bound
}

/// The k-th newest cosignature time, one a witness: when, at the least, a quorum last said that
/// this was the largest tree it knew.
///
/// A witness that is given more than once counts once, with its newest time. `None` if fewer than
/// `quorum` witnesses cosigned, and also if `quorum` is 0: then nobody vouches for an age, and a
/// caller exposed like that has only the time at which it received the policy.
pub fn quorum_as_of(cosigned: &[(String, Time)], quorum: usize) -> Option<Time> {
    kth_newest(cosigned, quorum)
}

/// [`quorum_as_of`], or what a planted bug makes of it.
pub(super) fn as_of(cosigned: &[(String, Time)], quorum: usize, bug: Mutation) -> Option<Time> {
    let enough = kth_newest(cosigned, quorum)?;
    match bug {
        Mutation::AsOfFromOneWitness => kth_newest(cosigned, 1),
        Mutation::None
        | Mutation::AckBeforeQuorum
        | Mutation::ForgetEnforced
        | Mutation::NoAuditAppend
        | Mutation::NoStalenessCheck => Some(enough),
    }
}

/// The cosignatures that may count towards an age at `now`: a time that has not come yet, by more
/// than `tolerance`, proves a wrong clock or a lie, and makes nothing young. What that of a quorum
/// says of this clock is the replica's to see.
pub(super) fn not_from_the_future(
    cosigned: &[(String, Time)],
    now: Time,
    tolerance: Duration,
) -> Vec<(String, Time)> {
    let latest = now + tolerance;
    let come = cosigned.iter().filter(|(_, at)| *at <= latest);
    come.cloned().collect()
}

fn kth_newest(cosigned: &[(String, Time)], k: usize) -> Option<Time> {
    let mut newest: BTreeMap<&str, Time> = BTreeMap::new();
    for (witness, at) in cosigned {
        let seen = newest.entry(witness).or_insert(*at);
        *seen = (*seen).max(*at);
    }
    let mut times: Vec<Time> = newest.into_values().collect();
    times.sort_unstable();
    times
        .len()
        .checked_sub(k)
        .and_then(|nth| times.get(nth))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Duration = Duration::from_millis(500);

    fn times(of: &[(&str, u64)]) -> Vec<(String, Time)> {
        let owned = |(name, secs): &(&str, u64)| ((*name).to_owned(), Time::from_secs(*secs));
        of.iter().map(owned).collect()
    }

    #[test]
    fn one_fast_witness_cannot_make_a_policy_young() {
        let cosigned = times(&[("north", 9_999), ("east", 10), ("south", 7)]);
        assert_eq!(quorum_as_of(&cosigned, 1), Some(Time::from_secs(9_999)));
        assert_eq!(quorum_as_of(&cosigned, 2), Some(Time::from_secs(10)));
        assert_eq!(quorum_as_of(&cosigned, 3), Some(Time::from_secs(7)));
    }

    #[test]
    fn a_witness_counts_once_however_often_it_signed() {
        let cosigned = times(&[("north", 10), ("north", 12), ("north", 11)]);
        assert_eq!(quorum_as_of(&cosigned, 1), Some(Time::from_secs(12)));
        assert_eq!(quorum_as_of(&cosigned, 2), None);
    }

    #[test]
    fn too_few_witnesses_or_none_asked_for_give_no_age() {
        assert_eq!(quorum_as_of(&[], 2), None);
        assert_eq!(quorum_as_of(&times(&[("north", 10)]), 2), None);
        assert_eq!(quorum_as_of(&times(&[("north", 10)]), 0), None);
    }

    #[test]
    fn the_planted_bug_takes_the_newest_time_and_still_counts_the_quorum() {
        let cosigned = times(&[("north", 30), ("east", 10)]);
        let bug = Mutation::AsOfFromOneWitness;
        assert_eq!(
            as_of(&cosigned, 2, Mutation::None),
            Some(Time::from_secs(10))
        );
        assert_eq!(as_of(&cosigned, 2, bug), Some(Time::from_secs(30)));
        assert_eq!(as_of(&cosigned, 3, bug), None);
    }

    #[test]
    fn a_time_that_has_not_come_counts_for_nothing() {
        let cosigned = times(&[("north", 100), ("east", 11), ("south", 9)]);
        let kept = not_from_the_future(&cosigned, Time::from_micros(10_500_000), TOLERANCE);
        assert_eq!(kept, times(&[("east", 11), ("south", 9)]));
    }

    #[test]
    fn a_policy_is_stale_one_tick_past_its_bound_and_not_before() {
        let bound = Duration::from_secs(5);
        let at = Time::from_micros;
        assert!(!is_stale(at(1_000_000), at(6_000_000), bound, TOLERANCE));
        assert!(is_stale(at(1_000_000), at(6_000_001), bound, TOLERANCE));
    }

    #[test]
    fn a_clock_set_back_makes_a_policy_stale_not_young() {
        let bound = Duration::from_secs(5);
        let as_of = Time::from_secs(3_600);
        assert!(is_stale(as_of, Time::from_secs(60), bound, TOLERANCE));
        assert!(!is_stale(
            as_of,
            Time::from_micros(3_599_500_000),
            bound,
            TOLERANCE
        ));
    }

    #[test]
    fn a_policy_nobody_vouched_for_is_stale() {
        let now = Time::from_secs(1_767_225_600);
        assert!(is_stale(
            Time::default(),
            now,
            Duration::from_secs(60),
            TOLERANCE
        ));
    }
}
