use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// How many threads can work side by side without disturbing each other.
pub(crate) const SHARDS: usize = 8;

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

    /// The one of this thread, which it may share with others if there are many.
    pub(crate) fn mine(&self) -> &T {
        &self.0[shard()].0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|Padded(one)| one)
    }
}

fn shard() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = const { Cell::new(SHARDS) };
    }
    let at = SHARD.get();
    if at < SHARDS {
        return at;
    }
    let at = THREADS.fetch_add(1, Relaxed) % SHARDS;
    SHARD.set(at);
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_count_side_by_side_is_there_in_the_end() {
        let counts = Sharded::new(AtomicUsize::default);
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| (0..100).for_each(|_| _ = counts.mine().fetch_add(1, Relaxed)));
            }
        });
        let total: usize = counts.iter().map(|count| count.load(Relaxed)).sum();
        assert_eq!(total, 200 * SHARDS);
    }
}
