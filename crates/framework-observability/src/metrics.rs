//! Numbers about a running application, for Prometheus.

mod builtin;
mod exposition;
mod family;
mod http;
mod http_client;
mod settings;

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry,
    core::{MetricVec, MetricVecBuilder},
};
use tokio::time::Instant;

use self::builtin::{Builtin, ProcessMetrics};
pub use self::{
    builtin::{ConfigMetrics, ErrorSeverity, HealthMetrics, ModuleMetrics},
    exposition::Exposition,
    family::{Counter, Family, Gauge, Histogram, MetricError},
    http::{HandledRequest, HttpRequestMetrics, RouteMetrics},
    http_client::HttpClientMetrics,
    settings::MetricsSettings,
};
use crate::system::SystemSampler;

/// What an application calls itself in its metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppIdentity {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The profile it runs in, such as `local` or `production`.
    pub profile: String,
}

/// Every metric of one application.
///
/// Two applications in one process have two of these, and share nothing.
///
/// The framework's own begin with `framework_`. Those of the application begin with its name:
/// [`counter`](Self::counter), [`gauge`](Self::gauge) and [`histogram`](Self::histogram) make them.
///
/// # Examples
///
/// ```
/// use framework_observability::{AppIdentity, Metrics};
///
/// let metrics = Metrics::new(&AppIdentity::new("shop"));
/// let orders = metrics.counter("orders_total", "Orders that were placed.", &["channel"])?;
/// let from_web = orders.with(&["web"]);
/// from_web.inc();
///
/// let text = metrics.render(None).text;
/// assert!(text.contains("shop_orders_total{channel=\"web\"} 1\n"));
/// # Ok::<(), framework_observability::MetricError>(())
/// ```
pub struct Metrics {
    registry: Registry,
    namespace: String,
    started: Instant,
    process: ProcessMetrics,
    modules: ModuleMetrics,
    health: HealthMetrics,
    config: ConfigMetrics,
    http: HttpRequestMetrics,
    http_client: HttpClientMetrics,
    system: SystemSampler,
    blind: AtomicBool,
}

/// How old numbers about the machine may be when somebody asks for them.
const SCRAPE_AGE: Duration = Duration::from_secs(1);

// ===== impl AppIdentity =====

impl AppIdentity {
    /// An application of this name, with no version, in the profile `local`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), version: String::new(), profile: "local".to_owned() }
    }
}

// ===== impl Metrics =====

impl Metrics {
    /// Makes the metrics of an application that starts now.
    #[must_use]
    pub fn new(app: &AppIdentity) -> Self {
        Self::with_system(app, SystemSampler::new())
    }

    /// As [`new`](Self::new), and the numbers about the machine come from `system`.
    #[must_use]
    pub fn with_system(app: &AppIdentity, system: SystemSampler) -> Self {
        let registry = Registry::new();
        let Builtin { process, modules, health, config } = Builtin::register(&registry);
        process.identify(app, SystemTime::now());
        Self {
            http: HttpRequestMetrics::register(&registry),
            http_client: HttpClientMetrics::register(&registry),
            namespace: namespace(&app.name),
            started: Instant::now(),
            registry,
            process,
            modules,
            health,
            config,
            system,
            blind: AtomicBool::new(false),
        }
    }

    /// Makes a metric that only grows, one series for each combination of the labels' values. Its
    /// full name has the application's before it.
    ///
    /// # Errors
    ///
    /// When the name is taken, is not in `snake_case` or does not end in `_total`, and when a label
    /// is not in `snake_case` or is named twice.
    pub fn counter(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<Family<Counter>, MetricError> {
        self.counter_of(&self.namespace, name, help, labels)
    }

    /// Makes a metric that goes up and down, one series for each combination of the labels' values.
    /// Its full name has the application's before it.
    ///
    /// # Errors
    ///
    /// When the name is taken or is not in `snake_case`, and when a label is not in `snake_case` or
    /// is named twice.
    pub fn gauge(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<Family<Gauge>, MetricError> {
        self.family(&self.namespace, name, help, labels, |opts| GaugeVec::new(opts, labels), Gauge)
    }

    /// Makes a metric of how values spread, one series for each combination of the labels' values.
    /// Its full name has the application's before it; `buckets` are the upper bounds, rising.
    ///
    /// # Errors
    ///
    /// When the name is taken or is not in `snake_case`, when a label is not in `snake_case` or is
    /// named twice, and when the bounds do not rise.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<Family<Histogram>, MetricError> {
        family::check_buckets(name, buckets)?;
        let make =
            |opts| HistogramVec::new(HistogramOpts::from(opts).buckets(buckets.to_vec()), labels);
        self.family(&self.namespace, name, help, labels, make, Histogram)
    }

    /// For layers of the framework: their metrics have `framework_` before their names, whatever
    /// the application is called.
    #[must_use]
    pub fn of_framework(&self) -> FrameworkMetrics<'_> {
        FrameworkMetrics(self)
    }

    fn counter_of(
        &self,
        namespace: &str,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<Family<Counter>, MetricError> {
        if !name.ends_with("_total") {
            return Err(MetricError::Counter { name: name.to_owned() });
        }
        let make = |opts| IntCounterVec::new(opts, labels);
        self.family(namespace, name, help, labels, make, Counter)
    }

    fn family<B, M: 'static>(
        &self,
        namespace: &str,
        name: &str,
        help: &str,
        labels: &[&str],
        make: impl FnOnce(Opts) -> prometheus::Result<MetricVec<B>>,
        wrap: fn(B::M) -> M,
    ) -> Result<Family<M>, MetricError>
    where
        B: MetricVecBuilder + 'static,
    {
        family::check_name(name)?;
        family::check_labels(name, labels)?;
        let full = format!("{namespace}_{name}");
        let vec = make(Opts::new(&full, help))
            .map_err(|_| MetricError::Name { name: name.to_owned() })?;
        // The registry refuses a name for no other reason, once its parts are well formed.
        self.registry
            .register(Box::new(vec.clone()))
            .map_err(|_| MetricError::Taken { name: full })?;
        Ok(Family::of(labels.len(), vec, wrap))
    }

    /// The metrics of modules, fed by the application's lifecycle.
    #[must_use]
    pub fn modules(&self) -> &ModuleMetrics {
        &self.modules
    }

    /// The metrics about the configuration.
    #[must_use]
    pub fn config(&self) -> &ConfigMetrics {
        &self.config
    }

    /// The metrics of health checks.
    #[must_use]
    pub fn health(&self) -> &HealthMetrics {
        &self.health
    }

    /// The metrics of HTTP requests.
    #[must_use]
    pub fn http(&self) -> &HttpRequestMetrics {
        &self.http
    }

    /// The metrics of the HTTP requests that the application makes itself.
    #[must_use]
    pub fn http_client(&self) -> &HttpClientMetrics {
        &self.http_client
    }

    /// What the numbers about the process and its machine come from.
    #[must_use]
    pub fn system(&self) -> &SystemSampler {
        &self.system
    }

    /// Takes the numbers about the process, its machine and the runtime anew, unless that happened
    /// less than `age` ago. Outside a runtime there is nothing to say about one.
    pub fn update(&self, age: Duration) {
        match self.system.sample_if_older(age) {
            Ok(sample) => self.process.observe(&sample),
            // Once, since it will not change.
            Err(error) if !self.blind.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, "cannot see the memory and CPU of this process");
            }
            Err(_) => {}
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.process.observe_tasks(runtime.metrics().num_alive_tasks());
        }
    }

    /// How long the application has been there.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Writes everything down as it is now: as `OpenMetrics` if that is what `accept`, the header of
    /// a request, asks for, else in Prometheus's own text format.
    #[must_use]
    pub fn render(&self, accept: Option<&str>) -> Exposition {
        self.update(SCRAPE_AGE);
        self.process.observe_uptime(self.uptime());
        exposition::render(&self.registry.gather(), accept)
    }
}

/// The metrics of the framework itself, to be added to by its layers. See
/// [`Metrics::of_framework`].
#[derive(Clone, Copy, Debug)]
pub struct FrameworkMetrics<'m>(&'m Metrics);

/// What the names of the framework's own metrics begin with.
const FRAMEWORK: &str = "framework";

impl FrameworkMetrics<'_> {
    /// As [`Metrics::counter`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn counter(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<Family<Counter>, MetricError> {
        self.0.counter_of(FRAMEWORK, name, help, labels)
    }

    /// As [`Metrics::gauge`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn gauge(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<Family<Gauge>, MetricError> {
        self.0.family(FRAMEWORK, name, help, labels, |opts| GaugeVec::new(opts, labels), Gauge)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// An application's name as metric names allow it.
fn namespace(app: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = app.chars().map(allowed).collect();
    match name.chars().next() {
        None => "app".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{name}"),
        Some(_) => name,
    }
}

#[cfg(test)]
mod tests;
