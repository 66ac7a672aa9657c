use std::{
    array,
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// Something that every request changes, once for each of a few rows of threads: what all threads
/// change is passed from processor to processor with each request, and waited for.
///
/// # Examples
///
/// ```
/// use framework_core::{Shard, Sharded};
/// use std::sync::atomic::AtomicU64;
///
/// let answered = Sharded::<AtomicU64>::default();
/// answered.add(Shard::of_this_thread(), 2);
/// answered.add(Shard::of_this_thread(), -1);
/// assert_eq!(answered.total(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Sharded<T>([Padded<T>; Shard::COUNT]);

/// In a cache line of its own, and in a neighbour's that processors fetch along with it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

/// Which part of everything [`Sharded`] a thread changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    at: usize,
    // Nobody else changes anything there.
    is_own: bool,
}

// ===== impl Sharded =====

impl<T> Sharded<T> {
    /// Makes each of the parts.
    pub fn new(mut make: impl FnMut() -> T) -> Self {
        Self(array::from_fn(|_| Padded(make())))
    }

    /// The part of a thread.
    #[inline]
    #[must_use]
    pub fn part(&self, shard: Shard) -> &T {
        &self.0[shard.at].0
    }

    /// All parts.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.0.iter().map(|Padded(part)| part)
    }
}

impl Sharded<AtomicU64> {
    /// Adds to the part of a thread, and returns what that was. A part may be less than nothing, and
    /// wraps around: what one thread has counted up, another may count down.
    #[inline]
    pub fn add(&self, shard: Shard, change: i64) -> u64 {
        shard.add(self.part(shard), change)
    }

    /// All parts together, less than nothing perhaps while they change.
    #[must_use]
    pub fn total(&self) -> i64 {
        let parts = self.iter().map(|part| part.load(Relaxed));
        parts.fold(0, u64::wrapping_add).cast_signed()
    }
}

// ===== impl Shard =====

impl Shard {
    /// How many there are.
    pub const COUNT: usize = 8;

    /// How many belong to one thread each, which changes them without locking the bus; the threads
    /// beyond have the others together.
    const OWN: usize = 4;

    /// The one of this thread, always the same.
    #[inline]
    #[must_use]
    pub fn of_this_thread() -> Self {
        thread_local! {
            static SHARD: Cell<Option<Shard>> = const { Cell::new(None) };
        }
        SHARD.get().unwrap_or_else(|| {
            let shard = Self::next();
            SHARD.set(Some(shard));
            shard
        })
    }

    #[cold]
    fn next() -> Self {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        let number = THREADS.fetch_add(1, Relaxed);
        let is_own = number < Self::OWN;
        let shared = || Self::OWN + number % (Self::COUNT - Self::OWN);
        Self { at: if is_own { number } else { shared() }, is_own }
    }

    /// Adds to a counter that is this thread's [part](Sharded::part) of something or lies in it, and
    /// returns what it was.
    #[inline]
    pub fn add(self, to: &AtomicU64, change: i64) -> u64 {
        if !self.is_own {
            return to.fetch_add(change.cast_unsigned(), Relaxed);
        }
        let old = to.load(Relaxed);
        to.store(old.wrapping_add_signed(change), Relaxed);
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_count_side_by_side_is_there_in_the_end() {
        const EACH: u64 = 50_000;
        const THREADS: usize = 2 * Shard::COUNT;
        let counts = Sharded::<AtomicU64>::default();
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let shard = Shard::of_this_thread();
                    assert_eq!(shard, Shard::of_this_thread());
                    // So many that they meet.
                    (0..EACH).for_each(|_| _ = (counts.add(shard, 3), counts.add(shard, -2)));
                });
            }
        });
        assert_eq!(counts.total(), (THREADS as u64 * EACH).cast_signed());
        counts.add(Shard::of_this_thread(), -counts.total() - 1);
        assert_eq!(counts.total(), -1);
    }
}
