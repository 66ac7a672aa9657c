//! Hosts that are left alone for a while, because the last attempts went wrong or because they
//! asked for it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use framework::core::Clock;

/// How many failures in a row there are before a host is left alone.
const PATIENCE: u32 = 3;

/// The first pause; each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause, also of those that a host asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// How many hosts in trouble are remembered.
const MAX_HOSTS: usize = 4096;

/// What is remembered of hosts in trouble.
pub(super) struct Hosts {
    clock: Arc<dyn Clock>,
    troubled: Mutex<HashMap<String, Trouble>>,
}

#[derive(Clone, Copy, Debug)]
struct Trouble {
    failures: u32,
    /// On the clock.
    until: Duration,
}

impl Hosts {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, troubled: Mutex::default() }
    }

    /// How long `host` is still left alone.
    pub(super) fn pause(&self, host: &str) -> Option<Duration> {
        let until = self.troubled().get(host)?.until;
        until.checked_sub(self.clock.now()).filter(|left| !left.is_zero())
    }

    /// It answered.
    pub(super) fn succeeded(&self, host: &str) {
        self.troubled().remove(host);
    }

    /// It did not answer as it should, and may have asked to be left alone for `asked`.
    pub(super) fn failed(&self, host: &str, asked: Option<Duration>) {
        let now = self.clock.now();
        let mut troubled = self.troubled();
        if troubled.len() >= MAX_HOSTS {
            troubled.retain(|_, trouble| trouble.until > now);
        }
        let failures = troubled.get(host).map_or(0, |known| known.failures).saturating_add(1);
        if troubled.len() >= MAX_HOSTS && failures == 1 {
            return;
        }
        let pause = asked.unwrap_or_else(|| own_pause(failures)).min(LONGEST_PAUSE);
        troubled.insert(host.to_owned(), Trouble { failures, until: now + pause });
    }

    /// Another process has been told by `host`, or has seen, that it is to be left alone for `pause`.
    pub(super) fn heard(&self, host: &str, pause: Duration) {
        let until = self.clock.now() + pause.min(LONGEST_PAUSE);
        let mut troubled = self.troubled();
        if troubled.len() < MAX_HOSTS || troubled.contains_key(host) {
            let known = troubled.entry(host.to_owned()).or_insert(Trouble { failures: 0, until });
            known.until = known.until.max(until);
        }
    }

    fn troubled(&self) -> MutexGuard<'_, HashMap<String, Trouble>> {
        // Each entry is whole at any time, whoever panics.
        self.troubled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pause after so many failures in a row, if the host did not ask for one.
fn own_pause(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(PATIENCE) else { return Duration::ZERO };
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings))
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosts").field("troubled", &self.troubled().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering::Relaxed},
        time::SystemTime,
    };

    use framework::core::BoxFuture;

    use super::*;

    #[derive(Debug, Default)]
    struct Hand(AtomicU64);

    impl Clock for Hand {
        fn now(&self) -> Duration {
            Duration::from_secs(self.0.load(Relaxed))
        }

        fn wall(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        fn sleep(&self, _: Duration) -> BoxFuture<()> {
            Box::pin(std::future::pending())
        }
    }

    fn hosts() -> (Arc<Hand>, Hosts) {
        let hand = Arc::new(Hand::default());
        let hosts = Hosts::new(Arc::clone(&hand) as Arc<dyn Clock>);
        (hand, hosts)
    }

    #[test]
    fn a_host_that_keeps_failing_is_left_alone_for_longer_and_longer() {
        let (hand, hosts) = hosts();
        for expected in [0, 0, 10, 20, 40] {
            hosts.failed("a", None);
            let pause = hosts.pause("a").unwrap_or_default();
            assert_eq!(pause, Duration::from_secs(expected));
            hand.0.fetch_add(pause.as_secs(), Relaxed);
            assert_eq!(hosts.pause("a"), None, "the pause is over");
        }
        assert_eq!(hosts.pause("b"), None, "others have nothing to do with it");
        hosts.succeeded("a");
        hosts.failed("a", None);
        assert_eq!(hosts.pause("a"), None, "what went well ends the row");
    }

    #[test]
    fn a_host_that_asks_for_a_pause_has_it_at_once() {
        let (_, hosts) = hosts();
        hosts.failed("a", Some(Duration::from_secs(120)));
        assert_eq!(hosts.pause("a"), Some(Duration::from_secs(120)));
        hosts.failed("a", Some(Duration::from_secs(u64::MAX)));
        assert_eq!(hosts.pause("a"), Some(LONGEST_PAUSE));
    }

    #[test]
    fn what_another_process_has_learnt_counts_here() {
        let (_, hosts) = hosts();
        hosts.heard("a", Duration::from_secs(60));
        hosts.heard("a", Duration::from_secs(5));
        assert_eq!(hosts.pause("a"), Some(Duration::from_secs(60)));
        hosts.succeeded("a");
        assert_eq!(hosts.pause("a"), None);
    }

    #[test]
    fn no_more_hosts_are_remembered_than_there_is_room_for() {
        let (_, hosts) = hosts();
        for n in 0..MAX_HOSTS + 10 {
            hosts.failed(&n.to_string(), Some(Duration::from_secs(60)));
        }
        assert_eq!(hosts.troubled().len(), MAX_HOSTS);
    }
}
