//! The CA and those who come back: what [`crate::way_back`] decides, made durable and done.
//!
//! A return is in the journal, with the leaf that it bought, before that leaf's entry is in the
//! issuance log, and before anybody has it: a power cut in between loses nothing, for whoever asks
//! again with the same key is answered the same. Invariant: no serial is used twice.

use rustls::pki_types::CertificateDer;

use crate::authority::Issued;
use crate::clock::Time;
use crate::csr::{MAX_REQUEST, Request};
use crate::dns::DnsNames;
use crate::error::{CaError, IssueRefusal};
use crate::identity::{LeafFacts, SpiffeId};
use crate::issuance::{Kind, Live};
use crate::issue::{Ca, Entered, Identity};
use crate::journaled::{Confirmed, ConfirmedKind, Journaled, Returned, ReturnedKind};
use crate::nonce::hex;
use crate::profile::Validity;
use crate::returns::Return;
use crate::store::Material;
use crate::svid::{self, MAX_CERTIFICATE, sha256};
use crate::way_back::{self, Decision, Known, NoWayBack, QUARANTINE};

/// What somebody shows who comes back.
#[derive(Clone, Copy, Debug)]
pub struct Comeback<'a> {
    /// Its last leaf, DER.
    pub leaf: &'a [u8],
    /// A signing request for a new key, PKCS#10 in DER.
    pub csr: &'a [u8],
    /// What [`Ca::challenge`] gave.
    pub nonce: &'a [u8],
    /// The signature of the last leaf's key over both.
    pub proof: &'a [u8],
}

/// A return that may be made.
struct May {
    leaf: Live,
    request: Request,
    decision: Decision,
}

/// The name under which what a return bought is kept; the next of that identity replaces it.
fn kept(id: &SpiffeId) -> String {
    format!("return-of-{id}")
}

impl Ca {
    /// What the proof of a return with the leaf of this hash must be made over. It is for anybody,
    /// and nothing is remembered of it.
    pub fn challenge(&self, leaf_sha256: &[u8], now: Time) -> Vec<u8> {
        self.nonces.give(leaf_sha256, now)
    }

    /// Who comes back, if that may be.
    ///
    /// # Errors
    /// As [`Self::recover`] refuses.
    pub fn may_recover(&self, asked: &Comeback<'_>, now: Time) -> Result<SpiffeId, CaError> {
        let may = self.may(asked, now)?;
        Ok(way_back::whose(&may.leaf.spiffe_id))
    }

    fn may(&self, asked: &Comeback<'_>, now: Time) -> Result<May, CaError> {
        let Comeback {
            leaf: shown,
            csr,
            nonce,
            proof,
        } = *asked;
        if self.config.returns.grace.is_zero() {
            return Err(NoWayBack::Off.into());
        }
        if shown.len() > MAX_CERTIFICATE {
            return Err(NoWayBack::Unlogged.into());
        }
        // Anybody may ask, and the proof is over all of it.
        if csr.len() > MAX_REQUEST {
            return Err(IssueRefusal::CsrTooLarge(csr.len()).into());
        }
        // Its very bytes are in the log: whatever its chain, this CA signed them.
        let hash = sha256(shown);
        let leaf = self.issuances.last_leaf(&hash);
        let leaf = leaf.ok_or(NoWayBack::Unlogged)?;
        if !self.nonces.gave(nonce, &hash, now) {
            return Err(NoWayBack::Nonce.into());
        }
        if !way_back::proves(shown, nonce, csr, proof) {
            return Err(NoWayBack::Proof.into());
        }
        let facts = LeafFacts::from_der(shown)?;
        let request = Request::verify(csr, &way_back::whose(&leaf.spiffe_id))?;
        let known = Known {
            authorities: self.authorities.phases(leaf.issuer),
            revoked: self.authorities.revoked(&facts.serial).is_some() || self.is_refused(&leaf),
            alive: self.is_somebody(&leaf, now),
            used: self.returns.used(&leaf.serial),
            latest: self.issuances.latest(),
            leaf: &leaf,
        };
        let key = sha256(request.key.as_bytes());
        let decision = way_back::decide(&self.config, &known, &key, now)?;
        Ok(May {
            request,
            decision,
            leaf,
        })
    }

    /// Whether a leaf came of a return that was refused by revoking one like it.
    fn is_refused(&self, leaf: &Live) -> bool {
        let of = self.returns.of(&way_back::whose(&leaf.spiffe_id));
        way_back::is_apart(&leaf.spiffe_id)
            && of.is_some_and(|it| self.has_refused(&it.returned, &leaf.spiffe_id))
    }

    /// Whether anything of that name, or of the name apart, was revoked since: the leaf that was
    /// shown is one of them.
    fn has_refused(&self, returned: &Returned, apart: &SpiffeId) -> bool {
        let since = |id| self.authorities.revoked_since(id, returned.at_us);
        since(apart) || since(&returned.spiffe_id)
    }

    /// Whether somebody else has got that name meanwhile. Once it is confirmed, a leaf of that name
    /// may be the answer to its own renewal, unless it came of a join code.
    fn is_taken(&self, of: &Return, now: Time) -> bool {
        let mut living = self.issuances.living();
        living.any(|leaf| {
            let other = of.confirmed.is_none() || leaf.kind == Kind::Enroll;
            let lives = now <= leaf.not_after + self.config.tolerance;
            other && lives && leaf.spiffe_id == of.returned.spiffe_id
        })
    }

    /// Whether somebody else than whoever has this leaf is that identity, or stands apart for it.
    fn is_somebody(&self, last: &Live, now: Time) -> bool {
        let whose = way_back::whose(&last.spiffe_id);
        let lives = |leaf: &&Live| {
            let revoked = crate::nonce::unhex::<16>(&leaf.serial)
                .is_some_and(|serial| self.authorities.revoked(&serial).is_some());
            now <= leaf.not_after + self.config.tolerance && !revoked
        };
        let mut others = self.issuances.living().filter(lives);
        others.any(|leaf| leaf.serial != last.serial && way_back::whose(&leaf.spiffe_id) == whose)
    }

    /// Gives a leaf to somebody whose last one has ended, for the proof of its key: of its own name
    /// or of the name apart, as the settings say. What was given is given again for the same key,
    /// and for no other.
    ///
    /// # Errors
    /// Refuses leaves that are not this CA's, not over, over for longer than the grace, revoked, of
    /// a tainted or revoked authority, or used already; a challenge that is not its own and young;
    /// a proof that is not by that leaf's key; identities that somebody has; everything while its
    /// clock is behind its log; and requests that are broken. Or disk or log fail, and then the
    /// serial may be used: for the same key the answer is had again.
    pub fn recover(&mut self, asked: &Comeback<'_>, now: Time) -> Result<Identity, CaError> {
        let may = self.may(asked, now)?;
        let whose = way_back::whose(&may.leaf.spiffe_id);
        if may.decision == Decision::Again {
            return self.recover_again(&whose, &may.request, now);
        }
        let is_apart = may.decision == Decision::Apart;
        let names = self.names_of(&may.leaf);
        let issued = if is_apart {
            self.sign_apart(&may.request, &whose, now)?
        } else {
            self.sign(&may.request, &whose, &names, self.validity(now), now)?
        };
        let entry = Journaled::Returned(Returned {
            kind: ReturnedKind::Return,
            serial: may.leaf.serial.clone(),
            superseded: self.is_superseded(&may.leaf, &whose),
            apart: is_apart,
            key_sha256: hex(&issued.key_sha256),
            not_after: issued.facts.not_after.as_secs(),
            dns_names: names,
            at_us: now.as_micros(),
            spiffe_id: whose.clone(),
        });
        let leaf = issued.chain.first().map_or(&[][..], |leaf| leaf);
        let leaf = [(kept(&whose), Material::new(leaf, None))];
        self.store
            .write_journal(std::slice::from_ref(&entry), &leaf)?;
        self.returns.take(&entry)?;
        let published = self.publish(Kind::Return, issued, now);
        self.follow_up(published)
    }

    /// The answer that a return had: it may have been lost on its way, or the power may have gone
    /// before its entry was logged.
    fn recover_again(
        &mut self,
        whose: &SpiffeId,
        request: &Request,
        now: Time,
    ) -> Result<Identity, CaError> {
        // Another return may have taken its place since.
        let leaf = self.store.material(&kept(whose))?;
        let leaf = leaf.map(|leaf| leaf.certificate()).transpose()?;
        let leaf = leaf.ok_or(NoWayBack::SerialUsed)?;
        if svid::public_key(&leaf).as_deref() != Some(request.key.as_bytes()) {
            return Err(NoWayBack::SerialUsed.into());
        }
        let facts = LeafFacts::from_der(&leaf)?;
        let of = self.returns.of(whose);
        let names = of.map(|it| it.returned.dns_names.clone());
        let log_index = self.issuances.leaf(&facts.leaf_sha256);
        let issued = Issued {
            chain: vec![
                CertificateDer::from(leaf),
                self.issuer_of(&facts)?.certificate().clone(),
            ],
            dns_names: names
                .filter(|_| !way_back::is_apart(&facts.spiffe_id))
                .unwrap_or_default(),
            key_sha256: sha256(request.key.as_bytes()),
            csr_sha256: request.sha256,
            facts,
        };
        match log_index {
            // It is there, and may wait still.
            Some(log_index) => self.settle(Entered { issued, log_index }),
            None => self.publish(Kind::Return, issued, now),
        }
    }

    /// The next leaf of somebody who stands apart: of its own name, once that is confirmed.
    pub(crate) fn renew_apart(
        &mut self,
        peer: &LeafFacts,
        request: &Request,
        now: Time,
    ) -> Result<Entered, CaError> {
        let whose = way_back::whose(&peer.spiffe_id);
        let of = self.returns.of(&whose).ok_or(IssueRefusal::LeafUnlogged)?;
        let returned = &of.returned;
        if self.config.returns.grace.is_zero() {
            return Err(NoWayBack::Off.into());
        }
        if self.has_refused(returned, &peer.spiffe_id) {
            return Err(IssueRefusal::LeafRevoked.into());
        }
        if self.is_taken(of, now) {
            return Err(NoWayBack::IdentityAlive.into());
        }
        let issued = match of.confirmed {
            None => self.sign_apart(request, &whose, now)?,
            Some(_) => self.sign(
                request,
                &whose,
                &returned.dns_names,
                self.validity(now),
                now,
            )?,
        };
        self.enter(Kind::Renew, issued, now)
    }

    fn sign_apart(
        &self,
        request: &Request,
        whose: &SpiffeId,
        now: Time,
    ) -> Result<Issued, CaError> {
        let (life, from) = (
            self.config.leaf_ttl.min(QUARANTINE),
            now - self.config.backdate,
        );
        let (apart, names) = (way_back::apart(whose)?, DnsNames::default());
        let validity = Validity::lasting(from, life);
        self.sign(request, &apart, &names, validity, now)
    }

    /// The DNS names that whoever had this leaf has by its own name.
    fn names_of(&self, last: &Live) -> DnsNames {
        if !way_back::is_apart(&last.spiffe_id) {
            return last.dns_names.clone();
        }
        let of = self.returns.of(&way_back::whose(&last.spiffe_id));
        of.map(|it| it.returned.dns_names.clone())
            .unwrap_or_default()
    }

    fn is_superseded(&self, last: &Live, whose: &SpiffeId) -> bool {
        let mut later = self.issuances.living();
        later.any(|leaf| leaf.is_later_than(last) && way_back::whose(&leaf.spiffe_id) == *whose)
    }

    /// Those who stand apart and may still be confirmed, with the end of the last leaf of each.
    pub fn waiting(&self, now: Time) -> Vec<(Return, Time)> {
        let is_on = !self.config.returns.grace.is_zero();
        let waits = self.returns.all().filter(|_| is_on).filter_map(|it| {
            let apart = way_back::apart(&it.returned.spiffe_id).ok()?;
            let refused = self.has_refused(&it.returned, &apart);
            let of = self.issuances.living();
            let of = of.filter(|leaf| leaf.spiffe_id == apart);
            let until = of.map(|leaf| leaf.not_after).max()?;
            let open = !refused && now <= until && !self.is_taken(it, now);
            let waits = it.returned.apart && it.confirmed.is_none() && open;
            waits.then(|| (it.clone(), until))
        });
        waits.collect()
    }

    /// Confirms that who stands apart for `id` is who it was: its next renewal gives it its own
    /// name. With `serial`, only if that is the leaf that it came back with. Durable and logged on
    /// return.
    ///
    /// # Errors
    /// When nobody waits so, or disk or log fail.
    pub fn confirm(
        &mut self,
        id: &SpiffeId,
        serial: Option<&str>,
        now: Time,
    ) -> Result<Return, CaError> {
        let mut waiting = self.waiting(now).into_iter().map(|(it, _)| it);
        let waits = waiting.find(|it| {
            let returned = &it.returned;
            returned.spiffe_id == *id && serial.is_none_or(|serial| returned.serial == serial)
        });
        let mut waits = waits.ok_or_else(|| CaError::NothingToConfirm(id.clone()))?;
        let entry = Journaled::Confirmed(Confirmed {
            kind: ConfirmedKind::Confirm,
            spiffe_id: id.clone(),
            serial: waits.returned.serial.clone(),
            at_us: now.as_micros(),
        });
        self.store
            .write_journal(std::slice::from_ref(&entry), &[])?;
        self.returns.take(&entry)?;
        self.follow_up(Ok(()))?;
        waits.confirmed = Some(now);
        Ok(waits)
    }
}

#[cfg(test)]
#[path = "recover_tests.rs"]
mod tests;
