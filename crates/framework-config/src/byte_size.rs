use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The unit that a number of bytes is written in, largest first.
const UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A size in bytes, written with its unit: `512MiB`, `10kB`, `1.5GiB`.
///
/// Binary units (`KiB`, 1024) and decimal ones (`kB`, 1000) are both understood. A bare number is
/// refused, as a duration without a unit is: 512 of what?
///
/// # Examples
///
/// ```
/// use framework_config::ByteSize;
///
/// let size: ByteSize = "512MiB".parse()?;
/// assert_eq!(size.bytes(), 512 * 1024 * 1024);
/// assert_eq!(size.to_string(), "512MiB");
/// # Ok::<(), framework_config::ByteSizeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// The text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ByteSizeError {
    /// The number has no unit.
    #[error("missing unit, write \"{number}B\" or \"{number}MiB\"")]
    MissingUnit {
        /// The number.
        number: String,
    },
    /// The text is something else.
    #[error("not a size, write it like \"512MiB\"")]
    Malformed,
}

impl ByteSize {
    /// A size of `count` bytes.
    #[must_use]
    pub const fn from_bytes(count: u64) -> Self {
        Self(count)
    }

    /// A size of `count` KiB (1024 bytes); the largest size if that is too much.
    #[must_use]
    pub const fn kib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 10))
    }

    /// A size of `count` MiB (1024 KiB); the largest size if that is too much.
    #[must_use]
    pub const fn mib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 20))
    }

    /// A size of `count` GiB (1024 MiB); the largest size if that is too much.
    #[must_use]
    pub const fn gib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 30))
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory; the largest one if it does not fit.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Shows the size in the largest binary unit that loses nothing, so that it reads back the same.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |&(_, unit): &(&str, u64)| self.0 != 0 && self.0.is_multiple_of(unit);
        let (name, unit) = UNITS.into_iter().find(exact).unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return Err(ByteSizeError::MissingUnit { number: text.to_owned() });
        }
        let size: bytesize::ByteSize = text.parse().map_err(|_| ByteSizeError::Malformed)?;
        Ok(Self(size.as_u64()))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SizeVisitor)
    }
}

struct SizeVisitor;

impl de::Visitor<'_> for SizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size like \"512MiB\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<ByteSize, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<ByteSize, E> {
        self.visit_str(&number.to_string())
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ByteSize".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "byte-size" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_binary_or_decimal() {
        for (text, bytes) in [("512MiB", 512 << 20), ("2 KiB", 2048), ("10kB", 10_000), ("7B", 7)] {
            assert_eq!(text.parse::<ByteSize>().unwrap().bytes(), bytes, "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_refused_with_the_cure() {
        let error = serde_json::from_str::<ByteSize>("\"512\"").unwrap_err().to_string();
        assert!(error.starts_with("missing unit, write \"512B\" or \"512MiB\""), "{error}");
        assert_eq!("many".parse::<ByteSize>(), Err(ByteSizeError::Malformed));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back_the_same(bytes: u64) {
            let size = ByteSize::from_bytes(bytes);
            prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
        }
    }
}
