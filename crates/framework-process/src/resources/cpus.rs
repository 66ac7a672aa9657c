//! The processors of the machine, as far as the process may use them.

use std::time::Duration;

use super::files::{keyed, number};

/// What the kernel counts the processors' time in, for programs, on every architecture.
const TICK_MILLIS: u64 = 10;

/// How many processors the process may run on, by the text of its `status`.
pub(super) fn allowed(status: &str) -> Option<u64> {
    let list = keyed(status, "Cpus_allowed_list:")?;
    let many = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        number(last)?.checked_sub(number(first)?)?.checked_add(1)
    };
    let mut ranges = list.split(',').map(many);
    let all = ranges.try_fold(0_u64, |sum, many| sum.checked_add(many?));
    // No machine has as many as could be written down.
    all.filter(|count| (1..=1 << 16).contains(count))
}

/// How long the processors of the machine were busy, all together, by the text of `/proc/stat`.
pub(super) fn busy(stat: &str) -> Option<Duration> {
    let times = keyed(stat, "cpu")?.split_whitespace().map(number);
    let times: Option<Vec<u64>> = times.collect();
    let [user, nice, system, _idle, _waiting, interrupts, soft, stolen, ..] = times?[..] else {
        return None;
    };
    let ticks = [user, nice, system, interrupts, soft, stolen];
    let ticks = ticks.into_iter().try_fold(0_u64, u64::checked_add)?;
    let millis = ticks.checked_mul(TICK_MILLIS).filter(|&millis| millis > 0);
    millis.map(Duration::from_millis)
}
