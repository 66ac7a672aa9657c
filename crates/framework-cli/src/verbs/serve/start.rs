use std::{
    ffi::OsString,
    fs, io,
    num::NonZeroUsize,
    os::unix::fs::DirBuilderExt as _,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use framework_app::{App, AppBuilder, ReadyApp};
use framework_config::Sources;
use framework_core::{Chain, Issue, is_planted};
use framework_observability::{LogLevel, Telemetry, TelemetryGuard, TelemetrySettings};
use framework_process::{
    BlockedSignals, ClusterCommands, ClusterSettings, ControlServer, InheritedSocket, Instance,
    InstanceError, Notifier, Outcome, Predecessor, Primary, Privileges, Program, RunFiles, Side,
    SlotSockets, StartedBy, WorkerEnd, detach,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

use super::{
    UNTIL_READY,
    refusal::{
        Refusal, does_not_fit, handed_over_wrongly, no_files, no_log, no_predecessor, not_a_worker,
        not_detached, not_that_user, refused,
    },
    served::{Role, Served, Worker},
};
use crate::{
    Exit, ShutdownSettings,
    args::ServeArgs,
    cluster::{
        Clustered, Hooks, PrimaryModule, Reloading, Undecided, WorkerModule, monotonic_micros,
    },
    codes,
    manager::{HandedOver, HandedOverModule},
    operator::Operator,
    prepare::{Configured, Prepared},
    running::Running,
    signals::Signals,
    succession::{Held, Succession},
};

/// What became of a start.
pub(super) enum Start {
    Here(Box<Served>),
    /// In the background, by another process.
    Elsewhere(Outcome),
}

/// What the process is given by whoever has started it.
struct Given {
    /// When the process was, in microseconds of the monotonic clock.
    started: u64,
    blocked: BlockedSignals,
    worker: Option<WorkerEnd>,
    predecessor: Option<Predecessor>,
    notifier: Notifier,
    watchdog: Option<Duration>,
    sockets: Vec<InheritedSocket>,
}

/// What the process takes for itself once it is known that the application can be started.
struct Taken {
    signals: Signals,
    log: TelemetryGuard,
    runtime: Runtime,
    held: Arc<Mutex<Held>>,
    program: Program,
    succession: Succession,
}

/// A cluster that is about to be led.
struct Leading {
    name: &'static str,
    workers: Option<NonZeroUsize>,
    cluster: ClusterSettings,
    shutdown: ShutdownSettings,
    sockets: Vec<InheritedSocket>,
    /// Whether the process before this one still listens at them.
    beside: bool,
    notifier: Notifier,
    sources: Sources,
}

impl Given {
    /// To be called first: before there is a thread, and before anything is opened.
    fn take(args: &ServeArgs) -> Result<Self, Refusal> {
        let started = monotonic_micros();
        // Before all else: a signal that comes now must not be lost.
        let blocked = BlockedSignals::block()
            .map_err(|error| refused(&codes::SYSTEM, "cannot block signals", &error))?;
        let worker = WorkerEnd::take().map_err(|error| not_a_worker(&error))?;
        let mut predecessor = Predecessor::take().map_err(|error| no_predecessor(&error))?;
        let StartedBy { notifier, watchdog, mut sockets } =
            StartedBy::take().map_err(|error| handed_over_wrongly(&error))?;
        sockets.extend(predecessor.iter_mut().flat_map(|it| std::mem::take(&mut it.sockets)));
        if let Some(user) = &args.user {
            let taken = Privileges::of(user, args.group.as_deref()).and_then(|it| it.take());
            taken.map_err(|error| not_that_user(&error))?;
        }
        Ok(Self { started, blocked, worker, predecessor, notifier, watchdog, sockets })
    }
}

pub(super) fn start(app: AppBuilder, args: &ServeArgs) -> Result<Start, Refusal> {
    let Given { started, blocked, worker, predecessor, notifier, watchdog, mut sockets } =
        Given::take(args)?;
    let (name, is_worker) = (app.name(), worker.is_some());
    let to_detach = args.detach && !is_worker && predecessor.is_none();
    let files = RunFiles::of(name, args.pid_file.as_deref());
    let directory = files.as_ref().map_or(Path::new("."), RunFiles::directory);
    let operator = Arc::new(Operator::new(notifier.clone(), directory));
    let catch = || {
        Signals::catch(Arc::clone(&operator), blocked)
            .map_err(|error| refused(&codes::SYSTEM, "cannot be told of signals", &error))
    };
    // A copy of this process would not have the thread that listens to them.
    let early = (!to_detach).then(catch).transpose()?;

    let sources = args.sources.sources(name, args.debug);
    let mut configured =
        Configured::load(app, &sources).map_err(|issue| Refusal::new(Exit::Invalid, issue))?;
    let to_hold = !is_worker && (args.detach || args.pid_file.is_some());
    let files = match files {
        Err(error) if to_hold || is_planted("needs-a-directory") => return Err(no_files(&error)),
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
    let cluster = configured.cluster.take().unwrap_or_default();
    let shutdown = configured.shutdown.take().unwrap_or_default();
    let to_lead = args.cluster.filter(|_| !is_worker);
    let own_sockets = match to_lead {
        // The primary divides them among its workers.
        Some(_) => Vec::new(),
        None => std::mem::take(&mut sockets),
    };
    let own_sockets = HandedOver::new(own_sockets, notifier.clone());
    own_sockets.set_beside_predecessor(predecessor.is_some());
    let undecided = Arc::new(Undecided::new(worker.is_some().then_some(started)));
    let (mut role, prepared) = match worker {
        Some(end) => {
            let stopper = early.as_ref().map(Signals::stopper).expect("workers do not detach");
            let hooks = Hooks { operator: Arc::clone(&operator), stopper: OnceLock::new() };
            let _ = hooks.stopper.set(stopper);
            let link = end
                .join(Arc::new(hooks))
                .map_err(|error| refused(&codes::SYSTEM, "cannot speak to the primary", &error))?;
            let prepared = configured.prepare(
                level,
                WorkerModule { link: Arc::clone(&link), undecided: Arc::clone(&undecided) },
            );
            let metrics = Arc::clone(&prepared.metrics);
            let (heartbeat, detached) = (cluster.heartbeat, args.detach);
            (Role::Worker(Box::new(Worker { link, metrics, heartbeat, detached })), prepared)
        }
        None => {
            let module = HandedOverModule(Arc::clone(&own_sockets));
            (Role::Whole(Arc::clone(&own_sockets)), configured.prepare(level, module))
        }
    };
    let Prepared { app, config, identity, metrics, board, inspections } = prepared;
    let mut ready = app.build().map_err(|error| does_not_fit(&error, Some(config.clone())))?;
    let telemetry = telemetry.expect("a plan holds only if the section of the log does");

    let mut reporter = None;
    if to_detach {
        match detach(notifier.is_heard()).map_err(|error| not_detached(&error))? {
            Side::Launcher(launcher) => return Ok(Start::Elsewhere(launcher.wait(UNTIL_READY))),
            Side::Daemon(daemon) => reporter = Some(daemon),
        }
    }
    let take = || -> Result<Taken, Refusal> {
        let signals = early.map_or_else(catch, Ok)?;
        // Those of the process before this one are taken when it lets go of them.
        let free = files.as_ref().filter(|_| !is_worker && predecessor.is_none());
        let instance = free.filter(|_| to_hold).map(|files| hold(name, files)).transpose()?;
        let log = telemetry.install().map_err(|error| no_log(&error))?;
        let control = free.and_then(|files| listen(files, &operator));
        let held = Arc::new(Mutex::new(Held { control, instance }));
        let succession = Succession::new(
            Arc::clone(&held),
            files.clone(),
            environment(&notifier, watchdog),
            cluster.boot_timeout,
        );
        let programs = Program::own().and_then(|own| Ok((own, succession?)));
        let (program, succession) = programs
            .map_err(|error| refused(&codes::SYSTEM, "cannot read the own program", &error))?;
        let runtime = runtime(name, to_lead.is_some())?;
        Ok(Taken { signals, log, runtime, held, program, succession })
    };
    let taken = match take() {
        Ok(taken) => taken,
        Err(refusal) => return Err(Refusal { reporter, ..refusal }),
    };
    let Taken { signals, log, runtime, held, program, succession } = taken;
    if let Some(workers) = to_lead {
        let beside = predecessor.is_some();
        let leading =
            Leading { name, workers, cluster, shutdown, sockets, beside, notifier, sources };
        let (app, clustered) =
            leading.lead(program, succession, &operator, &runtime, (identity, log.clone()))?;
        role = Role::Primary(clustered.commands.clone());
        operator.attach(Arc::new(clustered));
        ready = app;
    } else {
        let heard = Arc::downgrade(&operator);
        config.observe(move |record| {
            if let Some(operator) = heard.upgrade() {
                operator.reloaded(match record.error() {
                    Some(error) => Err(error),
                    None => Ok(record.outcome.label()),
                });
            }
        });
        operator.attach(Arc::new(Running {
            identity,
            lifecycle: ready.lifecycle().clone(),
            graph: Arc::clone(ready.graph()),
            config,
            metrics,
            board,
            inspections,
            log: log.clone(),
            runtime: runtime.handle().clone(),
            succession: (!is_worker).then_some((succession, own_sockets)),
            operator: Arc::downgrade(&operator),
            undecided,
        }));
    }
    Ok(Start::Here(Box::new(Served {
        ready,
        runtime,
        signals,
        operator,
        watchdog,
        role,
        reporter,
        log,
        debug: args.debug,
        held,
        predecessor,
        files: files.filter(|_| !is_worker),
    })))
}

impl Leading {
    /// The application whose one unit is the cluster, and what operators see of it.
    fn lead(
        self,
        program: Program,
        succession: Succession,
        operator: &Arc<Operator>,
        runtime: &Runtime,
        (identity, log): (framework_observability::AppIdentity, TelemetryGuard),
    ) -> Result<(ReadyApp, Clustered), Refusal> {
        let Self { name, workers, cluster, shutdown, sockets, beside, notifier, sources } = self;
        let number = cluster.workers(workers);
        let reloading = Reloading::new(Arc::downgrade(operator), cluster.clone());
        let sockets =
            SlotSockets::new(cluster.accept, &cluster.shared).inherit(sockets).stored_by(notifier);
        let sockets = if beside { sockets.beside_predecessor() } else { sockets };
        let budgets = PrimaryModule::budgets(&cluster, &shutdown);
        let (primary, commands): (_, ClusterCommands) = {
            let _inside = runtime.enter();
            Primary::new(program, cluster, number, sockets, shutdown.timeout)
        };
        let module = PrimaryModule::new(primary, commands.clone());
        let app = App::builder(name).adjust_budgets(budgets).module(module).build();
        let app = app.map_err(|error| does_not_fit(&error, None))?;
        commands.answer_operators(Arc::clone(operator) as _);
        let killing = commands.clone();
        operator.at_last(move || killing.kill());
        let clustered = Clustered {
            identity,
            lifecycle: app.lifecycle().clone(),
            log,
            runtime: runtime.handle().clone(),
            commands,
            sources,
            workers,
            operator: Arc::downgrade(operator),
            started: Instant::now(),
            succession,
            reloading,
        };
        Ok((app, clustered))
    }
}

/// A primary runs nothing of the application, and makes do with one thread.
fn runtime(name: &str, is_primary: bool) -> Result<Runtime, Refusal> {
    let mut builder =
        if is_primary { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().thread_name(name);
    // Where there are no more descriptors, it panics instead of saying so.
    let runtime = panic::catch_unwind(AssertUnwindSafe(|| builder.build()))
        .unwrap_or_else(|_| Err(io::Error::other("too few files for it may be open")));
    runtime.map_err(|error| refused(&codes::SYSTEM, "cannot start the runtime", &error))
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
pub(super) fn listen(files: &RunFiles, operator: &Arc<Operator>) -> Option<ControlServer> {
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

/// What tells another process of the service manager.
fn environment(notifier: &Notifier, watchdog: Option<Duration>) -> Vec<(&'static str, OsString)> {
    let address = notifier.address().map(|it| ("NOTIFY_SOCKET", it.to_owned()));
    let watchdog = watchdog.map(|it| ("WATCHDOG_USEC", it.as_micros().to_string().into()));
    address.into_iter().chain(watchdog).collect()
}
