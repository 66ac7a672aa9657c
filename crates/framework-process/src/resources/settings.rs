use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use framework_config::{ByteSize, Faults, Settings, duration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ResourceLimits;

/// How much memory and processor time there is: section `resources`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceSettings {
    /// How much memory the process is to hold at most. The limit of a container counts beside it,
    /// for everything in the container. Without it, and without a container's limit: `512MiB`.
    pub memory_limit: Option<ByteSize>,
    /// The share of its processors from which there is a warning: `0.9`, or `"90 %"`.
    pub cpu_limit: Share,
    /// How often the use of processors, descriptors and threads is taken. Memory is looked at four
    /// times a second in any case.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub sample_interval: Duration,
    /// How often the log tells of a pressure that lasts.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub log_interval: Duration,
}

/// A share of something, more than nothing and at most all: written `0.9` or `"90 %"`.
///
/// # Examples
///
/// ```
/// use framework_process::Share;
///
/// let share: Share = "90 %".parse()?;
/// assert_eq!(share, "0.9".parse()?);
/// assert_eq!(share.ratio(), 0.9);
/// # Ok::<(), framework_process::ShareError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Share(f64);

/// What was written is not a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a share of more than 0 and at most 1, write it like 0.9 or \"90 %\"")]
#[non_exhaustive]
pub struct ShareError;

// ===== impl ResourceSettings =====

impl Default for ResourceSettings {
    fn default() -> Self {
        let limits = ResourceLimits::default();
        Self {
            memory_limit: None,
            cpu_limit: Share(limits.max_cpu_ratio),
            sample_interval: limits.sample_interval,
            log_interval: Duration::from_secs(30),
        }
    }
}

impl Settings for ResourceSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.memory_limit.is_some_and(|limit| limit.bytes() == 0) {
            faults.add("memory_limit", "must be more than 0B");
        }
        let least = Duration::from_millis(10);
        for (key, interval) in
            [("sample_interval", self.sample_interval), ("log_interval", self.log_interval)]
        {
            if interval < least {
                faults.add(key, "must be at least 10ms");
            }
        }
    }
}

impl ResourceSettings {
    /// What a [`ResourceMonitor`](super::ResourceMonitor) goes by.
    #[must_use]
    pub fn limits(&self) -> ResourceLimits {
        ResourceLimits {
            memory_bytes: self.memory_limit.map(ByteSize::bytes),
            max_cpu_ratio: self.cpu_limit.ratio(),
            sample_interval: self.sample_interval,
        }
    }
}

// ===== impl Share =====

impl Share {
    /// The share `ratio`.
    ///
    /// # Errors
    ///
    /// Returns an error unless it is more than 0 and at most 1.
    pub fn new(ratio: f64) -> Result<Self, ShareError> {
        if ratio > 0.0 && ratio <= 1.0 { Ok(Self(ratio)) } else { Err(ShareError) }
    }

    /// The share as a number, up to 1.
    #[must_use]
    pub fn ratio(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let (number, whole) = match text.strip_suffix('%') {
            Some(percent) => (percent, 100.0),
            None => (text, 1.0),
        };
        let number: f64 = number.trim().parse().map_err(|_| ShareError)?;
        Self::new(number / whole)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShareVisitor)
    }
}

struct ShareVisitor;

impl de::Visitor<'_> for ShareVisitor {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share like 0.9 or \"90 %\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Share, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, ratio: f64) -> Result<Share, E> {
        Share::new(ratio).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Share, E> {
        self.visit_f64(number as f64)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Share, E> {
        self.visit_f64(number as f64)
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "number", "exclusiveMinimum": 0, "maximum": 1 },
                { "type": "string", "pattern": "^[0-9.]+ ?%$" },
            ],
        })
    }
}
