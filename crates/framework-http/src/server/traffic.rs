use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use framework_core::{LoadControl, LoadLimits, Shard, Sharded};
use http::Method;
use tokio::{sync::watch, time::Instant};
#[cfg(feature = "ws")]
use tokio_util::task::TaskTracker;

use crate::drain::DrainStage;

/// What goes through a server right now. Cheap to clone and to read.
#[derive(Clone)]
pub struct Traffic {
    shared: Arc<Shared>,
}

/// A request that the end of a drain cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutRequest {
    /// The request's method.
    pub method: Method,
    /// The request's path, without its query: that may hold secrets.
    pub path: String,
    /// How long the request had been in flight.
    pub age: Duration,
}

/// What all connections of one server share.
struct Shared {
    epoch: Instant,
    open: AtomicUsize,
    // A request may end on another thread than it began on, so a part can be negative.
    in_flight: Sharded<AtomicU64>,
    upgraded: AtomicUsize,
    accepted: AtomicU64,
    // `stage` again as a plain number, for the one look at it that every response takes.
    stage_now: AtomicU8,
    stage: watch::Sender<DrainStage>,
    connections: watch::Sender<()>,
    load: OnceLock<Arc<LoadControl>>,
    cut: Mutex<Vec<CutRequest>>,
    // What goes on for a connection that has become something else.
    #[cfg(feature = "ws")]
    tasks: TaskTracker,
    at_work: AtomicUsize,
}

/// A task for a connection that has become something else, counted for as long as this exists.
#[cfg(feature = "ws")]
struct UpgradedTask {
    traffic: Traffic,
}

/// One connection, counted for as long as this exists.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    traffic: Traffic,
}

// ===== impl Traffic =====

impl Traffic {
    pub(crate) fn new() -> Self {
        let shared = Shared {
            epoch: Instant::now(),
            open: AtomicUsize::new(0),
            in_flight: Sharded::default(),
            upgraded: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            stage_now: AtomicU8::new(DrainStage::Serving as u8),
            stage: watch::Sender::new(DrainStage::Serving),
            connections: watch::Sender::new(()),
            load: OnceLock::new(),
            cut: Mutex::new(Vec::new()),
            #[cfg(feature = "ws")]
            tasks: TaskTracker::new(),
            at_work: AtomicUsize::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How many connections are open, those that became something else (WebSocket) included.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// How many requests are being answered, up to the last byte of each response's body.
    #[must_use]
    pub fn requests_in_flight(&self) -> usize {
        // Parts that change while they are looked at may add up to less than nothing.
        usize::try_from(self.shared.in_flight.total()).unwrap_or(0)
    }

    /// How many of the open connections are no longer HTTP, but what they were upgraded to.
    #[must_use]
    pub fn upgraded_connections(&self) -> usize {
        self.shared.upgraded.load(Ordering::Relaxed)
    }

    /// How many `WebSocket` handlers are at work. One may outlive its connection for a while: to
    /// store what it was told. The drain waits for it.
    #[must_use]
    pub fn upgraded_tasks(&self) -> usize {
        self.shared.at_work.load(Ordering::Relaxed)
    }

    /// Runs a task for a connection that has become something else.
    #[cfg(feature = "ws")]
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shared.at_work.fetch_add(1, Ordering::Relaxed);
        let counted = UpgradedTask { traffic: self.clone() };
        self.shared.tasks.spawn(async move {
            let _counted = counted;
            task.await;
        });
    }

    /// What has to end before the server has.
    pub(crate) fn is_at_work(&self) -> bool {
        self.open_connections() > 0 || self.upgraded_tasks() > 0
    }

    /// How many connections have been accepted since the server was made.
    #[must_use]
    pub fn accepted_connections(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// How far the server has come on its way to closed.
    #[must_use]
    pub fn stage(&self) -> DrainStage {
        *self.shared.stage.borrow()
    }

    pub(crate) fn watch_stage(&self) -> watch::Receiver<DrainStage> {
        self.shared.stage.subscribe()
    }

    /// Waits until the server has come as far as `stage`, or further.
    pub(crate) fn reached(&self, stage: DrainStage) -> impl Future<Output = ()> + Send + use<> {
        let mut stages = self.watch_stage();
        // Keeps the channel open: what never comes is waited for, not mistaken for the end.
        let traffic = self.clone();
        async move {
            let _ = stages.wait_for(|now| *now >= stage).await;
            drop(traffic);
        }
    }

    /// Whether the server has come as far as `stage`, or further.
    pub(crate) fn has_reached(&self, stage: DrainStage) -> bool {
        self.shared.stage_now.load(Ordering::Relaxed) >= stage as u8
    }

    /// Hears of every connection that closes.
    pub(crate) fn watch_closings(&self) -> watch::Receiver<()> {
        self.shared.connections.subscribe()
    }

    pub(crate) fn enter(&self, stage: DrainStage) {
        self.shared.stage_now.store(stage as u8, Ordering::Relaxed);
        self.shared.stage.send_if_modified(|old| std::mem::replace(old, stage) != stage);
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.shared.stage_now.load(Ordering::Relaxed) == DrainStage::Serving as u8
    }

    /// Goes by what `load` says from now on; the first one counts.
    pub(crate) fn limited_by(&self, load: Arc<LoadControl>) {
        let _ = self.shared.load.set(load);
    }

    /// What the server does without at the moment.
    pub(crate) fn limits(&self) -> LoadLimits {
        self.shared.load.get().map(|load| load.get()).unwrap_or_default()
    }

    /// Whether the server has moved on from `stage`.
    pub(crate) fn is_past(&self, stage: DrainStage) -> bool {
        self.shared.stage_now.load(Ordering::Relaxed) > stage as u8
    }

    /// Microseconds since the server was made: what fits in an atomic number.
    pub(crate) fn micros(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.shared.epoch);
        since.as_secs() * 1_000_000 + u64::from(since.subsec_micros())
    }

    pub(crate) fn instant(&self, micros: u64) -> Instant {
        self.shared.epoch + Duration::from_micros(micros)
    }

    pub(crate) fn open(&self) -> OpenConnection {
        self.shared.open.fetch_add(1, Ordering::Relaxed);
        self.shared.accepted.fetch_add(1, Ordering::Relaxed);
        OpenConnection { traffic: self.clone() }
    }

    pub(crate) fn request_started(&self) {
        self.shared.in_flight.add(Shard::of_this_thread(), 1);
    }

    pub(crate) fn request_ended(&self) {
        self.shared.in_flight.add(Shard::of_this_thread(), -1);
    }

    pub(crate) fn upgraded(&self) {
        self.shared.upgraded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn upgrade_ended(&self) {
        self.shared.upgraded.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes a request that is cut off, and says so in the log.
    pub(crate) fn cut(&self, request: CutRequest) {
        tracing::warn!(
            method = %request.method, path = request.path, age = ?request.age,
            "a request was cut off: the time to finish it is over",
        );
        self.shared.cut.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    }

    pub(crate) fn take_cut(&self) -> Vec<CutRequest> {
        std::mem::take(&mut *self.shared.cut.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traffic")
            .field("stage", &self.stage())
            .field("open_connections", &self.open_connections())
            .field("requests_in_flight", &self.requests_in_flight())
            .field("upgraded_connections", &self.upgraded_connections())
            .finish_non_exhaustive()
    }
}

// ===== impl OpenConnection =====

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.traffic.shared.open.fetch_sub(1, Ordering::Relaxed);
        self.traffic.shared.connections.send_replace(());
    }
}

// ===== impl UpgradedTask =====

#[cfg(feature = "ws")]
impl Drop for UpgradedTask {
    fn drop(&mut self) {
        self.traffic.shared.at_work.fetch_sub(1, Ordering::Relaxed);
        // Said like the closing of a connection, to whoever waits for the end of all.
        self.traffic.shared.connections.send_replace(());
    }
}
