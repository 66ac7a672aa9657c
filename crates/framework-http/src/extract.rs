//! Extractors whose refusals are problem documents.

mod body;
mod deadline;
mod dep;
mod json;
mod path;
mod query;
#[cfg(feature = "validation")]
mod valid;

#[cfg(feature = "idempotency")]
pub(crate) use self::body::read as read_body;
pub(crate) use self::deadline::{X_REQUEST_TIMEOUT_MS, patience};
#[cfg(feature = "validation")]
pub use self::valid::Valid;
pub use self::{
    deadline::{Deadline, DeadlineExceeded},
    dep::Dep,
    json::Json,
    path::Path,
    query::Query,
};

use std::fmt;

use serde_path_to_error::Segment;

use crate::{FieldError, Problem};

/// Where deserializing failed, as a JSON Pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use fmt::Write as _;
    path.iter().fold(String::new(), |mut pointer, segment| {
        let _ = match segment {
            Segment::Seq { index } => write!(pointer, "/{index}"),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                write!(pointer, "{}", step(key))
            }
            Segment::Unknown => write!(pointer, "/?"),
        };
        pointer
    })
}

/// One step of a JSON Pointer.
fn step(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The first name on the way to where deserializing failed.
fn parameter(path: &serde_path_to_error::Path) -> Option<String> {
    match path.iter().next()? {
        Segment::Map { key } | Segment::Enum { variant: key } => Some(key.clone()),
        Segment::Seq { .. } | Segment::Unknown => None,
    }
}

/// What is wrong with a field that should be there, and with one that should not.
const MISSING: &str = "is missing";
const UNKNOWN: &str = "is not known";

/// The field that serde found missing, whose name it tells in its text only.
fn missing(text: &str) -> Option<&str> {
    text.strip_prefix("missing field `")?.split('`').next()
}

fn is_unknown(text: &str) -> bool {
    text.starts_with("unknown field `")
}

fn bad_parameter(whole: &'static str, name: Option<String>, detail: impl fmt::Display) -> Problem {
    let detail = detail.to_string();
    let error = match (missing(&detail), name) {
        (Some(name), _) => FieldError::parameter(name, MISSING),
        (None, Some(name)) if is_unknown(&detail) => FieldError::parameter(name, UNKNOWN),
        (None, Some(name)) => FieldError::parameter(name, detail),
        (None, None) => FieldError::new(detail),
    };
    Problem::bad_request().detail(whole).error(&error)
}
