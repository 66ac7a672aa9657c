use std::path::PathBuf;

use framework_config::{Faults, Settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the process logs, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// The log.
    pub log: LogSettings,
}

impl Settings for TelemetrySettings {
    fn validate(&self, faults: &mut Faults) {
        if let Err(error) = super::level::parse(&self.log.level) {
            faults.add("log.level", error.to_string());
        }
    }

    fn restart_keys() -> &'static [&'static str] {
        &["log.format", "log.file"]
    }
}

/// How the log looks, how much of it there is, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `pretty` for people, `json` for machines; `auto` is `pretty` on a terminal and else `json`.
    pub format: LogFormat,
    /// The least important lines that are logged: a level (`error`, `warn`, `info`, `debug`,
    /// `trace`, `off`), or levels for parts of the program, as in `info,hyper=warn,shop=debug`.
    pub level: String,
    /// The file that lines are appended to, instead of standard error.
    pub file: Option<PathBuf>,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".to_owned(), file: None }
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// `pretty` on a terminal, else `json`.
    #[default]
    Auto,
    /// Text for people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Decides what [`Auto`](Self::Auto) leaves open.
    pub(super) fn or(self, terminal: bool) -> Self {
        match self {
            Self::Auto if terminal => Self::Pretty,
            Self::Auto => Self::Json,
            decided => decided,
        }
    }
}
