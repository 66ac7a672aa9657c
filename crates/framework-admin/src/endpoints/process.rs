use std::time::Duration;

use axum::{extract::State, response::Response};
use framework_core::ModuleState;
use framework_observability::inspections;
use serde_json::{Map, Value, json};

use super::json;
use crate::AdminState;

/// How old what is shown of the machine may be.
const SAMPLE_AGE: Duration = Duration::from_secs(1);

pub(super) async fn show(State(state): State<AdminState>) -> Response {
    let app = &state.identity;
    let reason = state.lifecycle.shutdown_reason().map(ToString::to_string);
    json(&json!({
        "build": {
            "name": app.name,
            "version": app.version,
            "profile": app.profile,
            "framework": env!("CARGO_PKG_VERSION"),
        },
        "pid": std::process::id(),
        "uptime": state.metrics.uptime().as_secs_f64(),
        "phase": state.lifecycle.phase().as_str(),
        "shutdown_reason": reason,
        "modules": modules(&state),
        "http": http(&state),
        "runtime": runtime(),
        "system": system(&state),
        "inspections": state.inspections.as_ref().map(inspections),
    }))
}

/// How many modules are in each state.
fn modules(state: &AdminState) -> Value {
    let modules = state.lifecycle.modules();
    let count = |wanted: ModuleState| modules.iter().filter(|it| it.state == wanted).count();
    let counts: Map<String, Value> = ModuleState::ALL
        .into_iter()
        .map(|state| (state.as_str().to_owned(), json!(count(state))))
        .filter(|(_, count)| *count != 0)
        .collect();
    Value::Object(counts)
}

fn http(state: &AdminState) -> Option<Value> {
    let handle = state.http()?;
    let traffic = handle.traffic()?;
    Some(json!({
        "address": handle.local_addr(),
        "connections": traffic.open_connections(),
        "requests_in_flight": traffic.requests_in_flight(),
        "accepted_connections": traffic.accepted_connections(),
    }))
}

fn runtime() -> Option<Value> {
    let metrics = tokio::runtime::Handle::try_current().ok()?.metrics();
    Some(json!({
        "workers": metrics.num_workers(),
        "tasks": metrics.num_alive_tasks(),
        "global_queue": metrics.global_queue_depth(),
    }))
}

fn system(state: &AdminState) -> Option<Value> {
    let sample = state.metrics.system().sample_if_older(SAMPLE_AGE).ok()?;
    Some(sample.to_json())
}
