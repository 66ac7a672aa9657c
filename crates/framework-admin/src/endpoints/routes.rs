use axum::{extract::State, response::Response};
use framework_core::Place;
use framework_http::RouteEntry;
use serde_json::{Value, json};

use super::json;
use crate::AdminState;

pub(super) async fn show(State(state): State<AdminState>) -> Response {
    let http = state.http();
    let routes = http.as_ref().map_or(&[][..], |http| http.routes());
    json(&json!({ "routes": routes.iter().map(route).collect::<Vec<_>>() }))
}

fn route(entry: &RouteEntry) -> Value {
    json!({
        "method": entry.method,
        "path": entry.path,
        "module": entry.module,
        "place": Place::from(entry.location).to_string(),
    })
}
