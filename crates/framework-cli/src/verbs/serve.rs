use std::{fs, io, os::unix::fs::DirBuilderExt as _, path::Path, sync::Arc, time::Duration};

use framework_app::{AppBuilder, ReadyApp, RunError, RunningApp};
use framework_config::ConfigHandle;
use framework_core::{Chain, ErrorCode, Issue};
use framework_observability::{
    LogLevel, Telemetry, TelemetryError, TelemetryGuard, TelemetrySettings,
};
use framework_process::{
    BlockedSignals, ControlServer, DetachError, Instance, InstanceError, Outcome, Reporter,
    RunFiles, Side, StartedBy, StartedByError, detach, release_startup_memory,
};
use tokio::runtime::{Builder, Runtime};

use crate::{
    Console, Exit,
    args::ServeArgs,
    codes,
    manager::{HandedOver, HandedOverModule, keep_informed},
    operator::{Operator, Running, addresses},
    prepare::{Configured, Prepared},
    signals::Signals,
    verbs::check,
};

/// How long the process that was started waits for the one in the background.
const UNTIL_READY: Duration = Duration::from_secs(90);

/// How long blocking work that nobody waits for may hold up the end of the process.
const BLOCKING_GRACE: Duration = Duration::from_millis(500);

/// Why the application does not run, and how the process ends for that.
struct Refusal {
    exit: Exit,
    issues: Vec<Issue>,
    config: Option<ConfigHandle>,
    // Whom to tell, in the background.
    reporter: Option<Reporter>,
}

impl Refusal {
    fn new(exit: Exit, issue: Issue) -> Self {
        Self { exit, issues: vec![issue], config: None, reporter: None }
    }
}

/// Runs the application until it ends or a signal ends it.
pub(crate) fn serve(app: AppBuilder, args: &ServeArgs, console: &mut Console<'_>) -> Exit {
    let name = app.name();
    let refusal = match start(app, args) {
        Ok(Start::Here(served)) => return served.run(console),
        Ok(Start::Elsewhere(outcome)) => return elsewhere(name, outcome, console),
        Err(refusal) => refusal,
    };
    let exit = match refusal.exit {
        Exit::Invalid => check::refuse(name, &refusal.issues, refusal.config.as_ref(), console),
        exit => {
            refusal.issues.iter().for_each(|issue| console.complain(&issue.to_string()));
            exit
        }
    };
    if let Some(reporter) = refusal.reporter {
        reporter.failed(exit.code());
    }
    exit
}

/// What the process that was started says of the one in the background.
fn elsewhere(name: &str, outcome: Outcome, console: &mut Console<'_>) -> Exit {
    match outcome {
        Outcome::Ready { pid } => {
            // Whoever closes the pipe has seen enough.
            let _ = console.print(&format!("ok: {name} runs in the background as process {pid}\n"));
            Exit::Clean
        }
        // It has said why, on the same standard error.
        Outcome::Failed { code } => Exit::from_code(code),
        Outcome::Crashed => {
            let issue = Issue::new(&codes::SYSTEM, format!("`{name}` ended before it was ready"))
                .help("what it wrote above, or its log, may say why");
            console.complain(&issue.to_string());
            Exit::Internal
        }
        _ => {
            let issue = Issue::new(&codes::SYSTEM, format!("`{name}` is still not ready"))
                .evidence(format!("it was waited for {} s", UNTIL_READY.as_secs()))
                .help(format!("`{name} status` tells how far it is, `{name} stop` gives it up"));
            console.complain(&issue.to_string());
            Exit::Internal
        }
    }
}

/// An application that is about to start, and all that it takes from the process.
struct Served {
    ready: ReadyApp,
    runtime: Runtime,
    signals: Signals,
    operator: Arc<Operator>,
    watchdog: Option<Duration>,
    handed_over: Option<Arc<HandedOver>>,
    reporter: Option<Reporter>,
    log: TelemetryGuard,
    debug: bool,
    control: Option<ControlServer>,
    instance: Option<Instance>,
    files: Option<RunFiles>,
}

/// What became of a start.
enum Start {
    Here(Box<Served>),
    /// In the background, by another process.
    Elsewhere(Outcome),
}

fn start(app: AppBuilder, args: &ServeArgs) -> Result<Start, Refusal> {
    // Before all else: a signal that comes now must not be lost.
    let blocked = BlockedSignals::block()
        .map_err(|error| refused(&codes::SYSTEM, "cannot block signals", &error))?;
    let StartedBy { notifier, watchdog, sockets } =
        StartedBy::take().map_err(|error| handed_over_wrongly(&error))?;
    let (name, managed) = (app.name(), notifier.is_heard());
    let files = RunFiles::of(name, args.pid_file.as_deref());
    let directory = files.as_ref().map_or(Path::new("."), RunFiles::directory);
    let operator = Arc::new(Operator::new(notifier, directory));
    let catch = || {
        Signals::catch(Arc::clone(&operator), blocked)
            .map_err(|error| refused(&codes::SYSTEM, "cannot be told of signals", &error))
    };
    // A copy of this process would not have the thread that listens to them.
    let early = (!args.detach).then(catch).transpose()?;

    let mut configured = Configured::load(app, &args.sources.sources(name, args.debug))
        .map_err(|issue| Refusal::new(Exit::Invalid, issue))?;
    let wanted = args.detach || args.pid_file.is_some();
    let files = match files {
        Err(error) if wanted => return Err(no_files(&error)),
        files => files.ok(),
    };
    if args.detach
        && let (Some(files), Some(telemetry)) = (&files, &mut configured.telemetry)
    {
        log_to_file(telemetry, files, name).map_err(|error| no_files(&error))?;
    }
    let telemetry = configured.telemetry.as_ref().map(Telemetry::new).transpose();
    let telemetry = telemetry.map_err(|error| no_log(&error))?;
    let level = telemetry.as_ref().map_or_else(LogLevel::detached, Telemetry::level);
    let Prepared { mut app, config, identity, metrics, board } = configured.prepare(level);
    let handed_over = (!sockets.is_empty()).then(|| HandedOver::new(sockets));
    if let Some(handed_over) = &handed_over {
        app = app.default_modules(HandedOverModule(Arc::clone(handed_over)));
    }
    let ready = app.build().map_err(|error| {
        let issues = error.issues().to_vec();
        Refusal { exit: Exit::Invalid, issues, config: Some(config.clone()), reporter: None }
    })?;
    let telemetry = telemetry.expect("a plan holds only if the section of the log does");

    let mut reporter = None;
    if args.detach {
        match detach(managed).map_err(|error| not_detached(&error))? {
            Side::Launcher(launcher) => return Ok(Start::Elsewhere(launcher.wait(UNTIL_READY))),
            Side::Daemon(daemon) => reporter = Some(daemon),
        }
    }
    let rest = || -> Result<_, Refusal> {
        let signals = early.map_or_else(catch, Ok)?;
        let held = wanted.then_some(files.as_ref()).flatten();
        let instance = held.map(|files| hold(name, files)).transpose()?;
        let log = telemetry.install().map_err(|error| no_log(&error))?;
        let control = files.as_ref().and_then(|files| listen(files, &operator));
        let runtime = Builder::new_multi_thread().enable_all().thread_name(name).build();
        let runtime =
            runtime.map_err(|error| refused(&codes::SYSTEM, "cannot start the runtime", &error))?;
        Ok((signals, instance, log, control, runtime))
    };
    let (signals, instance, log, control, runtime) = match rest() {
        Ok(rest) => rest,
        Err(refusal) => return Err(Refusal { reporter, ..refusal }),
    };
    operator.attach(Running {
        identity,
        lifecycle: ready.lifecycle().clone(),
        graph: Arc::clone(ready.graph()),
        config,
        metrics,
        board,
        log: log.clone(),
        runtime: runtime.handle().clone(),
    });
    Ok(Start::Here(Box::new(Served {
        ready,
        runtime,
        signals,
        operator,
        watchdog,
        handed_over,
        reporter,
        log,
        debug: args.debug,
        control,
        instance,
        files,
    })))
}

/// Without a terminal, the log needs a place.
fn log_to_file(telemetry: &mut TelemetrySettings, files: &RunFiles, name: &str) -> io::Result<()> {
    if telemetry.log.file.is_none() {
        let directory = files.directory();
        if !directory.as_os_str().is_empty() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        telemetry.log.file = Some(directory.join(format!("{name}.log")));
    }
    Ok(())
}

fn hold(name: &str, files: &RunFiles) -> Result<Instance, Refusal> {
    let path = files.pid_file();
    if let Some(directory) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| no_files(&error))?;
    }
    Instance::acquire(path).map_err(|error| match error {
        InstanceError::Held { .. } => {
            let issue = Issue::new(&codes::HELD, format!("`{name}` is running already"))
                .evidence(error.to_string())
                .help(format!("`{name} status` tells how it is, `{name} stop` stops it"));
            Refusal::new(Exit::Held, issue)
        }
        other => {
            let issue = Issue::new(&codes::PID_FILE, Chain(&other).to_string())
                .help("name a file in a directory of this user: `--pid-file FILE`");
            Refusal::new(Exit::OperatingSystem, issue)
        }
    })
}

/// Listens to operators. An application whose operators cannot speak to it still serves.
fn listen(files: &RunFiles, operator: &Arc<Operator>) -> Option<ControlServer> {
    let handler = Arc::clone(operator);
    match ControlServer::bind(files.socket(), handler) {
        Ok(control) => Some(control),
        Err(error) => {
            let error = Chain(&error).to_string();
            tracing::info!(error, "operators cannot speak to this process, name a `--pid-file`");
            None
        }
    }
}

fn no_files(error: &io::Error) -> Refusal {
    let issue = Issue::new(&codes::PID_FILE, "there is no place for the PID file")
        .evidence(error.to_string())
        .help("name a file in a directory of this user: `--pid-file FILE`");
    Refusal::new(Exit::OperatingSystem, issue)
}

fn not_detached(error: &DetachError) -> Refusal {
    let issue = Issue::new(&codes::NOT_DETACHED, "the process cannot go into the background")
        .evidence(Chain(error).to_string())
        .help("leave `--detach` out");
    let exit = match error {
        DetachError::System(_) => Exit::OperatingSystem,
        _ => Exit::Usage,
    };
    Refusal::new(exit, issue)
}

fn handed_over_wrongly(error: &StartedByError) -> Refusal {
    let issue = Issue::new(&codes::HANDED_OVER, Chain(error).to_string())
        .help("look at the unit of the service manager, or unset the variable");
    Refusal::new(Exit::OperatingSystem, issue)
}

fn refused(code: &'static ErrorCode, summary: &str, error: &io::Error) -> Refusal {
    let issue = Issue::new(code, summary).evidence(error.to_string());
    Refusal::new(Exit::OperatingSystem, issue)
}

fn no_log(error: &TelemetryError) -> Refusal {
    let issue = Issue::new(&codes::LOG, Chain(error).to_string())
        .help("make its directory writable, or leave `telemetry.log.file` out");
    Refusal::new(Exit::OperatingSystem, issue)
}

impl Served {
    fn run(self: Box<Self>, console: &mut Console<'_>) -> Exit {
        let Self { ready, runtime, signals, operator, watchdog, log, debug, .. } = *self;
        let Self { mut control, instance, files, handed_over, mut reporter, .. } = *self;
        let lifecycle = ready.lifecycle().clone();
        signals.attach(&lifecycle);
        let ended = runtime.block_on(async {
            let application = run(ready, debug, handed_over.as_deref(), &mut reporter);
            tokio::select! {
                ended = application => ended,
                never = keep_informed(&operator, &lifecycle, watchdog) => match never {},
            }
        });
        runtime.shutdown_timeout(BLOCKING_GRACE);
        drop(signals);
        let exit = match ended {
            Ok(()) => Exit::Clean,
            Err(error) => {
                // In the background nobody reads the other.
                tracing::error!(error = %error.primary(), "the application has failed");
                console.complain(&error.to_string());
                Exit::of(&error)
            }
        };
        let lost = log.lost_lines();
        if lost > 0 {
            console.complain(&format!("{lost} lines of the log could not be written\n"));
        }
        // Whoever hears of the end can start the next instance at once.
        control.iter_mut().for_each(ControlServer::close);
        drop(instance);
        operator.ended(exit);
        drop(control);
        if let Some(files) = files {
            files.tidy_up();
        }
        if let Some(reporter) = reporter {
            reporter.failed(exit.code());
        }
        exit
    }
}

async fn run(
    ready: ReadyApp,
    debug: bool,
    handed_over: Option<&HandedOver>,
    reporter: &mut Option<Reporter>,
) -> Result<(), RunError> {
    let name = ready.name();
    // Asked to stop before it was ready, it has stopped already.
    let Some(running) = ready.try_start().await? else { return Ok(()) };
    announce(name, &running);
    for socket in handed_over.map(HandedOver::left).unwrap_or_default() {
        tracing::warn!(socket, "a socket was handed over that no server listens at");
    }
    if debug {
        for line in running.report().to_string().lines() {
            tracing::debug!("{line}");
        }
    }
    match release_startup_memory() {
        Ok(bytes) => tracing::debug!(bytes, "gave back what only the start needed"),
        Err(error) => tracing::debug!(%error, "keeps what only the start needed"),
    }
    if let Some(reporter) = reporter.take()
        && let Err(error) = reporter.ready()
    {
        tracing::warn!(%error, "cannot let go of the terminal");
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

fn step(module: &str, took: Duration) -> String {
    format!("{module} {}", text(took))
}

fn text(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}
