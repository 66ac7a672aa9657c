use std::{fmt, sync::Arc, time::Duration};

use framework_core::LoadControl;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    CpuReading, LoopLag, MemoryEvents, MemoryReading, Pressure, PressureMachine, PressureSignals,
    ProcessReading, ResourceReader, ResourceSample, machine::MIN_STAY,
};

/// Watches how much memory and processor time there is, and says how short the process is of them.
/// Clones are the same monitor.
///
/// Something has to [`run`](Self::run) it. Memory, waits and lateness are looked at four times a
/// second, whatever the interval: what fills up within a second must not wait for five. CPU shares,
/// events, descriptors and threads are taken once an interval.
///
/// # Examples
///
/// ```
/// use framework_process::{PressureLevel, ResourceLimits, ResourceMonitor, ResourceReader};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let monitor = ResourceMonitor::new();
/// let limits = || ResourceLimits { memory_bytes: Some(1 << 40), ..ResourceLimits::default() };
/// let mut changes = monitor.watch();
/// tokio::select! {
///     () = monitor.run(ResourceReader::new(), limits) => {}
///     sample = monitor.next_sample() => println!("{}", sample.to_json()),
/// }
/// assert_eq!(changes.borrow_and_update().memory, PressureLevel::Normal);
/// # }
/// ```
#[derive(Clone)]
pub struct ResourceMonitor {
    shared: Arc<Shared>,
}

struct Shared {
    pressure: watch::Sender<Pressure>,
    last: watch::Sender<Option<Arc<ResourceSample>>>,
    load: Arc<LoadControl>,
    lag: LoopLag,
}

/// What a [`ResourceMonitor`] goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResourceLimits {
    /// How much memory the process is to hold at most, in bytes; beside that, a limit of its control
    /// group counts for the group. Defaults to none, which is 512 MiB where no group has a limit.
    pub memory_bytes: Option<u64>,
    /// The share of its processors from which there is a warning. Defaults to 0.9.
    pub max_cpu_ratio: f64,
    /// How far two samples are apart. Defaults to 5 s.
    pub sample_interval: Duration,
}

/// What the process may hold where nobody has said anything.
const DEFAULT_MEMORY_BYTES: u64 = 512 << 20;

/// How often the levels are decided.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long the kernel may take to answer; after that, nothing is known until it does.
const READ_LIMIT: Duration = Duration::from_secs(1);

/// What one look gives.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    memory: MemoryReading,
    cpu: CpuReading,
    // Not with each look: there can be very many descriptors.
    process: Option<ProcessReading>,
}

/// What a monitor remembers while it runs.
struct Watcher {
    reader: ResourceReader,
    machine: PressureMachine,
    started: Instant,
    // When the present level of the memory was reached.
    since: Instant,
    sampled: Option<Sampled>,
    sample: ResourceSample,
    pending: Option<JoinHandle<Seen>>,
}

/// What the next sample is compared with.
#[derive(Clone, Copy, Debug)]
struct Sampled {
    at: Instant,
    cpu: CpuReading,
    events: MemoryEvents,
}

/// A monitor that does not run limits nothing.
struct Limiting<'m>(&'m ResourceMonitor);

// ===== impl ResourceMonitor =====

impl ResourceMonitor {
    /// A monitor that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared {
            pressure: watch::Sender::default(),
            last: watch::Sender::default(),
            load: Arc::default(),
            lag: LoopLag::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How short the process is of things at the moment.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        *self.shared.pressure.borrow()
    }

    /// Hears of every change of a level. What somebody is slow to look at is skipped, but the last.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Pressure> {
        self.shared.pressure.subscribe()
    }

    /// What was last seen; `None` before the first look.
    #[must_use]
    pub fn last(&self) -> Option<Arc<ResourceSample>> {
        self.shared.last.borrow().clone()
    }

    /// Waits for the next look. Never completes where the monitor does not run.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next_sample(&self) -> Arc<ResourceSample> {
        let mut samples = self.shared.last.subscribe();
        samples.mark_unchanged();
        match samples.changed().await {
            Ok(()) => samples.borrow().clone().unwrap_or_default(),
            // The sender lives as long as `self`.
            Err(_) => std::future::pending().await,
        }
    }

    /// What servers look at before they take work.
    #[must_use]
    pub fn load(&self) -> Arc<LoadControl> {
        Arc::clone(&self.shared.load)
    }

    /// How late tasks get their turn.
    #[must_use]
    pub fn lag(&self) -> &LoopLag {
        &self.shared.lag
    }

    /// What was last seen as JSON, as operators' pages and dumps have it; `null` before the first
    /// look.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.last().map_or(serde_json::Value::Null, |sample| sample.to_json())
    }

    /// Watches until the future is dropped; then everybody is told that there is enough. `limits` is
    /// asked each time, so it can change. One caller at a time runs a monitor.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime with a clock.
    pub async fn run(&self, reader: ResourceReader, limits: impl Fn() -> ResourceLimits) {
        let _limiting = Limiting(self);
        let lag = self.shared.lag.clone();
        tokio::join!(lag.measure(), self.look_again_and_again(reader, limits));
    }

    async fn look_again_and_again(
        &self,
        reader: ResourceReader,
        limits: impl Fn() -> ResourceLimits,
    ) {
        let mut watcher = Watcher::new(reader);
        loop {
            let now = limits();
            self.take(&mut watcher, &now).await;
            sleep(LOOK_EVERY.min(now.sample_interval)).await;
        }
    }

    async fn take(&self, watcher: &mut Watcher, limits: &ResourceLimits) {
        let seen = watcher.look(limits.sample_interval).await;
        let sample = watcher.sample(seen, limits, self.shared.lag.p99());
        let lasts = watcher.since.elapsed() >= MIN_STAY;
        self.shared.load.set(sample.pressure.limits(sample.memory_ratio, lasts));
        self.shared.last.send_replace(Some(Arc::new(sample)));
        self.shared
            .pressure
            .send_if_modified(|old| std::mem::replace(old, sample.pressure) != sample.pressure);
    }
}

impl Drop for Limiting<'_> {
    fn drop(&mut self) {
        self.0.shared.load.set(framework_core::LoadLimits::default());
        self.0.shared.pressure.send_if_modified(|old| std::mem::take(old) != Pressure::default());
    }
}

impl Default for ResourceMonitor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ResourceMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceMonitor")
            .field("pressure", &self.pressure())
            .finish_non_exhaustive()
    }
}

impl Default for ResourceLimits {
    fn default() -> Self {
        Self { memory_bytes: None, max_cpu_ratio: 0.9, sample_interval: Duration::from_secs(5) }
    }
}

impl ResourceLimits {
    /// How full the memory is, by the nearest limit.
    pub(super) fn memory_ratio(&self, memory: &MemoryReading) -> Option<f64> {
        let nobody_says = memory.limit_bytes.is_none().then_some(DEFAULT_MEMORY_BYTES);
        let limit = self.memory_bytes.or(nobody_says).filter(|&limit| limit > 0);
        let own = limit.and_then(|limit| Some(memory.rss_bytes? as f64 / limit as f64));
        [own, memory.group_ratio].into_iter().flatten().max_by(f64::total_cmp)
    }
}

// ===== impl Watcher =====

impl Watcher {
    fn new(reader: ResourceReader) -> Self {
        let now = Instant::now();
        Self {
            reader,
            machine: PressureMachine::new(),
            started: now,
            since: now,
            sampled: None,
            sample: ResourceSample::default(),
            pending: None,
        }
    }

    /// Reads on a thread that may be held up. While the kernel does not answer, nothing is known,
    /// and nobody asks again.
    async fn look(&mut self, interval: Duration) -> Seen {
        let whole = self.sampled.is_none_or(|sampled| sampled.at.elapsed() >= interval);
        let reader = &self.reader;
        let pending = self.pending.get_or_insert_with(|| {
            let reader = reader.clone();
            tokio::task::spawn_blocking(move || Seen {
                memory: reader.memory(),
                cpu: reader.cpu(),
                process: whole.then(|| reader.process()),
            })
        });
        let Ok(seen) = timeout(READ_LIMIT, &mut *pending).await else { return Seen::default() };
        self.pending = None;
        seen.unwrap_or_default()
    }

    fn sample(
        &mut self,
        seen: Seen,
        limits: &ResourceLimits,
        loop_lag: Option<Duration>,
    ) -> ResourceSample {
        let mut sample = ResourceSample {
            memory: seen.memory,
            cpu: seen.cpu,
            memory_ratio: limits.memory_ratio(&seen.memory),
            loop_lag,
            ..self.sample
        };
        if let Some(process) = seen.process {
            self.compare(&mut sample, process);
        }
        let signals = PressureSignals {
            memory_ratio: sample.memory_ratio,
            memory_stall_ratio: sample.memory.stall_ratio,
            cpu_ratio: sample.cpu_ratio,
            max_cpu_ratio: limits.max_cpu_ratio,
            cpu_stall_ratio: sample.cpu.stall_ratio,
            loop_lag,
        };
        sample.pressure = self.machine.update(self.started.elapsed(), &signals);
        if sample.pressure.memory != self.sample.pressure.memory {
            self.since = Instant::now();
        }
        self.sample = sample;
        sample
    }

    /// Puts into `sample` what has changed since the sample before.
    fn compare(&mut self, sample: &mut ResourceSample, process: ProcessReading) {
        let now = Sampled { at: Instant::now(), cpu: sample.cpu, events: sample.memory.events };
        let before = self.sampled.replace(now);
        sample.process = process;
        sample.cpu_ratio = before.and_then(|before| cpu_ratio(&before, &now));
        sample.throttled_ratio = before.and_then(|before| throttled_ratio(&before.cpu, &now.cpu));
        sample.memory_events =
            before.map(|before| now.events.since(before.events)).unwrap_or_default();
    }
}

/// The share of its processors that was used between two samples.
fn cpu_ratio(before: &Sampled, after: &Sampled) -> Option<f64> {
    let available = (after.at - before.at).as_secs_f64() * after.cpu.cpus?;
    let used = after.cpu.used?.checked_sub(before.cpu.used?)?.as_secs_f64();
    // What is counted in ticks can come out above the whole.
    (available > 0.0).then(|| (used / available).clamp(0.0, 1.0))
}

fn throttled_ratio(before: &CpuReading, after: &CpuReading) -> Option<f64> {
    let periods = after.periods?.checked_sub(before.periods?)?;
    let throttled = after.throttled_periods?.checked_sub(before.throttled_periods?)?;
    Some(if periods == 0 { 0.0 } else { (throttled as f64 / periods as f64).min(1.0) })
}
