//! What orchestrators and load balancers ask: alive, started, ready, healthy.

use std::{fmt, sync::Arc};

use axum::{Router, extract::State, response::IntoResponse, routing::get};
use framework_core::{HealthStatus, Lifecycle, Phase, is_planted};
use http::{StatusCode, header};

/// The paths that the server answers itself.
pub(crate) const PROBES: [&str; 4] = ["/livez", "/readyz", "/startupz", "/health"];

/// How well the application is, as its health checks see it. Provide one, and the server's
/// `/readyz` and `/health` go by it.
#[derive(Clone)]
pub struct Readiness {
    status: Arc<dyn Fn() -> HealthStatus + Send + Sync>,
}

/// The four probes of an application, as routes.
///
/// * `/livez`: 200 as long as anything can be answered at all. It looks at no dependency: to
///   restart a process does not bring its database back.
/// * `/startupz`: 200 once every module has started.
/// * `/readyz`: 200 while the application is ready and not unhealthy; 503 from the lame duck on.
/// * `/health`: as `/readyz`, and says in a word how well it is.
///
/// # Examples
///
/// ```
/// use axum::body::Body;
/// use framework_core::{HealthStatus, Lifecycle, Phase};
/// use framework_http::{Probes, Readiness};
/// use http::Request;
/// use tower::ServiceExt as _;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let lifecycle = Lifecycle::default();
/// let probes = Probes::new(lifecycle.clone(), Readiness::default()).router();
/// let status = async |path: &str| {
///     let request = Request::get(path).body(Body::empty()).unwrap();
///     probes.clone().oneshot(request).await.unwrap().status()
/// };
/// assert_eq!((status("/livez").await, status("/readyz").await.as_u16()), (http::StatusCode::OK, 503));
/// lifecycle.enter(Phase::Ready);
/// assert_eq!(status("/readyz").await, 200);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Probes {
    lifecycle: Lifecycle,
    readiness: Readiness,
}

// ===== impl Readiness =====

impl Readiness {
    /// Goes by what `status` says. It is asked for each probe, so it answers from memory.
    pub fn new(status: impl Fn() -> HealthStatus + Send + Sync + 'static) -> Self {
        Self { status: Arc::new(status) }
    }

    /// How well the application is now.
    #[must_use]
    pub fn status(&self) -> HealthStatus {
        (self.status)()
    }
}

/// Always healthy: for an application without health checks.
impl Default for Readiness {
    fn default() -> Self {
        Self::new(|| HealthStatus::Healthy)
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readiness").field(&self.status()).finish()
    }
}

// ===== impl Probes =====

impl Probes {
    /// The probes of the application with this lifecycle.
    #[must_use]
    pub fn new(lifecycle: Lifecycle, readiness: Readiness) -> Self {
        Self { lifecycle, readiness }
    }

    /// The probes as routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/livez", get(async || (StatusCode::OK, "ok\n")))
            .route("/startupz", get(startup))
            .route("/readyz", get(ready))
            .route("/health", get(health))
            .with_state(self)
    }

    /// Why the application should get no requests; `None` if it should.
    fn objection(&self) -> Option<&'static str> {
        match self.lifecycle.phase() {
            Phase::Planned | Phase::Starting => Some("starting"),
            Phase::Ready if self.readiness.status() == HealthStatus::Unhealthy => Some("unhealthy"),
            Phase::Ready => None,
            _ if is_planted("ready-to-the-end") => None,
            Phase::LameDuck | Phase::Draining | Phase::Stopping | Phase::Stopped => {
                Some("shutting down")
            }
        }
    }
}

async fn startup(State(probes): State<Probes>) -> impl IntoResponse {
    let objection = (probes.lifecycle.phase() < Phase::Ready).then_some("starting");
    answer(objection, format!("{}\n", objection.unwrap_or("ok")))
}

async fn ready(State(probes): State<Probes>) -> impl IntoResponse {
    let objection = probes.objection();
    answer(objection, format!("{}\n", objection.unwrap_or("ok")))
}

async fn health(State(probes): State<Probes>) -> impl IntoResponse {
    let objection = probes.objection();
    let status = match objection {
        Some(_) => HealthStatus::Unhealthy,
        None => probes.readiness.status(),
    };
    let body = format!("{{\"status\":\"{}\"}}", status.as_str());
    ([(header::CONTENT_TYPE, "application/json")], answer(objection, body))
}

fn answer(objection: Option<&str>, body: String) -> impl IntoResponse + use<> {
    let status = objection.map_or(StatusCode::OK, |_| StatusCode::SERVICE_UNAVAILABLE);
    (status, [(header::CACHE_CONTROL, "no-store")], body)
}
