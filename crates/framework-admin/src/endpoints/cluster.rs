use axum::{extract::State, response::Response};
use framework_core::{BoxError, ClusterQuestion};
use framework_http::Problem;
use http::StatusCode;
use serde_json::{Value, json};

use super::json;
use crate::AdminState;

/// The workers, and how they are.
pub(super) async fn show(State(state): State<AdminState>) -> Result<Response, Problem> {
    let Some(cluster) = &state.cluster else { return Ok(json(&alone(&state))) };
    let answer = cluster.ask(ClusterQuestion::Workers).await.map_err(no_answer)?;
    Ok(json(&parse(&answer)?))
}

/// An application of one process, in the same form: it is its own primary and only worker.
fn alone(state: &AdminState) -> Value {
    let sample = state.metrics.system().sample().ok();
    let phase = if state.is_serving() { "ready" } else { state.lifecycle.phase().as_str() };
    json!({
        "primary": std::process::id(),
        "workers_wanted": 1,
        "generation": 1,
        "rolling": false,
        "degraded": false,
        "workers": [{
            "slot": 0,
            "pid": std::process::id(),
            "state": phase,
            "health": state.board.status().as_str(),
            "generation": 1,
            "restarts": 0,
            "rss": sample.as_ref().map(|sample| sample.rss_bytes),
            "requests": state.metrics.http().requests(),
            "heartbeat_age_ms": 0,
            "uptime_seconds": state.metrics.uptime().as_secs(),
            "lent_to": null,
        }],
    })
}

pub(super) fn parse(answer: &str) -> Result<Value, Problem> {
    serde_json::from_str(answer).map_err(|error| no_answer(error.into()))
}

/// The primary is gone, mostly.
pub(super) fn no_answer(error: BoxError) -> Problem {
    let problem = Problem::new(StatusCode::BAD_GATEWAY);
    problem.detail(format!("the primary does not answer: {error}"))
}
