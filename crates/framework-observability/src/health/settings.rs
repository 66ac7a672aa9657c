use std::time::Duration;

use framework_config::{Faults, Settings, duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How health checks are run, where a check does not say otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HealthSettings {
    /// How long to wait between two runs of a check, at least `100ms`.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// How long a check may take; one that takes longer has failed.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// How many times in a row a check fails before what it looks at counts as not working.
    pub fail_after: u32,
    /// How many times in a row it passes before that counts as working again.
    pub pass_after: u32,
}

impl Settings for HealthSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.interval < Duration::from_millis(100) {
            faults.add("interval", "must be at least 100ms");
        }
        if self.timeout.is_zero() {
            faults.add("timeout", "must be longer than nothing");
        }
        for (key, times) in [("fail_after", self.fail_after), ("pass_after", self.pass_after)] {
            if times == 0 {
                faults.add(key, "must be at least 1");
            }
        }
    }

    fn restart_keys() -> &'static [&'static str] {
        &["*"]
    }
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(1),
            fail_after: 3,
            pass_after: 2,
        }
    }
}
