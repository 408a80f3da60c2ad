//! `no-forged-token`: no token by a withdrawn key opens a door later than was promised.
//!
//! While a stolen key is in use, what it signs is genuine to everybody: no verifier can tell, and
//! nothing here says that it should. It judges from the moment when the key's revocation was
//! durable, as [`super::exposure`] measures, by the name that the scenario says was forged: nobody
//! asks in it by right. A posture that takes its keys with the CA's generation and refuses on stale
//! lists promises the life of a list; one that keeps a key set for a time of its own promises
//! nothing, and is held to the exposure that the scenario allows.

use super::Finding;
use super::revocation::{Rule, judge};
use crate::history::{ActKind, Placed};

/// The invariant's name.
pub const NAME: &str = "no-forged-token";

/// Judges the history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let rule = Rule {
        name: NAME,
        concerns: |act| act.kind == ActKind::Authority,
        nobody: "no key was revoked that anybody had stolen",
    };
    judge(placed, &rule)
}

#[cfg(test)]
mod tests {
    use super::super::{Verdict, no_permit_after_revoke};
    use super::*;
    use crate::history::Promise;
    use crate::history::sample::Sample;

    /// Whoever comes as chief comes with a stolen key, which is revoked at 12 s.
    fn revoked() -> Sample {
        let mut sample = Sample::new(60);
        sample.served("m-0", "attack", "chief", "read", 5_000_000);
        sample.revoke("chief", 12_000_000, Some(12_100_000));
        sample.history.acts[0].kind = ActKind::Authority;
        sample
    }

    #[test]
    fn a_token_by_a_withdrawn_key_that_is_let_in_too_late_is_a_violation() {
        let mut sample = revoked();
        let promised = Promise::Within(15_000_000);
        let promised = [("read".to_owned(), promised)].into();
        sample.history.key_promised = promised;
        sample.served("m-1", "attack", "chief", "read", 20_000_000);
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Kept);
        sample.served("m-2", "attack", "chief", "read", 40_000_000);
        let finding = check(&sample.history.placed());
        assert_eq!((finding.verdict, finding.broken), (Verdict::Broken, 1));
        let evidence = &finding.violations[0].evidence;
        assert!(evidence.contains("promised 15.000 s"), "{evidence}");
        let other = no_permit_after_revoke::check(&sample.history.placed());
        assert_eq!(
            other.verdict,
            Verdict::Unknown,
            "that is another's to judge"
        );
    }

    #[test]
    fn where_no_key_was_revoked_there_is_nothing_to_judge() {
        let mut sample = Sample::new(60);
        sample.served("m-0", "attack", "chief", "read", 5_000_000);
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Unknown);
    }
}
