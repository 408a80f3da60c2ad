//! What a node makes of revocation: the lists it holds, and three dials.
//!
//! It decides no chain: [`crate::chain`] asks it which lists count, and webpki does the check.
//! Invariant: only [`Older::Accept`] lets a list take the place of a newer one.

use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::bundle::Bundle;
use crate::clock::Time;
use crate::crl::{Crl, Crls, InvalidCrl, danger};
use crate::identity::TrustDomain;

/// Whether a chain needs lists: the dial `revocation.crl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lists {
    /// Every certificate of the path but the root must be covered by a list.
    #[default]
    Require,
    /// What a list covers is checked, and the rest is let pass: browsers' soft-fail.
    Prefer,
    /// No list is looked at: step-ca's passive revocation.
    Ignore,
}

impl Lists {
    /// The word in a posture.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Prefer => "prefer",
            Self::Ignore => "ignore",
        }
    }

    /// The value of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "require" => Some(Self::Require),
            "prefer" => Some(Self::Prefer),
            "ignore" => Some(Self::Ignore),
            _ => None,
        }
    }
}

/// Whether a list counts past its next update: the dial `revocation.stale_crl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stale {
    /// It does not, beyond the tolerance: what it covers is refused.
    #[default]
    Refuse,
    /// For ever: rustls's `ExpirationPolicy::Ignore`, which is its default.
    Accept,
}

impl Stale {
    /// The word in a posture.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Accept => "accept",
        }
    }

    /// The value of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "refuse" => Some(Self::Refuse),
            "accept" => Some(Self::Accept),
            _ => None,
        }
    }
}

/// Whether a list may take the place of a newer one: the dial `revocation.older_crl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Older {
    /// It is refused by name.
    #[default]
    Refuse,
    /// It is taken: webpki 0.103 goes by the first list of an issuer's name.
    Accept,
}

impl Older {
    /// The word in a posture.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Accept => "accept",
        }
    }

    /// The value of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "refuse" => Some(Self::Refuse),
            "accept" => Some(Self::Accept),
            _ => None,
        }
    }
}

/// The lists that a node holds, and how much it asks of them.
#[derive(Clone, Debug, Default)]
pub struct Revocation {
    /// The newest list of each issuer.
    pub crls: Crls,
    /// Whether a chain needs them.
    pub lists: Lists,
    /// Whether they count past their next update.
    pub stale: Stale,
    /// Whether an older one may come after a newer one.
    pub older: Older,
}

impl Revocation {
    /// No lists yet, and none looked at.
    pub fn ignore() -> Self {
        Self {
            lists: Lists::Ignore,
            ..Self::default()
        }
    }

    /// Offers a list, as to [`Crls::accept`]; says whether anything changed.
    ///
    /// # Errors
    /// When nobody known signed it, or it is older than what is held and the dial refuses that.
    pub fn offer(
        &mut self,
        crl: Crl,
        signers: &[CertificateDer<'_>],
        bundle: &Bundle,
    ) -> Result<bool, InvalidCrl> {
        match self.older {
            Older::Refuse => self.crls.accept(crl, signers, bundle),
            Older::Accept => danger::accept_any(&mut self.crls, crl, signers, bundle),
        }
    }

    /// The lists that a path of a trust domain is checked against.
    pub(crate) fn of(&self, domain: &TrustDomain) -> Vec<&Crl> {
        match self.lists {
            Lists::Require | Lists::Prefer => self.crls.of(domain).collect(),
            Lists::Ignore => Vec::new(),
        }
    }

    /// When the next of a trust domain's lists runs out, give or take `tolerance`: a verdict of
    /// `now` may not outlive it.
    pub(crate) fn runs_out(
        &self,
        domain: &TrustDomain,
        now: Time,
        tolerance: Duration,
    ) -> Option<Time> {
        let lists = self.of(domain).into_iter();
        let ends = lists.map(|crl| crl.next_update() + tolerance);
        let coming = ends.filter(|end| *end >= now);
        coming.min().filter(|_| self.stale == Stale::Refuse)
    }

    /// Whether these are the lists of `before` for a trust domain, perhaps of a later number: the
    /// same dials, issuers and serials, and none that has run out.
    pub(crate) fn only_renews(
        &self,
        before: &Self,
        domain: &TrustDomain,
        now: Time,
        tolerance: Duration,
    ) -> bool {
        let dials = |of: &Self| (of.lists, of.stale, of.older);
        let (own, its) = (self.of(domain), before.of(domain));
        dials(self) == dials(before)
            && own.len() == its.len()
            && own.iter().zip(its).all(|(own, its)| own.revokes_as(its))
            && !own.iter().any(|crl| self.is_stale(crl, now, tolerance))
    }

    /// Whether a list's next update has passed at `now`, give or take `tolerance`.
    pub(crate) fn is_stale(&self, crl: &Crl, now: Time, tolerance: Duration) -> bool {
        self.stale == Stale::Refuse && now > crl.next_update() + tolerance
    }
}

#[cfg(test)]
#[path = "revocation_tests.rs"]
mod tests;
