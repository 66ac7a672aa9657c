use axum::{extract::State, response::Response};
use framework_http::{FieldError, Problem, Query};
use framework_registry::Format;
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
    let format = wanted.format.as_deref().unwrap_or("json").parse::<Format>().map_err(|error| {
        Problem::bad_request().error(&FieldError::parameter("format", error.to_string()))
    })?;
    let graph = state.graph().ok_or_else(|| {
        Problem::not_found().detail("this listener does not know the application's graph")
    })?;
    Ok(text(content_type(format), graph.export(format)))
}

fn content_type(format: Format) -> &'static str {
    match format {
        Format::Json => "application/json",
        Format::Svg => "image/svg+xml",
        Format::Dot => "text/vnd.graphviz",
        Format::Text | Format::Mermaid => "text/plain; charset=utf-8",
    }
}
