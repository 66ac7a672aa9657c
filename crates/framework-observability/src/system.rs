//! The process and its machine: memory, threads, CPU.

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod linux;

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

/// What was seen of the process and of the machine, or the container, that it runs in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SystemSample {
    /// The memory that there is: the container's limit, else the machine's.
    pub memory_total_bytes: u64,
    /// The memory that is in use, by everyone in the container or on the machine.
    pub memory_used_bytes: u64,
    /// The memory that the process holds.
    pub rss_bytes: u64,
    /// The threads of the process.
    pub threads: u64,
    /// The file descriptors that the process has open.
    pub open_fds: u64,
    /// The CPUs that the process may use; a container may have a part of one.
    pub cpus: f64,
    /// The share of those that it used since the sample before, 0 to 1. The first sample has none.
    pub cpu_ratio: Option<f64>,
}

impl SystemSample {
    /// The sample as JSON, as operators' pages and dumps have it.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "memory_total_bytes": self.memory_total_bytes,
            "memory_used_bytes": self.memory_used_bytes,
            "rss_bytes": self.rss_bytes,
            "threads": self.threads,
            "open_fds": self.open_fds,
            "cpus": self.cpus,
            "cpu_ratio": self.cpu_ratio,
        })
    }
}

/// What one look gives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) memory_total_bytes: u64,
    pub(crate) memory_used_bytes: u64,
    pub(crate) rss_bytes: u64,
    pub(crate) threads: u64,
    pub(crate) open_fds: u64,
    pub(crate) cpus: f64,
    /// The CPU time that the process has used so far, over all of its CPUs.
    pub(crate) cpu_time: Duration,
}

/// Looks at the process and its machine, and keeps what it last saw. Cloning it is cheap.
///
/// # Examples
///
/// ```
/// use framework_observability::SystemSampler;
///
/// let system = SystemSampler::new();
/// # #[cfg(target_os = "linux")]
/// assert!(system.sample()?.rss_bytes > 0);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct SystemSampler {
    inner: Arc<Inner>,
}

struct Inner {
    read: Box<dyn Fn() -> io::Result<Reading> + Send + Sync>,
    // Also keeps two looks from happening at once.
    before: Mutex<Option<(Instant, Reading)>>,
    last: ArcSwapOption<SystemSample>,
}

// ===== impl SystemSampler =====

impl SystemSampler {
    /// Looks at this process. Where that cannot be done, outside Linux, each sample is an error.
    #[must_use]
    pub fn new() -> Self {
        #[cfg(target_os = "linux")]
        let read = linux::read;
        #[cfg(not(target_os = "linux"))]
        let read = || Err(io::ErrorKind::Unsupported.into());
        Self::reading(read)
    }

    pub(crate) fn reading(read: impl Fn() -> io::Result<Reading> + Send + Sync + 'static) -> Self {
        let (before, last) = (Mutex::default(), ArcSwapOption::empty());
        Self { inner: Arc::new(Inner { read: Box::new(read), before, last }) }
    }

    /// What was last seen.
    #[must_use]
    pub fn last(&self) -> Option<Arc<SystemSample>> {
        self.inner.last.load_full()
    }

    /// Looks now.
    ///
    /// # Errors
    ///
    /// When the operating system does not tell.
    pub fn sample(&self) -> io::Result<Arc<SystemSample>> {
        self.sample_if_older(Duration::ZERO)
    }

    /// Looks, unless somebody looked less than `age` ago.
    ///
    /// # Errors
    ///
    /// When the operating system does not tell.
    pub fn sample_if_older(&self, age: Duration) -> io::Result<Arc<SystemSample>> {
        let mut before = self.inner.before.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let fresh = before.as_ref().is_some_and(|(at, _)| now.duration_since(*at) < age);
        if let Some(last) = self.last().filter(|_| fresh) {
            return Ok(last);
        }
        let reading = (self.inner.read)()?;
        let cpu_ratio = match *before {
            Some((at, earlier)) => cpu_ratio(&earlier, &reading, now.duration_since(at)),
            None => None,
        };
        // Without time between two looks the ratio of the one before still holds.
        let cpu_ratio = cpu_ratio.or_else(|| self.last().and_then(|last| last.cpu_ratio));
        let sample = Arc::new(reading.sample(cpu_ratio));
        self.inner.last.store(Some(Arc::clone(&sample)));
        *before = Some((now, reading));
        Ok(sample)
    }
}

impl Default for SystemSampler {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SystemSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemSampler").field("last", &self.last()).finish_non_exhaustive()
    }
}

impl Reading {
    fn sample(&self, cpu_ratio: Option<f64>) -> SystemSample {
        SystemSample {
            memory_total_bytes: self.memory_total_bytes,
            memory_used_bytes: self.memory_used_bytes,
            rss_bytes: self.rss_bytes,
            threads: self.threads,
            open_fds: self.open_fds,
            cpus: self.cpus,
            cpu_ratio,
        }
    }
}

/// The share of its CPUs that the process used between two readings.
fn cpu_ratio(before: &Reading, after: &Reading, elapsed: Duration) -> Option<f64> {
    let available = elapsed.as_secs_f64() * after.cpus;
    let used = after.cpu_time.saturating_sub(before.cpu_time).as_secs_f64();
    // The kernel counts in ticks of 10 ms, so a short interval can come out above the whole.
    (available > 0.0).then(|| (used / available).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
