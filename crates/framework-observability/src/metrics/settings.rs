use std::time::Duration;

use framework_config::{Faults, Settings, duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The metrics of the application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSettings {
    /// Whether the process and its machine are looked at, and the metrics shown.
    pub enabled: bool,
    /// How often the process and its machine are looked at, at least `100ms`.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub update_interval: Duration,
}

impl Settings for MetricsSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.update_interval < Duration::from_millis(100) {
            faults.add("update_interval", "must be at least 100ms");
        }
    }
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self { enabled: true, update_interval: Duration::from_secs(5) }
    }
}
