use std::time::Duration;

use super::{Pressure, PressureLevel};

/// What the levels are decided by. `None` is "unknown"; ratios are from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PressureSignals {
    /// How full the memory is; above 1 where more is used than was allowed.
    pub memory_ratio: Option<f64>,
    /// The share of the last 10 s in which somebody waited for memory.
    pub memory_stall_ratio: Option<f64>,
    /// The share of its processors that is used.
    pub cpu_ratio: Option<f64>,
    /// The share of them from which there is a warning. Defaults to 0.9.
    pub max_cpu_ratio: f64,
    /// The share of the last 10 s in which somebody waited for a processor.
    pub cpu_stall_ratio: Option<f64>,
    /// How late tasks get their turn, at the 99th percentile.
    pub loop_lag: Option<Duration>,
}

/// Makes levels of [`PressureSignals`], without a clock and without a thread of its own.
///
/// A level is entered at once, and skips those below it. It lasts for 2 s at least, and ends when
/// what it was entered for is 5 points below where it began; then the next lower level follows, for
/// 2 s at least, and so on. So whatever wobbles at a threshold changes nothing, and load that was
/// refused comes back by degrees. Where nothing is known any more, the level stays for 30 s and then
/// goes down as if there were enough: a process is not held back for ever by what it cannot see.
///
/// # Examples
///
/// ```
/// use framework_process::{PressureLevel, PressureMachine, PressureSignals};
/// use std::time::Duration;
///
/// let mut machine = PressureMachine::new();
/// let memory = |ratio| PressureSignals { memory_ratio: Some(ratio), ..PressureSignals::default() };
/// let mut level = |second, ratio| {
///     machine.update(Duration::from_secs(second), &memory(ratio)).memory
/// };
/// assert_eq!(level(0, 0.81), PressureLevel::Elevated);
/// assert_eq!(level(60, 0.76), PressureLevel::Elevated, "not yet 5 points below 80 %");
/// assert_eq!(level(61, 0.74), PressureLevel::Normal);
/// ```
#[derive(Clone, Debug, Default)]
pub struct PressureMachine {
    memory: Ladder,
    cpu: Ladder,
}

/// The levels of one resource.
#[derive(Clone, Debug, Default)]
struct Ladder {
    level: PressureLevel,
    since: Duration,
    // Since when nothing has been known.
    blind_since: Option<Duration>,
}

/// How long a level lasts at least.
pub(super) const MIN_STAY: Duration = Duration::from_secs(2);

/// How long a level outlasts what is known.
const MAX_BLIND: Duration = Duration::from_secs(30);

/// How far below its beginning a level ends.
const HYSTERESIS: f64 = 0.05;

/// From which share of the memory on there is which level.
const MEMORY: [(PressureLevel, f64); 5] = [
    (PressureLevel::Exhausted, 0.98),
    (PressureLevel::Critical, 0.95),
    (PressureLevel::Severe, 0.92),
    (PressureLevel::High, 0.85),
    (PressureLevel::Elevated, 0.80),
];

const MEMORY_STALL: [(PressureLevel, f64); 1] = [(PressureLevel::Critical, 0.20)];

const CPU_STALL: [(PressureLevel, f64); 1] = [(PressureLevel::Critical, 0.40)];

/// What is too late for a task to get its turn, and what is soon enough again.
const LATE: Duration = Duration::from_millis(50);
const IN_TIME: Duration = Duration::from_millis(25);

// ===== impl PressureMachine =====

impl PressureMachine {
    /// A machine that knows of no pressure.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what is known at `now`, which never goes back, and says how things stand.
    pub fn update(&mut self, now: Duration, signals: &PressureSignals) -> Pressure {
        let level = self.memory.level;
        let memory = [
            signals.memory_ratio.map(|ratio| demanded(&MEMORY, ratio, level)),
            signals.memory_stall_ratio.map(|ratio| demanded(&MEMORY_STALL, ratio, level)),
        ];
        let level = self.cpu.level;
        let warning = [(PressureLevel::Elevated, signals.max_cpu_ratio)];
        let cpu = [
            signals.cpu_ratio.map(|ratio| demanded(&warning, ratio, level)),
            signals.cpu_stall_ratio.map(|ratio| demanded(&CPU_STALL, ratio, level)),
            signals.loop_lag.map(|lag| lateness(lag, level)),
        ];
        Pressure {
            memory: self.memory.update(now, memory.into_iter().flatten().max()),
            cpu: self.cpu.update(now, cpu.into_iter().flatten().max()),
        }
    }
}

/// The highest of `steps` that `value` is enough for, to enter it or to stay on it.
fn demanded(steps: &[(PressureLevel, f64)], value: f64, now: PressureLevel) -> PressureLevel {
    let enough = |&&(step, enter): &&(PressureLevel, f64)| {
        value >= if step <= now { enter - HYSTERESIS } else { enter }
    };
    steps.iter().find(enough).map_or(PressureLevel::Normal, |&(step, _)| step)
}

fn lateness(lag: Duration, now: PressureLevel) -> PressureLevel {
    let enough = if now >= PressureLevel::Critical { IN_TIME } else { LATE };
    if lag > enough { PressureLevel::Critical } else { PressureLevel::Normal }
}

// ===== impl Ladder =====

impl Ladder {
    fn update(&mut self, now: Duration, demanded: Option<PressureLevel>) -> PressureLevel {
        let demanded = match demanded {
            Some(demanded) => {
                self.blind_since = None;
                demanded
            }
            None => {
                let since = *self.blind_since.get_or_insert(now);
                let forgotten = now.saturating_sub(since) >= MAX_BLIND;
                if forgotten { PressureLevel::Normal } else { self.level }
            }
        };
        if demanded > self.level {
            self.enter(demanded, now);
        } else if demanded < self.level && now.saturating_sub(self.since) >= MIN_STAY {
            self.enter(self.level.below(), now);
        }
        self.level
    }

    fn enter(&mut self, level: PressureLevel, now: Duration) {
        (self.level, self.since) = (level, now);
    }
}

impl Default for PressureSignals {
    /// Nothing is known.
    fn default() -> Self {
        Self {
            memory_ratio: None,
            memory_stall_ratio: None,
            cpu_ratio: None,
            max_cpu_ratio: 0.9,
            cpu_stall_ratio: None,
            loop_lag: None,
        }
    }
}
