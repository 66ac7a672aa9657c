use std::{fmt, future::Future, pin::pin, sync::Arc, time::Duration};

use framework_core::{Chain, Context, Health, HealthStatus, Phase, contain};
use futures_util::{FutureExt, future};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{CheckStanding, CheckState, HealthBoard, HealthCheck, HealthSettings, board::Recorded};
use crate::Metrics;

/// Runs checks, each on its own and never twice at once, and puts what they see on a
/// [`HealthBoard`].
///
/// Each check is run at once, and then again after its interval. One that takes too long, or
/// panics, has failed. What has never passed is looked at every second, and whenever the
/// application enters another phase, so that an application that starts is not held up.
pub struct HealthRunner {
    settings: HealthSettings,
    board: Arc<HealthBoard>,
    metrics: Option<Arc<Metrics>>,
    checks: Vec<(Context, HealthCheck)>,
}

/// One check as it is run.
struct Watch {
    index: usize,
    cx: Context,
    check: HealthCheck,
    settings: HealthSettings,
    board: Arc<HealthBoard>,
    metrics: Option<Arc<Metrics>>,
}

/// How long to wait at most for the next run of a check that never passed, or while something has
/// just changed.
const SOON: Duration = Duration::from_secs(1);

// ===== impl HealthRunner =====

impl HealthRunner {
    /// A runner without checks.
    #[must_use]
    pub fn new(settings: HealthSettings, board: Arc<HealthBoard>) -> Self {
        Self { settings, board, metrics: None, checks: Vec::new() }
    }

    /// Counts and times the runs in `metrics` as well.
    #[must_use]
    pub fn metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Adds a check of the module that `cx` belongs to; the check gets that context.
    #[must_use]
    pub fn check(mut self, cx: Context, check: HealthCheck) -> Self {
        self.checks.push((cx, check));
        self
    }

    /// Runs the checks until `shutdown` completes, or until the modules of the application stop:
    /// then failures are no news.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends every check.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { settings, board, metrics, checks } = self;
        let watch = |(index, (cx, check)): (usize, (Context, HealthCheck))| Watch {
            settings: check.options.over(&settings),
            board: Arc::clone(&board),
            metrics: metrics.clone(),
            index,
            cx,
            check,
        };
        let watches: Vec<_> = checks.into_iter().enumerate().map(watch).collect();
        board.put_up(watches.iter().map(Watch::unseen));
        let mut tasks: JoinSet<()> = watches.into_iter().map(Watch::run).collect();
        shutdown.await;
        tasks.shutdown().await;
    }
}

// ===== impl Watch =====

impl Watch {
    fn unseen(&self) -> (CheckStanding, CheckState) {
        let standing = CheckStanding {
            name: self.check.name,
            module: self.cx.module(),
            critical: self.check.options.is_critical(),
            status: None,
            detail: None,
            took: None,
            at: None,
        };
        (standing, CheckState::new(self.settings.fail_after, self.settings.pass_after))
    }

    async fn run(self) {
        let mut phases = self.cx.lifecycle().phases();
        let mut told = None;
        while *phases.borrow_and_update() < Phase::Stopping {
            let Some((health, recorded)) = self.look().await else { return };
            if told != Some(recorded.status) && self.tell(&health, recorded, told) {
                told = Some(recorded.status);
            }
            self.rest(recorded.has_passed, &mut phases).await;
        }
    }

    /// Waits until the check is due.
    async fn rest(&self, has_passed: bool, phases: &mut watch::Receiver<Phase>) {
        let mut closely = self.board.closely();
        let until = *closely.borrow_and_update();
        let is_close = until.is_some_and(|until| Instant::now() < until);
        let interval = match has_passed && !is_close {
            true => self.settings.interval,
            false => self.settings.interval.min(SOON),
        };
        // The context holds the lifecycle, so its phases do not end before it.
        let due = match has_passed {
            true => phases.wait_for(|now| *now >= Phase::Stopping).map(drop).boxed(),
            false => phases.changed().map(drop).boxed(),
        };
        // Whatever came first, it is due.
        let called = pin!(closely.changed());
        let _ = timeout(interval, future::select(due, called)).await;
    }

    /// Runs the check once.
    async fn look(&self) -> Option<(Health, Recorded)> {
        let began = Instant::now();
        let health = self.health().await;
        let took = began.elapsed();
        let recorded = self.board.record(self.index, &health, took)?;
        if let Some(metrics) = &self.metrics {
            self.measure(metrics, &health, took, recorded);
        }
        Some((health, recorded))
    }

    async fn health(&self) -> Health {
        let (check, cx) = (Arc::clone(&self.check.check), self.cx.clone());
        let looked = contain(move || Box::pin(async move { Ok(check.check_dyn(&cx).await) }));
        let limit = self.settings.timeout;
        match timeout(limit, looked).await {
            Ok(Ok(health)) => health,
            Ok(Err(error)) => Health::unhealthy(Chain(error.as_ref()).to_string()),
            Err(_) => {
                let limit = humantime::format_duration(limit);
                Health::unhealthy(format!("no answer within {limit}"))
            }
        }
    }

    fn measure(&self, metrics: &Metrics, health: &Health, took: Duration, recorded: Recorded) {
        let (check, module) = (self.check.name, self.cx.module());
        let failed = health.status() == HealthStatus::Unhealthy && !self.is_early();
        metrics.health().observe(check, module, took, failed);
        metrics.health().set_status(check, module, recorded.status);
        metrics.modules().set_health(module, recorded.module_status);
    }

    /// Whether what is checked has yet to start: then it is no error that it does not work.
    fn is_early(&self) -> bool {
        let lifecycle = self.cx.lifecycle();
        lifecycle.phase() == Phase::Starting && !lifecycle.is_running(self.cx.module_id())
    }

    /// Logs how the check stands, and says whether that is told now.
    fn tell(&self, health: &Health, recorded: Recorded, told: Option<HealthStatus>) -> bool {
        let (check, module) = (self.check.name, self.cx.module());
        let detail = health.detail().unwrap_or_default();
        match recorded.status {
            HealthStatus::Healthy if told.is_none() => tracing::debug!(module, check, "healthy"),
            HealthStatus::Healthy => tracing::info!(module, check, "healthy again"),
            HealthStatus::Degraded => tracing::warn!(module, check, detail, "degraded"),
            // While the application starts, what is checked may have yet to start.
            HealthStatus::Unhealthy if self.cx.lifecycle().phase() < Phase::Ready => return false,
            HealthStatus::Unhealthy => tracing::warn!(module, check, detail, "unhealthy"),
        }
        true
    }
}

impl fmt::Debug for HealthRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthRunner")
            .field("settings", &self.settings)
            .field("checks", &self.checks.len())
            .finish_non_exhaustive()
    }
}
