use axum::{extract::State, response::Response};
use framework_core::ClusterQuestion;
use framework_http::Problem;
use framework_observability::LogLevelError;
use http::StatusCode;
use serde_json::{Value, json};

use super::{cluster::no_answer, json};
use crate::AdminState;

pub(super) async fn show(State(state): State<AdminState>) -> Response {
    current(&state)
}

/// Takes a filter as it is: `debug`, `info,hyper=warn`; or as JSON: `{"level": "debug"}`.
pub(super) async fn change(
    State(state): State<AdminState>,
    body: String,
) -> Result<Response, Problem> {
    let filter = filter(&body)?;
    let before = state.level.get();
    state.level.set(&filter).map_err(refusal)?;
    if let Some(cluster) = &state.cluster {
        // This worker takes it twice, which does no harm.
        let all = ClusterQuestion::LogLevel(Some(filter.clone()));
        cluster.ask(all).await.map_err(no_answer)?;
    }
    tracing::info!(from = before.as_deref().map(String::as_str), to = filter, "log level changed");
    Ok(current(&state))
}

fn current(state: &AdminState) -> Response {
    json(&json!({ "level": state.level.get().as_deref() }))
}

fn filter(body: &str) -> Result<String, Problem> {
    let body = body.trim();
    if !body.starts_with('{') {
        return Ok(body.to_owned());
    }
    let value: Option<Value> = serde_json::from_str(body).ok();
    let level = value.as_ref().and_then(|value| value.get("level")).and_then(Value::as_str);
    let level = level.map(str::to_owned);
    level.ok_or_else(|| Problem::bad_request().detail("write {\"level\": \"debug\"}, or debug"))
}

fn refusal(error: LogLevelError) -> Problem {
    let status = match error {
        LogLevelError::Detached => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Problem::new(status).detail(error.to_string())
}
