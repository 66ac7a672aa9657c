use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How much depends on work being done where there is not room for all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// It can be done another time: reports, suggestions, exports.
    Low,
    /// What nothing is said about.
    #[default]
    Normal,
    /// It is given up last: what earns the money.
    High,
}

/// What an application that is short of something does without for a while. Nothing, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadLimits {
    /// Work of this priority, and of each below it, is refused.
    pub refuse: Option<Priority>,
    /// Connections of clients end with the next response.
    pub close_connections: bool,
    /// By how many hundredths the time is shortened for which unused connections stay open, 0 to
    /// 100.
    pub shorter_idle_percent: u8,
}

/// Where whoever watches the process says how much work it takes, and servers look before they take
/// any. A look is one relaxed load.
///
/// Provide one, and the HTTP server goes by it.
///
/// # Examples
///
/// ```
/// use framework_core::{LoadControl, LoadLimits, Priority};
///
/// let load = LoadControl::new();
/// assert!(!load.refuses(Priority::Low));
/// load.set(LoadLimits { refuse: Some(Priority::Normal), ..LoadLimits::default() });
/// assert!(load.refuses(Priority::Low) && load.refuses(Priority::Normal));
/// assert!(!load.refuses(Priority::High));
/// ```
#[derive(Debug, Default)]
pub struct LoadControl {
    // One word, so that nobody sees half a change.
    packed: AtomicU32,
}

const REFUSE: u32 = 0b11;
const CLOSE: u32 = 1 << 2;
const IDLE_SHIFT: u32 = 8;

// ===== impl LoadControl =====

impl LoadControl {
    /// One that limits nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what is done without, from now on. More than 100 hundredths are as good as 100.
    pub fn set(&self, limits: LoadLimits) {
        let refuse = match limits.refuse {
            None => 0,
            Some(Priority::Low) => 1,
            Some(Priority::Normal) => 2,
            Some(Priority::High) => 3,
        };
        let close = if limits.close_connections { CLOSE } else { 0 };
        let idle = u32::from(limits.shorter_idle_percent.min(100)) << IDLE_SHIFT;
        self.packed.store(refuse | close | idle, Relaxed);
    }

    /// What is done without at the moment.
    #[must_use]
    pub fn get(&self) -> LoadLimits {
        let packed = self.packed.load(Relaxed);
        let refuse = match packed & REFUSE {
            0 => None,
            1 => Some(Priority::Low),
            2 => Some(Priority::Normal),
            _ => Some(Priority::High),
        };
        LoadLimits {
            refuse,
            close_connections: packed & CLOSE != 0,
            shorter_idle_percent: (packed >> IDLE_SHIFT) as u8,
        }
    }

    /// Whether work of this priority is refused at the moment.
    #[must_use]
    pub fn refuses(&self, priority: Priority) -> bool {
        self.get().refuse.is_some_and(|refused| priority <= refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_read_and_nothing_is_set_at_first() {
        let load = LoadControl::new();
        assert_eq!(load.get(), LoadLimits::default());
        let priorities = [None, Some(Priority::Low), Some(Priority::Normal), Some(Priority::High)];
        for refuse in priorities {
            for (close_connections, shorter_idle_percent) in [(false, 0), (true, 100), (true, 37)] {
                let limits = LoadLimits { refuse, close_connections, shorter_idle_percent };
                load.set(limits);
                assert_eq!(load.get(), limits);
            }
        }
        load.set(LoadLimits { shorter_idle_percent: 255, ..LoadLimits::default() });
        assert_eq!(load.get().shorter_idle_percent, 100);
    }
}
