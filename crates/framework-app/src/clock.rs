use std::time::{Duration, SystemTime};

use framework_core::{BoxFuture, Clock};
use tokio::time::Instant;

/// The runtime's clock, which tests can pause.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    origin: Instant,
    wall_origin: SystemTime,
}

impl TokioClock {
    /// A clock that begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now(), wall_origin: SystemTime::now() }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The time of day, as far as the runtime's clock has come since this clock began: paused time
    /// stands still here too.
    fn wall(&self) -> SystemTime {
        self.wall_origin + self.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
