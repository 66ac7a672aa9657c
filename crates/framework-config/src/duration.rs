//! Durations as `30s` or `1m 30s`, for `#[serde(with = "framework_config::duration")]`.
//!
//! A bare number is refused: ten what? For an `Option<Duration>`, use [`optional`].
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//!
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Limits {
//!     #[serde(with = "framework_config::duration")]
//!     timeout: Duration,
//! }
//!
//! let limits: Limits = serde_json::from_str(r#"{ "timeout": "1m 30s" }"#)?;
//! assert_eq!(limits.timeout, Duration::from_secs(90));
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::{fmt, time::Duration};

use serde::{Deserializer, Serializer, de};

/// Writes a duration as text.
///
/// # Errors
///
/// Returns an error if the serializer does.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

/// Reads a duration from text.
///
/// # Errors
///
/// Returns an error if the text is not a duration, or lacks its unit.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(DurationVisitor)
}

/// Durations that may be absent, for `#[serde(with = "framework_config::duration::optional")]`.
pub mod optional {
    use super::{Deserializer, Duration, DurationVisitor, Serializer, de, fmt};

    /// Writes a duration as text, or nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if the serializer does.
    pub fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a duration from text, if there is one.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a duration, or lacks its unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        deserializer.deserialize_option(OptionalVisitor)
    }

    struct OptionalVisitor;

    impl<'de> de::Visitor<'de> for OptionalVisitor {
        type Value = Option<Duration>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            de::Visitor::expecting(&DurationVisitor, f)
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(
            self,
            deserializer: D,
        ) -> Result<Self::Value, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

struct DurationVisitor;

impl de::Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration like \"30s\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        let number = text.trim();
        if !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return Err(E::custom(format_args!("missing unit, write \"{number}s\"")));
        }
        let malformed = |_| E::custom("not a duration, write it like \"30s\" or \"1m 30s\"");
        humantime::parse_duration(number).map_err(malformed)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Duration, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Duration, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Duration, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Limits {
        #[serde(with = "crate::duration")]
        timeout: Duration,
        #[serde(with = "crate::duration::optional", default)]
        grace: Option<Duration>,
    }

    #[test]
    fn a_bare_number_is_refused_with_the_cure() {
        let error = serde_json::from_str::<Limits>(r#"{"timeout": "10"}"#).unwrap_err().to_string();
        assert!(error.starts_with("missing unit, write \"10s\""), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(nanos: u64, grace: Option<u32>) {
            let limits = Limits {
                timeout: Duration::from_nanos(nanos),
                grace: grace.map(|seconds| Duration::from_secs(seconds.into())),
            };
            let text = serde_json::to_string(&limits).unwrap();
            prop_assert_eq!(serde_json::from_str::<Limits>(&text).unwrap(), limits);
        }
    }
}
