use std::time::Duration;

use serde_json::{Value, json};

use super::{CpuReading, MemoryEvents, MemoryReading, Pressure, ProcessReading};

/// What a [`ResourceMonitor`](super::ResourceMonitor) last saw. `None` is "unknown".
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ResourceSample {
    /// What there is of memory.
    pub memory: MemoryReading,
    /// What there is of processor time.
    pub cpu: CpuReading,
    /// What the process has of things that can run out.
    pub process: ProcessReading,
    /// How full the memory is: by the configured limit or by that of a control group, whichever is
    /// nearer. 1 is full.
    pub memory_ratio: Option<f64>,
    /// How often the limits of the control group were felt within the last interval.
    pub memory_events: MemoryEvents,
    /// The share of its processors that was used within the last interval, 0 to 1.
    pub cpu_ratio: Option<f64>,
    /// The share of the quota's periods within the last interval in which it held the group up.
    pub throttled_ratio: Option<f64>,
    /// How late tasks get their turn, at the 99th percentile.
    pub loop_lag: Option<Duration>,
    /// What follows from all that.
    pub pressure: Pressure,
}

impl ResourceSample {
    /// The sample as JSON, as operators' pages and dumps have it; what is unknown is `null`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "level": self.pressure.level(),
            "memory": {
                "level": self.pressure.memory,
                "ratio": self.memory_ratio,
                "limit_bytes": self.memory.limit_bytes,
                "used_bytes": self.memory.used_bytes,
                "machine_bytes": self.memory.machine_bytes,
                "rss_bytes": self.memory.rss_bytes,
                "stall_ratio": self.memory.stall_ratio,
                "events": {
                    "high": self.memory_events.high,
                    "max": self.memory_events.max,
                    "oom_kill": self.memory_events.oom_kill,
                },
            },
            "cpu": {
                "level": self.pressure.cpu,
                "ratio": self.cpu_ratio,
                "cpus": self.cpu.cpus,
                "throttled_ratio": self.throttled_ratio,
                "stall_ratio": self.cpu.stall_ratio,
                "loop_lag_seconds": self.loop_lag.map(|lag| lag.as_secs_f64()),
            },
            "open_fds": self.process.open_fds,
            "max_fds": self.process.max_fds,
            "threads": self.process.threads,
        })
    }
}
