use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use framework_core::{Health, HealthStatus};
use tokio::{sync::watch, time::Instant};

use super::CheckState;

/// Where everyone reads how the application's checks stand.
///
/// Reading is one atomic load. A [`HealthRunner`](super::HealthRunner) keeps it up to date.
///
/// # Examples
///
/// ```
/// use framework_core::HealthStatus;
/// use framework_observability::HealthBoard;
///
/// let board = HealthBoard::new();
/// assert_eq!(board.status(), HealthStatus::Unhealthy);      // nobody has looked yet
/// assert!(!board.ready());
/// ```
pub struct HealthBoard {
    checks: Mutex<Vec<Check>>,
    shown: ArcSwap<Shown>,
    pub(super) connections: OnceLock<Box<dyn Fn() -> u64 + Send + Sync>>,
    pub(super) made: Instant,
    notices: Mutex<Vec<CheckStanding>>,
    // Until when checks are run more often than usual.
    closely: watch::Sender<Option<Instant>>,
}

/// How one check stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckStanding {
    /// The check.
    pub name: &'static str,
    /// The module that contributed it.
    pub module: &'static str,
    /// Whether the application cannot do without what is checked.
    pub critical: bool,
    /// How it stands, over several runs; `None` before the first.
    pub status: Option<HealthStatus>,
    /// What the last run said, for people.
    pub detail: Option<String>,
    /// How long the last run took.
    pub took: Option<Duration>,
    /// When the last run ended.
    pub at: Option<Instant>,
}

struct Check {
    standing: CheckStanding,
    state: CheckState,
}

/// What readers see.
struct Shown {
    status: HealthStatus,
    ready: bool,
    checks: Vec<CheckStanding>,
}

// ===== impl HealthBoard =====

impl HealthBoard {
    /// A board on which nobody has put anything; it shows an unhealthy application.
    #[must_use]
    pub fn new() -> Self {
        let shown = Shown { status: HealthStatus::Unhealthy, ready: false, checks: Vec::new() };
        Self {
            checks: Mutex::default(),
            shown: ArcSwap::from_pointee(shown),
            connections: OnceLock::new(),
            made: Instant::now(),
            notices: Mutex::default(),
            closely: watch::Sender::new(None),
        }
    }

    /// Has checks run every second, those that are run less often, for as long as `time`: something
    /// has changed, and what it broke should be seen soon.
    pub fn look_closely(&self, time: Duration) {
        self.closely.send_replace(Some(Instant::now() + time));
    }

    /// Shows the application as degraded for a reason that no check finds, or no longer: `module`
    /// says it under `name`, and `None` takes it back.
    pub fn notice(&self, module: &'static str, name: &'static str, detail: Option<String>) {
        let all = self.lock();
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.retain(|known| (known.module, known.name) != (module, name));
        notices.extend(detail.map(|detail| CheckStanding {
            name,
            module,
            critical: false,
            status: Some(HealthStatus::Degraded),
            detail: Some(detail),
            took: None,
            at: Some(Instant::now()),
        }));
        drop(notices);
        self.show(&all);
    }

    pub(super) fn closely(&self) -> watch::Receiver<Option<Instant>> {
        self.closely.subscribe()
    }

    /// How the application is: unhealthy when a critical check is, or has not been run; degraded
    /// when any other check is not healthy.
    #[must_use]
    pub fn status(&self) -> HealthStatus {
        self.shown.load().status
    }

    /// Whether every critical check has passed, and still does.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.shown.load().ready
    }

    /// Every check, in the order of registration.
    #[must_use]
    pub fn checks(&self) -> Vec<CheckStanding> {
        self.shown.load().checks.clone()
    }

    /// Says how to find out how many connections are open; only the first call counts.
    pub fn count_connections(&self, count: impl Fn() -> u64 + Send + Sync + 'static) {
        let _ = self.connections.set(Box::new(count));
    }

    /// Puts checks up in place of those that were there. None of them has been run.
    pub(super) fn put_up(&self, checks: impl IntoIterator<Item = (CheckStanding, CheckState)>) {
        let mut all = self.lock();
        *all = checks.into_iter().map(|(standing, state)| Check { standing, state }).collect();
        self.show(&all);
    }

    /// Takes in what a run of a check saw.
    pub(super) fn record(&self, check: usize, health: &Health, took: Duration) -> Option<Recorded> {
        let mut all = self.lock();
        let Check { standing, state } = all.get_mut(check)?;
        state.record(health.status());
        standing.status = state.standing();
        standing.detail = health.detail().map(ToOwned::to_owned);
        standing.took = Some(took);
        standing.at = Some(Instant::now());
        let (status, has_passed) = (health.status(), state.has_passed());
        let status = state.standing().unwrap_or(status);
        let module = standing.module;
        let siblings = all.iter().filter(|other| other.standing.module == module);
        let module_status = siblings.filter_map(|other| other.standing.status).max();
        let module_status = module_status.unwrap_or(status);
        self.show(&all);
        Some(Recorded { has_passed, status, module_status })
    }

    fn show(&self, all: &[Check]) {
        let notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        let checks = all.iter().map(|check| &check.standing);
        let checks: Vec<_> = checks.chain(&*notices).cloned().collect();
        let mut critical = checks.iter().filter(|check| check.critical);
        let ready = critical.all(|check| check.status.is_some_and(works));
        let status = checks.iter().map(CheckStanding::weight).max();
        let status = status.unwrap_or(HealthStatus::Healthy);
        self.shown.store(Arc::new(Shown { status, ready, checks }));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Check>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one more run meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorded {
    pub(super) has_passed: bool,
    pub(super) status: HealthStatus,
    /// The worst of the module's checks.
    pub(super) module_status: HealthStatus,
}

impl CheckStanding {
    /// What the check means for the whole.
    fn weight(&self) -> HealthStatus {
        match self.status {
            None if self.critical => HealthStatus::Unhealthy,
            // Nobody has looked, and nothing hangs on it.
            None => HealthStatus::Healthy,
            Some(status) if self.critical => status,
            Some(status) => status.min(HealthStatus::Degraded),
        }
    }
}

fn works(status: HealthStatus) -> bool {
    status != HealthStatus::Unhealthy
}

impl Default for HealthBoard {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HealthBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthBoard")
            .field("status", &self.status())
            .field("ready", &self.ready())
            .finish_non_exhaustive()
    }
}
