use std::{
    cmp::Ordering,
    fmt,
    num::NonZeroUsize,
    sync::{Mutex, PoisonError, Weak},
    time::Duration,
};

use framework_app::Budgets;
use framework_config::Sources;
use framework_core::{
    BoxError, Context, EventKind, Lifecycle, Module, Phase, Registrar, is_planted,
};
use framework_observability::{AppIdentity, TelemetryGuard};
use framework_process::{
    ClusterCommands, ClusterFailed, ClusterSettings, Primary, Progress, Refused, ReloadHow, Request,
};
use serde_json::{Value, json};
use tokio::{runtime::Handle, time::Instant};

use crate::{
    Exit, ShutdownSettings,
    cluster::reload::Reloading,
    operator::{Operator, Target},
    succession::{Heir, Succession},
};

/// How much longer than its workers the primary may take to stop.
const AFTER_WORKERS: Duration = Duration::from_secs(4);

/// The application of a primary: its one unit is the cluster.
pub(crate) struct PrimaryModule {
    primary: Mutex<Option<Primary>>,
    commands: ClusterCommands,
}

/// A cluster, as far as operators are concerned with it.
pub(crate) struct Clustered {
    pub(crate) identity: AppIdentity,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) log: TelemetryGuard,
    pub(crate) runtime: Handle,
    pub(crate) commands: ClusterCommands,
    pub(crate) sources: Sources,
    /// What the command line says, which counts more than the configuration.
    pub(crate) workers: Option<NonZeroUsize>,
    pub(crate) operator: Weak<Operator>,
    pub(crate) started: Instant,
    pub(crate) succession: Succession,
    pub(crate) reloading: Reloading,
}

// ===== impl PrimaryModule =====

impl PrimaryModule {
    pub(crate) fn new(primary: Primary, commands: ClusterCommands) -> Self {
        Self { primary: Mutex::new(Some(primary)), commands }
    }

    /// Leaves the workers the time that they have.
    pub(crate) fn budgets(
        settings: &ClusterSettings,
        shutdown: &ShutdownSettings,
    ) -> impl FnOnce(&mut Budgets) + Send + use<> {
        // Three attempts, and a moment.
        let start = settings.boot_timeout * 3 + Duration::from_secs(10);
        let stop = shutdown.timeout + AFTER_WORKERS;
        let force_after = shutdown.force_after + AFTER_WORKERS;
        move |budgets| {
            (budgets.start, budgets.module_start) = (start, start);
            (budgets.shutdown, budgets.module_stop, budgets.rollback) = (stop, stop, stop);
            (budgets.lame_duck, budgets.force_after) = (Duration::ZERO, force_after);
        }
    }
}

impl Module for PrimaryModule {
    fn name(&self) -> &'static str {
        "cluster"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let Self { primary, commands } = self;
        reg.run("workers", move |cx| async move {
            let primary = primary.lock().unwrap_or_else(PoisonError::into_inner).take();
            let primary = primary.ok_or("it runs once")?;
            let mut running = Box::pin(primary.run());
            let mut told = Box::pin(pass_on_requests(cx.clone(), commands.clone()));
            let early = tokio::select! {
                ended = &mut running => Some(ended),
                complete = commands.complete() => {
                    complete?;
                    None
                }
                never = &mut told => match never {},
            };
            listening(&cx, &commands);
            Ok(async move {
                if let Some(ended) = early {
                    return end(&cx, ended).await;
                }
                tokio::select! {
                    ended = running => end(&cx, ended).await,
                    never = told => match never {},
                }
            })
        });
    }
}

/// A unit that ends before its module is told to stop has failed.
async fn end(cx: &Context, ended: Result<(), ClusterFailed>) -> Result<(), BoxError> {
    ended?;
    cx.shutdown().await;
    Ok(())
}

/// Each request to stop is one for the workers too.
async fn pass_on_requests(cx: Context, commands: ClusterCommands) -> std::convert::Infallible {
    for count in 1.. {
        cx.lifecycle().shutdown_requested(count).await;
        commands.stop().await;
    }
    std::future::pending().await
}

fn listening(cx: &Context, commands: &ClusterCommands) {
    for address in commands.addresses() {
        if let Some((_, url)) = address.split_once('=') {
            let url = url.to_owned();
            cx.lifecycle().emit(EventKind::Listening { module: cx.module(), url });
        }
    }
}

// ===== impl Clustered =====

impl Clustered {
    pub(super) fn ask_all(&self, request: &Request) -> Vec<(u32, Result<Value, Refused>)> {
        self.runtime.block_on(self.commands.ask_all(request))
    }

    /// What the workers answer that do, each with its slot.
    fn gather(&self, request: &Request) -> Vec<Value> {
        let answers = self.ask_all(request).into_iter();
        let answers = answers.map(|(slot, answer)| match answer {
            Ok(answer) => json!({"slot": slot, "answer": answer}),
            Err(refused) => json!({"slot": slot, "error": refused.message}),
        });
        answers.collect()
    }

    pub(super) fn all_agree(&self, request: &Request) -> Result<Value, Refused> {
        let mut last = json!({"outcome": "unchanged", "changes": []});
        for (slot, answer) in self.ask_all(request) {
            last = answer.map_err(|refused| by_worker(slot, &refused))?;
        }
        Ok(last)
    }
}

impl Target for Clustered {
    fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    fn log(&self) -> &TelemetryGuard {
        &self.log
    }

    fn request_reload(&self) {
        self.reloading.ask();
    }

    fn reload(&self, how: ReloadHow) -> Result<Value, Refused> {
        match how {
            ReloadHow::DryRun => self.all_agree(&Request::Reload { how }),
            ReloadHow::Now => self.reload_all(),
            _ => Err(Refused::new(Exit::Usage.code(), "a cluster decides that by itself")),
        }
    }

    fn has_reloaded_since(&self, then: u64) -> bool {
        self.reloading.is_newer_than(then)
    }

    fn take_back(&self, number: u64, cause: &str) -> Result<Value, Refused> {
        self.take_back_all(number, cause)
    }

    fn status(&self) -> Value {
        let workers = self.gather(&Request::Status);
        let first = workers.iter().find_map(|it| it.get("answer")).cloned().unwrap_or_default();
        let mut status = json!({
            "app": self.identity.name,
            "version": self.identity.version,
            "profile": self.identity.profile,
            "pid": std::process::id(),
            "uptime_seconds": self.started.elapsed().as_secs_f64(),
            "phase": self.lifecycle.phase().as_str(),
            "health": worst(workers.iter().map(|it| &it["answer"]["health"]), workers.len()),
            "addresses": self.commands.addresses(),
            "cluster": self.commands.describe(),
            "log_level": self.log.level().get().map(|level| level.to_string()),
        });
        for key in ["modules", "plan", "reloads"] {
            status[key] = first[key].clone();
        }
        // Who refuses for all is any of them.
        let last = workers.iter().map(|it| &it["answer"]["last_reload"]);
        let at = |it: &&Value| it["unix_seconds"].as_f64();
        let newer = |a: &&Value, b: &&Value| at(a).partial_cmp(&at(b)).unwrap_or(Ordering::Equal);
        status["last_reload"] = last.max_by(newer).cloned().unwrap_or_default();
        status
    }

    fn describe(&self) -> Value {
        json!({
            "status": self.status(),
            "framework": env!("CARGO_PKG_VERSION"),
            "workers": self.gather(&Request::Describe),
            "lost_log_lines": self.log.lost_lines(),
        })
    }

    fn health(&self) -> Value {
        let workers = self.gather(&Request::Health);
        let status = worst(workers.iter().map(|it| &it["answer"]["status"]), workers.len());
        json!({"status": status, "workers": workers})
    }

    fn is_healthy(&self) -> bool {
        self.lifecycle.phase() == Phase::Ready
    }

    fn metrics(&self, accept: Option<&str>) -> Value {
        let accept = accept.map(str::to_owned);
        json!({"text": self.runtime.block_on(self.commands.metrics(accept))})
    }

    fn cluster(&self) -> Result<Value, Refused> {
        Ok(self.commands.describe())
    }

    fn restart(&self, progress: &mut Progress<'_>) -> Result<Value, Refused> {
        let total = self.commands.describe()["workers_wanted"].clone();
        let mut done = 0;
        let rolled = self.runtime.block_on(self.commands.roll(|step| {
            done += 1;
            progress(json!({"step": format!(
                "worker {} is replaced ({done} of {total})",
                step["slot"]
            )}));
        }));
        let generation =
            rolled.map_err(|error| Refused::new(Exit::Internal.code(), error.to_string()))?;
        Ok(json!({"generation": generation, "workers": total}))
    }

    fn upgrade(&self, progress: &mut Progress<'_>) -> Result<Value, Refused> {
        let Some(operator) = self.operator.upgrade() else {
            return Err(Refused::new(Exit::Internal.code(), "the cluster has ended"));
        };
        let sockets = self.commands.sockets().duplicates().map_err(|error| {
            let message = format!("the sockets cannot be handed over: {error}");
            Refused::new(Exit::OperatingSystem.code(), message)
        })?;
        let Self { succession, lifecycle, .. } = self;
        let handed_on = || self.commands.sockets().hand_on();
        succession.hand_over(Heir::OnDisk, &sockets, &operator, lifecycle, progress, handed_on)
    }

    fn also(&self, request: &Request) -> Result<(), Refused> {
        if is_planted("reopens-alone") {
            return Ok(());
        }
        self.all_agree(request).map(drop)
    }
}

/// What the worker in `slot` has refused.
pub(super) fn by_worker(slot: u32, refused: &Refused) -> Refused {
    Refused::new(refused.exit, format!("worker {slot}: {}", refused.message))
}

/// Unhealthy only if none serves; degraded as soon as one is not well.
fn worst<'v>(statuses: impl Iterator<Item = &'v Value>, workers: usize) -> &'static str {
    let well = statuses.filter(|status| *status == "healthy").count();
    match (well, workers) {
        (_, 0) => "unhealthy",
        (well, all) if well == all => "healthy",
        _ => "degraded",
    }
}

impl fmt::Debug for Clustered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clustered").field("commands", &self.commands).finish_non_exhaustive()
    }
}
