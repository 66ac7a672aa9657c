use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use arc_swap::ArcSwap;
use framework_core::{Shard, Sharded};
use prometheus::{
    Registry,
    core::{Collector, Desc},
    proto,
};

mod distribution;
mod status;

use self::{
    distribution::Distribution,
    status::{STATUSES, status_index, status_label},
};

/// The metrics of an HTTP server, in OpenTelemetry's names.
///
/// A request costs no allocation and no lock: each route has its [`RouteMetrics`], which finds a
/// series by counting, and a server that keeps those with its routes looks nothing up. Labels have
/// few values whatever clients send: methods and statuses that nobody knows share one series, and so
/// do routes beyond [`MAX_ROUTES`](Self::MAX_ROUTES).
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
#[derive(Clone)]
pub struct HttpRequestMetrics {
    shared: Arc<Shared>,
}

struct Shared {
    active: Sharded<AtomicU64>,
    routes: ArcSwap<Routes>,
    adding: Mutex<()>,
}

/// The metrics of one route. Keep it with the route.
pub struct RouteMetrics {
    route: Box<str>,
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

type Routes = HashMap<Arc<str>, Arc<RouteMetrics>, BuildHasherDefault<TemplateHasher>>;

/// Hashes templates, which developers write: nobody can choose them so that they collide.
#[derive(Default)]
struct TemplateHasher(u64);

/// The series of one route and method. The statuses are made when they are first seen.
struct MethodSeries {
    duration: [OnceLock<Box<Distribution>>; STATUSES],
    request_size: Distribution,
    response_size: Distribution,
}

/// Shows the metrics to the registry.
struct Shown {
    shared: Arc<Shared>,
    duration: Desc,
    request_size: Desc,
    response_size: Desc,
    active: Desc,
}

/// The methods that have series of their own; the last one stands for every other.
const METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "_OTHER"];

/// The route of requests that have none of their own here.
const OTHER_ROUTE: &str = "_other";

/// Nanoseconds: OpenTelemetry's bounds, and two below for services that answer from memory.
const DURATION_BUCKETS: [u64; 16] = [
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

/// Bytes: powers of eight from 64 B to 16 MiB.
const SIZE_BUCKETS: [u64; 7] = [64, 512, 4096, 32_768, 262_144, 2_097_152, 16_777_216];

// ===== impl HttpRequestMetrics =====

impl HttpRequestMetrics {
    /// The most routes that have series of their own.
    pub const MAX_ROUTES: usize = 2000;

    /// How many requests have ended.
    #[must_use]
    pub fn requests(&self) -> u64 {
        let routes = self.shared.routes.load();
        let series = routes.values().flat_map(|route| &route.by_method);
        series.filter_map(OnceLock::get).map(|it| it.request_size.count()).sum()
    }

    pub(super) fn register(to: &Registry) -> Self {
        let shared = Arc::new(Shared {
            active: Sharded::default(),
            routes: ArcSwap::default(),
            adding: Mutex::default(),
        });
        let shown = Shown::new(Arc::clone(&shared));
        to.register(Box::new(shown)).expect("no other metric has these names");
        Self { shared }
    }

    /// Counts a request as active, until [`finished`](Self::finished) is called.
    pub fn started(&self) {
        self.shared.active.add(Shard::of_this_thread(), 1);
    }

    /// As [`finished`](Self::finished), for whoever keeps the metrics of the [`route`](Self::route):
    /// nothing is looked up.
    pub fn finished_on(&self, route: &RouteMetrics, request: &HandledRequest<'_>) {
        let shard = Shard::of_this_thread();
        self.shared.active.add(shard, -1);
        route.count(shard, request);
    }

    /// Takes in a request that was answered on `route`, a template such as `/products/{id}` and
    /// never a request's path; it is active no longer.
    pub fn finished(&self, route: &str, request: &HandledRequest<'_>) {
        let shard = Shard::of_this_thread();
        self.shared.active.add(shard, -1);
        let routes = self.shared.routes.load();
        match routes.get(route) {
            Some(route) => route.count(shard, request),
            None => self.add(route).count(shard, request),
        }
    }

    /// The metrics of a route, by its template (`/products/{id}`) and never by a request's path.
    ///
    /// Finding a route that was asked for before takes no lock.
    #[must_use]
    pub fn route(&self, template: &str) -> Arc<RouteMetrics> {
        let routes = self.shared.routes.load();
        routes.get(template).map_or_else(|| self.add(template), Arc::clone)
    }

    fn add(&self, template: &str) -> Arc<RouteMetrics> {
        let _one_at_a_time = self.shared.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let routes = self.shared.routes.load_full();
        let full = routes.len() >= Self::MAX_ROUTES;
        let template = if full { OTHER_ROUTE } else { template };
        if let Some(route) = routes.get(template) {
            return Arc::clone(route);
        }
        let route = Arc::new(RouteMetrics::new(template));
        let mut more = Routes::clone(&routes);
        more.insert(template.into(), Arc::clone(&route));
        self.shared.routes.store(Arc::new(more));
        route
    }
}

// ===== impl TemplateHasher =====

impl Hasher for TemplateHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(last) ^ bytes.len() as u64);
    }

    // After each text; its length has been taken in.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl TemplateHasher {
    fn mix(&mut self, word: u64) {
        // An odd number with about as many ones as zeros; the high half comes down again.
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

// ===== impl RouteMetrics =====

impl RouteMetrics {
    fn new(template: &str) -> Self {
        Self { route: template.into(), by_method: Default::default() }
    }

    /// Takes in a request that was answered on this route.
    pub fn record(&self, request: &HandledRequest<'_>) {
        self.count(Shard::of_this_thread(), request);
    }

    fn count(&self, shard: Shard, request: &HandledRequest<'_>) {
        let series = &self.by_method[method_index(request.method)];
        let series = series.get_or_init(Box::default);
        let durations = &series.duration[status_index(request.status)];
        let durations = durations.get_or_init(|| Box::new(Distribution::new(&DURATION_BUCKETS)));
        durations.observe(shard, u64::try_from(request.took.as_nanos()).unwrap_or(u64::MAX));
        series.request_size.observe(shard, request.request_bytes);
        series.response_size.observe(shard, request.response_bytes);
    }

    fn methods(&self) -> impl Iterator<Item = (&'static str, &MethodSeries)> {
        METHODS
            .iter()
            .zip(&self.by_method)
            .filter_map(|(method, series)| Some((*method, &**series.get()?)))
    }
}

impl Default for MethodSeries {
    fn default() -> Self {
        Self {
            duration: [const { OnceLock::new() }; STATUSES],
            request_size: Distribution::new(&SIZE_BUCKETS),
            response_size: Distribution::new(&SIZE_BUCKETS),
        }
    }
}

// ===== impl Shown =====

const NANOSECONDS: f64 = 1e9;

impl Shown {
    fn new(shared: Arc<Shared>) -> Self {
        let desc = |name: &str, help: &str, labels: &[&str]| {
            let labels = labels.iter().map(|&label| label.to_owned()).collect();
            Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())
                .expect("the names are well formed")
        };
        Self {
            shared,
            duration: desc(
                "framework_http_server_request_duration_seconds",
                "How long requests take, from their head to the end of the answer.",
                &["method", "route", "status"],
            ),
            request_size: desc(
                "framework_http_server_request_body_size_bytes",
                "The size of requests' bodies.",
                &["method", "route"],
            ),
            response_size: desc(
                "framework_http_server_response_body_size_bytes",
                "The size of answers' bodies.",
                &["method", "route"],
            ),
            active: desc("framework_http_server_active_requests", "Requests in flight.", &[]),
        }
    }
}

impl Collector for Shown {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.duration, &self.request_size, &self.response_size, &self.active]
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let (mut durations, mut requests, mut responses) = (Vec::new(), Vec::new(), Vec::new());
        for route in self.shared.routes.load().values() {
            for (method, series) in route.methods() {
                let labels = [("method", method), ("route", &*route.route)];
                requests.push(histogram(&labels, series.request_size.collect(1.0)));
                responses.push(histogram(&labels, series.response_size.collect(1.0)));
                for (status, duration) in series.duration.iter().enumerate() {
                    let Some(duration) = duration.get() else { continue };
                    let [method, route] = labels;
                    let labels = [method, route, ("status", status_label(status))];
                    durations.push(histogram(&labels, duration.collect(NANOSECONDS)));
                }
            }
        }
        let mut active = proto::Gauge::default();
        active.set_value(self.shared.active.total() as f64);
        vec![
            family(&self.duration, proto::MetricType::HISTOGRAM, durations),
            family(&self.request_size, proto::MetricType::HISTOGRAM, requests),
            family(&self.response_size, proto::MetricType::HISTOGRAM, responses),
            family(&self.active, proto::MetricType::GAUGE, vec![proto::Metric::from_gauge(active)]),
        ]
    }
}

fn histogram(labels: &[(&str, &str)], histogram: proto::Histogram) -> proto::Metric {
    let pair = |&(name, value): &(&str, &str)| {
        let mut pair = proto::LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    let mut metric = proto::Metric::from_label(labels.iter().map(pair).collect());
    metric.set_histogram(histogram);
    metric
}

fn family(
    desc: &Desc,
    kind: proto::MetricType,
    metrics: Vec<proto::Metric>,
) -> proto::MetricFamily {
    let mut family = proto::MetricFamily::default();
    family.set_name(desc.fq_name.clone());
    family.set_help(desc.help.clone());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn method_index(method: &str) -> usize {
    let other = METHODS.len() - 1;
    METHODS[..other].iter().position(|known| *known == method).unwrap_or(other)
}

impl fmt::Debug for HttpRequestMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.shared.routes.load().len();
        f.debug_struct("HttpRequestMetrics").field("routes", &routes).finish_non_exhaustive()
    }
}

impl fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteMetrics").field("route", &self.route).finish_non_exhaustive()
    }
}
