use axum::{extract::State, response::Response};
use framework_http::{FieldError, Problem, Query};
use serde::Deserialize;

use super::text;
use crate::AdminState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    format: Option<String>,
}

pub(super) async fn show(
    State(state): State<AdminState>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let report = state.lifecycle.startup().ok_or_else(|| {
        Problem::unavailable().detail("the application is starting; see /debug/modules meanwhile")
    })?;
    match wanted.format.as_deref() {
        None | Some("json") => Ok(text("application/json", report.to_json())),
        Some("perfetto") => Ok(text("application/json", report.to_trace())),
        Some("text") => Ok(text("text/plain; charset=utf-8", report.to_string())),
        Some(other) => {
            let detail = format!("`{other}` is not a format: use one of json, perfetto, text");
            Err(Problem::bad_request().error(&FieldError::parameter("format", detail)))
        }
    }
}
