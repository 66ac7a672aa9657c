use axum::{extract::State, response::Response};
use http::{HeaderMap, HeaderValue, header};

use super::text;
use crate::AdminState;

pub(super) async fn render(State(state): State<AdminState>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value: &HeaderValue| value.to_str().ok());
    let rendered = state.metrics.render(accept);
    text(rendered.content_type, rendered.text)
}
