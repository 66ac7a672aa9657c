use std::{
    convert::Infallible,
    future,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use framework_app::{ReadyApp, RunError, RunningApp};
use framework_core::{Lifecycle, ShutdownReason};
use framework_observability::{Metrics, TelemetryGuard};
use framework_process::{
    ClusterCommands, ControlServer, OrphanReaper, Predecessor, Reporter, RunFiles, WorkerLink,
    let_go_of_output, release_startup_memory,
};
use tokio::{
    runtime::Runtime,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::start;
use crate::{
    Console, Exit,
    cluster::keep_primary_informed,
    manager::{HandedOver, keep_informed},
    operator::{Operator, lock},
    running::addresses_of,
    signals::Signals,
    succession::{Held, take_place},
};

/// How long blocking work that nobody waits for may hold up the end of the process.
const BLOCKING_GRACE: Duration = Duration::from_millis(500);

/// How long after readiness memory is given back again, and how long after that once more, and so on:
/// what the start has set going has had its first turn; has come to rest; and the first health checks
/// and the like are done.
const GIVE_BACK_AFTER: [Duration; 3] =
    [Duration::from_millis(1), Duration::from_secs(1), Duration::from_secs(15)];

/// How long the process waits for a dump when everything else has ended.
const DUMP_LIMIT: Duration = Duration::from_secs(2);

/// An application that is about to start, and all that it takes from the process.
pub(super) struct Served {
    pub(super) ready: ReadyApp,
    pub(super) runtime: Runtime,
    pub(super) signals: Signals,
    pub(super) operator: Arc<Operator>,
    pub(super) watchdog: Option<Duration>,
    pub(super) role: Role,
    pub(super) reporter: Option<Reporter>,
    pub(super) log: TelemetryGuard,
    pub(super) debug: bool,
    pub(super) held: Arc<Mutex<Held>>,
    pub(super) predecessor: Option<Predecessor>,
    pub(super) files: Option<RunFiles>,
}

/// Which part of the application this process is.
pub(super) enum Role {
    /// All of it.
    Whole(Arc<HandedOver>),
    /// What watches the workers.
    Primary(ClusterCommands),
    /// One of several.
    Worker(Box<Worker>),
}

pub(super) struct Worker {
    pub(super) link: Arc<WorkerLink>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) heartbeat: Duration,
    /// Whether its output is that of whoever started the daemon.
    pub(super) detached: bool,
}

impl Served {
    pub(super) fn run(self: Box<Self>, console: &mut Console<'_>) -> Exit {
        let Self { ready, runtime, signals, operator, watchdog, log, debug, .. } = *self;
        let Self { held, predecessor, files, role, mut reporter, .. } = *self;
        let lifecycle = ready.lifecycle().clone();
        signals.attach(&lifecycle);
        let _reaper = OrphanReaper::start()
            .inspect_err(|error| tracing::warn!(%error, "nobody waits for orphans"));
        let ended = runtime.block_on(async {
            let place = || {
                let Some(predecessor) = predecessor else { return };
                let pid_file = files.as_ref().map(RunFiles::pid_file);
                let listen = || start::listen(files.as_ref()?, &operator);
                take_place(predecessor, pid_file, &held, listen);
                role.take_over();
            };
            let application =
                dumped(run(ready, debug, &role, &mut reporter, place), &operator, &lifecycle);
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
    /// The process before this one is gone.
    fn take_over(&self) {
        match self {
            Self::Whole(handed_over) => handed_over.set_beside_predecessor(false),
            Self::Primary(commands) => commands.sockets().take_over(),
            Self::Worker(_) => {}
        }
    }

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

/// Runs the application, and sees to it that there is a dump when a part of it has failed for good:
/// from while the rest stops, however soon that is over.
async fn dumped<T>(
    running: impl Future<Output = T>,
    operator: &Arc<Operator>,
    lifecycle: &Lifecycle,
) -> T {
    let (mut running, mut dump) = (pin!(running), pin!(dump_failure(operator, lifecycle)));
    tokio::select! {
        ended = &mut running => {
            if has_failed(lifecycle).is_some() {
                // A disk that does not answer holds up nobody for ever.
                let _ = timeout(DUMP_LIMIT, dump).await;
            }
            ended
        }
        () = &mut dump => running.await,
    }
}

async fn dump_failure(operator: &Arc<Operator>, lifecycle: &Lifecycle) {
    lifecycle.shutdown_requested(1).await;
    let Some(module) = has_failed(lifecycle) else { return };
    let operator = Arc::clone(operator);
    match spawn_blocking(move || operator.dump()).await {
        Ok(Ok(Some(dump))) => tracing::error!(dump, "`{module}` has failed: wrote a dump"),
        // It has just been written for another reason.
        Ok(Ok(None)) => {}
        Ok(Err(refused)) => tracing::warn!(error = refused.message, "there is no dump"),
        Err(error) => tracing::warn!(%error, "there is no dump"),
    }
}

/// The module that has failed for good while the application ran.
fn has_failed(lifecycle: &Lifecycle) -> Option<&'static str> {
    match lifecycle.shutdown_reason() {
        Some(ShutdownReason::UnitFailed { module, .. }) => Some(module),
        _ => None,
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
    give_back();
    if let Some(reporter) = reporter.take()
        && let Err(error) = reporter.ready()
    {
        tracing::warn!(%error, "cannot let go of the terminal");
    }
    tokio::select! {
        ended = running.run() => ended,
        never = give_back_later() => match never {},
    }
}

/// Gives back what memory is not needed any more, and so often is enough; never completes.
async fn give_back_later() -> Infallible {
    for wait in GIVE_BACK_AFTER {
        sleep(wait).await;
        give_back();
    }
    future::pending().await
}

fn give_back() {
    match release_startup_memory() {
        Ok(bytes) => tracing::debug!(bytes, "gave back what only the start needed"),
        Err(error) => tracing::debug!(%error, "keeps what only the start needed"),
    }
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
