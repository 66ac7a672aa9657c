use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use prometheus::{Histogram, HistogramVec, IntGauge, Registry};

use super::builtin::{gauge, histograms};

mod status;

use self::status::{STATUSES, status_index, status_label};

/// The metrics of an HTTP server, in OpenTelemetry's names.
///
/// A request costs no allocation and no lock: each route has its [`RouteMetrics`], which finds a
/// series by counting, and a server that keeps those with its routes looks nothing up. Labels have few values whatever clients send: methods and statuses that
/// nobody knows share one series, and so do routes beyond [`MAX_ROUTES`](Self::MAX_ROUTES).
///
/// # Examples
///
/// ```
/// use framework_observability::{AppIdentity, HandledRequest, Metrics};
/// use std::time::Duration;
///
/// let metrics = Metrics::new(&AppIdentity::new("shop"));
/// let http = metrics.http();
/// http.started();
/// http.finished("/products/{id}", &HandledRequest {
///     method: "GET",
///     status: 200,
///     took: Duration::from_millis(3),
///     request_bytes: 0,
///     response_bytes: 512,
/// });
/// ```
pub struct HttpRequestMetrics {
    series: Arc<Series>,
    active: IntGauge,
    routes: ArcSwap<Routes>,
    adding: Mutex<()>,
}

/// The metrics of one route. Keep it with the route.
pub struct RouteMetrics {
    route: Box<str>,
    series: Arc<Series>,
    by_method: [OnceLock<Box<MethodSeries>>; METHODS.len()],
}

/// A request that was answered, or that its client gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandledRequest<'r> {
    /// Its method, in capitals.
    pub method: &'r str,
    /// The status it was answered with.
    pub status: u16,
    /// The time from its head to the end of the answer.
    pub took: Duration,
    /// The size of its body.
    pub request_bytes: u64,
    /// The size of the answer's body.
    pub response_bytes: u64,
}

type Routes = HashMap<Arc<str>, Arc<RouteMetrics>>;

struct Series {
    duration: HistogramVec,
    request_size: HistogramVec,
    response_size: HistogramVec,
}

/// The series of one route and method. The statuses are made when they are first seen.
struct MethodSeries {
    duration: [OnceLock<Histogram>; STATUSES],
    request_size: Histogram,
    response_size: Histogram,
}

/// The methods that have series of their own; the last one stands for every other.
const METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "_OTHER"];

/// The route of requests that have none of their own here.
const OTHER_ROUTE: &str = "_other";

/// Seconds: OpenTelemetry's bounds, and two below for services that answer from memory.
const DURATION_BUCKETS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Bytes: powers of eight from 64 B to 16 MiB.
const SIZE_BUCKETS: [f64; 7] =
    [64.0, 512.0, 4096.0, 32_768.0, 262_144.0, 2_097_152.0, 16_777_216.0];

// ===== impl HttpRequestMetrics =====

impl HttpRequestMetrics {
    /// The most routes that have series of their own.
    pub const MAX_ROUTES: usize = 2000;

    pub(super) fn register(to: &Registry) -> Self {
        let series = Series {
            duration: histograms(
                to,
                "http_server_request_duration_seconds",
                "How long requests take, from their head to the end of the answer.",
                &["method", "route", "status"],
                &DURATION_BUCKETS,
            ),
            request_size: histograms(
                to,
                "http_server_request_body_size_bytes",
                "The size of requests' bodies.",
                &["method", "route"],
                &SIZE_BUCKETS,
            ),
            response_size: histograms(
                to,
                "http_server_response_body_size_bytes",
                "The size of answers' bodies.",
                &["method", "route"],
                &SIZE_BUCKETS,
            ),
        };
        let active = gauge(to, "http_server_active_requests", "Requests in flight.");
        Self {
            series: Arc::new(series),
            active,
            routes: ArcSwap::default(),
            adding: Mutex::default(),
        }
    }

    /// Counts a request as active, until [`finished`](Self::finished) is called.
    pub fn started(&self) {
        self.active.inc();
    }

    /// Takes in a request that was answered on `route`, a template such as `/products/{id}` and
    /// never a request's path; it is active no longer.
    pub fn finished(&self, route: &str, request: &HandledRequest<'_>) {
        self.active.dec();
        let routes = self.routes.load();
        match routes.get(route) {
            Some(route) => route.record(request),
            None => self.add(route).record(request),
        }
    }

    /// The metrics of a route, by its template (`/products/{id}`) and never by a request's path.
    ///
    /// Finding a route that was asked for before takes no lock.
    #[must_use]
    pub fn route(&self, template: &str) -> Arc<RouteMetrics> {
        let routes = self.routes.load();
        routes.get(template).map_or_else(|| self.add(template), Arc::clone)
    }

    fn add(&self, template: &str) -> Arc<RouteMetrics> {
        let _one_at_a_time = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let routes = self.routes.load_full();
        let full = routes.len() >= Self::MAX_ROUTES;
        let template = if full { OTHER_ROUTE } else { template };
        if let Some(route) = routes.get(template) {
            return Arc::clone(route);
        }
        let route = Arc::new(RouteMetrics::new(template, Arc::clone(&self.series)));
        let mut more = Routes::clone(&routes);
        more.insert(template.into(), Arc::clone(&route));
        self.routes.store(Arc::new(more));
        route
    }
}

// ===== impl RouteMetrics =====

impl RouteMetrics {
    fn new(template: &str, series: Arc<Series>) -> Self {
        Self { route: template.into(), series, by_method: Default::default() }
    }

    /// Takes in a request that was answered on this route.
    pub fn record(&self, request: &HandledRequest<'_>) {
        let index = method_index(request.method);
        let method = METHODS[index];
        let series = self.by_method[index].get_or_init(|| self.of_method(method));
        let status = status_index(request.status);
        let durations = series.duration[status].get_or_init(|| {
            let labels = [method, &*self.route, status_label(status)];
            self.series.duration.with_label_values(&labels)
        });
        durations.observe(request.took.as_secs_f64());
        series.request_size.observe(request.request_bytes as f64);
        series.response_size.observe(request.response_bytes as f64);
    }

    fn of_method(&self, method: &str) -> Box<MethodSeries> {
        let labels = [method, &*self.route];
        Box::new(MethodSeries {
            duration: [const { OnceLock::new() }; STATUSES],
            request_size: self.series.request_size.with_label_values(&labels),
            response_size: self.series.response_size.with_label_values(&labels),
        })
    }
}

fn method_index(method: &str) -> usize {
    let other = METHODS.len() - 1;
    METHODS[..other].iter().position(|known| *known == method).unwrap_or(other)
}

impl fmt::Debug for HttpRequestMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.load().len();
        f.debug_struct("HttpRequestMetrics").field("routes", &routes).finish_non_exhaustive()
    }
}

impl fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteMetrics").field("route", &self.route).finish_non_exhaustive()
    }
}
