//! The CA's secrets in motion: commands, who holds and uses what, and what is waited for.
//!
//! What is decided is journaled, then in force, then announced, as with authorities. Whoever was
//! given a version counts as using it until it says what it uses. Invariant: nobody is heard of a
//! secret that it may not hold.

use std::collections::BTreeSet;

use super::kept::{Secret, Word};
use super::{Held, SecretName};
use crate::clock::Time;
use crate::error::CaError;
use crate::identity::SpiffeId;
use crate::issue::Ca;
use crate::rotation::{
    self, Act, AuthorityKind, Command, Facts, LiveLeaf, Member, Reason, Status, Transition, Uses,
};

/// What a holder says of one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Which.
    pub name: SecretName,
    /// The generation that it holds.
    pub generation: u64,
    /// The versions that something there is under, or is being made with.
    pub uses: BTreeSet<u64>,
}

impl Ca {
    /// Gives each secret its first version, if it has none.
    pub(crate) fn begin_secrets(&mut self, now: Time) -> Result<(), CaError> {
        let names: Vec<SecretName> = self.secrets.all.keys().cloned().collect();
        for name in names {
            if self.secrets.get(&name)?.active().is_some() {
                continue;
            }
            let kind = AuthorityKind::Secret;
            // Half of a founding may be behind us: a crash comes at any time.
            let slots = &self.secrets.get(&name)?.slots;
            if slots.prepared(kind).is_none() {
                let prepare = self.prepare_act(kind, now);
                self.decide_secret(&name, &prepare.into(), now)?;
            }
            // Nothing was made before the first: nobody can be cut off by it.
            let first = Reason::new("it is the first").map_err(CaError::encoding)?;
            let activate = Command::from(Act::Activate { kind, id: None });
            self.decide_secret(&name, &activate.overriding(first), now)?;
        }
        Ok(())
    }

    /// Follows a command about a secret. Durable, logged and announced on return.
    ///
    /// # Errors
    /// When there is no such secret, a rule or a gate refuses it, or disk or log fail; then what
    /// is durable is in force, and is logged at the next opening.
    pub fn command_secret(
        &mut self,
        name: &SecretName,
        command: &Command,
        now: Time,
    ) -> Result<Vec<Transition>, CaError> {
        let decided = self.decide_secret(name, command, now);
        self.follow_up(decided)
    }

    fn decide_secret(
        &mut self,
        name: &SecretName,
        command: &Command,
        now: Time,
    ) -> Result<Vec<Transition>, CaError> {
        let facts = self.secret_facts(self.secrets.get(name)?, now);
        let command = self.config.gates.heeded(command);
        let (store, keys) = (&self.store, &*self.keys);
        self.secrets
            .command(store, keys, name, &command, &facts, now)
    }

    /// Who holds and uses what of a secret, as the gates ask.
    fn secret_facts(&self, secret: &Secret, now: Time) -> Facts {
        let config = &secret.config;
        let mut facts = Facts {
            token_life: config.counts_for,
            ..Facts::default()
        };
        for path in &config.holders {
            let Ok(id) = SpiffeId::new(&self.config.trust_domain, path) else {
                continue;
            };
            let living = self.issuances.living().filter(|leaf| leaf.spiffe_id == id);
            let leaves = living.map(|leaf| LiveLeaf {
                issuer: leaf.issuer,
                not_after: leaf.not_after + self.config.tolerance,
            });
            let leaves: Vec<LiveLeaf> = leaves.filter(|leaf| now <= leaf.not_after).collect();
            let word = self.secrets.words.get(&(config.name.clone(), id.clone()));
            // What counts for a time only is heard of nobody whose leaf has ended.
            let stays = config.counts_for.is_zero() || !leaves.is_empty();
            let uses = (config.users.contains(path) && stays).then(|| Uses {
                versions: word.and_then(|word| word.uses.clone()),
            });
            let member = Member {
                acknowledged: word.and_then(|word| word.generation),
                leaves,
                uses,
                ..Member::default()
            };
            facts.members.insert(id, member);
        }
        facts
    }

    /// How each secret stands, and who blocks what.
    pub fn secret_status(&self, now: Time) -> Vec<(SecretName, Status)> {
        let all = self.secrets.all.iter();
        let status = |secret: &Secret| {
            let facts = self.secret_facts(secret, now);
            rotation::status(&secret.slots, &facts, now)
        };
        all.map(|(name, secret)| (name.clone(), status(secret)))
            .collect()
    }

    /// Whether somebody may hold any secret.
    pub(crate) fn holds_secrets(&self, member: &SpiffeId) -> bool {
        self.secrets
            .all
            .keys()
            .any(|name| self.may_hold(member, name))
    }

    /// Whether somebody may hold that secret.
    pub(crate) fn may_hold(&self, member: &SpiffeId, name: &SecretName) -> bool {
        let own = *member.trust_domain() == self.config.trust_domain;
        let holders = self.secrets.get(name).map(|secret| &secret.config.holders);
        own && holders.is_ok_and(|holders| holders.iter().any(|path| path == member.path()))
    }

    /// Takes note that a holder was given a secret: where another version is active than it says
    /// it uses, it may use any until it says so again.
    pub(crate) fn gave_secret(&mut self, member: &SpiffeId, name: &SecretName, held: &Held) {
        let of = (name.clone(), member.clone());
        if let Some(word) = self.secrets.words.get_mut(&of) {
            let uses = word.uses.as_ref().map(|(using, _)| using);
            let known = |active: u64| uses.is_some_and(|using| using.contains(&active));
            if held.active.is_some_and(|active| !known(active)) {
                word.uses = None;
            }
        }
    }

    /// Takes note of what a holder says that it holds and uses from `now` on, to whom `given` was
    /// last given as the active version. A word that does not name that one was said before it was
    /// heard of: what is used by now is not known.
    pub(crate) fn hear_secret(
        &mut self,
        member: &SpiffeId,
        said: Said,
        given: Option<u64>,
        now: Time,
    ) {
        if !self.may_hold(member, &said.name) {
            return;
        }
        let word = self.secrets.words.entry((said.name, member.clone()));
        let word: &mut Word = word.or_default();
        word.generation = Some(said.generation);
        if given.is_some_and(|active| !said.uses.contains(&active)) {
            word.uses = None;
            return;
        }
        let same = |(using, _): &(BTreeSet<u64>, Time)| *using == said.uses;
        if !word.uses.as_ref().is_some_and(same) {
            word.uses = Some((said.uses, now));
        }
    }
}
