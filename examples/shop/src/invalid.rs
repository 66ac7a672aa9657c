//! Everything that is wrong with what a client sent, told at once.

use framework::{http::FieldError, prelude::*};

/// Gathers what is wrong with a body, field by field.
#[derive(Debug, Default)]
pub(crate) struct Invalid {
    errors: Vec<FieldError>,
}

impl Invalid {
    /// Adds `detail` about the field at `pointer` unless `valid`.
    pub(crate) fn unless(&mut self, valid: bool, pointer: impl Into<String>, detail: &str) {
        if !valid {
            self.errors.push(FieldError::at(pointer, detail));
        }
    }

    /// A problem document with all of it, if there is anything.
    pub(crate) fn into_result(self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            return Ok(());
        }
        let problem = Problem::unprocessable().detail("the request has values that cannot be used");
        Err(self.errors.iter().fold(problem, Problem::error))
    }
}
