use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Where the pauses between tries get their randomness from, so that a test can choose it.
pub trait Randomness: Send + Sync + fmt::Debug + 'static {
    /// A number from 0 up to and without 1.
    fn fraction(&self) -> f64;
}

/// Numbers that nobody foresees well enough to come at the same time: pauses are no secrets.
#[derive(Debug)]
pub(crate) struct Scattered {
    count: AtomicU64,
}

impl Scattered {
    pub(crate) fn new() -> Self {
        // Each `RandomState` has keys of its own, from the operating system's randomness.
        Self { count: AtomicU64::new(RandomState::new().hash_one(())) }
    }
}

impl Randomness for Scattered {
    /// `SplitMix64`.
    fn fraction(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut x = self.count.fetch_add(STEP, Relaxed).wrapping_add(STEP);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        // As many bits as a fraction has.
        (x >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_spread_from_zero_to_one() {
        let random = Scattered::new();
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            let fraction = random.fraction();
            assert!((0.0..1.0).contains(&fraction));
            tenths[(fraction * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|&count| (800..1200).contains(&count)), "{tenths:?}");
    }
}
