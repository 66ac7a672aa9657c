use std::time::Duration;

/// When a supervised unit is started again after it ended. The three cases are those of Erlang/OTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always: it is not meant to end.
    Permanent,
    /// When it failed or panicked; ending well is its way of being done.
    Transient,
    /// Never: whatever happens to it is noted, and the rest goes on.
    Temporary,
}

/// What else a group restarts together with a unit that ended. The three cases are those of
/// Erlang/OTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Nothing else.
    OneForOne,
    /// Every unit of the group.
    OneForAll,
    /// The units of the group that were declared after it.
    RestForOne,
}

/// How many restarts are too many: more than `max` within `window`.
///
/// Defaults to 3 within 30 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// The most restarts allowed within `window`; `0` allows none.
    pub max: u32,
    /// How long a restart counts.
    pub window: Duration,
}

/// How one unit is supervised.
///
/// # Examples
///
/// ```
/// use framework_core::{Restart, Supervision};
/// use std::time::Duration;
///
/// let poller = Supervision::transient()
///     .intensity(5, Duration::from_secs(60))
///     .backoff(Duration::from_millis(50), Duration::from_secs(10));
/// assert_eq!(poller.restart(), Restart::Transient);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a policy does nothing until a unit is declared with it"]
pub struct Supervision {
    restart: Restart,
    intensity: Intensity,
    backoff: (Duration, Duration),
}

impl Default for Intensity {
    fn default() -> Self {
        Self { max: 3, window: Duration::from_secs(30) }
    }
}

impl Supervision {
    /// Starts the unit again whenever it ends.
    pub fn permanent() -> Self {
        Self::with(Restart::Permanent)
    }

    /// Starts the unit again when it fails or panics.
    pub fn transient() -> Self {
        Self::with(Restart::Transient)
    }

    /// Never starts the unit again, and never stops the application because of it.
    pub fn temporary() -> Self {
        Self::with(Restart::Temporary)
    }

    fn with(restart: Restart) -> Self {
        let backoff = (Duration::from_millis(100), Duration::from_secs(30));
        Self { restart, intensity: Intensity::default(), backoff }
    }

    /// Sets how many restarts within `window` are still well; one more, and the unit's group gives
    /// up. Defaults to 3 within 30 s.
    pub fn intensity(mut self, max: u32, window: Duration) -> Self {
        self.intensity = Intensity { max, window };
        self
    }

    /// Sets how long to wait before a restart: `first`, then twice as long each time, up to
    /// `longest`. Defaults to 100 ms up to 30 s. The first restart in a window comes at once.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = (first, longest);
        self
    }

    /// When the unit is started again.
    #[must_use]
    pub fn restart(&self) -> Restart {
        self.restart
    }

    /// How many restarts are too many.
    #[must_use]
    pub fn max_intensity(&self) -> Intensity {
        self.intensity
    }

    /// How long to wait before the restart that follows `recent` others within the window.
    #[must_use]
    pub fn delay(&self, recent: u32) -> Duration {
        let (first, longest) = self.backoff;
        match recent {
            0 => Duration::ZERO,
            n => first.saturating_mul(2_u32.saturating_pow(n - 1)).min(longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_limit() {
        let ms = Duration::from_millis;
        let policy = Supervision::permanent().backoff(ms(100), ms(350));
        let waits: Vec<_> = [0, 1, 2, 3, 60].map(|n| policy.delay(n)).into();
        assert_eq!(waits, [ms(0), ms(100), ms(200), ms(350), ms(350)]);
    }
}
