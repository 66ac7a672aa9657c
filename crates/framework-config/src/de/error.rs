use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::key_path::{KeyPath, Step};

/// Why a value cannot be bound, and the way to it.
#[derive(Debug)]
pub(crate) struct BindError {
    pub(crate) path: KeyPath,
    pub(crate) cause: Cause,
}

/// What is wrong. No cause holds the value: it may be a secret.
#[derive(Debug, PartialEq)]
pub(crate) enum Cause {
    /// The table at the path has a key that nobody knows.
    UnknownKey { key: String, known: &'static [&'static str] },
    /// The table at the path lacks a key.
    Missing { key: &'static str },
    /// The value is of another type, or out of the type's range.
    Mismatch { wanted: String },
    /// The text is none of the choices.
    UnknownVariant { given: String, known: &'static [&'static str] },
    /// The type's own words.
    Custom(String),
    /// A reference that cannot be followed.
    Broken { what: String, cure: String },
    /// The value was read by nobody; becomes [`Self::UnknownKey`] one level up.
    Ignored,
}

impl BindError {
    pub(crate) fn new(cause: Cause) -> Self {
        Self { path: KeyPath::default(), cause }
    }

    /// Puts the step that led to the error before its path.
    pub(crate) fn under(mut self, step: Step) -> Self {
        match (self.cause, step) {
            (Cause::Ignored, Step::Key(key)) if self.path.steps().is_empty() => {
                Self::new(Cause::UnknownKey { key, known: &[] })
            }
            (cause, step) => {
                self.path.prepend(step);
                Self { path: self.path, cause }
            }
        }
    }
}

impl de::Error for BindError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Cause::Custom(message.to_string()))
    }

    // The defaults of these repeat the value.
    fn invalid_type(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(Cause::Mismatch { wanted: wanted.to_string() })
    }

    fn invalid_value(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(Cause::Mismatch { wanted: wanted.to_string() })
    }

    fn invalid_length(_: usize, wanted: &dyn Expected) -> Self {
        Self::new(Cause::Mismatch { wanted: wanted.to_string() })
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(Cause::UnknownVariant { given: variant.to_owned(), known })
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(Cause::UnknownKey { key: field.to_owned(), known })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Cause::Missing { key: field })
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(Cause::Custom(format!("`{field}` is set under two of its names")))
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` cannot be bound", self.path)
    }
}

impl std::error::Error for BindError {}
