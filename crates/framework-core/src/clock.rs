use std::{
    fmt,
    time::{Duration, SystemTime},
};

use crate::BoxFuture;

/// Where code that waits or measures gets its time from, so that a test can give it another.
///
/// `framework-app` brings the one that follows the runtime's clock, which tests can pause.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// The time since some fixed moment; it never goes back.
    fn now(&self) -> Duration;

    /// The time of day.
    fn wall(&self) -> SystemTime;

    /// Completes when `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;
}

/// A clock for contexts outside a running application: it reads the system's time and cannot wait.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    /// Never completes: without a runtime there is nothing to wait with.
    fn sleep(&self, _duration: Duration) -> BoxFuture<()> {
        Box::pin(std::future::pending())
    }
}
