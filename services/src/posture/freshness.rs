//! How old a policy may be when it decides: for each action, any age, a bound, or not at all.
//!
//! An action that nobody named gets `latest`: what is forgotten is refused rather than stale.

use std::collections::BTreeMap;
use std::time::Duration;

use super::span;

/// Actions on records, which are all that freshness can name.
pub const ACTIONS: [&str; 4] = ["read", "share", "watch", "write"];

/// How often the policy is cosigned again when nothing changes.
pub const HEARTBEAT: Duration = Duration::from_secs(1);

/// Cosignature times are whole seconds, rounded down: so much of a bound is lost to that.
pub const ROUNDING: Duration = Duration::from_secs(1);

/// How old a policy may be for one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Of any age.
    Any,
    /// At most this old at the decision, on the node's own clock.
    Within(Duration),
    /// Cosigned after the request arrived.
    Latest,
}

impl Freshness {
    /// What a file says, or nothing.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "any" => Some(Self::Any),
            "latest" => Some(Self::Latest),
            _ => span::parse(text).map(Self::Within),
        }
    }

    /// What a file says for it.
    pub fn text(self) -> String {
        match self {
            Self::Any => "any".into(),
            Self::Within(bound) => span::write(bound),
            Self::Latest => "latest".into(),
        }
    }

    /// The stricter of two demands: an annotation in the schema may add to the posture's, and
    /// can never take from it.
    pub fn stricter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Latest, _) | (_, Self::Latest) => Self::Latest,
            (Self::Any, demand) | (demand, Self::Any) => demand,
            (Self::Within(one), Self::Within(another)) => Self::Within(one.min(another)),
        }
    }
}

/// The least bound that a healthy replica can meet under a tolerance for clocks.
pub const fn least_bound(tolerance: Duration) -> Duration {
    HEARTBEAT.saturating_add(ROUNDING).saturating_add(tolerance)
}

/// A demand for each action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshnesses(BTreeMap<String, Freshness>);

impl Freshnesses {
    /// Reads, writes and watches within 5 s; sharing under the latest policy.
    pub fn hardened() -> Self {
        let bound = Freshness::Within(Duration::from_secs(5));
        let mut all = Self::all(bound);
        all.set("share", Freshness::Latest);
        all
    }

    /// One demand for every action.
    pub fn all(demand: Freshness) -> Self {
        Self(
            ACTIONS
                .iter()
                .map(|action| ((*action).into(), demand))
                .collect(),
        )
    }

    /// The demand for an action; for one that nobody named, the strictest.
    pub fn get(&self, action: &str) -> Freshness {
        self.0.get(action).copied().unwrap_or(Freshness::Latest)
    }

    /// Sets the demand for an action.
    pub fn set(&mut self, action: &str, demand: Freshness) {
        self.0.insert(action.into(), demand);
    }

    /// Every action with its demand, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Freshness)> {
        self.0
            .iter()
            .map(|(action, demand)| (action.as_str(), *demand))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn within(secs: u64) -> Freshness {
        Freshness::Within(Duration::from_secs(secs))
    }

    #[test]
    fn an_annotation_can_only_make_a_demand_stricter() {
        let ladder = [Freshness::Any, within(60), within(5), Freshness::Latest];
        for (weak, one) in ladder.into_iter().enumerate() {
            for (strong, another) in ladder.into_iter().enumerate() {
                assert_eq!(one.stricter(another), ladder[weak.max(strong)]);
            }
        }
    }

    #[test]
    fn an_action_that_nobody_named_needs_the_latest_policy() {
        assert_eq!(
            Freshnesses::all(Freshness::Any).get("erase"),
            Freshness::Latest
        );
        assert_eq!(Freshnesses::all(Freshness::Any).get("read"), Freshness::Any);
    }

    #[test]
    fn the_hardened_bounds_can_be_met_under_the_hardened_tolerance() {
        let least = least_bound(Duration::from_millis(500));
        assert_eq!(least, Duration::from_millis(2_500));
        for (_, demand) in Freshnesses::hardened().iter() {
            if let Freshness::Within(bound) = demand {
                assert!(bound >= least);
            }
        }
    }
}
