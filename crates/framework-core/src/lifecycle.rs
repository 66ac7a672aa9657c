use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::{Clock, EventKind, LifecycleEvent, ModuleId, Observe, SystemClock};

/// How far an application has come. It only ever goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Its modules fit together, and nothing has started.
    Planned,
    /// Modules are starting.
    Starting,
    /// Every module runs.
    Ready,
    /// It serves, and tells everyone to go elsewhere.
    LameDuck,
    /// It takes nothing new and finishes what is in hand.
    Draining,
    /// Modules are stopping.
    Stopping,
    /// Every module has stopped.
    Stopped,
}

impl Phase {
    /// The phase in lower case, as reports and metrics spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::LameDuck => "lame-duck",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a module has come. A module that is started again is a new incarnation of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModuleState {
    /// It waits for the modules that it relies on.
    Waiting,
    /// Its values are being made, or its units are starting.
    Starting,
    /// It works.
    Running,
    /// Its units have been asked to end, or its clean-ups run.
    Stopping,
    /// It has ended, and cleaned up.
    Stopped,
    /// It could not start, or a unit of it failed for good.
    Failed,
    /// It was not started, or not to the end, because of something else.
    Cancelled,
    /// It was not started, because an optional module that it relies on failed.
    Skipped,
    /// It would not stop within its deadline.
    Abandoned,
}

impl ModuleState {
    /// Every state, in the order of a module's life.
    pub const ALL: [Self; 9] = [
        Self::Waiting,
        Self::Starting,
        Self::Running,
        Self::Stopping,
        Self::Stopped,
        Self::Failed,
        Self::Cancelled,
        Self::Skipped,
        Self::Abandoned,
    ];

    /// The state in lower case, as reports and metrics spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for ModuleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one module is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleStatus {
    /// The module.
    pub name: &'static str,
    /// How far it has come.
    pub state: ModuleState,
    /// When it came there, since the application was made.
    pub since: Duration,
    /// What it last noted about its progress, and when.
    pub note: Option<(String, Duration)>,
}

/// Why an application stops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShutdownReason {
    /// A signal, by its name: `"SIGTERM"`.
    Signal(&'static str),
    /// Somebody asked, and says who or why.
    Requested(String),
    /// A unit of this module failed for good, or ended early.
    UnitFailed {
        /// The module.
        module: &'static str,
        /// Its unit.
        unit: String,
    },
    /// This module could not start.
    StartFailed {
        /// The module.
        module: &'static str,
    },
}

impl fmt::Display for ShutdownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(name) => f.write_str(name),
            Self::Requested(by) => f.write_str(by),
            Self::UnitFailed { module, unit } => write!(f, "`{module}` failed: {unit}"),
            Self::StartFailed { module } => write!(f, "`{module}` could not start"),
        }
    }
}

/// Where the time of a start went, for those who show it and need not know who measured it. Its
/// `Display` form is for people.
pub trait Startup: fmt::Display + fmt::Debug + Send + Sync + 'static {
    /// How long the whole start took.
    fn took(&self) -> Duration;

    /// The report as a JSON object.
    fn to_json(&self) -> String;

    /// The start as a trace in the Chrome trace-event format.
    fn to_trace(&self) -> String;
}

/// What everyone can know, and may ask for, of the life of their application.
///
/// Cloning it is cheap, and every clone speaks of the same application. Anyone may
/// [ask it to stop](Self::request_shutdown), from anywhere, at any time, as often as they like.
#[derive(Clone)]
pub struct Lifecycle {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    made: Duration,
    phase: watch::Sender<Phase>,
    requests: watch::Sender<u32>,
    deadline: watch::Sender<Option<Duration>>,
    reason: OnceLock<ShutdownReason>,
    startup: OnceLock<Arc<dyn Startup>>,
    observers: OnceLock<Vec<Observe>>,
    journal: Mutex<Journal>,
}

#[derive(Default)]
struct Journal {
    modules: Vec<ModuleStatus>,
    events: VecDeque<LifecycleEvent>,
    // Events that the observers have yet to hear of, and whether somebody is telling them.
    untold: VecDeque<LifecycleEvent>,
    telling: bool,
}

impl Lifecycle {
    /// How many of the last events are kept.
    pub const MAX_EVENTS: usize = 65_536;

    /// Makes the lifecycle of an application that has not started. Its time is that of `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            made: clock.now(),
            clock,
            phase: watch::Sender::new(Phase::Planned),
            requests: watch::Sender::new(0),
            deadline: watch::Sender::new(None),
            reason: OnceLock::new(),
            startup: OnceLock::new(),
            observers: OnceLock::new(),
            journal: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How far the application has come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.shared.phase.borrow()
    }

    /// Follows the phase.
    #[must_use]
    pub fn phases(&self) -> watch::Receiver<Phase> {
        self.shared.phase.subscribe()
    }

    /// Completes when the application has come to `phase`, or past it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn reached(&self, phase: Phase) {
        // The sender lives as long as `self`.
        let _ = self.phases().wait_for(|now| *now >= phase).await;
    }

    /// Asks the application to stop. The first request counts; the second one hurries it, and the
    /// third ends it at once.
    pub fn request_shutdown(&self, reason: ShutdownReason) {
        let _ = self.shared.reason.set(reason.clone());
        let mut count = 0;
        self.shared.requests.send_modify(|requests| {
            *requests = requests.saturating_add(1);
            count = *requests;
        });
        self.emit(EventKind::ShutdownRequested { reason, count });
    }

    /// Asks the application to stop, unless it has been asked already. So a failure on the way down
    /// does not hurry the rest, as a second signal would.
    pub fn request_shutdown_once(&self, reason: ShutdownReason) {
        if *self.shared.requests.borrow() == 0 {
            self.request_shutdown(reason);
        }
    }

    /// Follows when, on the clock of [`now`](Self::now), everything must have stopped: `None` until
    /// the application is asked to, and sooner when it is asked again.
    #[must_use]
    pub fn stop_deadline(&self) -> watch::Receiver<Option<Duration>> {
        self.shared.deadline.subscribe()
    }

    /// Sets when everything must have stopped. For whoever runs a plan.
    pub fn set_stop_deadline(&self, at: Duration) {
        self.shared.deadline.send_replace(Some(at));
    }

    /// Whether a module runs.
    #[must_use]
    pub fn is_running(&self, module: ModuleId) -> bool {
        let journal = self.journal();
        let status = journal.modules.get(module.index());
        status.is_some_and(|status| status.state == ModuleState::Running)
    }

    /// Follows how often the application has been asked to stop.
    #[must_use]
    pub fn shutdown_requests(&self) -> watch::Receiver<u32> {
        self.shared.requests.subscribe()
    }

    /// Completes when the application has been asked to stop `count` times.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn shutdown_requested(&self, count: u32) {
        let _ = self.shutdown_requests().wait_for(|now| *now >= count).await;
    }

    /// Why the application was first asked to stop.
    #[must_use]
    pub fn shutdown_reason(&self) -> Option<&ShutdownReason> {
        self.shared.reason.get()
    }

    /// Where the time of the start went, once every module has started.
    #[must_use]
    pub fn startup(&self) -> Option<&Arc<dyn Startup>> {
        self.shared.startup.get()
    }

    /// Says where the time of the start went. For whoever runs a plan; only the first call counts.
    pub fn set_startup(&self, report: Arc<dyn Startup>) {
        let _ = self.shared.startup.set(report);
    }

    /// What each module is doing, in the order of registration.
    #[must_use]
    pub fn modules(&self) -> Vec<ModuleStatus> {
        self.journal().modules.clone()
    }

    /// What one module last noted about its progress, and when.
    #[must_use]
    pub fn note_of(&self, module: ModuleId) -> Option<(String, Duration)> {
        self.journal().modules.get(module.index())?.note.clone()
    }

    /// The last events, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<LifecycleEvent> {
        self.journal().events.iter().cloned().collect()
    }

    /// The time since the application was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.shared.clock.now().saturating_sub(self.shared.made)
    }

    /// Names the modules and those who are told of every event. For whoever runs a plan; only the
    /// first call counts.
    pub fn prepare(&self, modules: impl IntoIterator<Item = &'static str>, told: Vec<Observe>) {
        if self.shared.observers.set(told).is_err() {
            return;
        }
        let state = ModuleState::Waiting;
        let status = |name| ModuleStatus { name, state, since: Duration::ZERO, note: None };
        let mut journal = self.journal();
        journal.modules = modules.into_iter().map(status).collect();
        // A module that has code makes at least four events in its life.
        let expected = (4 * journal.modules.len()).min(Self::MAX_EVENTS);
        journal.events.reserve(expected);
    }

    /// Enters `phase`, unless the application is past it. For whoever runs a plan.
    pub fn enter(&self, phase: Phase) {
        let entered = self.shared.phase.send_if_modified(|now| {
            let forward = *now < phase;
            if forward {
                *now = phase;
            }
            forward
        });
        if entered {
            self.emit(EventKind::Phase(phase));
        }
    }

    /// Notes the new state of a module. For whoever runs a plan.
    pub fn module_entered(&self, module: ModuleId, state: ModuleState) {
        let since = self.now();
        let mut journal = self.journal();
        let Some(status) = journal.modules.get_mut(module.index()) else { return };
        status.state = state;
        status.since = since;
        let module = status.name;
        self.push(journal, LifecycleEvent { at: since, kind: EventKind::Module { module, state } });
    }

    /// Adds to the stream of events. For whoever runs a plan.
    pub fn emit(&self, kind: EventKind) {
        let at = self.now();
        self.push(self.journal(), LifecycleEvent { at, kind });
    }

    pub(crate) fn note(&self, module: ModuleId, note: String) {
        let now = self.now();
        if let Some(status) = self.journal().modules.get_mut(module.index()) {
            status.note = Some((note, now));
        }
    }

    fn push<'s>(&'s self, mut journal: MutexGuard<'s, Journal>, event: LifecycleEvent) {
        if journal.events.len() == Self::MAX_EVENTS {
            journal.events.pop_front();
        }
        journal.events.push_back(event.clone());
        let Some(observers) = self.shared.observers.get().filter(|told| !told.is_empty()) else {
            return;
        };
        journal.untold.push_back(event);
        // One thread tells, and takes along what others add meanwhile: so everyone hears the events
        // in one order, and an observer may cause another event.
        if journal.telling {
            return;
        }
        journal.telling = true;
        while let Some(event) = journal.untold.pop_front() {
            drop(journal);
            observers.iter().for_each(|observer| observer.tell(&event));
            journal = self.journal();
        }
        journal.telling = false;
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.shared.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = *self.shared.requests.borrow();
        f.debug_struct("Lifecycle")
            .field("phase", &self.phase())
            .field("shutdown_requests", &requests)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_never_left_backwards() {
        let lifecycle = Lifecycle::default();
        lifecycle.enter(Phase::Ready);
        lifecycle.enter(Phase::Starting);
        assert_eq!(lifecycle.phase(), Phase::Ready);
        let phases: Vec<_> = lifecycle.events().into_iter().map(|event| event.kind).collect();
        assert_eq!(phases, [EventKind::Phase(Phase::Ready)]);
    }

    #[tokio::test]
    async fn every_request_counts_and_the_first_says_why() {
        let lifecycle = Lifecycle::default();
        lifecycle.request_shutdown(ShutdownReason::Signal("SIGTERM"));
        lifecycle.request_shutdown(ShutdownReason::Signal("SIGINT"));
        lifecycle.shutdown_requested(2).await;
        assert_eq!(lifecycle.shutdown_reason(), Some(&ShutdownReason::Signal("SIGTERM")));
        assert_eq!(*lifecycle.shutdown_requests().borrow(), 2);
    }

    #[test]
    fn an_observer_may_cause_another_event_and_hears_both_in_order() {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let lifecycle = Lifecycle::default();
        let (log, other) = (Arc::clone(&heard), lifecycle.clone());
        let observe = Observe::new(move |event| {
            if event.kind == EventKind::Phase(Phase::Starting) {
                other.enter(Phase::Ready);
            }
            log.lock().unwrap().push(format!("{:?}", event.kind));
        });
        lifecycle.prepare([], vec![observe]);
        lifecycle.enter(Phase::Starting);
        assert_eq!(*heard.lock().unwrap(), ["Phase(Starting)", "Phase(Ready)"]);
    }
}
