use std::{path::PathBuf, time::Duration};

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
    /// How long a configuration is on probation after it has come into force: if a module that it
    /// changes something for makes the application unready in that time, the one before comes back.
    /// `0s`: never.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub confirm: Duration,
    /// What becomes of a change of keys that cannot change while the application runs.
    pub on_restart_keys: OnRestartKeys,
    /// What the application starts with when the files cannot be used.
    pub boot: BootFrom,
    /// Where the files that were good last are kept. Absent: `STATE_DIRECTORY`, as systemd sets it,
    /// or the application's directory in `XDG_STATE_HOME`, or in `.state`.
    pub state_dir: Option<PathBuf>,
}

/// What becomes of a change of keys that cannot change while the application runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnRestartKeys {
    /// The whole change is refused, and these keys are named.
    #[default]
    Refuse,
    /// The other keys change; these keep their values, and wait for the next start.
    Report,
}

/// What an application starts with when its files cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BootFrom {
    /// Not at all.
    #[default]
    Files,
    /// The files that were good last, if they are kept.
    LastGood,
}

impl Default for ConfigSettings {
    fn default() -> Self {
        Self {
            watch: true,
            poll_interval: Duration::from_secs(5),
            confirm: Duration::from_secs(10),
            on_restart_keys: OnRestartKeys::default(),
            boot: BootFrom::default(),
            state_dir: None,
        }
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
