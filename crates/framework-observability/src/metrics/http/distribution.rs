use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use framework_core::{Shard, Sharded};
use prometheus::proto;

/// The most buckets, the one for what is above all bounds included.
const MAX_BUCKETS: usize = 17;

/// A histogram that threads count into side by side. One that all share is passed from processor
/// to processor with each request, which costs more than the counting.
pub(super) struct Distribution {
    bounds: &'static [u64],
    parts: Box<Sharded<Counts>>,
}

/// What one row of threads has counted.
#[derive(Default)]
struct Counts {
    // One for each bound, and one for what is above the last.
    buckets: [AtomicU64; MAX_BUCKETS],
    sum: AtomicU64,
}

// ===== impl Distribution =====

impl Distribution {
    /// With these upper bounds, in ascending order.
    pub(super) fn new(bounds: &'static [u64]) -> Self {
        assert!(bounds.len() < MAX_BUCKETS, "the bounds are constants, and there is room for them");
        Self { bounds, parts: Box::default() }
    }

    pub(super) fn observe(&self, shard: Shard, value: u64) {
        let Counts { buckets, sum } = self.parts.part(shard);
        // Most requests have no body.
        if value == 0 {
            shard.add(&buckets[0], 1);
            return;
        }
        shard.add(&buckets[self.bounds.partition_point(|&bound| bound < value)], 1);
        shard.add(sum, value.cast_signed());
    }

    /// How many values have been counted.
    pub(super) fn count(&self) -> u64 {
        let buckets = self.parts.iter().flat_map(|part| &part.buckets);
        buckets.map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// What has been counted, `per` of the values being one of those to show.
    pub(super) fn collect(&self, per: f64) -> proto::Histogram {
        let mut shown = proto::Histogram::default();
        let total = |at: usize| -> u64 {
            self.parts.iter().map(|part| part.buckets[at].load(Relaxed)).sum()
        };
        let mut count = 0;
        let bucket = |(at, &bound): (usize, &u64)| {
            count += total(at);
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(bound as f64 / per);
            bucket.set_cumulative_count(count);
            bucket
        };
        shown.set_bucket(self.bounds.iter().enumerate().map(bucket).collect());
        shown.set_sample_count(count + total(self.bounds.len()));
        let sum: u64 = self.parts.iter().map(|part| part.sum.load(Relaxed)).sum();
        shown.set_sample_sum(sum as f64 / per);
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: u64 = 5_000;

    #[test]
    fn what_threads_count_side_by_side_is_shown_together() {
        const THREADS: usize = 2 * Shard::COUNT;
        let distribution = Distribution::new(&[10, 100]);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let shard = Shard::of_this_thread();
                    // So many that they meet.
                    for value in (0..EACH).flat_map(|_| [10, 11, 100, 101]) {
                        distribution.observe(shard, value);
                    }
                });
            }
        });
        let shown = distribution.collect(2.0);
        let each = THREADS as u64 * EACH;
        let buckets: Vec<_> = shown
            .get_bucket()
            .iter()
            .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
            .collect();
        assert_eq!(buckets, [(5.0, each), (50.0, 3 * each)]);
        assert_eq!(shown.get_sample_count(), 4 * each);
        assert_eq!(shown.get_sample_sum(), each as f64 * 111.0);
    }
}
