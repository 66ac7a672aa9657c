use std::{io, time::Duration};

use framework_app::{AppBuilder, ReadyApp, RunError, RunningApp};
use framework_config::ConfigHandle;
use framework_core::{Chain, ErrorCode, EventKind, Issue, Lifecycle};
use framework_observability::{LogLevel, Telemetry, TelemetryError, TelemetryGuard};
use tokio::runtime::{Builder, Runtime};

use crate::{
    Console, Exit,
    args::ServeArgs,
    codes,
    prepare::{Configured, Prepared},
    signals::Signals,
    verbs::check,
};

/// How long blocking work that nobody waits for may hold up the end of the process.
const BLOCKING_GRACE: Duration = Duration::from_millis(500);

/// Why the application does not run, and how the process ends for that.
struct Refusal {
    exit: Exit,
    issues: Vec<Issue>,
}

/// Runs the application until it ends or a signal ends it.
pub(crate) fn serve(app: AppBuilder, args: &ServeArgs, console: &mut Console<'_>) -> Exit {
    let name = app.name();
    match start(app, args) {
        Ok(served) => served.run(console),
        Err(refusal) if refusal.exit == Exit::Invalid => {
            check::refuse(name, &refusal.issues, console)
        }
        Err(refusal) => {
            refusal.issues.iter().for_each(|issue| console.complain(&issue.to_string()));
            refusal.exit
        }
    }
}

/// An application that is about to start, and all that it takes from the process.
struct Served {
    ready: ReadyApp,
    config: ConfigHandle,
    runtime: Runtime,
    signals: Signals,
    log: TelemetryGuard,
    debug: bool,
}

fn start(app: AppBuilder, args: &ServeArgs) -> Result<Served, Refusal> {
    // Before all else: a signal that comes now must not be lost.
    let signals = Signals::catch()
        .map_err(|error| refused(&codes::SYSTEM, "cannot be told of signals", &error))?;
    let name = app.name();
    let configured = Configured::load(app, &args.sources.sources(name, args.debug))
        .map_err(|issue| Refusal { exit: Exit::Invalid, issues: vec![issue] })?;
    let telemetry = configured.telemetry.as_ref().map(Telemetry::new).transpose();
    let telemetry = telemetry.map_err(|error| no_log(&error))?;
    let level = telemetry.as_ref().map_or_else(LogLevel::detached, Telemetry::level);
    let Prepared { app, config } = configured.prepare(level);
    let ready = app
        .build()
        .map_err(|error| Refusal { exit: Exit::Invalid, issues: error.issues().to_vec() })?;
    let telemetry = telemetry.expect("a plan holds only if the section of the log does");
    let log = telemetry.install().map_err(|error| no_log(&error))?;
    let runtime = Builder::new_multi_thread().enable_all().thread_name(name).build();
    let runtime =
        runtime.map_err(|error| refused(&codes::SYSTEM, "cannot start the runtime", &error))?;
    Ok(Served { ready, config, runtime, signals, log, debug: args.debug })
}

fn refused(code: &'static ErrorCode, summary: &str, error: &io::Error) -> Refusal {
    let issue = Issue::new(code, summary).evidence(error.to_string());
    Refusal { exit: Exit::OperatingSystem, issues: vec![issue] }
}

fn no_log(error: &TelemetryError) -> Refusal {
    let issue = Issue::new(&codes::LOG, Chain(error).to_string())
        .help("make its directory writable, or leave `telemetry.log.file` out");
    Refusal { exit: Exit::OperatingSystem, issues: vec![issue] }
}

impl Served {
    fn run(self, console: &mut Console<'_>) -> Exit {
        let Self { ready, config, runtime, signals, log, debug } = self;
        signals.attach(ready.lifecycle(), &config);
        let ended = runtime.block_on(run(ready, debug));
        runtime.shutdown_timeout(BLOCKING_GRACE);
        drop(signals);
        let exit = match ended {
            Ok(()) => Exit::Clean,
            Err(error) => {
                console.complain(&error.to_string());
                Exit::of(&error)
            }
        };
        let lost = log.lost_lines();
        if lost > 0 {
            console.complain(&format!("{lost} lines of the log could not be written\n"));
        }
        exit
    }
}

async fn run(ready: ReadyApp, debug: bool) -> Result<(), RunError> {
    let name = ready.name();
    // Asked to stop before it was ready, it has stopped already.
    let Some(running) = ready.try_start().await? else { return Ok(()) };
    announce(name, &running);
    if debug {
        for line in running.report().to_string().lines() {
            tracing::debug!("{line}");
        }
    }
    running.run().await
}

/// One line with all that an operator wants to know at first.
fn announce(name: &str, app: &RunningApp) {
    let path: Vec<_> =
        app.report().critical_path().iter().map(|at| step(at.name, at.took)).collect();
    tracing::info!(
        addresses = addresses(app.lifecycle()).join(" "),
        took = text(app.report().took()),
        modules = app.graph().modules().len(),
        plan = format!("{:016x}", app.graph().hash()),
        critical_path = path.join(" -> "),
        "{name} is ready"
    );
}

/// Where the application listens, each module before its address.
fn addresses(lifecycle: &Lifecycle) -> Vec<String> {
    let listening = |event: framework_core::LifecycleEvent| match event.kind {
        EventKind::Listening { module, url } => Some(format!("{module}={url}")),
        _ => None,
    };
    lifecycle.events().into_iter().filter_map(listening).collect()
}

fn step(module: &str, took: Duration) -> String {
    format!("{module} {}", text(took))
}

fn text(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}
