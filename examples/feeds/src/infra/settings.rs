use std::{path::PathBuf, time::Duration};

use framework::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The section `database`: where feeds and their items are kept.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// The `SQLite` file, as `sqlite://` and its path; the folder is made where it is missing.
    /// Several processes may share it.
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
            url: "sqlite://data/feeds.db".to_owned(),
            max_connections: 4,
            acquire_timeout: Duration::from_secs(5),
            migrate: true,
        }
    }
}

impl DatabaseSettings {
    /// The path in the URL, or what is wrong with the URL.
    pub(super) fn file(&self) -> Result<PathBuf, &'static str> {
        match self.url.strip_prefix("sqlite://") {
            None => Err("must be `sqlite://` and the path of a file"),
            // Each connection would see a database of its own.
            Some("" | ":memory:") => Err("must name a file: `sqlite://data/feeds.db`"),
            Some(path) if path.contains('?') => Err("must not have parameters"),
            Some(path) => Ok(path.into()),
        }
    }
}

impl Settings for DatabaseSettings {
    fn validate(&self, faults: &mut Faults) {
        if let Err(wrong) = self.file() {
            faults.add("url", wrong);
        }
        if !(1..=1000).contains(&self.max_connections) {
            faults.add("max_connections", "must be from 1 to 1000");
        }
        if self.acquire_timeout.is_zero() {
            faults.add("acquire_timeout", "must be longer than 0s");
        }
    }

    // The pools are made once.
    fn restart_keys() -> &'static [&'static str] {
        &["*"]
    }
}
