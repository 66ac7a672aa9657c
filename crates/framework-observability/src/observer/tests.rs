use framework_core::{ShutdownReason, Stage};
use tracing::dispatcher::with_default;

use super::*;
use crate::{AppIdentity, LogFormat, LogSettings, Telemetry, TelemetrySettings, telemetry::Lines};

fn recorder() -> LifecycleRecorder {
    LifecycleRecorder::new(Arc::new(Metrics::new(&AppIdentity::new("shop"))))
}

fn record(recorder: &LifecycleRecorder, at: u64, kind: EventKind) {
    recorder.record(&LifecycleEvent { at: Duration::from_millis(at), kind });
}

fn has(recorder: &LifecycleRecorder, line: &str) -> bool {
    let text = recorder.metrics.render(None).text;
    text.lines().any(|found| found.strip_prefix("framework_") == Some(line))
}

fn module(module: &'static str, state: ModuleState) -> EventKind {
    EventKind::Module { module, state }
}

fn ended(outcome: Outcome) -> EventKind {
    let (module, stage, unit) = ("stock", Stage::Setup, "warm-up".into());
    EventKind::UnitEnded { module, stage, unit, outcome, took: Duration::from_millis(40) }
}

/// Every kind of event that is worth a line at `warn` or above, with its module.
fn mishaps() -> Vec<EventKind> {
    let (module, unit): (_, Arc<str>) = ("stock", "poll".into());
    let second = Duration::from_secs(1);
    vec![
        ended(Outcome::Failed("no such table".to_owned())),
        ended(Outcome::TimedOut),
        EventKind::Slow {
            module,
            stage: Stage::Setup,
            unit: Arc::clone(&unit),
            elapsed: second,
            budget: 2 * second,
            note: Some("loading".to_owned()),
        },
        EventKind::Restarting {
            module,
            unit: Arc::clone(&unit),
            cause: "reset".to_owned(),
            delay: second,
        },
        EventKind::GaveUp { module, unit, cause: "reset".to_owned() },
        EventKind::Failure { module, error: "late".to_owned() },
        self::module(module, ModuleState::Failed),
    ]
}

#[test]
fn every_module_is_counted_in_its_last_state() {
    let recorder = recorder();
    let waiting = |name| ModuleStatus {
        name,
        state: ModuleState::Waiting,
        since: Duration::ZERO,
        note: None,
    };
    record(&recorder, 1, module("http", ModuleState::Starting));
    recorder.know(&[waiting("http"), waiting("stock")]);
    assert!(has(&recorder, "module_count{state=\"waiting\"} 1"));
    assert!(has(&recorder, "module_count{state=\"starting\"} 1"));
    record(&recorder, 2, module("http", ModuleState::Running));
    record(&recorder, 3, module("stock", ModuleState::Running));
    assert!(has(&recorder, "module_count{state=\"running\"} 2"));
    assert!(has(&recorder, "module_count{state=\"waiting\"} 0"));
    assert!(has(&recorder, "module_count{state=\"failed\"} 0"));
}

#[test]
fn errors_are_counted_by_how_bad_they_are() {
    let recorder = recorder();
    mishaps().into_iter().for_each(|kind| record(&recorder, 1, kind));
    record(&recorder, 2, ended(Outcome::Done));
    record(&recorder, 2, ended(Outcome::Cancelled));
    for (severity, count) in [("error", 3), ("warning", 1), ("critical", 1)] {
        let line =
            format!("module_errors_total{{module=\"stock\",severity=\"{severity}\"}} {count}");
        assert!(has(&recorder, &line), "{line}");
    }
    let name = "module_operation_duration_seconds_count";
    assert!(has(&recorder, &format!("{name}{{module=\"stock\",operation=\"setup\"}} 4")));
}

#[test]
fn each_phase_of_the_start_is_timed_and_nothing_after() {
    let recorder = recorder();
    for (at, phase) in
        [(5, Phase::Starting), (250, Phase::Ready), (900, Phase::Stopping), (950, Phase::Stopped)]
    {
        record(&recorder, at, EventKind::Phase(phase));
    }
    assert!(has(&recorder, "startup_duration_seconds{phase=\"planned\"} 0.005"));
    assert!(has(&recorder, "startup_duration_seconds{phase=\"starting\"} 0.245"));
    let text = recorder.metrics.render(None).text;
    assert_eq!(text.matches("startup_duration_seconds{").count(), 2);
}

#[test]
fn a_start_that_fails_has_no_duration() {
    let recorder = recorder();
    record(&recorder, 5, EventKind::Phase(Phase::Starting));
    record(&recorder, 90, EventKind::Phase(Phase::Stopping));
    assert!(!recorder.metrics.render(None).text.contains("phase=\"starting\""));
}

#[test]
fn what_goes_wrong_is_logged_with_its_module_and_what_goes_well_is_not_in_the_way() {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = LogSettings { format: LogFormat::Json, ..LogSettings::default() };
    let telemetry = Telemetry::to_writer(&TelemetrySettings { log }, move || writer.clone());
    with_default(&telemetry.unwrap().dispatch(), || {
        let recorder = recorder();
        record(&recorder, 1, EventKind::Phase(Phase::Starting));
        record(&recorder, 1, module("stock", ModuleState::Running));
        record(&recorder, 1, ended(Outcome::Done));
        mishaps().into_iter().for_each(|kind| record(&recorder, 1, kind));
        let reason = ShutdownReason::Signal("SIGTERM");
        record(&recorder, 2, EventKind::ShutdownRequested { reason, count: 1 });
    });
    let told: Vec<_> = lines
        .json()
        .iter()
        .map(|line| {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
            let (level, message) = (text(&line["level"]), text(&line["message"]));
            format!("{level} {} {message}", text(&line["fields"]["module"]))
        })
        .collect();
    assert_eq!(
        told,
        [
            "INFO - the application is starting",
            "ERROR stock failed",
            "ERROR stock took too long",
            "WARN stock takes long to start",
            "WARN stock starts again",
            "ERROR stock failed for good, the application stops",
            "ERROR stock failed",
            "ERROR stock the module failed",
            "INFO - stopping",
        ]
    );
}
