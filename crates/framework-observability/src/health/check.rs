use std::{fmt, sync::Arc, time::Duration};

use framework_core::{Check, Contribution, DynCheck, Order, Unclaimed};

use super::HealthSettings;

/// A contributed [`Check`], with its name and how to run it.
#[derive(Clone)]
pub struct HealthCheck {
    pub(super) name: &'static str,
    pub(super) options: HealthOptions,
    pub(super) check: Arc<dyn DynCheck>,
}

/// How one check is run, and how much depends on it.
///
/// What is not said here comes from the configuration's section `health`.
///
/// # Examples
///
/// ```
/// use framework_observability::HealthOptions;
/// use std::time::Duration;
///
/// let mail = HealthOptions::informative().interval(Duration::from_secs(300)).fail_after(1);
/// assert!(!mail.is_critical());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "options do nothing until a check is contributed with them"]
pub struct HealthOptions {
    critical: bool,
    interval: Option<Duration>,
    timeout: Option<Duration>,
    fail_after: Option<u32>,
    pass_after: Option<u32>,
}

// ===== impl HealthCheck =====

impl HealthCheck {
    /// Makes a check called `name`, which is unique in its module.
    pub fn new(name: &'static str, options: HealthOptions, check: impl Check) -> Self {
        Self { name, options, check: Arc::new(check) }
    }

    /// The name of the check.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How it is run, and how much depends on it.
    pub fn options(&self) -> &HealthOptions {
        &self.options
    }
}

impl Contribution for HealthCheck {
    const KIND: &'static str = "health checks";
    // Whoever shows health looks on; it neither waits for what it looks at nor holds it up.
    const ORDER: Order = Order::Independent;
    const UNCLAIMED: Unclaimed = Unclaimed::Ignore;
}

impl fmt::Debug for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthCheck")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

// ===== impl HealthOptions =====

impl HealthOptions {
    /// The application cannot do without what is checked: when it does not work, the application
    /// is unhealthy and not ready. This is the default.
    pub fn critical() -> Self {
        let (interval, timeout, fail_after, pass_after) = (None, None, None, None);
        Self { critical: true, interval, timeout, fail_after, pass_after }
    }

    /// The application goes on without what is checked: when it does not work, the application is
    /// degraded, and ready.
    pub fn informative() -> Self {
        Self { critical: false, ..Self::critical() }
    }

    /// Sets how long to wait between two runs. Defaults to the configured interval, 30 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// Sets how long a run may take; one that takes longer has failed. Defaults to the configured
    /// limit, 1 s.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Sets how many failures in a row count. Defaults to the configured number, 3.
    pub fn fail_after(mut self, times: u32) -> Self {
        self.fail_after = Some(times);
        self
    }

    /// Sets how many passes in a row make good for a failure. Defaults to the configured number, 2.
    pub fn pass_after(mut self, times: u32) -> Self {
        self.pass_after = Some(times);
        self
    }

    /// Whether the application cannot do without what is checked.
    #[must_use]
    pub fn is_critical(&self) -> bool {
        self.critical
    }

    /// What holds for this check, given what holds for all.
    pub(super) fn over(&self, all: &HealthSettings) -> HealthSettings {
        HealthSettings {
            interval: self.interval.unwrap_or(all.interval),
            timeout: self.timeout.unwrap_or(all.timeout),
            fail_after: self.fail_after.unwrap_or(all.fail_after),
            pass_after: self.pass_after.unwrap_or(all.pass_after),
        }
    }
}

impl Default for HealthOptions {
    fn default() -> Self {
        Self::critical()
    }
}
