use axum::{extract::State, response::Response};
use framework_core::ClusterQuestion;
use http::{HeaderMap, HeaderValue, header};

use super::text;
use crate::AdminState;

pub(super) async fn render(State(state): State<AdminState>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value: &HeaderValue| value.to_str().ok());
    let rendered = state.metrics.render(accept);
    if let Some(cluster) = &state.cluster {
        let accept = accept.map(str::to_owned);
        match cluster.ask(ClusterQuestion::Metrics { accept }).await {
            Ok(all) => return text(rendered.content_type, all),
            Err(error) => tracing::warn!(error, "the metrics are those of this worker alone"),
        }
    }
    text(rendered.content_type, rendered.text)
}
