use std::time::Duration;

use framework::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::database::sqlite_file;

/// The section `database`: where everything is kept.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// The `SQLite` file, as `sqlite://` and its path; the folder is made where it is missing.
    pub url: String,
    /// How many connections read at once, 1 to 1000. All writing goes through one more.
    pub max_connections: u32,
    /// How long a request waits for a connection before it is answered with 503.
    #[serde(with = "framework::config::duration")]
    #[schemars(with = "String")]
    pub acquire_timeout: Duration,
    /// Whether tables are brought up to date at start. Without it, tables that are not are a
    /// reason not to start.
    pub migrate: bool,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: "sqlite://data/app.db".to_owned(),
            max_connections: 8,
            acquire_timeout: Duration::from_secs(5),
            migrate: true,
        }
    }
}

impl Settings for DatabaseSettings {
    fn validate(&self, faults: &mut Faults) {
        if let Err(error) = sqlite_file(&self.url) {
            faults.add("url", error.to_string());
        }
        if !(1..=1000).contains(&self.max_connections) {
            faults.add("max_connections", "must be from 1 to 1000");
        }
        if self.acquire_timeout.is_zero() {
            faults.add("acquire_timeout", "must be longer than 0s");
        }
    }
}
