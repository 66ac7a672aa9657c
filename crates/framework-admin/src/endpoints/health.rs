use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use framework_core::HealthStatus;
use framework_observability::HealthReport;
use http::StatusCode;
use serde_json::json;

use super::json;
use crate::AdminState;

/// For load balancers and monitors: 503 when no requests should come.
pub(super) async fn answer(State(state): State<AdminState>) -> Response {
    let mut report = look(&state);
    // As the application's own listener has it, which this one must not contradict.
    if !state.is_serving() {
        report.status = HealthStatus::Unhealthy.as_str();
    }
    let well = report.status != HealthStatus::Unhealthy.as_str();
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, json(&json!(report))).into_response()
}

/// For people who look into it.
pub(super) async fn report(State(state): State<AdminState>) -> Response {
    json(&json!({ "phase": state.lifecycle.phase().as_str(), "report": look(&state) }))
}

fn look(state: &AdminState) -> HealthReport {
    state.board.report(state.metrics.system())
}
