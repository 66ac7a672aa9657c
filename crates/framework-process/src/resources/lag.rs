use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// How late tasks get their turn: an event loop that is held up shows here first. Clones are the
/// same.
///
/// Something has to run [`measure`](Self::measure); a [`ResourceMonitor`](super::ResourceMonitor)
/// does. What is measured is kept for 3.2 s.
///
/// # Examples
///
/// ```
/// use framework_process::LoopLag;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let lag = LoopLag::new();
/// assert_eq!(lag.p99(), None, "nothing is known yet");
/// let _ = tokio::time::timeout(Duration::from_millis(200), lag.measure()).await;
/// assert!(lag.p99().is_some());
/// # }
/// ```
#[derive(Clone)]
pub struct LoopLag {
    window: Arc<Window>,
}

/// The last times in nanoseconds, more 1: 0 stands for "none".
struct Window {
    times: [AtomicU64; SIZE],
    next: AtomicUsize,
}

const SIZE: usize = 128;

/// How far two looks are apart.
const EVERY: Duration = Duration::from_millis(25);

/// What the runtime's timer rounds up by.
const TIMER: Duration = Duration::from_millis(1);

impl LoopLag {
    /// Nothing is known at first.
    #[must_use]
    pub fn new() -> Self {
        let times = std::array::from_fn(|_| AtomicU64::new(0));
        Self { window: Arc::new(Window { times, next: AtomicUsize::new(0) }) }
    }

    /// Measures until it is dropped, 40 times a second.
    pub async fn measure(&self) {
        loop {
            let due = Instant::now() + EVERY;
            sleep_until(due).await;
            self.record(due.elapsed().saturating_sub(TIMER));
        }
    }

    /// Takes in how late a task got its turn.
    pub fn record(&self, lateness: Duration) {
        let nanos = u64::try_from(lateness.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        let place = self.window.next.fetch_add(1, Relaxed) % SIZE;
        self.window.times[place].store(nanos, Relaxed);
    }

    /// What no more than one task in a hundred exceeded lately; `None` if nothing was measured.
    #[must_use]
    pub fn p99(&self) -> Option<Duration> {
        let mut times: Vec<u64> = self.window.times.iter().map(|time| time.load(Relaxed)).collect();
        times.retain(|&time| time != 0);
        times.sort_unstable();
        let rank = (times.len() * 99).div_ceil(100).checked_sub(1)?;
        Some(Duration::from_nanos(times[rank] - 1))
    }
}

impl Default for LoopLag {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LoopLag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopLag").field("p99", &self.p99()).finish()
    }
}
