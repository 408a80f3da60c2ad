//! Long random lives: whatever is commanded, in whatever order, the invariants hold.
//!
//! The oracles here share nothing with the rules: they follow leaves, tokens and what members hold
//! from the outside.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::Time;
use crate::identity::SpiffeId;
use crate::profile::Validity;
use crate::rng::{Rng, SeededRng};
use crate::rotation::AuthorityKind::{Jwt, Root, X509};
use crate::rotation::sample::{
    ISSUER_TTL, LEAF_TTL, ROOT_TTL, START, Sample, TOKEN_LEEWAY, TOKEN_LIFE, ids, member, reason,
};
use crate::rotation::{
    Act, AuthorityKind, Command, LiveLeaf, Member, Phase, Refused, Schedule, Slots, Timing,
    Transition, alarms, due,
};

/// Which ways of a step exist, written down apart from the code.
const WAYS: [(Phase, Phase); 9] = [
    (Phase::Prepared, Phase::Active),
    (Phase::Prepared, Phase::Tainted),
    (Phase::Prepared, Phase::Revoked),
    (Phase::Active, Phase::Retired),
    (Phase::Active, Phase::Prepared),
    (Phase::Retired, Phase::Active),
    (Phase::Retired, Phase::Tainted),
    (Phase::Retired, Phase::Revoked),
    (Phase::Tainted, Phase::Revoked),
];

/// What members hold under one generation.
fn held(slots: &Slots) -> [Vec<u64>; 5] {
    [
        ids(slots.trusted_roots()),
        ids(slots.issuers()),
        ids(slots.jwt_keys()),
        ids(slots.tainted_issuers()),
        ids(slots.listed_issuers()),
    ]
}

#[derive(Debug)]
struct Walk {
    sample: Sample,
    rng: SeededRng,
    /// When the last token of each key ends.
    tokens: BTreeMap<u64, Time>,
    born: BTreeSet<(AuthorityKind, u64)>,
    contents: BTreeMap<u64, [Vec<u64>; 5]>,
    /// How often each act was followed, how often a gate blocked, and how often one was skipped.
    followed: BTreeMap<&'static str, u32>,
    blocked: u32,
    forced: u32,
}

impl Walk {
    fn new(seed: u64) -> Self {
        Self {
            sample: Sample::set_up(),
            rng: SeededRng::branch(seed, "walk"),
            tokens: BTreeMap::new(),
            born: AuthorityKind::OWN.map(|kind| (kind, 1)).into(),
            contents: BTreeMap::new(),
            followed: BTreeMap::new(),
            blocked: 0,
            forced: 0,
        }
    }

    fn run(&mut self, steps: u32) {
        for _ in 0..steps {
            match self.rng.below(10) {
                0 | 1 => self.time_passes(),
                2 => self.a_member_renews(),
                3 => self.a_member_acknowledges(),
                4 => self.a_token_is_signed(),
                _ => self.a_command_comes(),
            }
            self.someone_always_signs();
        }
        let text = serde_json::to_string(&self.sample.slots).unwrap();
        let read: Slots = serde_json::from_str(&text).unwrap();
        assert_eq!(read, self.sample.slots);
    }

    fn time_passes(&mut self) {
        let most = if self.rng.below(20) == 0 { 40_000 } else { 60 };
        self.sample.passes(self.rng.below(most));
    }

    fn some_member(&self) -> SpiffeId {
        member(&format!("agent-{}", self.rng.below(6)))
    }

    fn a_member_renews(&mut self) {
        let signer = self.sample.slots.signer(X509).unwrap();
        let not_after = (self.sample.now + LEAF_TTL).min(signer.not_after);
        let (issuer, generation) = (signer.id, self.sample.slots.generation());
        let members = &mut self.sample.facts.members;
        let member = members.entry(member(&format!("agent-{}", self.rng.below(6))));
        let member = member.or_insert_with(|| Member {
            signs: None,
            uses: None,
            acknowledged: Some(generation),
            leaves: Vec::new(),
        });
        member.leaves.push(LiveLeaf { issuer, not_after });
    }

    fn a_member_acknowledges(&mut self) {
        let (member, generation) = (self.some_member(), self.sample.slots.generation());
        if let Some(member) = self.sample.facts.members.get_mut(&member) {
            member.acknowledged = Some(generation);
        }
    }

    fn a_token_is_signed(&mut self) {
        let signer = self.sample.slots.signer(Jwt).unwrap().id;
        let end = self.sample.now + TOKEN_LIFE + TOKEN_LEEWAY;
        let last = self.tokens.entry(signer).or_insert(end);
        *last = end.max(*last);
    }

    fn some_act(&self) -> Act {
        let kinds = AuthorityKind::OWN;
        let kind = kinds[usize::try_from(self.rng.below(3)).unwrap()];
        let newest = self.sample.slots.next_id(kind);
        // Mostly one of the newest: older ones are all revoked.
        let id = newest.saturating_sub(self.rng.below(4));
        match self.rng.below(9) {
            0 | 1 => Act::Prepare {
                kind,
                validity: self.some_validity(kind),
                key: None,
            },
            2 => Act::Activate { kind, id: Some(id) },
            3 => Act::Activate { kind, id: None },
            4 => Act::Retire {
                kind,
                id: self.sample.slots.signer(kind).map_or(id, |slot| slot.id),
            },
            5 => Act::Taint { kind, id },
            6 | 7 => Act::Revoke { kind, id },
            _ => Act::RollBack { kind },
        }
    }

    fn some_validity(&self, kind: AuthorityKind) -> Validity {
        let now = self.sample.now;
        if self.rng.below(10) > 0 {
            return self.sample.validity(kind);
        }
        let span = |most| Duration::from_secs(self.rng.below(most));
        Validity::new(now - span(50) + span(60), now + span(300))
    }

    fn a_command_comes(&mut self) {
        let mut command = Command::from(self.some_act());
        if self.rng.below(6) == 0 {
            command = command.overriding(reason());
        }
        let before = self.sample.slots.clone();
        let decided = self.sample.command(&command);
        if let Err(Refused::Blocked { .. }) = decided {
            self.blocked += 1;
        }
        if let Ok(transitions) = decided {
            *self.followed.entry(command.act.word()).or_default() += 1;
            for transition in &transitions {
                self.a_step_is_a_known_way(&before, transition);
                self.nobody_is_cut_off_unsaid(&before, transition);
            }
            self.generations_have_one_content(&before);
        }
    }

    fn someone_always_signs(&self) {
        let slots = &self.sample.slots;
        for kind in AuthorityKind::OWN {
            let count = |phase| slots.of(kind).filter(|slot| slot.phase == phase).count();
            assert_eq!(count(Phase::Active), 1, "{kind}");
            assert!(count(Phase::Prepared) <= 1, "{kind}");
            let signer = slots.signer(kind).unwrap();
            assert!(!slots.counts_as_tainted(signer), "{kind} {}", signer.id);
        }
    }

    fn a_step_is_a_known_way(&mut self, before: &Slots, transition: &Transition) {
        let (kind, id) = (transition.kind, transition.id);
        let phase = before.get(kind, id).map(|slot| slot.phase);
        assert_eq!(transition.from, phase);
        match transition.from {
            None => assert!(self.born.insert((kind, id)), "{kind} {id} twice"),
            Some(from) => assert!(WAYS.contains(&(from, transition.to))),
        }
    }

    /// Follows the leaves and the tokens themselves.
    fn nobody_is_cut_off_unsaid(&mut self, before: &Slots, transition: &Transition) {
        let (id, now) = (transition.id, self.sample.now);
        if transition.override_reason.is_some() {
            self.forced += 1;
            return;
        }
        let members = || self.sample.facts.members.values();
        let leaves = || {
            let leaves = members().flat_map(|member| &member.leaves);
            leaves.filter(|leaf| leaf.not_after >= now)
        };
        let root = |issuer: u64| before.get(X509, issuer).and_then(|slot| slot.parent);
        match (transition.kind, transition.to) {
            (X509, Phase::Revoked) => assert!(leaves().all(|leaf| leaf.issuer != id)),
            (Root, Phase::Revoked) => assert!(leaves().all(|leaf| root(leaf.issuer) != Some(id))),
            (Jwt, Phase::Revoked) => assert!(self.tokens.get(&id).is_none_or(|end| *end < now)),
            (kind, Phase::Active) if transition.from == Some(Phase::Prepared) => {
                let needs = before.get(kind, id).unwrap().published_in;
                let behind = members().filter(|member| member.acknowledged < Some(needs));
                let mut living = behind.flat_map(|member| &member.leaves);
                assert!(living.all(|leaf| leaf.not_after < now), "{kind} {id}");
            }
            _ => {}
        }
    }

    fn generations_have_one_content(&mut self, before: &Slots) {
        let slots = &self.sample.slots;
        assert!(slots.generation() >= before.generation());
        let content = held(slots);
        let known = self.contents.entry(slots.generation());
        assert_eq!(known.or_insert_with(|| content.clone()), &content);
    }
}

#[test]
fn whatever_is_commanded_someone_signs_and_nobody_is_cut_off_without_a_reason() {
    let mut followed: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut blocked, mut forced) = (0, 0);
    for seed in 0..40 {
        let mut walk = Walk::new(seed);
        walk.run(600);
        for (word, count) in walk.followed {
            *followed.entry(word).or_default() += count;
        }
        blocked += walk.blocked;
        forced += walk.forced;
    }
    for word in [
        "prepare",
        "activate",
        "retire",
        "taint",
        "revoke",
        "roll-back",
    ] {
        let count = followed.get(word).copied().unwrap_or_default();
        assert!(count >= 100, "{word} was followed {count} times");
    }
    assert!(blocked >= 100, "{blocked} gates blocked");
    assert!(forced >= 20, "{forced} gates were skipped");
}

/// A fleet under the schedule alone: each member renews at half life and hears at once.
#[test]
fn by_lifetime_a_hundred_issuers_pass_and_no_leaf_is_ever_untrusted() {
    let backdate = Duration::from_secs(3_600);
    let schedule = Schedule {
        root: Timing::by_lifetime(ROOT_TTL, backdate),
        x509: Timing::by_lifetime(ISSUER_TTL, backdate),
        jwt: Timing::by_lifetime(ISSUER_TTL, backdate),
    };
    let mut sample = Sample::set_up();
    let names: Vec<String> = (0..8).map(|n| format!("agent-{n}")).collect();
    for step in 0_u64..5_000 {
        sample.now = START + Duration::from_secs(10 * step);
        for (n, name) in names.iter().enumerate() {
            if step % 5 == u64::try_from(n).unwrap() % 5 {
                let signer = sample.slots.signer(X509).unwrap().id;
                sample.joins(name, signer);
            }
            if sample.facts.members.contains_key(&member(name)) {
                sample.acknowledges(name);
            }
        }
        for command in due(&sample.slots, &schedule, sample.now) {
            let transitions = sample.command(&command).unwrap_or_default();
            assert!(transitions.iter().all(|t| t.override_reason.is_none()));
        }
        let (slots, facts) = (&sample.slots, &sample.facts);
        assert_eq!(alarms(slots, &schedule, facts, sample.now), []);
        let leaves = facts.members.values().flat_map(|member| &member.leaves);
        for leaf in leaves.filter(|leaf| leaf.not_after >= sample.now) {
            let mut issuers = slots.issuers();
            assert!(issuers.any(|issuer| issuer.id == leaf.issuer));
        }
        assert!(slots.iter().count() < 600, "what is over is forgotten");
    }
    assert!(sample.slots.signer(X509).unwrap().id > 90);
    assert!(sample.slots.signer(Root).unwrap().id > 10);
    assert!(sample.slots.signer(Jwt).unwrap().id > 90);
}
