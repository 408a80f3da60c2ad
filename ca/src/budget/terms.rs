//! What a budget is made from: the settings that say how long things last and when they are
//! renewed. Invariant: checked terms are in their ranges, so that no sum of them overflows.

use std::time::Duration;

use super::Limit;
use crate::agent::{ATTEMPT, BEARER_RETRY, FOLLOW_RETRY};
use crate::issue::{CaConfig, LISTS_A_LIFE};
use crate::renewal::{self, Retry};

/// The longest span that a term may be: a hundred years.
pub const MOST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Settings of a trust domain, its members and its token service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Life of a leaf, back-dating included: above zero.
    pub leaf_ttl: Duration,
    /// The part of it after which a leaf is due, in percent: 1 to 99.
    pub due_percent: u32,
    /// How far the due time strays from that, either way, in percent of it: 0 to 99.
    pub jitter_percent: u32,
    /// How much of a leaf's life is over when it is issued.
    pub backdate: Duration,
    /// How a failed renewal is tried again.
    pub retry: Retry,
    /// How long an attempt may take, at anything: above zero.
    pub attempt: Duration,
    /// How far apart two clocks may be, and how far past its end a leaf still counts.
    pub tolerance: Duration,
    /// Life of an issuer: above zero.
    pub issuer_ttl: Duration,
    /// How old an issuer is, most, when its successor signs in its place.
    pub issuer_used: Duration,
    /// The revocation lists; nothing where a stale one is accepted, or none is asked for.
    pub crl: Option<CrlTerms>,
    /// The tokens, where members need them.
    pub token: Option<TokenTerms>,
}

/// Settings of the revocation lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlTerms {
    /// From a list's making to its `nextUpdate`: above zero.
    pub life: Duration,
    /// How old the list in a member's hands is, most, when the next one reaches it.
    pub used: Duration,
    /// How long a member waits after a failed attempt to have the next one.
    pub retry: Duration,
    /// How far past its `nextUpdate` a list still counts.
    pub leeway: Duration,
}

/// Settings of the tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTerms {
    /// Life of a token: above zero.
    pub life: Duration,
    /// How old a token is, most, when the next one is first asked for.
    pub used: Duration,
    /// How long a member waits after a failed attempt to have the next one.
    pub retry: Duration,
    /// How far past its end a token still counts.
    pub leeway: Duration,
}

impl CrlTerms {
    /// Lists as this CA signs them and its agents follow them: the next one after a quarter of a
    /// list's life, sent at once; and a word that was lost is asked for again soon. A list's times
    /// are whole seconds, so that it may end up to one earlier.
    pub fn agents(life: Duration, leeway: Duration) -> Self {
        Self {
            life,
            used: life / LISTS_A_LIFE + Duration::from_secs(1),
            retry: FOLLOW_RETRY + FOLLOW_RETRY / 4,
            leeway,
        }
    }
}

impl TokenTerms {
    /// Tokens as agents keep them: asked for at half of their life, a tenth of it later at most.
    pub fn agents(life: Duration, leeway: Duration) -> Self {
        Self {
            life,
            used: life / 2 + life / 20,
            retry: BEARER_RETRY,
            leeway,
        }
    }
}

impl Terms {
    /// The terms of a CA and of the agents of this package, without lists and tokens. An issuer's
    /// successor signs once a sixth of the issuer's life is left.
    pub fn of(config: &CaConfig) -> Self {
        Self {
            leaf_ttl: config.leaf_ttl,
            due_percent: renewal::DUE_PERCENT,
            jitter_percent: renewal::DUE_JITTER_PERCENT,
            backdate: config.backdate,
            retry: Retry::Window,
            attempt: ATTEMPT,
            tolerance: config.tolerance,
            issuer_ttl: config.issuer_ttl,
            issuer_used: config.issuer_ttl - config.issuer_ttl / 6,
            crl: None,
            token: None,
        }
    }
}

/// Why terms have no budget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTerms {
    /// Something must take time, and takes none.
    #[error("{0} is zero")]
    Zero(&'static str),
    /// Longer than [`MOST`].
    #[error("{0} is longer than a hundred years")]
    TooLong(&'static str),
    /// Outside its range.
    #[error("{what} of {percent} % is not between {least} % and 99 %")]
    Percent {
        /// Which term.
        what: &'static str,
        /// What it is.
        percent: u32,
        /// What it must be, least.
        least: u32,
    },
    /// With its jitter, or by itself, the renewal comes when it is too late.
    #[error("{of} lasts {life:?} and is renewed when {used:?} old")]
    UsedUp {
        /// What ends.
        of: Limit,
        /// How long it lasts.
        life: Duration,
        /// How old it may be when it is renewed.
        used: Duration,
    },
    /// A leaf may be due when it is issued, and so may the one after it.
    #[error("a leaf is back-dated by {backdate:?} and may be due when {due:?} old")]
    DueAtOnce {
        /// How old it is when it is issued.
        backdate: Duration,
        /// How old it is when it is due, at the earliest.
        due: Duration,
    },
    /// A leaf may not outlive its issuer, so the issuer's last leaves would live for less.
    #[error("an issuer's last {left:?} have no room for a leaf of {leaf:?}")]
    CutShort {
        /// What is left of the issuer's life when it last signs.
        left: Duration,
        /// A leaf's life.
        leaf: Duration,
    },
}

impl Terms {
    /// Each term by itself.
    pub(super) fn check(&self) -> Result<(), InvalidTerms> {
        let (crl, token) = (self.crl.as_ref(), self.token.as_ref());
        for (what, span, may_be_zero) in [
            ("a leaf's life", Some(self.leaf_ttl), false),
            ("an attempt's time", Some(self.attempt), false),
            ("the back-dating", Some(self.backdate), true),
            ("the tolerance", Some(self.tolerance), true),
            ("an issuer's life", Some(self.issuer_ttl), false),
            ("a list's life", crl.map(|crl| crl.life), false),
            ("a list's retry", crl.map(|crl| crl.retry), true),
            ("a list's leeway", crl.map(|crl| crl.leeway), true),
            ("a token's life", token.map(|token| token.life), false),
            ("a token's retry", token.map(|token| token.retry), true),
            ("a token's leeway", token.map(|token| token.leeway), true),
        ] {
            match span {
                Some(span) if span > MOST => return Err(InvalidTerms::TooLong(what)),
                Some(Duration::ZERO) if !may_be_zero => return Err(InvalidTerms::Zero(what)),
                _ => {}
            }
        }
        for (what, percent, least) in [
            ("the renewal point", self.due_percent, 1),
            ("the jitter", self.jitter_percent, 0),
        ] {
            if percent < least || percent > 99 {
                return Err(InvalidTerms::Percent {
                    what,
                    percent,
                    least,
                });
            }
        }
        Ok(())
    }
}
