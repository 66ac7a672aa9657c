use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use prometheus::proto;

/// How many threads can count at once without disturbing each other.
const SHARDS: usize = 8;

/// How many of the shards belong to one thread each, which adds to them without locking the bus; the
/// threads beyond have the others together.
const OWN_SHARDS: usize = 4;

/// The most buckets, the one for what is above all bounds included.
const MAX_BUCKETS: usize = 17;

/// A histogram that threads count into side by side. One that all share is passed from processor
/// to processor with each request, which costs more than the counting.
pub(super) struct Distribution {
    bounds: &'static [u64],
    shards: Box<[Shard]>,
}

/// A number that threads change side by side.
#[derive(Default)]
pub(super) struct Level([Padded<AtomicU64>; SHARDS]);

/// In a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Padded<T>(T);

/// The counts of one thread, in cache lines of their own: behind a pointer they would lie next to
/// those of another.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    // One for each bound, and one for what is above the last.
    buckets: [AtomicU64; MAX_BUCKETS],
    sum: AtomicU64,
}

// ===== impl Distribution =====

impl Distribution {
    /// With these upper bounds, in ascending order.
    pub(super) fn new(bounds: &'static [u64]) -> Self {
        assert!(bounds.len() < MAX_BUCKETS, "the bounds are constants, and there is room for them");
        Self { bounds, shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }

    pub(super) fn observe(&self, place: Place, value: u64) {
        let Shard { buckets, sum } = &self.shards[place.shard];
        // Most requests have no body.
        if value == 0 {
            return place.add(&buckets[0], 1);
        }
        place.add(&buckets[self.bounds.partition_point(|&bound| bound < value)], 1);
        place.add(sum, value);
    }

    /// How many values have been counted.
    pub(super) fn count(&self) -> u64 {
        let buckets = self.shards.iter().flat_map(|shard| &shard.buckets);
        buckets.map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// What has been counted, `per` of the values being one of those to show.
    pub(super) fn collect(&self, per: f64) -> proto::Histogram {
        let mut shown = proto::Histogram::default();
        let total = |at: usize| -> u64 {
            self.shards.iter().map(|shard| shard.buckets[at].load(Relaxed)).sum()
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
        let sum: u64 = self.shards.iter().map(|shard| shard.sum.load(Relaxed)).sum();
        shown.set_sample_sum(sum as f64 / per);
        shown
    }
}

// ===== impl Level =====

impl Level {
    pub(super) fn add(&self, place: Place, change: i64) {
        place.add(&self.0[place.shard].0, change as u64);
    }

    pub(super) fn get(&self) -> i64 {
        let parts = self.0.iter().map(|shard| shard.0.load(Relaxed));
        // A part may be less than nothing, and wraps around as the sum does.
        parts.fold(0, u64::wrapping_add) as i64
    }
}

/// Where this thread counts: looked up once for all that a request is counted in.
#[derive(Clone, Copy)]
pub(super) struct Place {
    shard: usize,
    // Nobody else changes anything there.
    is_own: bool,
}

impl Place {
    pub(super) fn of_this_thread() -> Self {
        let number = thread_number();
        if number < OWN_SHARDS {
            return Self { shard: number, is_own: true };
        }
        let shard = OWN_SHARDS + number % (SHARDS - OWN_SHARDS);
        Self { shard, is_own: false }
    }

    fn add(self, to: &AtomicU64, more: u64) {
        if self.is_own {
            to.store(to.load(Relaxed).wrapping_add(more), Relaxed);
        } else {
            to.fetch_add(more, Relaxed);
        }
    }
}

/// How many threads counted before this one did.
fn thread_number() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    if NUMBER.get() == usize::MAX {
        NUMBER.set(THREADS.fetch_add(1, Relaxed));
    }
    NUMBER.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: u64 = 5_000;

    #[test]
    fn what_threads_count_side_by_side_is_shown_together() {
        let (distribution, level) = (Distribution::new(&[10, 100]), Level::default());
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| {
                    let place = Place::of_this_thread();
                    // So many that they meet.
                    for value in (0..EACH).flat_map(|_| [10, 11, 100, 101]) {
                        distribution.observe(place, value);
                        level.add(place, 2);
                        level.add(place, -1);
                    }
                });
            }
        });
        let shown = distribution.collect(2.0);
        let threads = 2 * SHARDS as u64 * EACH;
        let buckets: Vec<_> = shown
            .get_bucket()
            .iter()
            .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
            .collect();
        assert_eq!(buckets, [(5.0, threads), (50.0, 3 * threads)]);
        assert_eq!(shown.get_sample_count(), 4 * threads);
        assert_eq!(shown.get_sample_sum(), threads as f64 * 111.0);
        assert_eq!(level.get(), 4 * threads as i64);
    }
}
