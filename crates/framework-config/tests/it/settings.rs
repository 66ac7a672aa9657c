//! The settings that the tests are about.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use framework_config::{ByteSize, Faults, Secret, Settings, duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the app listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HttpSettings {
    /// The address and port.
    #[schemars(with = "String")]
    pub(crate) addr: SocketAddr,
    /// How long a request may take.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub(crate) timeout: Duration,
    /// The largest body that is read.
    pub(crate) body_limit: ByteSize,
    /// Certificate and key, for TLS.
    pub(crate) tls: Option<TlsSettings>,
}

/// A certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct TlsSettings {
    /// The file with the certificate.
    pub(crate) cert: String,
    /// The key itself.
    pub(crate) key: Secret<String>,
}

/// Where products are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct DbSettings {
    /// The URL, with a password in it as often as not.
    pub(crate) url: String,
    /// What the database knows us by.
    pub(crate) password: Option<Secret<String>>,
    /// What cursors are signed with.
    pub(crate) salt: Secret<String>,
    /// How many connections there are.
    pub(crate) pool: PoolSettings,
    /// How much is written to the log.
    pub(crate) log: LogLevel,
    /// Names that stand for others.
    pub(crate) aliases: BTreeMap<String, String>,
    /// Whom to ask first.
    pub(crate) replicas: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct PoolSettings {
    /// The fewest.
    pub(crate) min: u32,
    /// The most.
    pub(crate) max: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogLevel {
    Quiet,
    #[default]
    Slow,
    Everything,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 8080)),
            timeout: Duration::from_secs(30),
            body_limit: ByteSize::mib(2),
            tls: None,
        }
    }
}

impl Default for DbSettings {
    fn default() -> Self {
        Self {
            url: "sqlite://data/app.db".to_owned(),
            password: None,
            salt: Secret::default(),
            pool: PoolSettings::default(),
            log: LogLevel::default(),
            aliases: BTreeMap::new(),
            replicas: Vec::new(),
        }
    }
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { min: 1, max: 10 }
    }
}

impl Settings for HttpSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.timeout.is_zero() {
            faults.add("timeout", "must be longer than nothing").cure("write \"30s\"");
        }
    }
}

impl Settings for DbSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.pool.max < self.pool.min {
            faults.add("pool.max", "must be >= db.pool.min").with("pool.min");
        }
    }
}
