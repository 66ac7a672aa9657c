use std::fmt;

use framework_core::{LoadLimits, Priority};
use serde::Serialize;

/// How short the process is of something, from nothing at all to the end of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PressureLevel {
    /// There is enough.
    #[default]
    Normal,
    /// From 80 % of the memory, or at the limit for processor time: worth a warning, and for caches
    /// to shrink.
    Elevated,
    /// From 85 % of the memory: unused connections are closed sooner, and sooner still towards 95 %.
    High,
    /// From 92 % of the memory: connections end with their next response.
    Severe,
    /// From 95 % of the memory, or when somebody waits for memory or a processor far too often:
    /// work of low priority is refused.
    Critical,
    /// From 98 % of the memory: no new work is begun, what is of high priority excepted at first.
    Exhausted,
}

/// What the process is short of, and how short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pressure {
    /// How short it is of memory.
    pub memory: PressureLevel,
    /// How short it is of processor time; never more than [`Critical`](PressureLevel::Critical).
    pub cpu: PressureLevel,
}

// ===== impl PressureLevel =====

impl PressureLevel {
    /// All levels, from the lowest up.
    pub const ALL: [Self; 6] =
        [Self::Normal, Self::Elevated, Self::High, Self::Severe, Self::Critical, Self::Exhausted];

    /// The level in lower case, as logs, metrics and JSON spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Elevated => "elevated",
            Self::High => "high",
            Self::Severe => "severe",
            Self::Critical => "critical",
            Self::Exhausted => "exhausted",
        }
    }

    /// The level as a number, 0 to 5.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The next lower level; the lowest is its own.
    pub(super) fn below(self) -> Self {
        Self::ALL[usize::from(self.number().saturating_sub(1))]
    }
}

impl fmt::Display for PressureLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// ===== impl Pressure =====

impl Pressure {
    /// The higher one of the levels.
    #[must_use]
    pub fn level(&self) -> PressureLevel {
        self.memory.max(self.cpu)
    }

    /// What is done without at this pressure. `memory_ratio` is how full the memory is, and
    /// `lasts` whether there has been as much pressure for a while.
    pub(super) fn limits(&self, memory_ratio: Option<f64>, lasts: bool) -> LoadLimits {
        let refuse = match (self.memory, self.level()) {
            (PressureLevel::Exhausted, _) if lasts => Some(Priority::High),
            (PressureLevel::Exhausted, _) => Some(Priority::Normal),
            (_, PressureLevel::Critical) => Some(Priority::Low),
            _ => None,
        };
        let idle = match self.memory {
            PressureLevel::Normal | PressureLevel::Elevated => 0,
            _ => memory_ratio.map_or(0, shorter_idle_percent),
        };
        LoadLimits {
            refuse,
            // Another connection costs a client more processor time, and so it does us.
            close_connections: self.memory >= PressureLevel::Severe,
            shorter_idle_percent: idle,
        }
    }
}

/// From 85 % of the memory to 95 %, a tenth of the time remains in the end.
fn shorter_idle_percent(memory_ratio: f64) -> u8 {
    let share = ((memory_ratio - 0.85) / 0.10).clamp(0.0, 1.0);
    (share * 90.0).round() as u8
}
