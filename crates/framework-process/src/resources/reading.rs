use std::time::Duration;

/// What there is of memory. `None` is "unknown": a file is missing, or makes no sense.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct MemoryReading {
    /// The smallest limit of the process's control group and those above it, in bytes; `None` also
    /// where there is no limit.
    pub limit_bytes: Option<u64>,
    /// What the process's control group uses, file pages that can be given back at once left out;
    /// without groups, what everyone on the machine does. In bytes.
    pub used_bytes: Option<u64>,
    /// How full that one of the groups with a limit is that is fullest: 1 is full.
    pub group_ratio: Option<f64>,
    /// What the machine has, in bytes.
    pub machine_bytes: Option<u64>,
    /// What the process has in memory, in bytes.
    pub rss_bytes: Option<u64>,
    /// The share of the last 10 s in which somebody waited for memory, 0 to 1.
    pub stall_ratio: Option<f64>,
    /// How often a limit was felt, since the group was made.
    pub events: MemoryEvents,
}

/// How often the limits of a control group were felt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryEvents {
    /// How often the group was slowed down, because it was above `memory.high`.
    pub high: Option<u64>,
    /// How often the group was about to go over its limit.
    pub max: Option<u64>,
    /// How many processes were killed for want of memory.
    pub oom_kill: Option<u64>,
}

/// What there is of processor time. `None` is "unknown".
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CpuReading {
    /// How many processors the process may use; a quota makes it a part of one.
    pub cpus: Option<f64>,
    /// What the process's control group has used so far, else what the machine has.
    pub used: Option<Duration>,
    /// In how many of its periods the group could have been held up by its quota.
    pub periods: Option<u64>,
    /// In how many of them it was.
    pub throttled_periods: Option<u64>,
    /// The share of the last 10 s in which somebody waited for a processor, 0 to 1.
    pub stall_ratio: Option<f64>,
}

/// What the process has of things that can run out. `None` is "unknown".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessReading {
    /// How many file descriptors are open.
    pub open_fds: Option<u64>,
    /// How many may be open; `None` also where there is no limit.
    pub max_fds: Option<u64>,
    /// How many threads there are.
    pub threads: Option<u64>,
}

impl MemoryEvents {
    /// How often each happened after `before`.
    pub(super) fn since(self, before: Self) -> Self {
        let since = |after: Option<u64>, before: Option<u64>| after?.checked_sub(before?);
        Self {
            high: since(self.high, before.high),
            max: since(self.max, before.max),
            oom_kill: since(self.oom_kill, before.oom_kill),
        }
    }
}
