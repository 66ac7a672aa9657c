use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use framework_core::{ClusterQuestion, ClusterView, HealthStatus};
use framework_observability::HealthReport;
use http::StatusCode;
use serde_json::{Value, json};

use super::json;
use crate::AdminState;

/// For load balancers and monitors: 503 when no requests should come.
pub(super) async fn answer(State(state): State<AdminState>) -> Response {
    let mut report = look(&state);
    // As the application's own listener has it, which this one must not contradict.
    if !state.is_serving() {
        report.status = HealthStatus::Unhealthy.as_str();
    }
    let cluster = match &state.cluster {
        Some(cluster) => workers(&**cluster).await,
        None => None,
    };
    if let Some(status) = cluster.as_ref().and_then(|it| worst(&it["status"])) {
        report.status = status;
    }
    let well = report.status != HealthStatus::Unhealthy.as_str();
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut answer = json!(report);
    if let Some(cluster) = cluster {
        answer["workers"] = cluster["workers"].clone();
    }
    (status, json(&answer)).into_response()
}

/// What each worker says; `None` if nobody can tell, and this worker speaks for itself.
async fn workers(cluster: &dyn ClusterView) -> Option<Value> {
    let answer = cluster.ask(ClusterQuestion::Health).await;
    let answer = answer.inspect_err(|error| tracing::warn!(error, "the health is this worker's"));
    serde_json::from_str(&answer.ok()?).ok()
}

fn worst(status: &Value) -> Option<&'static str> {
    let known = [HealthStatus::Healthy, HealthStatus::Degraded, HealthStatus::Unhealthy];
    known.map(HealthStatus::as_str).into_iter().find(|it| status == it)
}

/// For people who look into it.
pub(super) async fn report(State(state): State<AdminState>) -> Response {
    json(&json!({ "phase": state.lifecycle.phase().as_str(), "report": look(&state) }))
}

fn look(state: &AdminState) -> HealthReport {
    state.board.report(state.metrics.system())
}
