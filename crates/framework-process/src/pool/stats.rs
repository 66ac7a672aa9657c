use std::{
    array,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// How a pool does, all numbers since it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// How many threads it has, those that are overdue left out.
    pub workers: usize,
    /// How many threads run a job that was given up, and have been replaced.
    pub overdue: usize,
    /// How many jobs wait.
    pub waiting: usize,
    /// How many jobs run.
    pub running: usize,
    /// How many jobs were done, in time or not.
    pub done: u64,
    /// How many jobs panicked.
    pub panicked: u64,
    /// How many jobs were given up at their deadline.
    pub timed_out: u64,
    /// How many jobs were not begun, because nobody waited for them any more.
    pub skipped: u64,
    /// How many jobs found the queue full.
    pub rejected: u64,
    /// How long jobs waited until they began.
    pub wait: Spread,
    /// How long jobs ran.
    pub run: Spread,
}

impl PoolStats {
    /// The numbers as JSON, as operators' pages and dumps have them; times in seconds.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let spread = |spread: &Spread| {
            serde_json::json!({
                "count": spread.count(),
                "p50": spread.quantile(0.5).as_secs_f64(),
                "p99": spread.quantile(0.99).as_secs_f64(),
            })
        };
        serde_json::json!({
            "workers": self.workers,
            "overdue": self.overdue,
            "waiting": self.waiting,
            "running": self.running,
            "done": self.done,
            "panicked": self.panicked,
            "timed_out": self.timed_out,
            "skipped": self.skipped,
            "rejected": self.rejected,
            "wait_seconds": spread(&self.wait),
            "run_seconds": spread(&self.run),
        })
    }
}

/// How a time was spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    // One for each power of two of nanoseconds.
    buckets: [u64; BUCKETS],
    total: Duration,
}

const BUCKETS: usize = 48;

/// A spread that threads add to.
#[derive(Debug)]
pub(super) struct Recorder {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { buckets: array::from_fn(|_| AtomicU64::new(0)), nanos: AtomicU64::new(0) }
    }
}

impl Recorder {
    pub(super) fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)].fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
    }
}

/// The power of two that a number is below.
fn bucket(nanos: u64) -> usize {
    ((u64::BITS - nanos.leading_zeros()) as usize).min(BUCKETS - 1)
}

impl Spread {
    /// What the recorders have, all together.
    pub(super) fn of<'r>(recorders: impl Iterator<Item = &'r Recorder> + Clone) -> Self {
        let sum = |part: &dyn Fn(&Recorder) -> u64| recorders.clone().map(part).sum();
        Self {
            buckets: array::from_fn(|at| sum(&|it| it.buckets[at].load(Relaxed))),
            total: Duration::from_nanos(sum(&|it| it.nanos.load(Relaxed))),
        }
    }

    /// How many times were measured.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.total
    }

    /// A time that this share of the measured ones did not exceed, at most twice as long as the
    /// smallest such time. Zero if nothing was measured.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let count = self.count();
        let rank = ((count as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        for (power, times) in self.buckets.iter().enumerate() {
            seen += times;
            if seen >= rank {
                return Duration::from_nanos(1 << power);
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_right_within_a_factor_of_two() {
        let recorder = Recorder::default();
        for micros in 1..=1000 {
            recorder.add(Duration::from_micros(micros));
        }
        let spread = Spread::of([&recorder, &Recorder::default()].into_iter());
        assert_eq!(spread.count(), 1000);
        assert_eq!(spread.total(), Duration::from_micros(500_500));
        for (share, exact) in [(0.5, 500), (0.99, 990), (1.0, 1000)] {
            let (exact, got) = (Duration::from_micros(exact), spread.quantile(share));
            assert!((exact..=2 * exact).contains(&got), "{share}: {got:?}");
        }
        assert_eq!(Spread::of(std::iter::empty()).quantile(0.5), Duration::ZERO);
        recorder.add(Duration::MAX);
        assert!(Spread::of(std::iter::once(&recorder)).quantile(1.0) > Duration::from_secs(3600));
    }
}
