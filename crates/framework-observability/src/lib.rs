//! Health checks, metrics and logs that any module can contribute.
//!
//! * [`Telemetry`] is where log lines go and how they look; the binary installs it once.
//! * [`Metrics`] are the numbers of one application, its own and the framework's.
//! * [`HealthBoard`] shows how the application's checks stand; a [`HealthRunner`] runs them.
//! * [`SystemSampler`] looks at the process and its machine.
//! * [`LifecycleRecorder`] turns what the framework does into log lines and metrics.
//!
//! Each works without modules. [`ObservabilityModule`] puts them together, and [`HealthExt`] lets
//! a module contribute a check:
//!
//! ```
//! use framework_core::{Check, Context, Health, Need, module_fn};
//! use framework_observability::{HealthExt, Metrics};
//!
//! struct Backlog(Need<Vec<u64>>);
//!
//! impl Check for Backlog {
//!     async fn check(&self, cx: &Context) -> Health {
//!         match cx.try_get(&self.0) {
//!             Some(orders) if orders.len() < 1000 => Health::healthy(),
//!             Some(_) => Health::degraded("a long backlog"),
//!             None => Health::unhealthy("not started"),
//!         }
//!     }
//! }
//!
//! let ordering = module_fn("ordering", |reg| {
//!     let orders = reg.provide(|_cx| async { Ok(Vec::<u64>::new()) });
//!     let metrics = reg.need::<Metrics>();
//!     reg.health("backlog", Backlog(orders));
//!     reg.setup("count", move |cx| async move {
//!         let metrics = cx.get(&metrics);
//!         metrics.counter("orders_total", "Orders that were placed.", &[])?.with(&[]).inc();
//!         Ok(())
//!     });
//! });
//! # let _ = ordering;
//! ```

#![deny(missing_docs)]

mod codes;
mod health;
mod inspections;
mod metrics;
mod module;
mod observer;
mod system;
mod telemetry;

pub use self::{
    codes::CODES,
    health::{
        CheckReport, CheckStanding, CheckState, HealthBoard, HealthCheck, HealthOptions,
        HealthReport, HealthRunner, HealthSettings, MemoryReport,
    },
    inspections::inspections,
    metrics::{
        AppIdentity, ConfigMetrics, Counter, ErrorSeverity, Exposition, Family, FrameworkMetrics,
        Gauge, HandledRequest, HealthMetrics, Histogram, HttpClientMetrics, HttpRequestMetrics,
        MetricError, Metrics, MetricsSettings, ModuleMetrics, RouteMetrics,
    },
    module::{HealthExt, ObservabilityModule},
    observer::LifecycleRecorder,
    system::{SystemSample, SystemSampler},
    telemetry::{
        BoxLayer, Filtered, LogFilter, LogFormat, LogLevel, LogLevelError, LogOutput, LogSettings,
        Telemetry, TelemetryError, TelemetryGuard, TelemetrySettings,
    },
};
