use std::{
    fmt,
    time::{Duration, SystemTime},
};

use framework_core::HealthStatus;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::{Atomic, Collector, GenericGauge},
};

use super::AppIdentity;
use crate::system::SystemSample;

/// The metrics that every application has, beside those of HTTP.
pub(super) struct Builtin {
    pub(super) process: ProcessMetrics,
    pub(super) modules: ModuleMetrics,
    pub(super) health: HealthMetrics,
    pub(super) config: ConfigMetrics,
}

/// The process and its machine.
pub(super) struct ProcessMetrics {
    start_time: prometheus::Gauge,
    uptime: prometheus::Gauge,
    identity: IntGaugeVec,
    memory: IntGaugeVec,
    cpu: prometheus::Gauge,
    threads: IntGauge,
    cpus: prometheus::Gauge,
    tasks: IntGauge,
}

/// The modules of the application: their states, their errors, and how long their code takes.
///
/// Labels are the names of modules and stages, so there are as many series as the program has of
/// those.
pub struct ModuleMetrics {
    count: IntGaugeVec,
    health: GaugeVec,
    errors: IntCounterVec,
    operations: HistogramVec,
    startup: GaugeVec,
}

/// How the configuration changes while the application runs.
pub struct ConfigMetrics {
    reloads: IntCounterVec,
}

/// How health checks do.
pub struct HealthMetrics {
    status: GaugeVec,
    duration: HistogramVec,
    errors: IntCounterVec,
}

/// How bad an error of a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorSeverity {
    /// Something went wrong, and was taken care of: a unit is started again.
    Warning,
    /// Something failed.
    Error,
    /// Something failed for good, and the application stops.
    Critical,
}

/// How long the code of a module runs when it starts or stops, in seconds.
const OPERATION_BUCKETS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 5.0, 10.0, 30.0];
/// How long a health check takes, in seconds.
const CHECK_BUCKETS: [f64; 9] = [0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0];

// ===== impl Builtin =====

impl Builtin {
    pub(super) fn register(to: &Registry) -> Self {
        Self {
            process: ProcessMetrics::register(to),
            modules: ModuleMetrics::register(to),
            health: HealthMetrics::register(to),
            config: ConfigMetrics::register(to),
        }
    }
}

// ===== impl ProcessMetrics =====

impl ProcessMetrics {
    fn register(to: &Registry) -> Self {
        Self {
            start_time: gauge(to, "app_start_time_seconds", "When the app started, in Unix time."),
            uptime: gauge(to, "app_uptime_seconds", "How long the app has been there."),
            identity: gauges(
                to,
                "app_info",
                "What runs here; always 1.",
                &["name", "version", "profile"],
            ),
            memory: gauges(
                to,
                "system_memory_bytes",
                "Memory: `total` and `used` of the machine or container, `rss` of the process.",
                &["kind"],
            ),
            cpu: gauge(
                to,
                "system_cpu_ratio",
                "The share of its CPUs that the process used lately, 0 to 1.",
            ),
            threads: gauge(to, "system_threads", "Threads of the process."),
            cpus: gauge(to, "system_cpus", "CPUs that the process may use, parts of one included."),
            tasks: gauge(to, "runtime_tasks", "Tasks that live in the async runtime."),
        }
    }

    pub(super) fn identify(&self, app: &AppIdentity, started: SystemTime) {
        let since = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.start_time.set(since.as_secs_f64());
        let AppIdentity { name, version, profile } = app;
        self.identity.with_label_values(&[name, version, profile]).set(1);
    }

    pub(super) fn observe_uptime(&self, uptime: Duration) {
        self.uptime.set(uptime.as_secs_f64());
    }

    pub(super) fn observe_tasks(&self, tasks: usize) {
        self.tasks.set(signed(tasks as u64));
    }

    pub(super) fn observe(&self, sample: &SystemSample) {
        for (kind, bytes) in [
            ("total", sample.memory_total_bytes),
            ("used", sample.memory_used_bytes),
            ("rss", sample.rss_bytes),
        ] {
            self.memory.with_label_values(&[kind]).set(signed(bytes));
        }
        self.threads.set(signed(sample.threads));
        self.cpus.set(sample.cpus);
        // The first sample has nothing to compare with.
        if let Some(ratio) = sample.cpu_ratio {
            self.cpu.set(ratio);
        }
    }
}

// ===== impl ModuleMetrics =====

impl ModuleMetrics {
    fn register(to: &Registry) -> Self {
        Self {
            count: gauges(to, "module_count", "Modules in each state.", &["state"]),
            health: gauges(
                to,
                "module_health_status",
                "The worst check of a module: 1 healthy, 0.5 degraded, 0 unhealthy.",
                &["module"],
            ),
            errors: counters(
                to,
                "module_errors_total",
                "Errors of modules while starting, running and stopping.",
                &["module", "severity"],
            ),
            operations: histograms(
                to,
                "module_operation_duration_seconds",
                "How long the code of modules takes to start and stop.",
                &["module", "operation"],
                &OPERATION_BUCKETS,
            ),
            startup: gauges(
                to,
                "startup_duration_seconds",
                "How long each phase of the last start took.",
                &["phase"],
            ),
        }
    }

    /// Says how many modules are in a state.
    pub fn set_count(&self, state: &'static str, modules: usize) {
        self.count.with_label_values(&[state]).set(signed(modules as u64));
    }

    /// Says how well a module works: 1, 0.5 or 0.
    pub(crate) fn set_health(&self, module: &str, status: HealthStatus) {
        self.health.with_label_values(&[module]).set(number(status));
    }

    /// Counts an error of a module.
    pub fn count_error(&self, module: &str, severity: ErrorSeverity) {
        self.errors.with_label_values(&[module, severity.as_str()]).inc();
    }

    /// Notes how long a piece of a module's code took.
    pub fn observe_operation(&self, module: &str, operation: &str, took: Duration) {
        self.operations.with_label_values(&[module, operation]).observe(took.as_secs_f64());
    }

    /// Notes how long a phase of the start took.
    pub fn set_startup(&self, phase: &str, took: Duration) {
        self.startup.with_label_values(&[phase]).set(took.as_secs_f64());
    }
}

// ===== impl ConfigMetrics =====

impl ConfigMetrics {
    fn register(to: &Registry) -> Self {
        let help = "Times that the configuration was read again, by what became of it.";
        Self { reloads: counters(to, "config_reloads_total", help, &["outcome"]) }
    }

    /// Shows reloads with each of these outcomes, none of which has been.
    pub fn know(&self, outcomes: &[&str]) {
        for outcome in outcomes {
            // A counter that is there from the start shows its first reload as a rise.
            self.reloads.with_label_values(&[outcome]).inc_by(0);
        }
    }

    /// Counts a reload.
    pub fn count_reload(&self, outcome: &str) {
        self.reloads.with_label_values(&[outcome]).inc();
    }
}

// ===== impl HealthMetrics =====

impl HealthMetrics {
    fn register(to: &Registry) -> Self {
        let labels = ["check", "module"];
        Self {
            status: gauges(
                to,
                "health_check_status",
                "How a check stands: 1 healthy, 0.5 degraded, 0 unhealthy.",
                &labels,
            ),
            duration: histograms(
                to,
                "health_check_duration_seconds",
                "How long a check takes.",
                &labels,
                &CHECK_BUCKETS,
            ),
            errors: counters(
                to,
                "health_check_errors_total",
                "Times that a check found something that does not work.",
                &labels,
            ),
        }
    }

    pub(crate) fn set_status(&self, check: &str, module: &str, status: HealthStatus) {
        self.status.with_label_values(&[check, module]).set(number(status));
    }

    pub(crate) fn observe(&self, check: &str, module: &str, took: Duration, failed: bool) {
        let labels = [check, module];
        self.duration.with_label_values(&labels).observe(took.as_secs_f64());
        // A counter that is there from the start shows its first error as a rise.
        self.errors.with_label_values(&labels).inc_by(u64::from(failed));
    }
}

impl ErrorSeverity {
    /// The severity in lower case, as metrics spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Debug for ModuleMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleMetrics").finish_non_exhaustive()
    }
}

impl fmt::Debug for ConfigMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigMetrics").finish_non_exhaustive()
    }
}

impl fmt::Debug for HealthMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthMetrics").finish_non_exhaustive()
    }
}

/// A status as a number that can be averaged, and falls when things get worse.
fn number(status: HealthStatus) -> f64 {
    match status {
        HealthStatus::Healthy => 1.0,
        HealthStatus::Degraded => 0.5,
        HealthStatus::Unhealthy => 0.0,
    }
}

/// A number of bytes, threads or tasks; none comes near the limit.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

const CONSTANT: &str = "the framework's own names are constants, each used once";

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("framework_{name}"), help)
}

/// Registers `metric`, and gives it back.
pub(super) fn add<C: Collector + Clone + 'static>(
    to: &Registry,
    metric: prometheus::Result<C>,
) -> C {
    let metric = metric.expect(CONSTANT);
    to.register(Box::new(metric.clone())).expect(CONSTANT);
    metric
}

pub(super) fn gauge<P: Atomic + 'static>(to: &Registry, name: &str, help: &str) -> GenericGauge<P> {
    add(to, GenericGauge::with_opts(opts(name, help)))
}

fn gauges<P: Atomic + 'static>(
    to: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::core::GenericGaugeVec<P> {
    add(to, prometheus::core::GenericGaugeVec::new(opts(name, help), labels))
}

fn counters(to: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    add(to, IntCounterVec::new(opts(name, help), labels))
}

pub(super) fn histograms(
    to: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> HistogramVec {
    let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
    add(to, HistogramVec::new(opts, labels))
}
