//! What becomes of the framework's own events: lines in the log, and numbers.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use framework_core::{
    EventKind, LifecycleEvent, ModuleState, ModuleStatus, Observe, Outcome, Phase,
};

use crate::metrics::{ErrorSeverity, Metrics};

mod log;

/// Turns each [`LifecycleEvent`] of an application into log lines and metrics.
///
/// # Examples
///
/// ```
/// use framework_core::{EventKind, LifecycleEvent, Phase};
/// use framework_observability::{AppIdentity, LifecycleRecorder, Metrics};
/// use std::{sync::Arc, time::Duration};
///
/// let metrics = Arc::new(Metrics::new(&AppIdentity::new("shop")));
/// let recorder = LifecycleRecorder::new(Arc::clone(&metrics));
/// for (phase, at) in [(Phase::Starting, 10), (Phase::Ready, 260)] {
///     let (at, kind) = (Duration::from_millis(at), EventKind::Phase(phase));
///     recorder.record(&LifecycleEvent { at, kind });
/// }
/// let text = metrics.render(None).text;
/// assert!(text.contains("framework_startup_duration_seconds{phase=\"starting\"} 0.25\n"));
/// ```
pub struct LifecycleRecorder {
    metrics: Arc<Metrics>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    states: HashMap<&'static str, ModuleState>,
    // The phase that the application is in, and since when.
    phase: Option<(Phase, Duration)>,
}

// ===== impl LifecycleRecorder =====

impl LifecycleRecorder {
    /// Makes a recorder that counts in `metrics`.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, seen: Mutex::default() }
    }

    /// The contribution that has every event recorded.
    #[must_use]
    pub fn observe(self: &Arc<Self>) -> Observe {
        let recorder = Arc::clone(self);
        Observe::new(move |event| recorder.record(event))
    }

    /// Takes in the modules that have caused no event yet, because they wait.
    pub fn know(&self, modules: &[ModuleStatus]) {
        let mut seen = self.seen();
        for module in modules {
            seen.states.entry(module.name).or_insert(module.state);
        }
        self.count(&seen);
    }

    /// Logs an event, and counts it.
    pub fn record(&self, event: &LifecycleEvent) {
        log::write(&event.kind);
        let modules = self.metrics.modules();
        match &event.kind {
            EventKind::Phase(phase) => self.enter(*phase, event.at),
            EventKind::Module { module, state } => {
                let mut seen = self.seen();
                seen.states.insert(module, *state);
                self.count(&seen);
            }
            EventKind::UnitEnded { module, stage, outcome, took, .. } => {
                modules.observe_operation(module, stage.as_str(), *took);
                if matches!(outcome, Outcome::Failed(_) | Outcome::TimedOut) {
                    modules.count_error(module, ErrorSeverity::Error);
                }
            }
            EventKind::Restarting { module, .. } => {
                modules.count_error(module, ErrorSeverity::Warning);
            }
            EventKind::GaveUp { module, .. } => {
                modules.count_error(module, ErrorSeverity::Critical);
            }
            EventKind::Failure { module, .. } => modules.count_error(module, ErrorSeverity::Error),
            _ => {}
        }
    }

    fn enter(&self, phase: Phase, at: Duration) {
        // An application is planned from the moment it is made, and no event says so.
        let planned = (Phase::Planned, Duration::ZERO);
        let (left, since) = self.seen().phase.replace((phase, at)).unwrap_or(planned);
        if left < Phase::Ready && phase <= Phase::Ready {
            self.metrics.modules().set_startup(left.as_str(), at.saturating_sub(since));
        }
    }

    fn count(&self, seen: &Seen) {
        for state in ModuleState::ALL {
            let modules = seen.states.values().filter(|other| **other == state).count();
            self.metrics.modules().set_count(state.as_str(), modules);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LifecycleRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LifecycleRecorder").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
