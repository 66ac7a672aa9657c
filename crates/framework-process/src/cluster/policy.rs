use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// The longest wait before a worker is started again.
const LONGEST: Duration = Duration::from_secs(30);

/// How far a wait may be from what was computed, so that slots that fail together do not start
/// together: a fifth.
const JITTER: f64 = 0.2;

/// How soon, and how often, workers that end are started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// How many restarts in a [`window`](Self::window) are usual; with more, the cluster is
    /// degraded, and starts workers no sooner than half a minute after they ended.
    pub max: usize,
    /// How far back restarts are counted.
    pub window: Duration,
    /// The wait before the second restart in a row; it doubles with each one, up to half a minute.
    /// The first one is immediate. Zero: all of them are.
    pub backoff: Duration,
}

impl RestartPolicy {
    /// What fits a number of workers: ten restarts in a minute, or three for each worker.
    #[must_use]
    pub fn for_workers(workers: usize) -> Self {
        let (window, backoff) = (Duration::from_secs(60), Duration::from_millis(100));
        Self { max: workers.saturating_mul(3).max(10), window, backoff }
    }

    /// How long to wait after the `failures`th failure in a row. `random` is between 0 and 1.
    pub(super) fn wait(&self, failures: u32, random: f64) -> Duration {
        if failures <= 1 || self.backoff.is_zero() {
            return Duration::ZERO;
        }
        let wait = self.backoff.saturating_mul(1 << (failures - 2).min(20)).min(LONGEST);
        wait.mul_f64(1.0 + JITTER * (2.0 * random.clamp(0.0, 1.0) - 1.0)).min(LONGEST)
    }
}

/// The restarts of the last while.
#[derive(Clone, Debug, Default)]
pub(super) struct Intensity {
    restarts: VecDeque<Instant>,
}

impl Intensity {
    /// Notes a restart. `true` if there are too many of them.
    pub(super) fn note(&mut self, policy: &RestartPolicy, now: Instant) -> bool {
        self.restarts.push_back(now);
        // Those before the last few decide nothing.
        while self.restarts.len() > policy.max.saturating_add(1) {
            self.restarts.pop_front();
        }
        self.is_exceeded(policy, now)
    }

    pub(super) fn is_exceeded(&self, policy: &RestartPolicy, now: Instant) -> bool {
        let recent = |at: &&Instant| now.duration_since(**at) < policy.window;
        self.restarts.iter().filter(recent).count() > policy.max
    }
}

/// The wait while there are too many restarts.
pub(super) const WHEN_DEGRADED: Duration = LONGEST;

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RestartPolicy = RestartPolicy {
        max: 3,
        window: Duration::from_secs(60),
        backoff: Duration::from_millis(100),
    };

    #[test]
    fn the_first_restart_is_immediate_and_each_further_one_waits_twice_as_long() {
        let waits: Vec<_> = (1..13).map(|n| POLICY.wait(n, 0.5).as_millis()).collect();
        let expected = [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000];
        assert_eq!(waits, expected);
        assert_eq!(POLICY.wait(3, 0.0), Duration::from_millis(160));
        assert_eq!(POLICY.wait(3, 1.0), Duration::from_millis(240));
        assert_eq!(
            RestartPolicy { backoff: Duration::ZERO, ..POLICY }.wait(40, 0.5),
            Duration::ZERO
        );
    }

    #[test]
    fn too_many_restarts_are_those_within_the_window() {
        let (mut intensity, start) = (Intensity::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let noted: Vec<_> = [0, 1, 2, 3, 62, 63].map(|it| intensity.note(&POLICY, at(it))).into();
        assert_eq!(noted, [false, false, false, true, false, false]);
        assert!(!intensity.is_exceeded(&POLICY, at(200)));
    }
}
