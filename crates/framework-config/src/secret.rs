use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroize;

/// What stands in place of a secret wherever a value would be shown.
pub(crate) const REDACTED: &str = "***";

/// All that is said about a secret that cannot be read.
pub(crate) const INVALID: &str = "is not valid here";

/// A value that never prints: not by `Debug`, not when serialised, not in the message of an error.
/// It is overwritten with zeros when it is dropped.
///
/// In a configuration it is usually a reference: `token = "${file:/run/secrets/token}"`.
///
/// # Examples
///
/// ```
/// use framework_config::Secret;
///
/// let token = Secret::new(String::from("hunter2"));
/// assert_eq!(format!("{token:?}"), "Secret(***)");
/// assert_eq!(token.expose(), "hunter2");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T: Zeroize> {
    value: T,
}

impl<T: Zeroize> Secret<T> {
    /// Keeps `value` to itself.
    pub fn new(value: T) -> Self {
        Self { value }
    }

    /// The value. The one way to it, so that a search for `expose` finds every use.
    pub fn expose(&self) -> &T {
        &self.value
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({REDACTED})")
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

/// Writes `***`: what is read back is not the secret.
impl<T: Zeroize> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de, T: Zeroize + Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The message of the inner type may repeat what it was given.
        let value = T::deserialize(deserializer).map_err(|_| de::Error::custom(INVALID))?;
        Ok(Self::new(value))
    }
}

impl<T: Zeroize + JsonSchema> JsonSchema for Secret<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        let marks = json_schema!({ "format": "password", "writeOnly": true });
        for (key, value) in marks.as_object().into_iter().flatten() {
            schema.insert(key.clone(), value.clone());
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    struct Watched(Rc<Cell<bool>>);

    impl Zeroize for Watched {
        fn zeroize(&mut self) {
            self.0.set(true);
        }
    }

    #[test]
    fn a_secret_is_zeroed_when_it_is_dropped() {
        let zeroed = Rc::new(Cell::new(false));
        drop(Secret::new(Watched(Rc::clone(&zeroed))));
        assert!(zeroed.get());
    }

    #[test]
    fn a_secret_is_shown_by_nothing() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(***) Secret(***)");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
    }

    #[test]
    fn the_error_of_a_secret_does_not_repeat_it() {
        let error = serde_json::from_str::<Secret<u16>>("\"hunter2\"").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn the_schema_marks_a_secret() {
        let schema = schemars::schema_for!(Secret<String>);
        assert_eq!(schema.get("format").unwrap(), "password");
        assert_eq!(schema.get("writeOnly").unwrap(), true);
    }
}
