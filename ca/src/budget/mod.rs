//! The outage budget: how long the CA may be away so that nobody loses anything by it.
//!
//! A sum for each thing that ends by itself: what it lasts, less what may be over when its renewal
//! is first tried, less what the way back takes once the CA is there again. Each is taken at its
//! worst for the worst-placed member, whose leaf was just about to be renewed. It is a bound for
//! members whom the CA answers within an attempt's time; a fleet that comes back in a crowd may
//! need longer, and how much is the admission's and the retry's doing. Invariant: an outage as
//! long as the budget takes no leaf, and there are terms under which a longer one does.

mod terms;

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

pub use terms::{CrlTerms, InvalidTerms, MOST, Terms, TokenTerms};

use crate::renewal::{self, PAUSE, Retry, SHORTEST_WINDOW, WINDOW_SHARE, danger};

/// Why something lasts as long without whoever renews it. In JSON all spans are microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// What it lasts, from its first moment to its last.
    #[serde(rename = "life_us", serialize_with = "micros")]
    pub life: Duration,
    /// How far past its last moment it still counts.
    #[serde(rename = "counts_late_us", serialize_with = "micros")]
    pub counts_late: Duration,
    /// What of it may be over when the next one is first asked for.
    #[serde(rename = "used_us", serialize_with = "micros")]
    pub used: Duration,
    /// What a clock may be wrong by, to its disadvantage.
    #[serde(rename = "clock_us", serialize_with = "micros")]
    pub clock: Duration,
    /// An attempt that was begun in the outage's last moment, and takes all of its time to fail.
    #[serde(rename = "under_way_us", serialize_with = "micros")]
    pub under_way: Duration,
    /// From that failure to the next attempt.
    #[serde(rename = "wait_us", serialize_with = "micros")]
    pub wait: Duration,
    /// That attempt's time.
    #[serde(rename = "answer_us", serialize_with = "micros")]
    pub answer: Duration,
    /// The outage that it bears; zero if it bears none.
    #[serde(rename = "safe_us", serialize_with = "micros")]
    pub safe: Duration,
}

impl Sum {
    /// What adds to the sum (true) and what takes from it, in words, in the order of the sum.
    pub const fn parts(&self) -> [(bool, &'static str, Duration); 7] {
        [
            (true, "it lasts", self.life),
            (true, "it still counts past its end", self.counts_late),
            (false, "over when its renewal is first tried", self.used),
            (false, "a clock may be wrong", self.clock),
            (false, "an attempt fails as the outage ends", self.under_way),
            (false, "until the next attempt", self.wait),
            (false, "that attempt's answer", self.answer),
        ]
    }

    fn added(mut self) -> Self {
        let total = |adds: bool| -> Duration {
            let parts = self.parts().into_iter().filter(|part| part.0 == adds);
            parts.map(|(.., span)| span).sum()
        };
        self.safe = total(true).saturating_sub(total(false));
        self
    }
}

/// What ends first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// A member's leaf.
    Leaf,
    /// The revocation list in a member's hands.
    Crl,
    /// A member's token; who must be there again is the token service.
    Token,
    /// The CA's own issuer, which must be there when it comes back.
    Issuer,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leaf => "a leaf",
            Self::Crl => "a revocation list",
            Self::Token => "a token",
            Self::Issuer => "an issuer",
        })
    }
}

/// How long the CA may be away, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// For the leaf of the worst-placed member.
    pub leaf: Sum,
    /// For the revocation lists, if a stale one is refused.
    pub crl: Option<Sum>,
    /// For the tokens, if there are any and the token service is away.
    pub token: Option<Sum>,
    /// For the issuer.
    pub issuer: Sum,
    /// The least of these.
    #[serde(rename = "safe_us", serialize_with = "micros")]
    pub safe: Duration,
    /// Which that is.
    pub limit: Limit,
}

/// How long the CA may be away under these terms.
///
/// # Errors
/// When a term is out of its range, or something is renewed too late or too early by plan. Where
/// the sum alone is too small, there is a budget, and it is zero.
pub fn budget(terms: &Terms) -> Result<Budget, InvalidTerms> {
    terms.check()?;
    let leaf = leaf(terms)?;
    let crl = terms.crl.as_ref().map(|crl| {
        let CrlTerms {
            life,
            used,
            retry,
            leeway,
        } = *crl;
        fetched(Limit::Crl, terms, [life, used, retry, leeway])
    });
    let token = terms.token.as_ref().map(|token| {
        let TokenTerms {
            life,
            used,
            retry,
            leeway,
        } = *token;
        fetched(Limit::Token, terms, [life, used, retry, leeway])
    });
    let (crl, token) = (crl.transpose()?, token.transpose()?);
    let issuer = issuer(terms)?;
    let sums = [
        Some((leaf.safe, Limit::Leaf)),
        crl.as_ref().map(|crl| (crl.safe, Limit::Crl)),
        token.as_ref().map(|token| (token.safe, Limit::Token)),
        Some((issuer.safe, Limit::Issuer)),
    ];
    let least = sums.into_iter().flatten().min();
    let (safe, limit) = least.unwrap_or((leaf.safe, Limit::Leaf));
    Ok(Budget {
        leaf,
        crl,
        token,
        issuer,
        safe,
        limit,
    })
}

fn leaf(terms: &Terms) -> Result<Sum, InvalidTerms> {
    let Terms {
        leaf_ttl: life,
        backdate,
        tolerance,
        attempt,
        ..
    } = *terms;
    let (earliest, used) = renewal::due(life, terms.due_percent, terms.jitter_percent);
    young_enough(Limit::Leaf, life, used)?;
    if earliest <= backdate {
        return Err(InvalidTerms::DueAtOnce {
            backdate,
            due: earliest,
        });
    }
    let sum = Sum {
        life,
        counts_late: tolerance,
        used,
        clock: tolerance,
        under_way: attempt,
        wait: longest_wait(terms.retry, attempt),
        answer: attempt,
        safe: Duration::ZERO,
    };
    Ok(sum.added())
}

/// The longest wait that still leaves `answer` to the leaf's end: with more left a window may be
/// longer, and leaves more.
fn longest_wait(retry: Retry, answer: Duration) -> Duration {
    match retry {
        Retry::Window => {
            let shortest = SHORTEST_WINDOW.min(answer);
            PAUSE + shortest.max(answer / (WINDOW_SHARE - 1))
        }
        Retry::Fixed(danger::Fixed) => danger::FIXED_WAIT,
    }
}

/// The sum for what a member fetches again and again, and tries again after the same wait.
fn fetched(
    of: Limit,
    terms: &Terms,
    [life, used, wait, counts_late]: [Duration; 4],
) -> Result<Sum, InvalidTerms> {
    young_enough(of, life, used)?;
    let sum = Sum {
        life,
        counts_late,
        used,
        clock: terms.tolerance,
        under_way: terms.attempt,
        wait,
        answer: terms.attempt,
        safe: Duration::ZERO,
    };
    Ok(sum.added())
}

/// The issuer waits for nobody: its successor is made where it is.
fn issuer(terms: &Terms) -> Result<Sum, InvalidTerms> {
    let (life, used) = (terms.issuer_ttl, terms.issuer_used);
    young_enough(Limit::Issuer, life, used)?;
    let (left, leaf) = (life - used, terms.leaf_ttl);
    if left < leaf {
        return Err(InvalidTerms::CutShort { left, leaf });
    }
    let sum = Sum {
        life,
        counts_late: Duration::ZERO,
        used,
        clock: Duration::ZERO,
        under_way: Duration::ZERO,
        wait: Duration::ZERO,
        answer: Duration::ZERO,
        safe: Duration::ZERO,
    };
    Ok(sum.added())
}

fn young_enough(of: Limit, life: Duration, used: Duration) -> Result<(), InvalidTerms> {
    if used < life {
        return Ok(());
    }
    Err(InvalidTerms::UsedUp { of, life, used })
}

fn micros<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    serializer.serialize_u64(micros)
}

#[cfg(test)]
mod tests;
