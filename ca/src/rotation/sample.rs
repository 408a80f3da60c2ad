//! A small CA of slots for tests: set up, with members that join, acknowledge and renew. It checks
//! after each decision that the journal alone gives the same slots.

use std::time::Duration;

use crate::clock::Time;
use crate::identity::SpiffeId;
use crate::profile::Validity;
use crate::rotation::{
    Act, AuthorityKind, Command, Facts, LiveLeaf, Member, Phase, Reason, Refused, Signs, Slot,
    Slots, Transition, decide,
};

pub(super) const START: Time = Time::from_secs(1_800_000_000);
pub(super) const LEAF_TTL: Duration = Duration::from_secs(100);
pub(super) const ISSUER_TTL: Duration = Duration::from_secs(600);
pub(super) const ROOT_TTL: Duration = Duration::from_secs(3_600);
pub(super) const TOKEN_LIFE: Duration = Duration::from_secs(60);
pub(super) const TOKEN_LEEWAY: Duration = Duration::from_secs(2);

pub(super) fn member(name: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://clinic.example/north/{name}")).unwrap()
}

pub(super) fn reason() -> Reason {
    Reason::new("south is cut off").unwrap()
}

#[derive(Debug)]
pub(super) struct Sample {
    pub(super) slots: Slots,
    pub(super) facts: Facts,
    pub(super) now: Time,
    pub(super) journal: Vec<Transition>,
}

impl Sample {
    /// Before anything was made.
    pub(super) fn empty() -> Self {
        Self {
            slots: Slots::default(),
            facts: Facts {
                token_life: TOKEN_LIFE,
                token_leeway: TOKEN_LEEWAY,
                ..Facts::default()
            },
            now: START,
            journal: Vec::new(),
        }
    }

    /// One active authority of each kind, at generation 3, and no member.
    pub(super) fn set_up() -> Self {
        let mut sample = Self::empty();
        for kind in AuthorityKind::OWN {
            sample.rotate(kind);
        }
        sample
    }

    pub(super) fn passes(&mut self, secs: u64) {
        self.now = self.now + Duration::from_secs(secs);
    }

    /// A member with a leaf of this issuer, that holds what is published now.
    pub(super) fn joins(&mut self, name: &str, issuer: u64) {
        let not_after = self.now + LEAF_TTL;
        let joined = Member {
            acknowledged: Some(self.slots.generation()),
            signs: None,
            uses: None,
            leaves: vec![LiveLeaf { issuer, not_after }],
        };
        self.facts.members.insert(member(name), joined);
    }

    /// A member signs tokens, and says with which key since when.
    pub(super) fn signs(&mut self, name: &str, with: Option<(u64, Time)>) {
        let signer = self.facts.members.get_mut(&member(name)).unwrap();
        let ends = signer.leaves.iter().map(|leaf| leaf.not_after);
        let until = ends.max().unwrap();
        signer.signs = Some(Signs { with, until });
    }

    pub(super) fn acknowledges(&mut self, name: &str) {
        let generation = self.slots.generation();
        let member = self.facts.members.get_mut(&member(name)).unwrap();
        member.acknowledged = Some(generation);
    }

    fn all_acknowledge(&mut self) {
        for member in self.facts.members.values_mut() {
            member.acknowledged = Some(self.slots.generation());
        }
    }

    /// The validity that a new authority of this kind is given.
    pub(super) fn validity(&self, kind: AuthorityKind) -> Validity {
        let life = match kind {
            AuthorityKind::Root => ROOT_TTL,
            AuthorityKind::X509 | AuthorityKind::Jwt | AuthorityKind::Secret => ISSUER_TTL,
        };
        Validity::new(self.now - Duration::from_secs(3_600), self.now + life)
    }

    pub(super) fn preparing(&self, kind: AuthorityKind) -> Act {
        Act::Prepare {
            kind,
            validity: self.validity(kind),
            key: None,
        }
    }

    pub(super) fn prepare(&mut self, kind: AuthorityKind) {
        let act = self.preparing(kind);
        self.act(act);
    }

    pub(super) fn activate(&mut self, kind: AuthorityKind) {
        self.act(Act::Activate { kind, id: None });
    }

    /// A whole hand-over, acknowledged by all.
    pub(super) fn rotate(&mut self, kind: AuthorityKind) {
        self.prepare(kind);
        self.all_acknowledge();
        self.activate(kind);
    }

    /// Does what must be possible.
    #[track_caller]
    pub(super) fn act(&mut self, act: Act) -> Vec<Transition> {
        self.command(&act.into()).unwrap()
    }

    /// The same, over whoever blocks.
    #[track_caller]
    pub(super) fn force(&mut self, act: Act) -> Vec<Transition> {
        let command = Command::from(act).overriding(reason());
        self.command(&command).unwrap()
    }

    /// The name of the refusal, with and without a reason to override it.
    #[track_caller]
    pub(super) fn rule(&mut self, act: Act) -> &'static str {
        let forced = Command::from(act.clone()).overriding(reason());
        let forced = self.command(&forced).unwrap_err();
        let refused = self.refused(act);
        assert_eq!(refused, forced, "a rule is not overridden");
        refused.name()
    }

    #[track_caller]
    pub(super) fn refused(&mut self, act: Act) -> Refused {
        self.command(&act.into()).unwrap_err()
    }

    pub(super) fn command(&mut self, command: &Command) -> Result<Vec<Transition>, Refused> {
        let transitions = decide(&self.slots, command, &self.facts, self.now)?;
        self.slots = self.slots.after(&transitions).unwrap();
        self.journal.extend(transitions.iter().cloned());
        let replayed = Slots::replay(&self.journal);
        assert_eq!(replayed.as_ref(), Ok(&self.slots), "the journal is enough");
        Ok(transitions)
    }

    #[track_caller]
    pub(super) fn phase(&self, kind: AuthorityKind, id: u64) -> Phase {
        self.slots.get(kind, id).unwrap().phase
    }
}

/// The numbers of some slots.
pub(super) fn ids<'a>(slots: impl Iterator<Item = &'a Slot>) -> Vec<u64> {
    slots.map(|slot| slot.id).collect()
}

pub(super) const fn activate(kind: AuthorityKind, id: u64) -> Act {
    Act::Activate { kind, id: Some(id) }
}

pub(super) const fn retire(kind: AuthorityKind, id: u64) -> Act {
    Act::Retire { kind, id }
}

pub(super) const fn taint(kind: AuthorityKind, id: u64) -> Act {
    Act::Taint { kind, id }
}

pub(super) const fn revoke(kind: AuthorityKind, id: u64) -> Act {
    Act::Revoke { kind, id }
}

pub(super) const fn roll_back(kind: AuthorityKind) -> Act {
    Act::RollBack { kind }
}
