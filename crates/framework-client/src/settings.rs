use std::{collections::BTreeMap, time::Duration};

use framework_config::{ByteSize, Faults, Settings, duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The HTTP clients of the application, by name: section `clients`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ClientsSettings(BTreeMap<String, ClientSettings>);

/// How one other service is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// What addresses of calls are put behind, as `http://payments.internal:8080/v1`.
    pub base_url: String,
    /// How long a call may take, all its tries and the body of the answer included.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// How long connecting may take.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// What is tried again, and how often.
    pub retry: RetrySettings,
    /// How large the body of an answer may be.
    pub max_response: ByteSize,
    /// How many connections to one host are kept while nobody uses them.
    pub max_idle: usize,
}

/// How calls are tried again that may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// How often a call is tried, the first time included.
    pub max_attempts: u32,
    /// How many retries there may be for each call, on average: 0.2 are one for every five calls,
    /// so whoever is called sees at most 1.2 times what there is to do, however bad things are.
    pub budget: f64,
    /// The longest pause before the second try; it doubles with each further one.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub base: Duration,
    /// The longest pause of all.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub max: Duration,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            base_url: String::new(),
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(2),
            retry: RetrySettings::default(),
            max_response: ByteSize::mib(8),
            max_idle: 32,
        }
    }
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            budget: 0.2,
            base: Duration::from_millis(50),
            max: Duration::from_secs(2),
        }
    }
}

impl ClientsSettings {
    /// The settings of the client called `name`, those by default if nothing is set.
    #[must_use]
    pub fn of(&self, name: &str) -> ClientSettings {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// The names that something is set for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<(String, ClientSettings)> for ClientsSettings {
    fn from_iter<I: IntoIterator<Item = (String, ClientSettings)>>(clients: I) -> Self {
        Self(clients.into_iter().collect())
    }
}

impl Settings for ClientsSettings {
    // A client is built from them once.
    fn restart_keys() -> &'static [&'static str] {
        &["*"]
    }

    fn validate(&self, faults: &mut Faults) {
        for (name, client) in &self.0 {
            for (key, what) in client.faults() {
                faults.add(&format!("{name}.{key}"), what);
            }
        }
    }
}

impl ClientSettings {
    /// The settings by default, for a service at `base_url`.
    #[must_use]
    pub fn at(base_url: impl Into<String>) -> Self {
        Self { base_url: base_url.into(), ..Self::default() }
    }

    /// Every key that is wrong, and what is wrong with it.
    pub(crate) fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let retry = &self.retry;
        let http = ["http://", "https://"].iter().any(|scheme| self.base_url.starts_with(scheme));
        let url = self.base_url.parse::<http::Uri>();
        let url = url.is_ok_and(|url| url.host().is_some() && url.query().is_none());
        let rules = [
            (
                !(self.base_url.is_empty() || http && url),
                "base_url",
                "must be an address without a query, like \"http://payments:8080\"",
            ),
            (self.timeout.is_zero(), "timeout", "must be longer than 0s"),
            (self.connect_timeout.is_zero(), "connect_timeout", "must be longer than 0s"),
            (retry.max_attempts == 0, "retry.max_attempts", "must be at least 1"),
            (!(0.0..=1.0).contains(&retry.budget), "retry.budget", "must be from 0 to 1"),
            (retry.base > retry.max, "retry.base", "must not be longer than `retry.max`"),
            (self.max_response.bytes() == 0, "max_response", "must be at least 1B"),
        ];
        rules.into_iter().filter(|(broken, ..)| *broken).map(|(_, key, what)| (key, what)).collect()
    }
}
