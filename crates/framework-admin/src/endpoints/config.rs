use axum::{extract::State, response::Response};
use framework_http::Problem;

use super::json;
use crate::AdminState;

pub(super) async fn show(State(state): State<AdminState>) -> Result<Response, Problem> {
    let report = state.config.as_ref().and_then(|config| config.report());
    let report = report.ok_or_else(|| {
        Problem::not_found().detail("this application was planned without a configuration")
    })?;
    Ok(json(&report.to_json()))
}
