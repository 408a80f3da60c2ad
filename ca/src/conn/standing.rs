//! Whether the far end of an established connection still stands, by what is believed now.
//!
//! A chain that verified in the handshake may since have been revoked, or its root withdrawn. It is
//! judged anew when beliefs change, when the last judgement's grounds run out, and when the clock
//! was set back; in between the answer is a look at a pointer. Invariant: no answer rests on
//! beliefs that have been replaced.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::CertificateDer;

use crate::chain::InvalidChain;
use crate::clock::Time;
use crate::tls::Trust;
use crate::trusted::Trusted;

/// A peer's chain with the last judgement of it. Cheap to clone; clones share the judgement.
#[derive(Clone, Debug)]
pub struct Standing(Arc<Peer>);

#[derive(Debug)]
struct Peer {
    chain: Vec<CertificateDer<'static>>,
    last: Mutex<Option<Judged>>,
}

#[derive(Debug)]
struct Judged {
    by: Arc<Trusted>,
    at: Time,
    until: Time,
    verdict: Result<(), InvalidChain>,
}

impl Standing {
    /// The standing of a peer that showed this chain, leaf first.
    pub fn of(chain: &[CertificateDer<'_>]) -> Self {
        let chain = chain.iter().map(|der| der.clone().into_owned()).collect();
        Self(Arc::new(Peer {
            chain,
            last: Mutex::new(None),
        }))
    }

    /// Judges the chain now, by `trusted`.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn judge(&self, trust: &Trust, trusted: &Arc<Trusted>) -> Result<(), InvalidChain> {
        let now = trust.clock.now();
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judged) = &*last
            && Arc::ptr_eq(&judged.by, trusted)
            && (judged.at..=judged.until).contains(&now)
        {
            return judged.verdict.clone();
        }
        let found = trust.judge(&self.0.chain, trusted);
        let until = match &found {
            Ok(facts) => {
                let end = facts.not_after + trust.tolerance;
                let domain = facts.spiffe_id.trust_domain();
                let lists = trusted.revocation.runs_out(domain, now, trust.tolerance);
                lists.map_or(end, |lists| lists.min(end))
            }
            // What is not valid yet may be in a moment.
            Err(_) => now,
        };
        let verdict = found.map(|_| ());
        *last = Some(Judged {
            by: Arc::clone(trusted),
            at: now,
            until,
            verdict: verdict.clone(),
        });
        verdict
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;
    use crate::crl::specimen::{Clinic, HOUR, NOW};
    use crate::revocation::{Revocation, Stale};

    #[test]
    fn a_verdict_does_not_outlive_the_lists_that_it_rests_on() {
        let clinic = Clinic::new("clinic.example");
        let (chain, facts) = clinic.leaf();
        let late = NOW + HOUR + Duration::from_secs(1);
        assert!(late < facts.not_after, "the leaf itself lives on");
        for (stale, stands) in [(Stale::Refuse, false), (Stale::Accept, true)] {
            let clock = Arc::new(ManualClock::new(NOW));
            let trust = Trust {
                clock: Arc::clone(&clock) as Arc<dyn crate::clock::Clock>,
                tolerance: Duration::ZERO,
            };
            let trusted = Arc::new(Trusted {
                revocation: Revocation {
                    crls: clinic.lists(&[], &[]),
                    stale,
                    ..Revocation::default()
                },
                ..Trusted::of(clinic.bundle())
            });
            let peer = Standing::of(&chain);
            assert_eq!(peer.judge(&trust, &trusted), Ok(()));
            clock.set(late);
            let verdict = peer.judge(&trust, &trusted);
            assert_eq!(verdict.is_ok(), stands, "{stale:?}: {verdict:?}");
        }
    }
}
