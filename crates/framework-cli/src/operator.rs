use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use framework_config::{ConfigHandle, ReloadOutcome, ReloadRecord, ReloadTrigger};
use framework_core::{EventKind, Lifecycle, Phase, ShutdownReason};
use framework_observability::{AppIdentity, HealthBoard, LogLevel, Metrics, TelemetryGuard};
use framework_process::{ControlHandler, DumpFiles, Notifier, Progress, Refused, Request, State};
use framework_registry::Graph;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::Exit;

/// How old what is said of the machine may be.
const SAMPLE_AGE: Duration = Duration::from_secs(1);

/// Does what signals and operators ask of the process, from before there is an application until
/// it has ended. It uses no thread of the application's, so it answers also while that is stuck.
#[derive(Debug)]
pub(crate) struct Operator {
    notifier: Notifier,
    dumps: DumpFiles,
    running: Mutex<Option<Arc<Running>>>,
    ended: Mutex<Option<Exit>>,
    has_ended: Condvar,
}

/// A running application, as far as operators are concerned with it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) identity: AppIdentity,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) graph: Arc<Graph>,
    pub(crate) config: ConfigHandle,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) board: Arc<HealthBoard>,
    pub(crate) log: TelemetryGuard,
    pub(crate) runtime: Handle,
}

impl Operator {
    pub(crate) fn new(notifier: Notifier, directory: &Path) -> Self {
        Self {
            notifier,
            dumps: DumpFiles::new(directory),
            running: Mutex::new(None),
            ended: Mutex::new(None),
            has_ended: Condvar::new(),
        }
    }

    pub(crate) fn attach(self: &Arc<Self>, running: Running) {
        let this = Arc::downgrade(self);
        running.config.observe(move |record| {
            if let Some(this) = this.upgrade() {
                this.reloaded(record);
            }
        });
        *lock(&self.running) = Some(Arc::new(running));
    }

    /// The service manager waits for the end of a reload, however it ends.
    fn reloaded(&self, record: &ReloadRecord) {
        let ready = self.running().is_some_and(|it| it.lifecycle.phase() == Phase::Ready);
        if ready {
            let status = match record.error() {
                Some(error) => format!("the configuration stays as it is: {error}"),
                None => format!("the configuration was reloaded: {}", record.outcome.label()),
            };
            self.tell(&[State::Ready, State::Status(&status)]);
        }
    }

    /// The application has ended, and with it the wait of those who asked for that.
    pub(crate) fn ended(&self, exit: Exit) {
        *lock(&self.ended) = Some(exit);
        self.has_ended.notify_all();
    }

    /// Tells the service manager. That it does not listen is no reason to stop.
    pub(crate) fn tell(&self, states: &[State<'_>]) {
        if let Err(error) = self.notifier.send(states) {
            tracing::debug!(%error, "the service manager was not told");
        }
    }

    pub(crate) fn running(&self) -> Option<Arc<Running>> {
        lock(&self.running).clone()
    }

    /// Asks for a reload, and does not wait for it.
    pub(crate) fn request_reload(&self) {
        if let Some(running) = self.running() {
            self.tell(&[State::Reloading]);
            running.config.request_reload(ReloadTrigger::Signal);
        }
    }

    /// Opens the log files again.
    pub(crate) fn reopen_logs(&self) -> Result<(), Refused> {
        let running = self.demand()?;
        running.log.reopen().map_err(|error| {
            let exit = Exit::OperatingSystem.code();
            Refused::new(exit, format!("the log file cannot be opened again: {error}"))
        })
    }

    /// Writes down how everything is; the file, or `None` if the last one is less than a second
    /// old.
    pub(crate) fn dump(&self) -> Result<Option<String>, Refused> {
        let running = self.demand()?;
        let written = self.dumps.write(|| running.dump());
        let written = written.map_err(|error| {
            let exit = Exit::OperatingSystem.code();
            Refused::new(exit, format!("the dump cannot be written: {error}"))
        })?;
        Ok(written.map(|path| path.display().to_string()))
    }

    fn demand(&self) -> Result<Arc<Running>, Refused> {
        self.running().ok_or_else(|| {
            Refused::new(Exit::Internal.code(), "the application is about to start: ask again")
        })
    }

    fn stop(&self, progress: &mut Progress<'_>) -> Result<Value, Refused> {
        let running = self.demand()?;
        let reason = ShutdownReason::Requested("an operator".to_owned());
        running.lifecycle.request_shutdown_once(reason);
        let mut told = None;
        let mut ended = lock(&self.ended);
        loop {
            if let Some(exit) = *ended {
                return Ok(json!({"exit": exit.code()}));
            }
            let phase = running.lifecycle.phase();
            if told.replace(phase) != Some(phase) {
                progress(json!({"phase": phase.as_str()}));
            }
            let wait = Duration::from_millis(50);
            let waited = self.has_ended.wait_timeout(ended, wait);
            ended = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn reload(&self, dry_run: bool) -> Result<Value, Refused> {
        let running = self.demand()?;
        if running.lifecycle.phase() != Phase::Ready {
            let phase = running.lifecycle.phase();
            let message = format!("the application is {phase}, and reloads only while it runs");
            return Err(Refused::new(Exit::Internal.code(), message));
        }
        let config = running.config.clone();
        let record = if dry_run {
            running.runtime.block_on(async move { config.dry_run(true).await })
        } else {
            self.tell(&[State::Reloading]);
            running.runtime.block_on(async move { config.reload().await })
        };
        match &record.outcome {
            ReloadOutcome::Rejected(_) | ReloadOutcome::RolledBack { .. } => {
                let json = record.to_json();
                let error = json["error"].as_str().unwrap_or_default();
                Err(Refused::new(Exit::Invalid.code(), error))
            }
            _ => Ok(record.to_json()),
        }
    }

    fn level(&self, wanted: Option<&str>) -> Result<Value, Refused> {
        let level: LogLevel = self.demand()?.log.level();
        if let Some(wanted) = wanted {
            level
                .set(wanted)
                .map_err(|error| Refused::new(Exit::Usage.code(), error.to_string()))?;
        }
        Ok(json!({"level": level.get().map(|level| level.to_string())}))
    }
}

impl ControlHandler for Operator {
    fn handle(&self, request: &Request, progress: &mut Progress<'_>) -> Result<Value, Refused> {
        match request {
            Request::Status => Ok(self.demand()?.status()),
            Request::Stop => self.stop(progress),
            Request::Reload { dry_run } => self.reload(*dry_run),
            Request::Dump => self.dump().map(|file| json!({"file": file})),
            Request::LogsReopen => self.reopen_logs().map(|()| json!({})),
            Request::LogsLevel { level } => self.level(level.as_deref()),
            _ => {
                let message = "this process does not know how to do that";
                Err(Refused::new(Exit::Usage.code(), message))
            }
        }
    }
}

impl Running {
    fn status(&self) -> Value {
        let reloads = self.config.history();
        let sample = self.metrics.system().sample_if_older(SAMPLE_AGE).ok();
        let modules: Vec<_> = self
            .lifecycle
            .modules()
            .iter()
            .map(|module| json!({"name": module.name, "state": module.state.as_str()}))
            .collect();
        json!({
            "app": self.identity.name,
            "version": self.identity.version,
            "profile": self.identity.profile,
            "pid": std::process::id(),
            "uptime_seconds": self.metrics.uptime().as_secs_f64(),
            "phase": self.lifecycle.phase().as_str(),
            "health": self.board.status().as_str(),
            "addresses": addresses(&self.lifecycle),
            "modules": modules,
            "plan": format!("{:016x}", self.graph.hash()),
            "reloads": reloads.len(),
            "last_reload": reloads.last().map(|record| record.to_json()),
            "rss_bytes": sample.as_ref().map(|sample| sample.rss_bytes),
            "log_level": self.log.level().get().map(|level| level.to_string()),
        })
    }

    /// Everything, secrets redacted.
    fn dump(&self) -> Value {
        let runtime = self.runtime.metrics();
        let sample = self.metrics.system().sample_if_older(SAMPLE_AGE).ok();
        let events: Vec<_> = self
            .lifecycle
            .events()
            .iter()
            .map(|event| json!({"at_seconds": event.at.as_secs_f64(), "event": format!("{:?}", event.kind)}))
            .collect();
        let checks: Vec<_> = self.board.checks().iter().map(|check| format!("{check:?}")).collect();
        let config = self.config.report();
        let reloads: Vec<_> = self.config.history().iter().map(|record| record.to_json()).collect();
        json!({
            "status": self.status(),
            "framework": env!("CARGO_PKG_VERSION"),
            "runtime": {
                "workers": runtime.num_workers(),
                "tasks": runtime.num_alive_tasks(),
                "global_queue": runtime.global_queue_depth(),
            },
            "system": sample.map(|sample| sample.to_json()),
            "events": events,
            "checks": checks,
            "config": config.map(|config| config.to_json()),
            "reloads": reloads,
            "lost_log_lines": self.log.lost_lines(),
            "metrics": self.metrics.render(None).text,
        })
    }
}

/// Where the application listens, each module before its address.
pub(crate) fn addresses(lifecycle: &Lifecycle) -> Vec<String> {
    let listening = |event: framework_core::LifecycleEvent| match event.kind {
        EventKind::Listening { module, url } => Some(format!("{module}={url}")),
        _ => None,
    };
    lifecycle.events().into_iter().filter_map(listening).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
