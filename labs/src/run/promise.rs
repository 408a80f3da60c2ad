//! What a posture promises about somebody revoked, by action, however the network is cut.
//!
//! Nothing where it lets what is old decide. What the judge allows for clocks is not part of a
//! promise: each rests on clocks that agree to within it, the CA's among them.

use std::collections::BTreeMap;
use std::time::Duration;

use ca::revocation::{Lists, Stale};
use services::policy::schema_freshness;
use services::posture::{
    ACTIONS, Freshness, Keys, OnStale, Posture, Recheck, Reconcile, TokenStatus, Withdrawal,
};

use super::TOLERANCE_US;
use super::afflict::micros;
use crate::history::Promise;

/// The most that clocks which are kept at all need to be forgiven: time servers keep them within
/// less. Minutes are no allowance, but a longer life.
const FORGIVEN_MAX: Duration = Duration::from_secs(10);

/// After an act on the policy: the age up to which a policy may decide.
pub(super) fn of_policy(posture: &Posture) -> BTreeMap<String, Promise> {
    let policy = &posture.policy;
    let of = |(action, demand): (&str, Freshness)| {
        let floor = schema_freshness(action).and_then(|floor| Freshness::parse(&floor));
        let freshness = floor.map_or(demand, |floor| demand.stricter(floor));
        let promise = match freshness {
            _ if policy.on_stale == OnStale::Allow => Promise::Any,
            Freshness::Any => Promise::Any,
            Freshness::Within(bound) => Promise::Within(micros(bound)),
            Freshness::Latest => Promise::Latest,
        };
        (action.to_owned(), promise)
    };
    policy.freshness.iter().map(of).collect()
}

/// After somebody was logged out: as after any other act on the policy, of which it is one. A
/// posture that takes every token to its end promises nothing.
pub(super) fn of_log_outs(posture: &Posture) -> BTreeMap<String, Promise> {
    let mut promised = of_policy(posture);
    if posture.token.status == TokenStatus::Ignore {
        promised.values_mut().for_each(|it| *it = Promise::Any);
    }
    promised
}

/// After a certificate was revoked: a list counts for `list_life`, and as far beyond it as clocks
/// may be apart; who has no fresh one is refused. A posture that never looks again at whom it let
/// in promises nothing.
pub(super) fn of_leaves(posture: &Posture, list_life: Duration) -> BTreeMap<String, Promise> {
    let revocation = &posture.revocation;
    // What the judge allows for clocks is not promised twice.
    let beyond = posture.tls.tolerance;
    let beyond = beyond.saturating_sub(Duration::from_micros(TOLERANCE_US));
    let asks = revocation.crl == Lists::Require && revocation.stale_crl == Stale::Refuse;
    let of = |action: &str| {
        let promise = if asks && looks_again(posture, action) {
            Promise::Within(micros(list_life + beyond))
        } else {
            Promise::Any
        };
        (action.to_owned(), promise)
    };
    ACTIONS.into_iter().map(of).collect()
}

/// After a certificate or its token ended: what is forgiven for clocks, at whichever of the two is
/// forgiven longer. It rests, as all of these do, on clocks that agree. A posture that forgives
/// more than any kept clock needs, or never looks again at whom it let in, promises nothing.
pub(super) fn of_ends(posture: &Posture) -> BTreeMap<String, Promise> {
    let forgiven = posture.tls.tolerance.max(posture.token.leeway);
    let of = |action: &str| {
        let promise = if forgiven <= FORGIVEN_MAX && looks_again(posture, action) {
            Promise::Within(micros(forgiven))
        } else {
            Promise::Any
        };
        (action.to_owned(), promise)
    };
    ACTIONS.into_iter().map(of).collect()
}

/// After the first use of a certificate that nobody issued. A node tells the CA whom it let in, or
/// hears nothing from it either, and refuses everybody once it has no fresh list. What is to be
/// done is ordered at the alarm, with a successor in stock; a revocation that waits for whoever
/// still lives under the stolen issuer waits for a leaf's life at most, and then it is in a list. A
/// posture that tells nobody promises nothing.
pub(super) fn of_rogues(
    posture: &Posture,
    list_life: Duration,
    leaf_life: Duration,
) -> BTreeMap<String, Promise> {
    let wait = match posture.rotation.revoke {
        Withdrawal::Converged => leaf_life,
        Withdrawal::Immediately => Duration::ZERO,
    };
    let mut promised = of_leaves(posture, wait + list_life);
    if posture.issuance.reconcile == Reconcile::Off {
        promised.values_mut().for_each(|it| *it = Promise::Any);
    }
    promised
}

/// Whether somebody let in is looked at again before they are let in to that.
fn looks_again(posture: &Posture, action: &str) -> bool {
    match posture.tls.recheck {
        Recheck::Message => true,
        // A stream is one request, however long.
        Recheck::Request => action != "watch",
        Recheck::Handshake => false,
    }
}

/// After a key was revoked that tokens were signed with: as after a certificate was, since a node
/// that hears nothing of the one hears nothing of the other, and refuses everybody once it has no
/// fresh list. A posture that keeps a key set for a time of its own promises nothing.
pub(super) fn of_keys(posture: &Posture, list_life: Duration) -> BTreeMap<String, Promise> {
    let mut promised = of_leaves(posture, list_life);
    if posture.token.keys == Keys::Ttl {
        promised.values_mut().for_each(|it| *it = Promise::Any);
    }
    promised
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_out_is_promised_to_be_as_fresh_as_the_policy_where_anybody_looks_at_it() {
        let mut posture = Posture::hardened();
        assert_eq!(of_log_outs(&posture), of_policy(&posture));
        assert_eq!(of_log_outs(&posture)["read"], Promise::Within(5_000_000));
        posture.token.status = TokenStatus::Ignore;
        assert_eq!(of_log_outs(&posture)["share"], Promise::Any);
        assert_eq!(of_policy(&posture)["share"], Promise::Latest);
    }

    #[test]
    fn an_end_is_promised_to_be_kept_as_far_as_clocks_may_differ_and_minutes_are_no_promise() {
        let mut posture = Posture::hardened();
        assert_eq!(of_ends(&posture)["watch"], Promise::Within(2_000_000));
        posture.tls.tolerance = Duration::from_secs(3);
        assert_eq!(of_ends(&posture)["read"], Promise::Within(3_000_000));
        posture.token.leeway = Duration::from_secs(60);
        assert_eq!(of_ends(&posture)["read"], Promise::Any);
        posture = Posture::hardened();
        posture.tls.recheck = Recheck::Request;
        assert_eq!(of_ends(&posture)["watch"], Promise::Any);
        assert_eq!(of_ends(&posture)["read"], Promise::Within(2_000_000));
    }

    #[test]
    fn a_leaf_that_nobody_issued_is_promised_to_be_out_where_somebody_looks_for_it() {
        let [list, leaf] = [15, 40].map(Duration::from_secs);
        let mut posture = Posture::hardened();
        let promised = |posture: &Posture| of_rogues(posture, list, leaf)["read"];
        assert_eq!(promised(&posture), Promise::Within(55_000_000));
        posture.rotation.revoke = Withdrawal::Immediately;
        assert_eq!(promised(&posture), Promise::Within(15_000_000));
        posture.issuance.reconcile = Reconcile::Off;
        assert_eq!(promised(&posture), Promise::Any);
    }

    #[test]
    fn a_revoked_leaf_is_promised_to_be_out_with_the_last_list_or_not_at_all() {
        let life = Duration::from_secs(60);
        let mut posture = Posture::hardened();
        assert_eq!(
            of_leaves(&posture, life)["watch"],
            Promise::Within(60_000_000)
        );
        posture.tls.tolerance = Duration::from_secs(300);
        let wide = &of_leaves(&posture, life)["watch"];
        assert_eq!(
            *wide,
            Promise::Within(359_500_000),
            "a list counts that much longer"
        );
        posture.tls.tolerance = Duration::from_millis(500);
        posture.tls.recheck = Recheck::Request;
        let promised = of_leaves(&posture, life);
        assert_eq!(promised["read"], Promise::Within(60_000_000));
        assert_eq!(promised["watch"], Promise::Any);
        posture.tls.recheck = Recheck::Handshake;
        assert_eq!(of_leaves(&posture, life)["read"], Promise::Any);
        posture = Posture::hardened();
        posture.revocation.stale_crl = Stale::Accept;
        assert_eq!(of_leaves(&posture, life)["read"], Promise::Any);
    }
}
