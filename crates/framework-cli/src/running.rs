use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use framework_config::{ConfigHandle, ReloadOutcome, ReloadRecord, ReloadTrigger};
use framework_core::{EventKind, HealthStatus, Lifecycle, Phase};
use framework_observability::{AppIdentity, HealthBoard, Metrics, TelemetryGuard, inspections};
use framework_process::{Progress, Refused, ReloadHow};
use framework_registry::Graph;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::{
    Exit,
    cluster::Undecided,
    manager::HandedOver,
    module::Inspections,
    operator::{Operator, Target},
    succession::{Heir, Succession},
};

/// How old what is said of the machine may be.
const SAMPLE_AGE: Duration = Duration::from_secs(1);

/// A running application, as far as operators are concerned with it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) identity: AppIdentity,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) graph: Arc<Graph>,
    pub(crate) config: ConfigHandle,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) board: Arc<HealthBoard>,
    pub(crate) inspections: Inspections,
    pub(crate) log: TelemetryGuard,
    pub(crate) runtime: Handle,
    /// `None` in a worker, whose primary looks after that.
    pub(crate) succession: Option<(Succession, Arc<HandedOver>)>,
    pub(crate) operator: Weak<Operator>,
    pub(crate) undecided: Arc<Undecided>,
}

impl Target for Running {
    fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    fn log(&self) -> &TelemetryGuard {
        &self.log
    }

    fn request_reload(&self) {
        self.config.request_reload(ReloadTrigger::Signal);
    }

    fn reload(&self, how: ReloadHow) -> Result<Value, Refused> {
        let Self { config, runtime, .. } = self;
        match how {
            ReloadHow::DryRun => reloaded(&runtime.block_on(config.dry_run(true))),
            ReloadHow::Now => reloaded(&runtime.block_on(config.reload())),
            _ => self.undecided.take_part(how, config, runtime),
        }
    }

    fn take_back(&self, number: u64, cause: &str) -> Result<Value, Refused> {
        self.undecided.take_back(number, cause, &self.config, &self.runtime)
    }

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
            "addresses": addresses_of(&self.lifecycle),
            "modules": modules,
            "plan": format!("{:016x}", self.graph.hash()),
            "reloads": reloads.len(),
            "last_reload": reloads.last().map(|record| record.to_json()),
            "rss_bytes": sample.as_ref().map(|sample| sample.rss_bytes),
            "log_level": self.log.level().get().map(|level| level.to_string()),
        })
    }

    fn describe(&self) -> Value {
        let runtime = self.runtime.metrics();
        let sample = self.metrics.system().sample_if_older(SAMPLE_AGE).ok();
        let events: Vec<_> = self
            .lifecycle
            .events()
            .iter()
            .map(|event| json!({"at_seconds": event.at.as_secs_f64(), "event": format!("{:?}", event.kind)}))
            .collect();
        let checks: Vec<_> = self.board.checks().iter().map(|check| format!("{check:?}")).collect();
        let inspected = self.inspections.get().map(inspections);
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
            "inspections": inspected,
            "lost_log_lines": self.log.lost_lines(),
            "metrics": self.metrics.render(None).text,
        })
    }

    fn health(&self) -> Value {
        json!(self.board.report(self.metrics.system()))
    }

    fn is_healthy(&self) -> bool {
        let well = self.board.status() != HealthStatus::Unhealthy;
        well && self.lifecycle.phase() == Phase::Ready
    }

    fn metrics(&self, accept: Option<&str>) -> Value {
        let rendered = self.metrics.render(accept);
        json!({"content_type": rendered.content_type, "text": rendered.text})
    }

    fn cluster(&self) -> Result<Value, Refused> {
        Err(Refused::new(Exit::Usage.code(), "the application runs as one process"))
    }

    fn restart(&self, progress: &mut Progress<'_>) -> Result<Value, Refused> {
        self.hand_over(Heir::Same, progress)
    }

    fn upgrade(&self, progress: &mut Progress<'_>) -> Result<Value, Refused> {
        self.hand_over(Heir::OnDisk, progress)
    }
}

impl Running {
    fn hand_over(&self, heir: Heir, progress: &mut Progress<'_>) -> Result<Value, Refused> {
        let (Some((succession, sockets)), Some(operator)) =
            (&self.succession, self.operator.upgrade())
        else {
            return Err(Refused::new(Exit::Usage.code(), "ask the primary of the cluster"));
        };
        let duplicates = sockets.duplicates().map_err(|error| {
            let message = format!("the sockets cannot be handed over: {error}");
            Refused::new(Exit::OperatingSystem.code(), message)
        })?;
        let handed_on = || sockets.hand_on();
        succession.hand_over(heir, &duplicates, &operator, &self.lifecycle, progress, handed_on)
    }
}

/// What became of a reload, for whoever has asked.
pub(crate) fn reloaded(record: &ReloadRecord) -> Result<Value, Refused> {
    let json = record.to_json();
    match &record.outcome {
        ReloadOutcome::Rejected(_) | ReloadOutcome::RolledBack { .. } => {
            let error = json["error"].as_str().unwrap_or_default();
            Err(Refused::new(Exit::Invalid.code(), error))
        }
        _ => Ok(json),
    }
}

/// Where the application listens, each module before its address.
pub(crate) fn addresses_of(lifecycle: &Lifecycle) -> Vec<String> {
    let listening = |event: framework_core::LifecycleEvent| match event.kind {
        EventKind::Listening { module, url } => Some(format!("{module}={url}")),
        _ => None,
    };
    lifecycle.events().into_iter().filter_map(listening).collect()
}
