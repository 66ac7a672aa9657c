use std::fmt;

use framework::{
    axum::http::{HeaderValue, header},
    http::FieldError,
    prelude::*,
};

/// A place in a document, of which lines and columns are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
    /// How many bytes of text come before, in UTF-8.
    pub offset: usize,
}

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// There is nothing in it.
    Empty,
    /// It is neither XML nor JSON.
    NotText,
    /// It is XML or JSON, and no feed.
    NotAFeed,
    /// Its bytes are not the text that it says they are.
    Encoding,
    /// It is not well formed, or something in it cannot be read.
    Malformed,
    /// It asks for more than is spent on one document.
    Excessive,
}

/// A document is no feed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Something in it is wrong.
    #[error("{place}: {reason}")]
    Document {
        /// What kind of fault it is.
        fault: Fault,
        /// Where.
        place: Place,
        /// The element around that place, if there is one.
        element: Option<String>,
        /// What is wrong, for people.
        reason: String,
    },
    /// It takes too long to understand, or too much else is waiting.
    #[error("the document was not understood in time")]
    TooSlow,
    /// Too much else is waiting.
    #[error("too many documents wait to be understood")]
    Busy,
    /// The parser ran into a fault of its own.
    #[error("the parser failed over the document")]
    Panicked(#[source] BoxError),
}

impl Place {
    /// The place of the byte `offset` in `text`, or of the character that it belongs to.
    pub(super) fn at(text: &str, offset: usize) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line_begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        Self { line, column: before[line_begin..].chars().count() + 1, offset }
    }

    /// The place at a line and a column in bytes, as parsers of JSON count.
    pub(super) fn at_line(text: &str, line: usize, column: usize) -> Self {
        let skipped = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len);
        Self::at(text, skipped.sum::<usize>() + column.saturating_sub(1))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl ParseError {
    pub(super) fn new(fault: Fault, place: Place, reason: impl Into<String>) -> Self {
        Self::Document { fault, place, element: None, reason: reason.into() }
    }

    pub(super) fn within(mut self, around: Option<&str>) -> Self {
        if let Self::Document { element, .. } = &mut self {
            *element = around.map(str::to_owned);
        }
        self
    }
}

impl From<ParseError> for Problem {
    fn from(error: ParseError) -> Self {
        let detail = match &error {
            ParseError::Document { fault: Fault::Empty, .. } => "there is no document",
            ParseError::Document { fault: Fault::NotText | Fault::NotAFeed, .. } => {
                "the document is no feed: neither RSS, nor Atom, nor JSON Feed"
            }
            ParseError::Document { fault: Fault::Excessive, .. } => {
                "the document asks for more than is spent on one feed"
            }
            ParseError::Document { .. } => "the document is malformed",
            ParseError::Panicked(_) => "the document cannot be understood",
            ParseError::TooSlow | ParseError::Busy => {
                return Self::unavailable()
                    .detail(error.to_string())
                    .header(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
        };
        let problem = Self::unprocessable().detail(detail);
        let ParseError::Document { place, element, reason, .. } = error else {
            return problem.cause(error);
        };
        let problem = problem
            .error(&FieldError::new(reason).position(place.line, place.column))
            .extension("offset", place.offset);
        match element {
            Some(element) => problem.extension("element", element),
            None => problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let text = "ab\ncdé f\n";
        for (offset, line, column) in [(0, 1, 1), (2, 1, 3), (3, 2, 1), (7, 2, 4), (99, 3, 1)] {
            let place = Place::at(text, offset);
            assert_eq!((place.line, place.column), (line, column), "{offset}");
        }
        assert_eq!(Place::at_line(text, 2, 3), Place { line: 2, column: 3, offset: 5 });
        // In the middle of a character is at that character.
        assert_eq!(Place::at(text, 6).offset, 5);
    }
}
