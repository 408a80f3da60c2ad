//! The randomness seam for everything that is not a key: jitter, latencies, identifiers.
//!
//! A run has one source, its seed; each node draws from its own [`SeededRng::branch`], so that
//! one node's draws never shift another's. Nothing secret comes from here.

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

/// Where a node gets its jitter and identifiers from.
pub trait Rng: Send + Sync + fmt::Debug {
    /// 64 evenly distributed bits.
    fn next(&self) -> u64;

    /// A number below `bound`; zero when `bound` is zero.
    fn below(&self, bound: u64) -> u64 {
        // Multiply-shift: the bias for any bound that a span of time needs is beneath notice.
        let wide = u128::from(self.next()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A span between `low` and `high`, in whole microseconds.
    fn span(&self, low: Duration, high: Duration) -> Duration {
        let room = high.saturating_sub(low).as_micros();
        low + Duration::from_micros(self.below(u64::try_from(room).unwrap_or(u64::MAX)))
    }
}

/// The operating system's randomness.
#[derive(Debug)]
pub struct OsRng(SystemRandom);

impl Default for OsRng {
    fn default() -> Self {
        Self(SystemRandom::new())
    }
}

impl Rng for OsRng {
    fn next(&self) -> u64 {
        let mut bytes = [0; 8];
        // Without randomness jitter is lost, which is no reason to stop a node.
        let _ = self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// A run's randomness: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) from a seed.
#[derive(Debug)]
pub struct SeededRng(Mutex<u64>);

impl SeededRng {
    /// The source for a seed.
    pub const fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// The source that belongs to `name` under the same seed, whatever else has been drawn.
    pub fn branch(seed: u64, name: &str) -> Self {
        // FNV-1a over the name: stable across versions of Rust, unlike its own hasher.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self::new(mix(seed ^ mix(hash)))
    }
}

impl Rng for SeededRng {
    fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(*state)
    }
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_agrees_with_its_published_vector() {
        let rng = SeededRng::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| rng.next()).collect();
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(drawn, published);
    }

    #[test]
    fn spans_stay_inside_their_bounds() {
        let rng = SeededRng::branch(7, "south");
        let (low, high) = (Duration::from_millis(5), Duration::from_millis(9));
        for _ in 0..1_000 {
            let span = rng.span(low, high);
            assert!(low <= span && span < high, "{span:?}");
        }
    }
}
