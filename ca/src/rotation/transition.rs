//! One change of one authority, as it is journaled before it takes effect.
//!
//! One transition is one line of JSON and one entry of the issuance log, for example
//! `{"authority":"x509","id":2,"from":"prepared","to":"active","generation":4,"at_us":17..}`.
//! Invariant: the journal alone gives the slots back, so what an authority is born with stands in
//! its first transition.

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::rotation::{AuthorityKind, KeyRef, Phase, Reason};

/// What an authority is born with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Birth {
    /// First moment of its validity.
    #[serde(rename = "not_before_us")]
    pub not_before: Time,
    /// Last moment of its validity.
    #[serde(rename = "not_after_us")]
    pub not_after: Time,
    /// The root that signs it, for an X.509 issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// The name of its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyRef>,
}

/// One step of one authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// What the authority signs.
    #[serde(rename = "authority")]
    pub kind: AuthorityKind,
    /// Which one of its kind.
    pub id: u64,
    /// The phase that it leaves; nothing if this makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Phase>,
    /// The phase that it enters.
    pub to: Phase,
    /// The generation of the trust state from this step on.
    pub generation: u64,
    /// When, on the CA's clock.
    #[serde(rename = "at_us")]
    pub at: Time,
    /// Why a gate was skipped, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_reason: Option<Reason>,
    /// What it is born with, if this makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth: Option<Birth>,
}

impl Transition {
    /// Whether a step changes what members must hold: an authority that comes, is tainted or goes.
    /// Who of those that verify also signs is no member's business.
    pub const fn raises(from: Option<Phase>, to: Phase) -> bool {
        from.is_none() || matches!(to, Phase::Tainted | Phase::Revoked)
    }

    /// Reads an entry of the journal.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(entry: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(entry)
    }
}

/// Why a transition, or a written set of slots, cannot be. Then the journal is not what this state
/// machine wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It makes an authority whose number is not the next.
    #[error("{kind} authority {id} is made where {next} is the next")]
    Numbered {
        /// What it signs.
        kind: AuthorityKind,
        /// The number given.
        id: u64,
        /// The number due.
        next: u64,
    },
    /// It says what a new authority is born with and makes none, or the other way round; or what
    /// is made is not prepared.
    #[error("{kind} authority {id} is not made as authorities are")]
    Born {
        /// What it signs.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
    },
    /// An issuer without a known root, or a parent where none belongs.
    #[error("{kind} authority {id} has the wrong parent")]
    Parent {
        /// What it signs.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
    },
    /// There is no such authority.
    #[error("there is no {kind} authority {id}")]
    Unknown {
        /// What it would sign.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
    },
    /// It is not in the phase that it is said to leave, or no step leads from there.
    #[error("{kind} authority {id} is {found}, from where it does not become {to}")]
    Step {
        /// What it signs.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
        /// The phase it is in.
        found: Phase,
        /// The phase it would enter.
        to: Phase,
    },
    /// The generation is not the one that follows.
    #[error("generation {found} stands where {due} is due")]
    Generation {
        /// What stands there.
        found: u64,
        /// What should.
        due: u64,
    },
    /// More than one authority of a kind would be prepared, or active.
    #[error("more than one {kind} authority is {phase}")]
    Crowded {
        /// What they sign.
        kind: AuthorityKind,
        /// The phase.
        phase: Phase,
    },
    /// Authorities of a kind have signed, and none is active: half of an activation is missing.
    #[error("no {kind} authority is active")]
    Headless {
        /// What none of them signs.
        kind: AuthorityKind,
    },
    /// Slots are written out of order, twice, or with numbers that were never given.
    #[error("{kind} authority {id} is written out of its order")]
    Disorder {
        /// What it signs.
        kind: AuthorityKind,
        /// Which one.
        id: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_is_one_line_and_comes_back_as_it_was() {
        let made = Transition {
            kind: AuthorityKind::X509,
            id: 2,
            from: None,
            to: Phase::Prepared,
            generation: 4,
            at: Time::from_micros(7),
            override_reason: None,
            birth: Some(Birth {
                not_before: Time::from_secs(1),
                not_after: Time::from_secs(2),
                parent: Some(1),
                key: None,
            }),
        };
        let text = serde_json::to_string(&made).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"authority":"x509","id":2,"to":"prepared","generation":4,"at_us":7,"birth":"#,
                r#"{"not_before_us":1000000,"not_after_us":2000000,"parent":1}}"#
            )
        );
        assert_eq!(Transition::parse(text.as_bytes()).unwrap(), made);
        let activated = Transition {
            from: Some(Phase::Prepared),
            to: Phase::Active,
            override_reason: Some(Reason::new("south is cut off").unwrap()),
            birth: None,
            ..made
        };
        let text = serde_json::to_string(&activated).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"authority":"x509","id":2,"from":"prepared","to":"active","generation":4,"#,
                r#""at_us":7,"override_reason":"south is cut off"}"#
            )
        );
        assert_eq!(Transition::parse(text.as_bytes()).unwrap(), activated);
    }

    #[test]
    fn a_transition_with_an_unknown_field_or_no_reason_in_its_reason_is_refused() {
        let text = concat!(
            r#"{"authority":"jwt","id":1,"from":"retired","to":"revoked","#,
            r#""generation":9,"at_us":1}"#
        );
        assert!(Transition::parse(text.as_bytes()).is_ok());
        for (from, to) in [
            ("\"id\":1", "\"id\":1,\"by\":\"root\""),
            ("\"id\":1", "\"id\":1,\"override_reason\":\" \""),
            (
                "\"id\":1",
                "\"id\":1,\"birth\":{\"not_before_us\":1,\"not_after_us\":2,\"key_pem\":\"x\"}",
            ),
        ] {
            let changed = text.replace(from, to);
            assert!(Transition::parse(changed.as_bytes()).is_err(), "{changed}");
        }
    }
}
