//! Extractors whose refusals are problem documents.

mod body;
mod deadline;
mod dep;
mod json;
mod path;
mod query;

#[cfg(feature = "idempotency")]
pub(crate) use self::body::read as read_body;
pub(crate) use self::deadline::patience;
pub use self::{deadline::Deadline, dep::Dep, json::Json, path::Path, query::Query};

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
                write!(pointer, "/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Segment::Unknown => write!(pointer, "/?"),
        };
        pointer
    })
}

/// The first name on the way to where deserializing failed.
fn parameter(path: &serde_path_to_error::Path) -> Option<String> {
    match path.iter().next()? {
        Segment::Map { key } | Segment::Enum { variant: key } => Some(key.clone()),
        Segment::Seq { .. } | Segment::Unknown => None,
    }
}

fn bad_parameter(whole: &'static str, name: Option<String>, detail: impl fmt::Display) -> Problem {
    let detail = detail.to_string();
    let error = match name {
        Some(name) => FieldError::parameter(name, detail),
        None => FieldError::new(detail),
    };
    Problem::bad_request().detail(whole).error(&error)
}
