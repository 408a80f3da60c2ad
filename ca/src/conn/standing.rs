//! Whether the far end of an established connection still stands, by what is believed now.
//!
//! A chain that verified in the handshake may since have been revoked, or its root withdrawn. It is
//! judged anew when beliefs change in what they say, when the last judgement's grounds run out, and
//! when the clock was set back; in between the answer is a look at a pointer. Invariant: no answer
//! rests on beliefs that have been replaced by others.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::CertificateDer;

use crate::chain::InvalidChain;
use crate::clock::Time;
use crate::identity::LeafFacts;
use crate::svid;
use crate::tls::Trust;
use crate::trusted::Trusted;

/// A peer's chain with the last judgement of it. Cheap to clone; clones share the judgement.
#[derive(Clone, Debug)]
pub struct Standing(Arc<Peer>);

#[derive(Debug)]
struct Peer {
    chain: Vec<CertificateDer<'static>>,
    /// When the first of its issuers ends, as far as it shows them.
    issuers_end: Option<Time>,
    last: Mutex<Option<Judged>>,
}

#[derive(Debug)]
struct Judged {
    by: Arc<Trusted>,
    at: Time,
    until: Time,
    verdict: Result<LeafFacts, InvalidChain>,
}

impl Standing {
    /// The standing of a peer that showed this chain, leaf first.
    pub fn of(chain: &[CertificateDer<'_>]) -> Self {
        let issuers = chain.iter().skip(1);
        // One that cannot be read ended long ago.
        let ends = issuers.map(|der| svid::not_after(der).unwrap_or_default());
        Self(Arc::new(Peer {
            issuers_end: ends.min(),
            chain: chain.iter().map(|der| der.clone().into_owned()).collect(),
            last: Mutex::new(None),
        }))
    }

    /// The same, after a handshake begun at `at` in which `trusted` bore the chain out: `facts` are
    /// its leaf's.
    pub(super) fn met(
        self,
        facts: LeafFacts,
        trust: &Trust,
        trusted: &Arc<Trusted>,
        at: Time,
    ) -> Self {
        if trust.clock.now() < at {
            // The clock was set back meanwhile, and nobody knows when it was judged.
            return self;
        }
        let judged = self.0.judged(trust, trusted, at, Ok(facts));
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
        self
    }

    /// Judges the chain now, by `trusted`.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn judge(&self, trust: &Trust, trusted: &Arc<Trusted>) -> Result<(), InvalidChain> {
        let now = trust.clock.now();
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let held = last.take().filter(|judged| now >= judged.at);
        let judged = held.and_then(|judged| self.0.renewed(judged, trust, trusted, now));
        let judged = judged.unwrap_or_else(|| {
            let verdict = trust.judge(&self.0.chain, trusted);
            self.0.judged(trust, trusted, now, verdict)
        });
        let verdict = judged.verdict.clone();
        *last = Some(judged);
        verdict.map(|_| ())
    }
}

impl Peer {
    fn judged(
        &self,
        trust: &Trust,
        by: &Arc<Trusted>,
        at: Time,
        verdict: Result<LeafFacts, InvalidChain>,
    ) -> Judged {
        let until = match &verdict {
            Ok(facts) => {
                let domain = facts.spiffe_id.trust_domain();
                let lists = by.revocation.runs_out(domain, at, trust.tolerance);
                let end = self.end(facts, trust);
                lists.map_or(end, |lists| lists.min(end))
            }
            // What is not valid yet may be in a moment.
            Err(_) => at,
        };
        Judged {
            by: Arc::clone(by),
            at,
            until,
            verdict,
        }
    }

    /// When the chain ends, whatever is believed.
    fn end(&self, facts: &LeafFacts, trust: &Trust) -> Time {
        let leaf = facts.not_after + trust.tolerance;
        self.issuers_end.map_or(leaf, |issuers| issuers.min(leaf))
    }

    /// The same verdict, if it holds still. New lists that say what the last ones said are no
    /// reason to verify a chain anew, nor their own signatures over perhaps megabytes.
    fn renewed(
        &self,
        judged: Judged,
        trust: &Trust,
        trusted: &Arc<Trusted>,
        now: Time,
    ) -> Option<Judged> {
        if Arc::ptr_eq(&judged.by, trusted) && now <= judged.until {
            return Some(judged);
        }
        let facts = judged.verdict.ok()?;
        let domain = facts.spiffe_id.trust_domain();
        let holds = now <= self.end(&facts, trust)
            && trusted.only_renews(&judged.by, domain, now, trust.tolerance);
        holds.then(|| self.judged(trust, trusted, now, Ok(facts)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bundle::Bundle;
    use crate::clock::ManualClock;
    use crate::crl::Crls;
    use crate::crl::specimen::{Clinic, HOUR, NOW, serial};
    use crate::revocation::{Lists, Revocation, Stale};

    /// A clock that can be set, and the peer's judge by it.
    fn judge() -> (Arc<ManualClock>, Trust) {
        let clock = Arc::new(ManualClock::new(NOW));
        let trust = Trust {
            clock: Arc::clone(&clock) as Arc<dyn crate::clock::Clock>,
            tolerance: Duration::ZERO,
        };
        (clock, trust)
    }

    fn trusted(bundle: Bundle, crls: Crls, stale: Stale) -> Arc<Trusted> {
        Arc::new(Trusted {
            revocation: Revocation {
                crls,
                stale,
                ..Revocation::default()
            },
            ..Trusted::of(bundle)
        })
    }

    #[test]
    fn a_verdict_does_not_outlive_the_lists_that_it_rests_on() {
        let clinic = Clinic::new("clinic.example");
        let (chain, facts) = clinic.leaf();
        let late = NOW + HOUR + Duration::from_secs(1);
        assert!(late < facts.not_after, "the leaf itself lives on");
        for (stale, stands) in [(Stale::Refuse, false), (Stale::Accept, true)] {
            let (clock, trust) = judge();
            let trusted = trusted(clinic.bundle(), clinic.lists(&[], &[]), stale);
            let peer = Standing::of(&chain);
            assert_eq!(peer.judge(&trust, &trusted), Ok(()));
            clock.set(late);
            let verdict = peer.judge(&trust, &trusted);
            assert_eq!(verdict.is_ok(), stands, "{stale:?}: {verdict:?}");
        }
    }

    #[test]
    fn a_new_belief_takes_the_standing_of_whom_it_speaks_of_and_of_nobody_else() {
        let clinic = Clinic::new("clinic.example");
        let (chain, facts) = clinic.leaf();
        let (leaf, issuer) = (facts.serial, serial(clinic.issuer.certificate()));
        let same = || clinic.lists(&[], &[]);
        let withdrawn = Bundle {
            generation: 2,
            roots: Vec::new(),
            ..clinic.bundle()
        };
        let unlisted = Crls::new();
        for (bundle, crls, stands) in [
            (clinic.bundle(), same(), true),
            (clinic.bundle(), clinic.lists(&[&[9; 16]], &[]), true),
            (clinic.bundle(), clinic.lists(&[&leaf], &[]), false),
            (clinic.bundle(), clinic.lists(&[], &[&issuer]), false),
            (clinic.bundle(), unlisted, false),
            (withdrawn, same(), false),
        ] {
            let (_, trust) = judge();
            let peer = Standing::of(&chain);
            let before = trusted(clinic.bundle(), same(), Stale::Refuse);
            assert_eq!(peer.judge(&trust, &before), Ok(()));
            let verdict = peer.judge(&trust, &trusted(bundle, crls, Stale::Refuse));
            assert_eq!(verdict.is_ok(), stands, "{verdict:?}");
        }
    }

    #[test]
    fn new_lists_that_say_the_same_carry_a_verdict_on_and_stale_ones_do_not() {
        let clinic = Clinic::new("clinic.example");
        let (chain, facts) = clinic.leaf();
        let (clock, trust) = judge();
        let peer = Standing::of(&chain);
        let first = trusted(clinic.bundle(), clinic.lists(&[], &[]), Stale::Refuse);
        assert_eq!(peer.judge(&trust, &first), Ok(()));
        // As old as the first ones, and ignored by the dial: nothing is renewed by that.
        let mut ignoring = (*first).clone();
        ignoring.revocation.lists = Lists::Ignore;
        assert_eq!(peer.judge(&trust, &Arc::new(ignoring)), Ok(()));
        let again = trusted(clinic.bundle(), clinic.lists(&[], &[]), Stale::Refuse);
        clock.set(NOW + HOUR + Duration::from_secs(1));
        assert!(peer.judge(&trust, &again).is_err(), "stale, though equal");
        clock.set(NOW);
        assert_eq!(peer.judge(&trust, &again), Ok(()));
        let lasting = || trusted(clinic.bundle(), clinic.lists(&[], &[]), Stale::Accept);
        assert_eq!(peer.judge(&trust, &lasting()), Ok(()));
        clock.set(facts.not_after + Duration::from_secs(1));
        assert!(peer.judge(&trust, &lasting()).is_err(), "the leaf is over");
    }

    #[test]
    fn a_verdict_is_carried_to_lists_that_say_the_same_and_not_under_another_dial() {
        let clinic = Clinic::new("clinic.example");
        let (chain, facts) = clinic.leaf();
        let (_, trust) = judge();
        let believing = || trusted(clinic.bundle(), clinic.lists(&[], &[]), Stale::Refuse);
        // A chain that no verification would take: what says yes to it was carried.
        let begun = believing();
        let peer = Standing::of(&chain[..1]).met(facts, &trust, &begun, NOW);
        assert_eq!(peer.judge(&trust, &believing()), Ok(()));
        let mut preferring = (*believing()).clone();
        preferring.revocation.lists = Lists::Prefer;
        assert!(peer.judge(&trust, &Arc::new(preferring)).is_err());
    }

    #[test]
    fn a_verdict_ends_with_the_issuer_though_the_leaf_says_otherwise() {
        let clinic = Clinic::new("clinic.example");
        let (chain, mut facts) = clinic.leaf();
        let issuer_end = svid::not_after(&chain[1]).unwrap();
        facts.not_after = issuer_end + HOUR * 24;
        let (clock, trust) = judge();
        let believing = || trusted(clinic.bundle(), clinic.lists(&[], &[]), Stale::Accept);
        let peer = Standing::of(&chain).met(facts, &trust, &believing(), NOW);
        assert_eq!(peer.judge(&trust, &believing()), Ok(()));
        clock.set(issuer_end + Duration::from_secs(1));
        assert!(peer.judge(&trust, &believing()).is_err());
    }

    #[test]
    fn a_clock_that_was_set_back_in_the_handshake_leaves_no_verdict_behind() {
        let clinic = Clinic::new("clinic.example");
        let (chain, facts) = clinic.leaf();
        let (clock, trust) = judge();
        let believed = trusted(clinic.bundle(), clinic.lists(&[], &[]), Stale::Refuse);
        // By then the lists have run out: who was judged before that was not judged by then.
        let then = NOW + HOUR * 2;
        let peer = Standing::of(&chain).met(facts, &trust, &believed, then);
        clock.set(then);
        assert!(peer.judge(&trust, &believed).is_err());
    }
}
