//! What is answered at each path.

mod cluster;
mod config;
mod graph;
mod health;
mod index;
mod log_level;
mod metrics;
mod modules;
mod process;
mod routes;
mod startup;

use std::time::Duration;

use axum::{
    Router, middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use framework_http::{Probes, Problem, Stack, StackService};
use http::{Method, StatusCode, Uri, header};
use serde_json::Value;

use crate::{AdminState, Guard, guard};

/// How long an answer may take until it begins.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest body that is read.
const BODY_LIMIT: u64 = 16 << 10;

/// Everything that the listener answers, to those whom `who` lets in.
pub fn router(state: AdminState, who: Guard) -> StackService<Router> {
    let probes = Probes::new(state.lifecycle.clone(), state.readiness());
    let router = Router::new()
        .route("/", get(index::show))
        .route("/health", get(health::answer))
        .route("/metrics", get(metrics::render))
        .route("/cluster", get(cluster::show))
        .route("/debug", get(process::show))
        .route("/debug/config", get(config::show))
        .route("/debug/config/history", get(config::history))
        .route("/debug/graph", get(graph::show))
        .route("/debug/health-report", get(health::report))
        .route("/debug/log-level", get(log_level::show).put(log_level::change))
        .route("/debug/modules", get(modules::show))
        .route("/debug/routes", get(routes::show))
        .route("/debug/startup", get(startup::show))
        .with_state(state)
        // `/health` says more here than the probe of that name.
        .fallback_service(probes.router().fallback(nothing))
        // Before the guard, which is to see every request.
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(who, guard::guard));
    let stack = Stack::new().request_timeout(REQUEST_TIMEOUT).body_limit(BODY_LIMIT);
    stack.apply_keeping_fallback(router)
}

async fn nothing(uri: Uri) -> Problem {
    Problem::not_found().detail(format!("nothing is shown at `{}`", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not take `{method}`", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED).detail(detail)
}

/// JSON with lines for people, who read it as often as programs do.
fn json(value: &Value) -> Response {
    text("application/json", format!("{value:#}\n"))
}

fn text(content_type: &'static str, body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

/// Text that is safe inside of HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
