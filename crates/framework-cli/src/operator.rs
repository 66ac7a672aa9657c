use std::{
    fmt,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use framework_core::{Lifecycle, Phase, ShutdownReason};
use framework_observability::{LogLevel, TelemetryGuard};
use framework_process::{
    ControlHandler, DumpFiles, Notifier, Progress, Refused, ReloadHow, Request, State,
};
use serde_json::{Value, json};

use crate::Exit;

/// Does what signals and operators ask of the process, from before there is an application until
/// it has ended. It uses no thread of the application's, so it answers also while that is stuck.
pub(crate) struct Operator {
    notifier: Notifier,
    // Another process speaks to the service manager by now.
    silent: AtomicBool,
    dumps: DumpFiles,
    target: Mutex<Option<Arc<dyn Target>>>,
    at_last: OnceLock<Box<dyn Fn() + Send + Sync>>,
    ended: Mutex<Option<Exit>>,
    has_ended: Condvar,
}

/// What is operated: an application, or a cluster of them. Each call may take its time, and comes
/// from a thread that has it.
pub(crate) trait Target: Send + Sync + fmt::Debug {
    fn lifecycle(&self) -> &Lifecycle;

    fn log(&self) -> &TelemetryGuard;

    /// Asks for a reload, and does not wait for it.
    fn request_reload(&self);

    fn reload(&self, how: ReloadHow) -> Result<Value, Refused>;
    /// Whether there was a reload since then, in microseconds of the monotonic clock.
    fn has_reloaded_since(&self, _then: u64) -> bool {
        false
    }
    /// Puts back what was in force before the reload of this number.
    fn take_back(&self, number: u64, cause: &str) -> Result<Value, Refused>;

    /// For people.
    fn status(&self) -> Value;

    /// Everything, secrets redacted.
    fn describe(&self) -> Value;

    fn health(&self) -> Value;

    fn is_healthy(&self) -> bool;

    fn metrics(&self, accept: Option<&str>) -> Value;

    fn cluster(&self) -> Result<Value, Refused>;

    fn restart(&self, progress: &mut Progress<'_>) -> Result<Value, Refused>;

    fn upgrade(&self, progress: &mut Progress<'_>) -> Result<Value, Refused>;

    /// Asks others that belong to it the same, where they have a log of their own.
    fn also(&self, request: &Request) -> Result<(), Refused> {
        let _ = request;
        Ok(())
    }
}

impl Operator {
    pub(crate) fn new(notifier: Notifier, directory: &Path) -> Self {
        Self {
            notifier,
            silent: AtomicBool::new(false),
            dumps: DumpFiles::new(directory),
            target: Mutex::new(None),
            at_last: OnceLock::new(),
            ended: Mutex::new(None),
            has_ended: Condvar::new(),
        }
    }

    pub(crate) fn attach(&self, target: Arc<dyn Target>) {
        *lock(&self.target) = Some(target);
    }

    /// Has `last` done if the process is ended by force.
    pub(crate) fn at_last(&self, last: impl Fn() + Send + Sync + 'static) {
        // There is one of them.
        let _ = self.at_last.set(Box::new(last));
    }

    /// The process is about to be ended by force.
    pub(crate) fn last(&self) {
        if let Some(last) = self.at_last.get() {
            last();
        }
    }

    /// The service manager waits for the end of a reload, however it ends: `outcome` is what became
    /// of it, or why the configuration stays as it is.
    pub(crate) fn reloaded(&self, outcome: Result<&str, &dyn fmt::Display>) {
        let ready = self.target().is_some_and(|it| it.lifecycle().phase() == Phase::Ready);
        if ready {
            let status = match outcome {
                Ok(outcome) => format!("the configuration was reloaded: {outcome}"),
                Err(error) => format!("the configuration stays as it is: {error}"),
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
        if self.silent.load(Ordering::SeqCst) {
            return;
        }
        if let Err(error) = self.notifier.send(states) {
            tracing::debug!(%error, "the service manager was not told");
        }
    }

    /// From now on, another process speaks to the service manager.
    pub(crate) fn say_no_more(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    pub(crate) fn target(&self) -> Option<Arc<dyn Target>> {
        lock(&self.target).clone()
    }

    /// Asks for a reload, and does not wait for it.
    pub(crate) fn request_reload(&self) {
        if let Some(target) = self.target() {
            self.tell(&[State::Reloading]);
            target.request_reload();
        }
    }

    /// Opens the log files again.
    pub(crate) fn reopen_logs(&self) -> Result<(), Refused> {
        let target = self.demand()?;
        target.log().reopen().map_err(|error| {
            let exit = Exit::OperatingSystem.code();
            Refused::new(exit, format!("the log file cannot be opened again: {error}"))
        })?;
        target.also(&Request::LogsReopen)
    }

    /// Writes down how everything is; the file, or `None` if the last one is less than a second
    /// old.
    pub(crate) fn dump(&self) -> Result<Option<String>, Refused> {
        let target = self.demand()?;
        let written = self.dumps.write(|| target.describe());
        let written = written.map_err(|error| {
            let exit = Exit::OperatingSystem.code();
            Refused::new(exit, format!("the dump cannot be written: {error}"))
        })?;
        Ok(written.map(|path| path.display().to_string()))
    }

    pub(crate) fn demand(&self) -> Result<Arc<dyn Target>, Refused> {
        self.target().ok_or_else(|| {
            Refused::new(Exit::Internal.code(), "the application is about to start: ask again")
        })
    }

    fn stop(&self, progress: &mut Progress<'_>) -> Result<Value, Refused> {
        let target = self.demand()?;
        let lifecycle = target.lifecycle();
        lifecycle.request_shutdown_once(ShutdownReason::Requested("an operator".to_owned()));
        let mut told = None;
        let mut ended = lock(&self.ended);
        loop {
            if let Some(exit) = *ended {
                return Ok(json!({"exit": exit.code()}));
            }
            let phase = lifecycle.phase();
            if told.replace(phase) != Some(phase) {
                progress(json!({"phase": phase.as_str()}));
            }
            let wait = Duration::from_millis(50);
            let waited = self.has_ended.wait_timeout(ended, wait);
            ended = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What is done only while the application runs.
    fn demand_ready(&self, what: &str) -> Result<Arc<dyn Target>, Refused> {
        let target = self.demand()?;
        let phase = target.lifecycle().phase();
        if phase != Phase::Ready {
            let message = format!("the application is {phase}, and {what} only while it runs");
            return Err(Refused::new(Exit::Internal.code(), message));
        }
        Ok(target)
    }

    fn reload(&self, how: ReloadHow) -> Result<Value, Refused> {
        match how {
            ReloadHow::Soon => {
                self.request_reload();
                return Ok(json!({}));
            }
            ReloadHow::IfMissed { started } => {
                if self.demand()?.has_reloaded_since(started) {
                    self.request_reload();
                }
                return Ok(json!({}));
            }
            _ => {}
        }
        let target = self.demand_ready("reloads")?;
        if how == ReloadHow::Now {
            self.tell(&[State::Reloading]);
        }
        target.reload(how)
    }

    fn level(&self, request: &Request, wanted: Option<&str>) -> Result<Value, Refused> {
        let target = self.demand()?;
        let level: LogLevel = target.log().level();
        if let Some(wanted) = wanted {
            level
                .set(wanted)
                .map_err(|error| Refused::new(Exit::Usage.code(), error.to_string()))?;
            target.also(request)?;
        }
        Ok(json!({"level": level.get().map(|level| level.to_string())}))
    }
}

impl ControlHandler for Operator {
    fn handle(&self, request: &Request, progress: &mut Progress<'_>) -> Result<Value, Refused> {
        match request {
            Request::Status => Ok(self.demand()?.status()),
            Request::Stop => self.stop(progress),
            Request::Reload { how } => self.reload(*how),
            Request::TakeBackReload { number, cause } => {
                self.demand_ready("reloads")?.take_back(*number, cause)
            }
            Request::Upgrade => self.demand_ready("upgrades")?.upgrade(progress),
            Request::Restart => self.demand_ready("restarts")?.restart(progress),
            Request::Dump => self.dump().map(|file| json!({"file": file})),
            Request::Describe => Ok(self.demand()?.describe()),
            Request::Health => Ok(self.demand()?.health()),
            Request::Metrics { accept } => Ok(self.demand()?.metrics(accept.as_deref())),
            Request::Cluster => self.demand()?.cluster(),
            Request::LogsReopen => self.reopen_logs().map(|()| json!({})),
            Request::LogsLevel { level } => self.level(request, level.as_deref()),
            _ => {
                let message = "this process does not know how to do that";
                Err(Refused::new(Exit::Usage.code(), message))
            }
        }
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("target", &self.target()).finish_non_exhaustive()
    }
}

// No code of others runs while one is held, and nothing is half done if it panics.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
