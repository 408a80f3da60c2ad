//! First leaves: join codes, and what each of them buys.
//!
//! A caller's identity comes from the code, never from the signing request, unless the settings say
//! so. Invariant: a code's use is durable before its certificate leaves. If the log fails after a
//! code was used, the code stays used and the workload needs another: a code that came back to life
//! could be used twice.

use std::time::Duration;

use crate::authority::Issued;
use crate::clock::Time;
use crate::csr::Request;
use crate::dns::DnsNames;
use crate::error::{CaError, IssueRefusal};
use crate::identity::{LeafFacts, SpiffeId};
use crate::issuance::Kind;
use crate::issue::{Ca, Entered, Identity};
use crate::join::{self, Guest, JoinCode, JoinRecord};
use crate::store;
use crate::svid::{self, sha256};
use crate::way_back;

/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Ca {
    /// Makes a join code for one workload of this trust domain, without DNS names, for as long as
    /// the settings say. Durable on return.
    ///
    /// # Errors
    /// As [`Self::invite`].
    pub fn new_join_code(&mut self, id: &SpiffeId, now: Time) -> Result<JoinCode, CaError> {
        let guest = Guest {
            spiffe_id: id.clone(),
            dns_names: DnsNames::default(),
            ttl: self.config.join_ttl,
        };
        self.invite(guest, now)
    }

    /// Makes a join code for one workload of this trust domain. Durable on return. Which DNS names
    /// a workload may have is for whoever invites it to know.
    ///
    /// # Errors
    /// Refuses names that are not this CA's to give, and too many codes; or the disk fails.
    pub fn invite(&mut self, guest: Guest, now: Time) -> Result<JoinCode, CaError> {
        let id = guest.spiffe_id;
        if id.trust_domain() != &self.config.trust_domain || id.is_root() {
            return Err(IssueRefusal::NameForeign(id).into());
        }
        if way_back::is_apart(&id) {
            return Err(IssueRefusal::NameApart(id).into());
        }
        let code = JoinCode::fresh()?;
        let record = JoinRecord {
            spiffe_id: id,
            dns_names: guest.dns_names,
            expires_us: (now + guest.ttl).as_micros(),
            used_us: None,
            leaf: None,
        };
        let digest = join::digest(code.reveal())?;
        self.store.add_join_code(&digest, &record, now)?;
        Ok(code)
    }

    /// Whom a join code was made for, used or not.
    ///
    /// # Errors
    /// When there is no such code, or the disk fails.
    pub fn invited(&self, code: &str) -> Result<SpiffeId, CaError> {
        Ok(self.store.join_code(&join::digest(code)?)?.spiffe_id)
    }

    /// Issues a first leaf, for the name that the code was made for. A request that is refused
    /// does not use the code up. A used code gives the leaf that it bought once more, and for the
    /// same key alone.
    ///
    /// # Errors
    /// Refuses unknown, expired and used codes, and requests that are broken or ask for anything
    /// else; or disk or log fail, and then the code may be used although nothing was issued.
    pub fn enroll(&mut self, code: &str, csr: &[u8], now: Time) -> Result<Identity, CaError> {
        let entered = self.enter_enrolment(code, &Request::read(csr)?, now)?;
        self.settle(entered)
    }

    /// As [`Self::enroll`], for a request that was read, but for the last step: [`Self::settle`].
    ///
    /// # Errors
    /// As [`Self::enroll`], but for a broken request.
    pub fn enter_enrolment(
        &mut self,
        code: &str,
        request: &Request,
        now: Time,
    ) -> Result<Entered, CaError> {
        let digest = join::digest(code)?;
        let record = self.store.join_code(&digest)?;
        if let Some(leaf) = &record.leaf {
            let leaf = store::decoded("leaf of a join code", leaf)?;
            return self.answer_again(&record, leaf, request, now);
        }
        record.usable(now)?;
        let (id, names) = (&record.spiffe_id, &record.dns_names);
        let issued = self.sign(request, id, names, self.validity(now - self.age()), now)?;
        let leaf = issued.chain.first().map_or(&[][..], |leaf| leaf);
        self.store.use_join_code(&digest, leaf, now)?;
        self.spread = self.spread.wrapping_add(GOLDEN);
        self.enter(Kind::Enroll, issued, now)
    }

    /// The answer that a code had when it was used: it may have been lost on its way, or the power
    /// may have gone before its entry was logged. No other leaf comes of it, and none that is over.
    fn answer_again(
        &mut self,
        record: &JoinRecord,
        leaf: Vec<u8>,
        request: &Request,
        now: Time,
    ) -> Result<Entered, CaError> {
        let facts = LeafFacts::from_der(&leaf)?;
        let fits = request.fits(&self.named(request, &record.spiffe_id));
        fits.map_err(|_| IssueRefusal::JoinCodeUsed)?;
        let same = svid::public_key(&leaf).as_deref() == Some(request.key.as_bytes());
        let lives = facts.timely(now, self.config.tolerance).is_ok();
        if !same || !lives || now > Time::from_micros(record.expires_us) {
            return Err(IssueRefusal::JoinCodeUsed.into());
        }
        let log_index = self.issuances.leaf(&facts.leaf_sha256);
        let issued = Issued {
            chain: vec![leaf.into(), self.issuer_of(&facts)?.certificate().clone()],
            facts,
            dns_names: record.dns_names.clone(),
            key_sha256: sha256(request.key.as_bytes()),
            csr_sha256: request.sha256,
        };
        match log_index {
            // It is there, and may wait still.
            Some(log_index) => Ok(Entered { issued, log_index }),
            None => self.enter(Kind::Enroll, issued, now),
        }
    }

    /// How old the next first leaf begins: spread evenly however few there are, by the golden
    /// ratio (Weyl), from a random start.
    fn age(&self) -> Duration {
        let stagger = self.config.stagger.as_micros();
        let share = (u128::from(self.spread) * stagger) >> 64;
        Duration::from_micros(u64::try_from(share).unwrap_or(0))
    }
}
