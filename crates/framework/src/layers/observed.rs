use std::sync::Arc;

use framework_app::AppBuilder;
#[cfg(not(any(feature = "resources", feature = "worker-pool")))]
use framework_core::Need;
use framework_core::{Module, Registrar};
use framework_http::{HttpHandle, Readiness, RequestObserver, RequestRecord, RouteObserver};
use framework_observability::{HandledRequest, HealthBoard, Metrics, RouteMetrics};

#[cfg(any(feature = "resources", feature = "worker-pool"))]
use super::process::observe as observe_process;

/// Lets the health checks decide about the readiness of the HTTP server, and counts its requests. It
/// also shows what the process has left, and how its worker pool does.
///
/// No layer names another one, so it takes a third that knows both.
#[derive(Debug)]
struct ObservedHttp;

/// Passes on what the server says of each request.
struct RequestMetrics(Arc<Metrics>);

/// The same for one route, whose metrics are looked up once.
struct MetricsOfRoute {
    metrics: Arc<Metrics>,
    route: Arc<RouteMetrics>,
}

pub(super) fn add(builder: AppBuilder) -> AppBuilder {
    builder.default_modules(ObservedHttp)
}

impl Module for ObservedHttp {
    fn name(&self) -> &'static str {
        "http-observability"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let metrics = reg.need::<Metrics>();
        let board = reg.need::<HealthBoard>();
        observe_process(reg, &metrics, &board);
        let of_board = board.clone();
        reg.provide(move |cx| async move {
            let board = cx.get(&of_board);
            Ok(Readiness::new(move || board.status()))
        });
        reg.provide_arc::<dyn RequestObserver, _, _>(move |cx| async move {
            Ok(Arc::new(RequestMetrics(cx.get(&metrics))) as _)
        });
        reg.setup("connections", move |cx| async move {
            // Looked up when it is asked for: the server starts after all others.
            let slots = Arc::clone(&cx.environment().slots);
            cx.get(&board).count_connections(move || open_connections(slots.get().as_deref()));
            Ok(())
        });
    }
}

/// There is nothing of the process to be observed.
#[cfg(not(any(feature = "resources", feature = "worker-pool")))]
fn observe_process(_: &mut Registrar<'_>, _: &Need<Metrics>, _: &Need<HealthBoard>) {}

fn open_connections(http: Option<&HttpHandle>) -> u64 {
    let traffic = http.and_then(HttpHandle::traffic);
    traffic.map_or(0, |traffic| u64::try_from(traffic.open_connections()).unwrap_or(u64::MAX))
}

impl RequestObserver for RequestMetrics {
    fn started(&self) {
        self.0.http().started();
    }

    fn finished(&self, record: &RequestRecord<'_>) {
        self.0.http().finished(record.route, &handled(record));
    }

    fn route(&self, template: &str) -> Option<Arc<dyn RouteObserver>> {
        let (metrics, route) = (Arc::clone(&self.0), self.0.http().route(template));
        Some(Arc::new(MetricsOfRoute { metrics, route }))
    }
}

impl RouteObserver for MetricsOfRoute {
    fn finished(&self, record: &RequestRecord<'_>) {
        self.metrics.http().finished_on(&self.route, &handled(record));
    }
}

fn handled<'r>(record: &RequestRecord<'r>) -> HandledRequest<'r> {
    HandledRequest {
        method: record.method,
        status: record.status.as_u16(),
        took: record.duration,
        request_bytes: record.request_bytes,
        response_bytes: record.response_bytes,
    }
}
