use std::time::{Duration, SystemTime};

use framework_core::HealthStatus;
use serde::Serialize;
use tokio::time::Instant;

use super::{CheckStanding, HealthBoard};
use crate::system::SystemSampler;

/// How the application is, as `/health` answers it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HealthReport {
    /// `healthy`, `degraded` or `unhealthy`.
    pub status: &'static str,
    /// The time of day, in UTC as RFC 3339 has it.
    pub timestamp: String,
    /// The process.
    pub pid: u32,
    /// How long the application has been there, in seconds.
    pub uptime: f64,
    /// Its memory, where the operating system tells.
    pub memory: Option<MemoryReport>,
    /// How many connections are open, where something counts them.
    pub connections: Option<u64>,
    /// Every check, in the order of registration.
    pub checks: Vec<CheckReport>,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryReport {
    /// What is in use in the container, or on the machine.
    pub used: u64,
    /// What there is.
    pub total: u64,
    /// What the process holds.
    pub rss: u64,
}

/// How one check stands, as `/health` answers it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckReport {
    /// The check.
    pub name: &'static str,
    /// The module that contributed it.
    pub module: &'static str,
    /// `healthy`, `degraded`, `unhealthy`, or `unknown` before the first run.
    pub status: &'static str,
    /// Whether the application cannot do without what is checked.
    pub critical: bool,
    /// How long the last run took, in milliseconds.
    pub latency_ms: Option<f64>,
    /// How long ago that was, in milliseconds.
    pub age_ms: Option<u64>,
    /// What the last run said, for people.
    pub detail: Option<String>,
}

impl HealthBoard {
    /// Writes down how the application is. A look at the machine's memory is at most a second old.
    #[must_use]
    pub fn report(&self, system: &SystemSampler) -> HealthReport {
        let now = Instant::now();
        let sample = system.sample_if_older(Duration::from_secs(1)).ok();
        let memory = sample.map(|sample| MemoryReport {
            used: sample.memory_used_bytes,
            total: sample.memory_total_bytes,
            rss: sample.rss_bytes,
        });
        HealthReport {
            status: self.status().as_str(),
            timestamp: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            pid: std::process::id(),
            uptime: rounded(now.duration_since(self.made).as_secs_f64()),
            memory,
            connections: self.connections.get().map(|count| count()),
            checks: self.checks().into_iter().map(|check| CheckReport::new(check, now)).collect(),
        }
    }
}

impl CheckReport {
    fn new(check: CheckStanding, now: Instant) -> Self {
        let CheckStanding { name, module, critical, status, detail, took, at } = check;
        let age = at.map(|at| now.saturating_duration_since(at));
        Self {
            name,
            module,
            status: status.map_or("unknown", HealthStatus::as_str),
            critical,
            latency_ms: took.map(|took| rounded(took.as_secs_f64() * 1000.0)),
            age_ms: age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            detail,
        }
    }
}

/// Three digits after the point, which are enough for people.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
