use std::{fmt, time::Duration};

use prometheus::{HistogramOpts, HistogramVec, Registry};

use super::family::{Family, Histogram};

/// The metrics of an HTTP client, in OpenTelemetry's names.
///
/// However many hosts are called, there are at most [`Family::MAX_SERIES`] series; calls beyond
/// share one.
///
/// # Examples
///
/// ```
/// use framework_observability::{AppIdentity, Metrics};
/// use std::time::Duration;
///
/// let metrics = Metrics::new(&AppIdentity::new("shop"));
/// metrics.http_client().finished("GET", "payments:8080", "200", Duration::from_millis(3));
/// assert!(metrics.render(None).text.contains("framework_http_client_request_duration_seconds"));
/// ```
#[derive(Clone)]
pub struct HttpClientMetrics {
    duration: Family<Histogram>,
}

/// OpenTelemetry's bounds, in seconds.
const BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const LABELS: [&str; 3] = ["method", "host", "status"];

impl HttpClientMetrics {
    pub(super) fn register(to: &Registry) -> Self {
        let name = "framework_http_client_request_duration_seconds";
        let help = "How long calls of others take, each try by itself.";
        let opts = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
        let vec = HistogramVec::new(opts, &LABELS).expect("the names are well formed");
        to.register(Box::new(vec.clone())).expect("no other metric has this name");
        Self { duration: Family::of(LABELS.len(), vec, Histogram) }
    }

    /// Takes in one try of a call: `host` with its port, and as `status` the answer's, or one word
    /// for why there is none.
    pub fn finished(&self, method: &str, host: &str, status: &str, took: Duration) {
        self.duration.with(&[method, host, status]).observe(took.as_secs_f64());
    }
}

impl fmt::Debug for HttpClientMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClientMetrics").finish_non_exhaustive()
    }
}
