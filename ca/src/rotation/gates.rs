//! Whether the steps of a rotation wait for those whom they could cut off.
//!
//! They do, unless the settings say that nobody is waited for: then each such step goes through
//! with a standing reason, which the journal keeps like any other. Invariant: what the settings
//! skip is written down; rules are never skipped.

use super::{Act, Command, Reason};

/// Whom a step waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heed {
    /// Everyone whom it could cut off.
    #[default]
    Members,
    /// Nobody.
    Nobody(danger::Immediately),
}

/// Which gates are heeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// Before an authority signs: until everyone holds what verifies it.
    pub activate: Heed,
    /// Before an authority is revoked: until nothing alive depends on it.
    pub revoke: Heed,
}

impl Gates {
    /// The command as these settings have it. A reason that was given stays.
    pub(crate) fn heeded(self, command: &Command) -> Command {
        let heed = match command.act {
            Act::Activate { .. } => self.activate,
            Act::Revoke { .. } => self.revoke,
            _ => Heed::Members,
        };
        let command = command.clone();
        match (heed, &command.override_reason) {
            (Heed::Nobody(danger::Immediately), None) => command.overriding(danger::reason()),
            _ => command,
        }
    }
}

/// What an exposed posture uses instead.
pub mod danger {
    use super::Reason;

    /// Every gate counts as open, as with linkerd's trust anchors and CAs that are run by hand: who
    /// has not heard yet is cut off (linkerd2#4287).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Immediately;

    /// What the journal is told.
    pub(super) fn reason() -> Reason {
        Reason::new("the settings wait for nobody").expect("it is short and prints")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::AuthorityKind;

    fn revoke() -> Command {
        let kind = AuthorityKind::Root;
        Act::Revoke { kind, id: 1 }.into()
    }

    #[test]
    fn nobody_is_cut_off_without_a_reason_in_the_journal() {
        let hasty = Gates {
            revoke: Heed::Nobody(danger::Immediately),
            ..Gates::default()
        };
        assert_eq!(Gates::default().heeded(&revoke()), revoke());
        let skipped = hasty.heeded(&revoke()).override_reason;
        assert_eq!(skipped, Some(danger::reason()));
        let kind = AuthorityKind::Root;
        let activate: Command = Act::Activate { kind, id: None }.into();
        assert_eq!(hasty.heeded(&activate), activate);
    }

    #[test]
    fn a_reason_that_was_given_stays() {
        let hasty = Gates {
            revoke: Heed::Nobody(danger::Immediately),
            ..Gates::default()
        };
        let given = revoke().overriding(Reason::new("it was stolen").unwrap());
        assert_eq!(hasty.heeded(&given), given);
    }
}
