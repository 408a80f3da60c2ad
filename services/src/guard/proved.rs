//! What proves itself: a notice that is signed, which no token and no policy lets in.
//!
//! It is recorded as every other request is. Invariant: whoever brings it must stand.

use ca::work::Kind;
use tonic::{Request, Status};

use super::{Action, Decided, Guard, Permit, status};
use crate::posture::Freshness;
use crate::refusal::Refusal;

impl Guard {
    /// Lets in what proves itself: whoever brings it must stand and is asked for no token, and no
    /// policy is asked. `found` is what was found of the proof.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub async fn admit_proved<A: Action, T>(
        &self,
        request: &Request<T>,
        resource: &str,
        found: Result<(), Refusal>,
    ) -> Result<Permit<A>, Status> {
        let mut caller = self.caller(request);
        let charged = self.member.start.seams.work.charge(Kind::Decide).await;
        let stands = match &caller.peer {
            None => Err(Refusal::CertificateUntrusted),
            Some(peer) => self.member.recheck(peer),
        };
        caller.named_by_leaf();
        let decided = Decided {
            view: self.view.borrow().clone(),
            refusal: (charged.map_err(|_| Refusal::Busy).and(stands))
                .and(found)
                .err(),
            at: self.member.start.seams.clock.now(),
            freshness: Freshness::Any,
        };
        let policy_size = decided.view.size();
        match self.record(&caller, A::NAME, resource, decided).await {
            None => Ok(Permit::issue(policy_size)),
            Some(refusal) => Err(status(refusal)),
        }
    }
}
