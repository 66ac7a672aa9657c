use std::sync::Arc;

use framework_config::{Config, ConfigExt, ConfigHandle, Prepared, ReloadOutcome};
use framework_core::{BoxError, Check, Collected, Context, Contributed, Issue, Module, Registrar};
use tokio::time::sleep;

use crate::{
    AppIdentity, HealthBoard, HealthCheck, HealthOptions, HealthRunner, HealthSettings,
    LifecycleRecorder, LogLevel, Metrics, MetricsSettings, TelemetrySettings, codes, health,
};

/// Logs, metrics and health, as a module: it watches over all the others.
///
/// It reads the sections `telemetry`, `metrics` and `health` of the configuration. It starts before them and stops after them. It offers [`AppIdentity`], [`Metrics`],
/// [`HealthBoard`] and [`LogLevel`], runs the checks that modules contribute through [`HealthExt`], and turns what
/// happens in the application into log lines and metrics.
///
/// # Examples
///
/// ```
/// use framework_observability::{AppIdentity, ObservabilityModule};
///
/// let observability = ObservabilityModule::new(&AppIdentity::new("shop"));
/// let metrics = observability.metrics();
/// assert!(metrics.render(None).text.contains("framework_app_info{name=\"shop\""));
/// ```
#[derive(Clone, Debug)]
pub struct ObservabilityModule {
    identity: Arc<AppIdentity>,
    metrics: Arc<Metrics>,
    board: Arc<HealthBoard>,
    level: LogLevel,
}

/// Adds health checks to [`Registrar`].
pub trait HealthExt: sealed::Sealed {
    /// Contributes a check called `name`, which the application cannot do without.
    #[track_caller]
    fn health(&mut self, name: &'static str, check: impl Check);

    /// Contributes a check called `name`, which is run as `options` say.
    #[track_caller]
    fn health_with(&mut self, name: &'static str, options: HealthOptions, check: impl Check);
}

// ===== impl ObservabilityModule =====

impl ObservabilityModule {
    /// Watches over the application `app`.
    #[must_use]
    pub fn new(app: &AppIdentity) -> Self {
        Self {
            identity: Arc::new(app.clone()),
            metrics: Arc::new(Metrics::new(app)),
            board: Arc::new(HealthBoard::new()),
            level: LogLevel::detached(),
        }
    }

    /// Offers `level`, that of the installed [`Telemetry`](crate::Telemetry). Without it, the level
    /// that is offered refuses to change.
    #[must_use]
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.level = level;
        self
    }

    /// The application's metrics.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Where the application's checks stand.
    #[must_use]
    pub fn health_board(&self) -> Arc<HealthBoard> {
        Arc::clone(&self.board)
    }
}

impl Module for ObservabilityModule {
    fn name(&self) -> &'static str {
        "observability"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let Self { identity, metrics, board, level } = self;
        reg.foundation();
        // The binary logs before there is a module; claiming the section has it checked and shown.
        let telemetry = reg.config::<TelemetrySettings>("telemetry");
        let every = reg.config::<MetricsSettings>("metrics");
        let checking = reg.config::<HealthSettings>("health");
        reg.provide_value(identity);
        reg.provide_value(Arc::clone(&metrics));
        reg.provide_value(Arc::clone(&board));
        reg.provide_value(Arc::new(level.clone()));
        reg.on_reload(&telemetry, move |_cx, old, new| {
            let level = level.clone();
            async move { Ok(relevel(level, &old, &new)) }
        });
        let config = reg.need_optional::<ConfigHandle>();
        let (reloads, judge) = (Arc::clone(&metrics), Arc::clone(&board));
        reg.setup("reloads", move |cx| async move {
            if let Some(config) = cx.get_optional(&config) {
                count_reloads(&config, reloads);
                health::judge(&config, &judge);
            }
            Ok(())
        });

        let recorder = Arc::new(LifecycleRecorder::new(Arc::clone(&metrics)));
        reg.contribute(recorder.observe());
        reg.setup("modules", move |cx| async move {
            recorder.know(&cx.lifecycle().modules());
            Ok(())
        });

        let system = Arc::clone(&metrics);
        reg.run("system", move |cx| async move { Ok(watch_system(system, every, cx)) });

        let checks = reg.collect::<HealthCheck>();
        let all = checks.clone();
        reg.gate("health checks", move |view| duplicates(view.collected(&all)));
        reg.run("health", move |cx| async move {
            let runner = HealthRunner::new(HealthSettings::clone(&checking.get()), board);
            let runner = with_checks(runner, &checks, &cx);
            Ok(run_checks(runner.metrics(metrics), cx))
        });
    }
}

/// Follows the configured level. One that an operator has set stays until that changes.
fn relevel(level: LogLevel, old: &TelemetrySettings, new: &TelemetrySettings) -> Prepared {
    if old.log.level == new.log.level {
        return Prepared::nothing();
    }
    let filter = new.log.level.clone();
    Prepared::new(move || {
        // The section was checked, so only a level that somebody else decides refuses.
        let _ = level.set(&filter);
    })
}

fn count_reloads(config: &ConfigHandle, metrics: Arc<Metrics>) {
    metrics.config().know(&ReloadOutcome::LABELS);
    config.observe(move |record| metrics.config().count_reload(record.outcome.label()));
}

/// Takes the numbers about the process and its machine now and then.
async fn watch_system(
    metrics: Arc<Metrics>,
    settings: Config<MetricsSettings>,
    cx: Context,
) -> Result<(), BoxError> {
    let watch = async {
        loop {
            // Read anew each time, since it can change while the application runs.
            let settings = settings.get();
            if settings.enabled {
                metrics.update(settings.update_interval / 2);
            }
            sleep(settings.update_interval).await;
        }
    };
    tokio::select! {
        () = cx.shutdown() => {}
        () = watch => {}
    }
    Ok(())
}

async fn run_checks(runner: HealthRunner, cx: Context) -> Result<(), BoxError> {
    runner.run(cx.shutdown()).await;
    Ok(())
}

/// An issue for each check that has the name of one before it in its module.
fn duplicates(checks: &[Contributed<HealthCheck>]) -> Vec<Issue> {
    let twice = |(n, check): (usize, &Contributed<HealthCheck>)| {
        let same = |other: &&Contributed<HealthCheck>| {
            other.module_id() == check.module_id() && other.item().name() == check.item().name()
        };
        let first = checks[..n].iter().find(same)?;
        let (module, name) = (check.module(), check.item().name());
        let summary = format!("`{module}` has two health checks called `{name}`");
        let issue = Issue::new(&codes::DUPLICATE_CHECK, summary)
            .evidence_at("the first", first.location())
            .evidence_at("the second", check.location())
            .help(format!("name each after what it looks at: `{name}-replica`"));
        Some(issue)
    };
    checks.iter().enumerate().filter_map(twice).collect()
}

/// Adds every check, each with a context of the module that contributed it.
fn with_checks(
    runner: HealthRunner,
    checks: &Collected<HealthCheck>,
    cx: &Context,
) -> HealthRunner {
    cx.collected(checks).iter().fold(runner, |runner, check| {
        let (shutdown, environment) = (cx.shutdown_token().clone(), Arc::clone(cx.environment()));
        let own = Context::within(check.module(), check.module_id(), shutdown, environment);
        runner.check(own, check.item().clone())
    })
}

// ===== impl HealthExt =====

impl HealthExt for Registrar<'_> {
    #[track_caller]
    fn health(&mut self, name: &'static str, check: impl Check) {
        self.health_with(name, HealthOptions::critical(), check);
    }

    #[track_caller]
    fn health_with(&mut self, name: &'static str, options: HealthOptions, check: impl Check) {
        self.contribute(HealthCheck::new(name, options, check));
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Registrar<'_> {}
}
