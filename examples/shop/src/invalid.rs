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

    /// Adds a complaint unless `text` says something in at most `max` characters.
    pub(crate) fn unless_text(&mut self, text: &str, max: usize, pointer: &str) {
        self.unless(!text.trim().is_empty(), pointer, "must not be empty");
        let detail = format!("must have at most {max} characters");
        self.unless(text.chars().count() <= max, pointer, &detail);
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
