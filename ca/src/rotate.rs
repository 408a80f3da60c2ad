//! The CA's authorities and revocations in motion: commands, what is due by itself, and what
//! members are told after each.
//!
//! What is decided is journaled, then in force, then announced; the issuance log follows the
//! journal. Members are those whose leaves live, whether they are heard from or not: one that is
//! cut off blocks what would cut it off for good.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use crate::announced::Announced;
use crate::clock::Time;
use crate::crl::RevocationReason;
use crate::error::CaError;
use crate::identity::{LeafFacts, SpiffeId};
use crate::issue::{AUTHORITY_BACKDATE, Ca};
use crate::journaled::{Revoked, RevokedKind};
use crate::profile::Validity;
use crate::rotation::{
    self, Act, AuthorityKind, Command, Facts, LiveLeaf, Member, Refused, Schedule, Signs, Status,
    Timing, Transition,
};
use crate::svid::sha256;
use crate::token_keys::SIGNER;
use crate::way_back;

impl Ca {
    /// Brings a CA to where it can issue: the first authorities, if there are none, and lists that
    /// are fresh.
    pub(crate) fn begin(&mut self, now: Time) -> Result<(), CaError> {
        for kind in [AuthorityKind::Root, AuthorityKind::X509] {
            if self.authorities.slots().signer(kind).is_some() {
                continue;
            }
            // Half of a founding may be behind us: a crash comes at any time.
            if self.authorities.slots().prepared(kind).is_none() {
                self.decide(&self.prepare_act(kind, now).into(), now)?;
            }
            self.decide(&Act::Activate { kind, id: None }.into(), now)?;
        }
        let living = self.issuances.living();
        let ends: Vec<(SpiffeId, Time)> = living
            .map(|leaf| (leaf.spiffe_id.clone(), leaf.not_after))
            .collect();
        for (member, until) in ends {
            self.may_sign(&member, until);
        }
        self.rotate_token_keys(now)?;
        self.begin_secrets(now)?;
        self.authorities.sign_lists(&self.store, now)?;
        self.catch_up()?;
        self.announce();
        Ok(())
    }

    /// What prepares the next authority of a kind, with the life that the settings give it.
    pub fn prepare_act(&self, kind: AuthorityKind, now: Time) -> Act {
        let life = match kind {
            AuthorityKind::Root => self.config.root_ttl,
            AuthorityKind::X509 | AuthorityKind::Jwt | AuthorityKind::Secret => {
                self.config.issuer_ttl
            }
        };
        Act::Prepare {
            kind,
            validity: Validity::new(now - AUTHORITY_BACKDATE, now + life),
            key: None,
        }
    }

    /// Follows a command about an authority. Durable, logged and announced on return.
    ///
    /// # Errors
    /// When a rule or a gate refuses it, a root's key is needed and not at hand, or disk or log
    /// fail; then what is durable is in force, and is logged at the next opening.
    pub fn command(&mut self, command: &Command, now: Time) -> Result<Vec<Transition>, CaError> {
        let decided = self.decide(command, now);
        self.follow_up(decided)
    }

    fn decide(&mut self, command: &Command, now: Time) -> Result<Vec<Transition>, CaError> {
        let (facts, command) = (self.facts(now), self.config.gates.heeded(command));
        self.authorities.command(
            &self.store,
            &*self.keys,
            &*self.root_keys,
            &command,
            &facts,
            now,
        )
    }

    /// Revokes the leaf with that serial (hexadecimal). Durable, listed and announced on return;
    /// what was revoked before stays as it was. With a leaf of a name apart, the return that it
    /// came of is refused; a leaf that has ended is no proof any more.
    ///
    /// # Errors
    /// When no leaf has it that may be used for anything, or disk or log fail.
    pub fn revoke_leaf(
        &mut self,
        serial: &str,
        reason: RevocationReason,
        now: Time,
    ) -> Result<Revoked, CaError> {
        let leaf = self.issuances.with_serial(serial);
        let leaf = leaf.ok_or_else(|| CaError::NoSuchLeaf(serial.to_owned()))?;
        let one = Revoked {
            kind: RevokedKind::Revoke,
            serial: leaf.serial.clone(),
            issuer: leaf.issuer,
            spiffe_id: leaf.spiffe_id.clone(),
            not_after: leaf.not_after.as_secs(),
            reason: reason.name().to_owned(),
            at_us: now.as_micros(),
        };
        let serial = one.serial_bytes().map_err(CaError::damaged)?;
        let before = self.authorities.revoked(&serial).cloned();
        let revoked = match &before {
            // Its list may have failed then.
            Some(_) => self.authorities.sign_lists(&self.store, now),
            None => self.authorities.revoke_leaf(&self.store, one.clone(), now),
        };
        self.follow_up(revoked)?;
        Ok(before.unwrap_or(one))
    }

    /// Announces and logs what became durable, even if what came after it failed.
    pub(crate) fn follow_up<T>(&mut self, done: Result<T, CaError>) -> Result<T, CaError> {
        self.announce();
        let logged = self.catch_up();
        let done = done?;
        logged.map(|()| done)
    }

    /// Revokes every living leaf of one workload; gives what was revoked.
    ///
    /// # Errors
    /// As [`Self::revoke_leaf`].
    pub fn revoke_workload(
        &mut self,
        id: &SpiffeId,
        reason: RevocationReason,
        now: Time,
    ) -> Result<Vec<Revoked>, CaError> {
        let serials = self.issuances.serials_of(id);
        let revoked = serials
            .iter()
            .map(|serial| self.revoke_leaf(serial, reason, now));
        revoked.collect()
    }

    /// When authorities move on by themselves. Roots and issuers need a root's key, which is kept
    /// apart: an operator moves them.
    fn schedule(&self) -> Schedule {
        let by_hand = Timing::by_hand(self.config.issuer_ttl, AUTHORITY_BACKDATE);
        Schedule {
            root: Timing::by_hand(self.config.root_ttl, AUTHORITY_BACKDATE),
            x509: by_hand,
            jwt: Timing::by_lifetime(self.config.issuer_ttl, AUTHORITY_BACKDATE),
        }
    }

    /// Takes every step with token keys that is due and that nobody blocks. Says whether any was.
    fn rotate_token_keys(&mut self, now: Time) -> Result<bool, CaError> {
        let mut moved = false;
        loop {
            let due = rotation::due(self.authorities.slots(), &self.schedule(), now);
            let mut stepped = false;
            for command in due {
                match self.decide(&command, now) {
                    Ok(_) => stepped = true,
                    Err(CaError::Rotation(Refused::Blocked { .. })) => {}
                    Err(error) => return Err(error),
                }
            }
            if !stepped {
                return Ok(moved);
            }
            moved = true;
        }
    }

    /// Does what is due by itself: new lists and token keys in time. Returns when to look again.
    ///
    /// # Errors
    /// When the store fails.
    pub fn tend(&mut self, now: Time) -> Result<Time, CaError> {
        // A list that is fresh for longer than lists are was signed on a wrong clock.
        let fresh = |due| now < due && due <= now + self.config.crl_life;
        if !fresh(self.authorities.next_list(now)) {
            self.authorities.doubt_lists(now + self.config.crl_life);
            self.authorities.sign_lists(&self.store, now)?;
            self.announce();
        }
        if self.federation.look(now) {
            self.announce();
        }
        let moved = self.rotate_token_keys(now);
        if self.follow_up(moved)? {
            tracing::info!("token keys moved on");
        }
        let next = rotation::next_look(self.authorities.slots(), &self.schedule(), now);
        let list = self.authorities.next_list(now);
        let over = self.federation.next_end();
        Ok([next, over].into_iter().flatten().fold(list, Time::min))
    }

    /// Who holds what, as the gates ask.
    pub fn facts(&self, now: Time) -> Facts {
        let mut members: BTreeMap<_, Member> = BTreeMap::new();
        let tolerance = self.config.tolerance;
        for leaf in self.issuances.living() {
            let not_after = leaf.not_after + tolerance;
            // Nobody waits for one who stands apart: whose key it is remains to be confirmed.
            if now > not_after || way_back::is_apart(&leaf.spiffe_id) {
                continue;
            }
            let member = members.entry(leaf.spiffe_id.clone()).or_default();
            member.acknowledged = self.acknowledged_by(&leaf.spiffe_id);
            member.leaves.push(LiveLeaf {
                issuer: leaf.issuer,
                not_after,
            });
        }
        // Who signed tokens counts for as long as the tokens, whatever became of its leaf.
        for (member, until) in &self.signers {
            members.entry(member.clone()).or_default().signs = Some(Signs {
                with: self.signing.get(member).copied(),
                until: *until,
            });
        }
        Facts {
            members,
            token_life: self.config.token_life,
            ..Facts::default()
        }
    }

    /// What a member has put in force. The CA itself believes what it announces.
    fn acknowledged_by(&self, member: &SpiffeId) -> Option<u64> {
        let own = member.path() == crate::node::PATH;
        let announced = || self.announced.borrow().bundle.generation;
        own.then(announced)
            .or_else(|| self.acknowledged.get(member).copied())
    }

    /// Takes note of until when a leaf may let somebody sign tokens.
    pub(crate) fn may_sign(&mut self, member: &SpiffeId, until: Time) {
        if self.config.remote_signer && member.path() == SIGNER {
            let until = until + self.config.tolerance;
            let last = self.signers.entry(member.clone()).or_insert(until);
            *last = until.max(*last);
        }
    }

    /// How the authorities stand, and who blocks what.
    pub fn status(&self, now: Time) -> Status {
        rotation::status(self.authorities.slots(), &self.facts(now), now)
    }

    /// Whether a chain of the CA's own rests on a tainted issuer though another one signs: members
    /// hear so from the CA, and nobody tells the CA.
    pub(crate) fn must_renew(&self, chain: &[CertificateDer<'_>]) -> bool {
        let tainted: BTreeSet<[u8; 32]> = self.authorities.tainted().collect();
        let is_tainted = |issuer: &CertificateDer<'_>| tainted.contains(&sha256(issuer));
        let signer = self.authorities.issuer();
        let has_successor = signer.is_ok_and(|signer| !is_tainted(signer.certificate()));
        has_successor && chain.iter().skip(1).any(is_tainted)
    }

    /// Whether a leaf was revoked, by itself.
    pub fn has_revoked(&self, leaf: &LeafFacts) -> bool {
        self.authorities.revoked(&leaf.serial).is_some()
    }

    fn catch_up(&mut self) -> Result<(), CaError> {
        let missing = self.store.journal(self.issuances.journaled())?;
        self.issuances.catch_up(&missing)
    }

    /// How many workloads have a leaf that may be alive.
    fn living_members(&self) -> u32 {
        let living = self.issuances.living();
        let members: BTreeSet<&SpiffeId> = living.map(|leaf| &leaf.spiffe_id).collect();
        u32::try_from(members.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn announce(&self) {
        let (others, members) = (&self.federation, self.living_members());
        let now = Announced::of(&self.authorities, others, members, &self.secrets);
        self.announced.send_if_modified(|announced| {
            let changed = **announced != now;
            if changed {
                *announced = Arc::new(now);
            }
            changed
        });
    }
}

#[cfg(test)]
#[path = "rotate_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "token_rotation_tests.rs"]
mod token_tests;
