use std::time::Duration;

use framework_core::{EventKind, ModuleState, Outcome, Stage};
use tracing::{debug, error, info, trace, warn};

/// Logs an event as important as it is. What happens in every start is `debug`: a hundred modules
/// would drown the line that matters.
pub(super) fn write(event: &EventKind) {
    match event {
        EventKind::Phase(phase) => info!(%phase, "the application is {phase}"),
        EventKind::Module { module, state } => write_state(module, *state),
        EventKind::UnitStarted { module, stage, unit } => {
            trace!(module, %stage, unit = &**unit, "started");
        }
        EventKind::UnitEnded { module, stage, unit, outcome, took } => {
            write_end(module, *stage, unit, outcome, *took);
        }
        EventKind::Slow { module, stage, unit, elapsed, budget, note } => warn!(
            module,
            %stage,
            unit = &**unit,
            elapsed = seconds(*elapsed),
            budget = seconds(*budget),
            note = note.as_deref(),
            "takes long to start"
        ),
        EventKind::Restarting { module, unit, cause, delay } => {
            warn!(module, unit = &**unit, cause, delay = seconds(*delay), "starts again");
        }
        EventKind::GaveUp { module, unit, cause } => {
            error!(module, unit = &**unit, cause, "failed for good, the application stops");
        }
        EventKind::ShutdownRequested { reason, count: 1 } => info!(%reason, "stopping"),
        EventKind::ShutdownRequested { reason, count } => {
            warn!(%reason, count, "asked again to stop");
        }
        EventKind::Failure { module, error } => error!(module, error, "failed"),
        // The core may grow events that nobody has written a line for.
        other => debug!(event = ?other, "event"),
    }
}

fn write_state(module: &str, state: ModuleState) {
    match state {
        ModuleState::Failed => error!(module, %state, "the module failed"),
        ModuleState::Abandoned => warn!(module, %state, "the module would not stop"),
        ModuleState::Skipped => warn!(module, %state, "the module was skipped"),
        _ => debug!(module, %state, "the module is {state}"),
    }
}

fn write_end(module: &str, stage: Stage, unit: &str, outcome: &Outcome, took: Duration) {
    let took = seconds(took);
    match outcome {
        Outcome::Failed(error) => error!(module, %stage, unit, took, error, "failed"),
        Outcome::TimedOut => error!(module, %stage, unit, took, "took too long"),
        _ => debug!(module, %stage, unit, took, "{}", outcome.as_str()),
    }
}

/// Seconds, to the microsecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}
