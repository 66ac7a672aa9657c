use axum::{extract::State, response::Response};
use framework_http::Problem;
use serde_json::json;

use super::json as answer;
use crate::AdminState;

pub(super) async fn show(State(state): State<AdminState>) -> Result<Response, Problem> {
    let report = state.config.as_ref().and_then(|config| config.report());
    let report = report.ok_or_else(without_configuration)?;
    Ok(answer(&report.to_json()))
}

/// The last reloads, oldest first, and which configuration is in force.
pub(super) async fn history(State(state): State<AdminState>) -> Result<Response, Problem> {
    let config = state.config.as_ref().ok_or_else(without_configuration)?;
    let report = config.report().ok_or_else(without_configuration)?;
    let reloads: Vec<_> = config.history().iter().map(|record| record.to_json()).collect();
    Ok(answer(&json!({
        "generation": report.generation(),
        "hash": format!("{:016x}", report.hash()),
        "reloads": reloads,
    })))
}

fn without_configuration() -> Problem {
    Problem::not_found().detail("this application was planned without a configuration")
}
