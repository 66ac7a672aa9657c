use std::{
    convert::Infallible,
    ffi::OsString,
    fs, future, io,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use framework_app::{App, AppBuilder, ReadyApp, RunError, RunningApp};
use framework_config::ConfigHandle;
use framework_core::{Chain, ErrorCode, Issue, Lifecycle};
use framework_observability::{
    LogLevel, Metrics, Telemetry, TelemetryError, TelemetryGuard, TelemetrySettings,
};
use framework_process::{
    BlockedSignals, ClusterCommands, ControlServer, DetachError, Instance, InstanceError, Notifier,
    Outcome, Predecessor, Primary, Privileges, PrivilegesError, Program, Reporter, RunFiles, Side,
    SlotSockets, StartedBy, StartedByError, SuccessionError, WorkerEnd, WorkerEndError, WorkerLink,
    detach, let_go_of_output, release_startup_memory,
    tasks::{ProcessPoolModule, TaskChild, TaskChildError, Tasks},
};
use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

use crate::{
    Console, Exit,
    args::ServeArgs,
    cluster::{Clustered, Hooks, PrimaryModule, WorkerModule, keep_primary_informed},
    codes,
    manager::{HandedOver, HandedOverModule, keep_informed},
    operator::Operator,
    prepare::{Configured, Prepared},
    running::{Running, addresses_of},
    signals::Signals,
    succession::{Held, Succession, lock, take_place},
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
    let started = match TaskChild::take() {
        Ok(None) => start(app, args),
        Ok(Some(child)) => match do_tasks(app, args, child) {
            Ok(()) => return Exit::Clean,
            Err(refusal) => Err(refusal),
        },
        Err(error) => Err(not_ours(&error)),
    };
    let refusal = match started {
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
    role: Role,
    reporter: Option<Reporter>,
    log: TelemetryGuard,
    debug: bool,
    held: Arc<Mutex<Held>>,
    predecessor: Option<Predecessor>,
    files: Option<RunFiles>,
}

/// Which part of the application this process is.
enum Role {
    /// All of it.
    Whole(Arc<HandedOver>),
    /// What watches the workers.
    Primary(ClusterCommands),
    /// One of several.
    Worker(Box<Worker>),
}

struct Worker {
    link: Arc<WorkerLink>,
    metrics: Arc<Metrics>,
    heartbeat: Duration,
    /// Whether its output is that of whoever started the daemon.
    detached: bool,
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
    let worker = WorkerEnd::take().map_err(|error| not_a_worker(&error))?;
    let mut predecessor = Predecessor::take().map_err(|error| no_predecessor(&error))?;
    let StartedBy { notifier, watchdog, mut sockets } =
        StartedBy::take().map_err(|error| handed_over_wrongly(&error))?;
    sockets.extend(predecessor.iter_mut().flat_map(|it| std::mem::take(&mut it.sockets)));
    if let Some(user) = &args.user {
        let taken = Privileges::of(user, args.group.as_deref()).and_then(|it| it.take());
        taken.map_err(|error| not_that_user(&error))?;
    }
    let (name, managed) = (app.name(), notifier.is_heard());
    let to_detach = args.detach && worker.is_none() && predecessor.is_none();
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
    let wanted = worker.is_none() && (args.detach || args.pid_file.is_some());
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
    let cluster = configured.cluster.take().unwrap_or_default();
    let shutdown = configured.shutdown.take().unwrap_or_default();
    let mut handed_over = sockets;
    let for_whole = match args.cluster {
        // The primary divides them among its workers.
        Some(_) => Vec::new(),
        None => std::mem::take(&mut handed_over),
    };
    let own_sockets = HandedOver::new(for_whole, notifier.clone());
    let mut role = Role::Whole(Arc::clone(&own_sockets));
    let prepared = match worker {
        Some(end) => {
            let hooks = Hooks { operator: Arc::clone(&operator), stopper: OnceLock::new() };
            let stopper = early.as_ref().map(Signals::stopper).expect("workers do not detach");
            let _ = hooks.stopper.set(stopper);
            let link = end
                .join(Arc::new(hooks))
                .map_err(|error| refused(&codes::SYSTEM, "cannot speak to the primary", &error))?;
            let prepared = configured.prepare(level, WorkerModule(Arc::clone(&link)));
            let metrics = Arc::clone(&prepared.metrics);
            let (heartbeat, detached) = (cluster.heartbeat, args.detach);
            role = Role::Worker(Box::new(Worker { link, metrics, heartbeat, detached }));
            prepared
        }
        None => configured.prepare(level, HandedOverModule(Arc::clone(&own_sockets))),
    };
    let Prepared { app, config, identity, metrics, board } = prepared;
    let mut ready = app.build().map_err(|error| {
        let issues = error.issues().to_vec();
        Refusal { exit: Exit::Invalid, issues, config: Some(config.clone()), reporter: None }
    })?;
    let telemetry = telemetry.expect("a plan holds only if the section of the log does");

    let mut reporter = None;
    if to_detach {
        match detach(managed).map_err(|error| not_detached(&error))? {
            Side::Launcher(launcher) => return Ok(Start::Elsewhere(launcher.wait(UNTIL_READY))),
            Side::Daemon(daemon) => reporter = Some(daemon),
        }
    }
    let is_worker = matches!(role, Role::Worker(_));
    let to_lead = args.cluster.filter(|_| !is_worker);
    let rest = || -> Result<_, Refusal> {
        let signals = early.map_or_else(catch, Ok)?;
        let held = files.as_ref().filter(|_| wanted && predecessor.is_none());
        let instance = held.map(|files| hold(name, files)).transpose()?;
        let log = telemetry.install().map_err(|error| no_log(&error))?;
        let control = files.as_ref().filter(|_| !is_worker && predecessor.is_none());
        let control = control.and_then(|files| listen(files, &operator));
        let mut builder = match to_lead {
            // Nothing of the application runs there.
            Some(_) => Builder::new_current_thread(),
            None => Builder::new_multi_thread(),
        };
        let runtime = builder.enable_all().thread_name(name).build();
        let runtime =
            runtime.map_err(|error| refused(&codes::SYSTEM, "cannot start the runtime", &error))?;
        Ok((signals, instance, log, control, runtime))
    };
    let (signals, instance, log, control, runtime) = match rest() {
        Ok(rest) => rest,
        Err(refusal) => return Err(Refusal { reporter, ..refusal }),
    };
    let files = files.filter(|_| !is_worker);
    let held = Arc::new(Mutex::new(Held { control, instance }));
    let environment = environment(&notifier, watchdog);
    let programs = Program::own().and_then(|program| {
        let (held, files) = (Arc::clone(&held), files.clone());
        Ok((program, Succession::new(held, files, environment, cluster.boot_timeout)?))
    });
    let (program, succession) = match programs {
        Ok(programs) => programs,
        Err(error) => {
            let refusal = refused(&codes::SYSTEM, "cannot read the own program", &error);
            return Err(Refusal { reporter, ..refusal });
        }
    };
    if let Some(workers) = to_lead {
        let number = cluster.workers(workers);
        let sockets = SlotSockets::new(cluster.accept, &cluster.shared)
            .inherit(handed_over)
            .stored_by(notifier);
        let budgets = PrimaryModule::budgets(&cluster, &shutdown);
        let (primary, commands) = {
            let _inside = runtime.enter();
            Primary::new(program, cluster, number, sockets, shutdown.timeout)
        };
        let module = PrimaryModule::new(primary, commands.clone());
        let leading = App::builder(name).adjust_budgets(budgets).module(module).build();
        ready = leading.map_err(|error| {
            let issues = error.issues().to_vec();
            Refusal { exit: Exit::Internal, issues, config: None, reporter: None }
        })?;
        commands.answer_operators(Arc::clone(&operator) as _);
        let killing = commands.clone();
        operator.at_last(move || killing.kill());
        operator.attach(Arc::new(Clustered {
            identity,
            lifecycle: ready.lifecycle().clone(),
            log: log.clone(),
            runtime: runtime.handle().clone(),
            commands: commands.clone(),
            sources,
            workers,
            operator: Arc::downgrade(&operator),
            started: Instant::now(),
            succession,
        }));
        role = Role::Primary(commands);
    } else {
        let heard = Arc::downgrade(&operator);
        config.observe(move |record| {
            if let Some(operator) = heard.upgrade() {
                operator.reloaded(record);
            }
        });
        operator.attach(Arc::new(Running {
            identity,
            lifecycle: ready.lifecycle().clone(),
            graph: Arc::clone(ready.graph()),
            config,
            metrics,
            board,
            log: log.clone(),
            runtime: runtime.handle().clone(),
            succession: (!is_worker).then_some((succession, own_sockets)),
            operator: Arc::downgrade(&operator),
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

/// What tells another process of the service manager.
fn environment(notifier: &Notifier, watchdog: Option<Duration>) -> Vec<(&'static str, OsString)> {
    let address = notifier.address().map(|it| ("NOTIFY_SOCKET", it.to_owned()));
    let watchdog = watchdog.map(|it| ("WATCHDOG_USEC", it.as_micros().to_string().into()));
    address.into_iter().chain(watchdog).collect()
}

fn no_predecessor(error: &SuccessionError) -> Refusal {
    let issue =
        Issue::new(&codes::HANDED_OVER, Chain(error).to_string()).help("unset the variable");
    Refusal::new(Exit::Usage, issue)
}

/// Does tasks for the pool of another process, and nothing else of the application.
fn do_tasks(app: AppBuilder, args: &ServeArgs, child: TaskChild) -> Result<(), Refusal> {
    let sources = args.sources.sources(app.name(), false);
    let configured =
        Configured::load(app, &sources).map_err(|issue| Refusal::new(Exit::Invalid, issue))?;
    let telemetry = configured.telemetry.as_ref().map(Telemetry::new).transpose();
    let telemetry = telemetry.map_err(|error| no_log(&error))?;
    let found = Arc::new(OnceLock::new());
    let Prepared { app, config, .. } = configured.prepare_to_look();
    let planned = app.replace_module(ProcessPoolModule::to_find(Arc::clone(&found))).plan();
    planned.map_err(|error| {
        let issues = error.issues().to_vec();
        Refusal { exit: Exit::Invalid, issues, config: Some(config), reporter: None }
    })?;
    let _log = telemetry.map(Telemetry::install).transpose().map_err(|error| no_log(&error))?;
    let tasks: Tasks = found.get().cloned().unwrap_or_default();
    child.run(&tasks).map_err(|error| refused(&codes::SYSTEM, "cannot do tasks", &error))
}

fn not_ours(error: &TaskChildError) -> Refusal {
    let issue = Issue::new(&codes::HANDED_OVER, error.to_string()).help("unset the variable");
    Refusal::new(Exit::Usage, issue)
}

fn not_that_user(error: &PrivilegesError) -> Refusal {
    let issue = Issue::new(&codes::USER, Chain(error).to_string())
        .help("name a user that there is, and start as root; or leave `--user` out");
    let exit = match error {
        PrivilegesError::NoSuchUser(_) | PrivilegesError::NoSuchGroup(_) => Exit::Usage,
        _ => Exit::OperatingSystem,
    };
    Refusal::new(exit, issue)
}

fn not_a_worker(error: &WorkerEndError) -> Refusal {
    let issue = Issue::new(&codes::HANDED_OVER, error.to_string()).help("unset the variable");
    Refusal::new(Exit::Usage, issue)
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
        let Self { held, predecessor, files, role, mut reporter, .. } = *self;
        let lifecycle = ready.lifecycle().clone();
        signals.attach(&lifecycle);
        let ended = runtime.block_on(async {
            let place = || {
                let Some(predecessor) = predecessor else { return };
                let pid_file = files.as_ref().map(RunFiles::pid_file);
                let listen = || listen(files.as_ref()?, &operator);
                take_place(predecessor, pid_file, &held, listen);
            };
            let application = run(ready, debug, &role, &mut reporter, place);
            tokio::select! {
                ended = application => ended,
                never = keep_informed(&operator, &lifecycle, watchdog) => match never {},
                never = role.inform(&lifecycle) => match never {},
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
        let Held { mut control, instance } = std::mem::take(&mut *lock(&held));
        let handed_on = instance.is_none() && control.is_none();
        control.iter_mut().for_each(ControlServer::close);
        drop(instance);
        operator.ended(exit);
        drop(control);
        if let Some(files) = files.filter(|_| !handed_on) {
            files.tidy_up();
        }
        if let Some(reporter) = reporter {
            reporter.failed(exit.code());
        }
        exit
    }
}

impl Role {
    /// Tells whoever started this process how it is; never completes.
    async fn inform(&self, lifecycle: &Lifecycle) -> Infallible {
        match self {
            Self::Worker(worker) => {
                let Worker { link, metrics, heartbeat, .. } = &**worker;
                keep_primary_informed(link, lifecycle, metrics, *heartbeat).await
            }
            Self::Whole(handed_over) => {
                lifecycle.shutdown_requested(1).await;
                handed_over.let_go();
                future::pending().await
            }
            _ => future::pending().await,
        }
    }
}

async fn run(
    ready: ReadyApp,
    debug: bool,
    role: &Role,
    reporter: &mut Option<Reporter>,
    take_place: impl FnOnce(),
) -> Result<(), RunError> {
    let name = ready.name();
    // Asked to stop before it was ready, it has stopped already.
    let Some(running) = ready.try_start().await? else { return Ok(()) };
    match role {
        Role::Primary(commands) => lead(name, &running, commands),
        Role::Whole(handed_over) => {
            announce(name, &running, None);
            for socket in handed_over.left() {
                tracing::warn!(socket, "a socket was handed over that no server listens at");
            }
        }
        Role::Worker(worker) => {
            announce(name, &running, Some(worker.link.slot()));
            if worker.detached
                && let Err(error) = let_go_of_output()
            {
                tracing::warn!(%error, "cannot let go of the terminal");
            }
        }
    }
    take_place();
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

/// One line with all that an operator wants to know of a cluster at first.
fn lead(name: &str, app: &RunningApp, commands: &ClusterCommands) {
    tracing::info!(
        addresses = commands.addresses().join(" "),
        took = text(app.report().took()),
        workers = %commands.describe()["workers_wanted"],
        "{name} is ready"
    );
}

/// One line with all that an operator wants to know at first.
fn announce(name: &str, app: &RunningApp, worker: Option<u32>) {
    let path: Vec<_> =
        app.report().critical_path().iter().map(|at| step(at.name, at.took)).collect();
    tracing::info!(
        worker,
        addresses = addresses_of(app.lifecycle()).join(" "),
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
