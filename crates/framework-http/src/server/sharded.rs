use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// How many threads can work side by side without disturbing each other.
pub(crate) const SHARDS: usize = 8;

/// How many of the shards belong to one thread each, which changes them without locking the bus; the
/// threads beyond have the others together.
const OWN_SHARDS: usize = 4;

/// Something that every request changes, once for each thread: what all change is passed from
/// processor to processor with each request, and waited for.
#[derive(Debug)]
pub(crate) struct Sharded<T>([Padded<T>; SHARDS]);

/// In a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T> Sharded<T> {
    pub(crate) fn new(mut make: impl FnMut() -> T) -> Self {
        Self(std::array::from_fn(|_| Padded(make())))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|Padded(one)| one)
    }
}

impl Sharded<AtomicU64> {
    /// Adds to the one of this thread, and returns what it was.
    pub(crate) fn add(&self, change: i64) -> u64 {
        let shard = shard();
        let count = &self.0[shard].0;
        if shard >= OWN_SHARDS {
            return count.fetch_add(change.cast_unsigned(), Relaxed);
        }
        // Nobody else changes it.
        let old = count.load(Relaxed);
        count.store(old.wrapping_add_signed(change), Relaxed);
        old
    }
}

/// Where this thread counts.
fn shard() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = const { Cell::new(SHARDS) };
    }
    let at = SHARD.get();
    if at < SHARDS {
        return at;
    }
    let number = THREADS.fetch_add(1, Relaxed);
    let shared = || OWN_SHARDS + number % (SHARDS - OWN_SHARDS);
    let at = if number < OWN_SHARDS { number } else { shared() };
    SHARD.set(at);
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_count_side_by_side_is_there_in_the_end() {
        const EACH: u64 = 50_000;
        let counts = Sharded::new(AtomicU64::default);
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                // So many that they meet.
                scope.spawn(|| (0..EACH).for_each(|_| _ = (counts.add(3), counts.add(-2))));
            }
        });
        let total = counts.iter().map(|count| count.load(Relaxed)).fold(0, u64::wrapping_add);
        assert_eq!(total, 2 * SHARDS as u64 * EACH);
    }
}
