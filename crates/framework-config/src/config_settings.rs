use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{duration, fault::Faults, settings::Settings};

/// How the configuration itself is treated: section `config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigSettings {
    /// Whether the files are watched, and read again when they change.
    pub watch: bool,
    /// How often the files are looked at, beside the events about them, which not every file
    /// system sends.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub poll_interval: Duration,
}

impl Default for ConfigSettings {
    fn default() -> Self {
        Self { watch: true, poll_interval: Duration::from_secs(5) }
    }
}

impl Settings for ConfigSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.poll_interval < Duration::from_millis(100) {
            faults.add("poll_interval", "must be at least 100ms");
        }
    }

    fn restart_keys() -> &'static [&'static str] {
        &["*"]
    }
}
