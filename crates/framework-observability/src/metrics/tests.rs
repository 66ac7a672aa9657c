use std::sync::Arc;

use framework_core::HealthStatus;
use proptest::prelude::*;

use super::*;
use crate::system::Reading;

const GET: HandledRequest<'_> = HandledRequest {
    method: "GET",
    status: 200,
    took: Duration::from_millis(3),
    request_bytes: 0,
    response_bytes: 512,
};

fn app() -> AppIdentity {
    AppIdentity { version: "1.2.0".to_owned(), ..AppIdentity::new("my-shop") }
}

fn metrics() -> Metrics {
    Metrics::new(&app())
}

/// What stands in the exposition for these names, without the comments.
fn samples(metrics: &Metrics, name: &str) -> Vec<String> {
    let text = metrics.render(None).text;
    text.lines().filter(|line| line.starts_with(name)).map(ToOwned::to_owned).collect()
}

fn system() -> SystemSampler {
    SystemSampler::reading(|| {
        Ok(Reading {
            memory_total_bytes: 8 << 30,
            memory_used_bytes: 3 << 30,
            rss_bytes: 50 << 20,
            threads: 5,
            open_fds: 12,
            cpus: 1.5,
            cpu_time: Duration::ZERO,
        })
    })
}

/// One of each of the framework's metrics, at a fixed time.
fn filled() -> Metrics {
    let metrics = Metrics::with_system(&app(), system());
    let started = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
    metrics.process.identify(&app(), started);
    let modules = metrics.modules();
    modules.set_count("running", 3);
    modules.set_health("catalog", HealthStatus::Degraded);
    modules.count_error("catalog", ErrorSeverity::Warning);
    modules.observe_operation("catalog", "setup", Duration::from_millis(20));
    modules.set_startup("starting", Duration::from_millis(250));
    metrics.health().set_status("database", "catalog", HealthStatus::Healthy);
    metrics.health().observe("database", "catalog", Duration::from_millis(2), true);
    metrics.http().started();
    metrics.http().started();
    metrics.http().finished("/products/{id}", &GET);
    metrics
}

#[tokio::test(start_paused = true)]
async fn the_exposition_has_the_names_that_operators_rely_on() {
    insta::assert_snapshot!("text", filled().render(None).text);
}

#[tokio::test(start_paused = true)]
async fn open_metrics_differs_in_the_names_of_counters_and_its_end() {
    let metrics = filled();
    let text = metrics.render(None);
    let open = metrics.render(Some("application/openmetrics-text; version=1.0.0,text/plain;q=0.5"));
    assert_eq!(text.content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(open.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let other: Vec<_> =
        open.text.lines().filter(|line| !text.text.contains(&format!("{line}\n"))).collect();
    assert_eq!(
        other,
        [
            "# HELP framework_health_check_errors Times that a check found something that does not work.",
            "# TYPE framework_health_check_errors counter",
            "# HELP framework_module_errors Errors of modules while starting, running and stopping.",
            "# TYPE framework_module_errors counter",
            "# EOF",
        ]
    );
    assert!(open.text.contains("\nframework_module_errors_total{"));
    assert!(open.text.ends_with("\n# EOF\n"));
}

#[test]
fn open_metrics_is_given_only_to_who_asks_for_it() {
    let metrics = metrics();
    let open = |accept| metrics.render(accept).content_type.contains("openmetrics");
    assert!(open(Some("application/openmetrics-text")));
    assert!(open(Some("text/plain;q=0.3, Application/OpenMetrics-Text;version=1.0.0;q=0.5")));
    for accept in [
        None,
        Some(""),
        Some("*/*"),
        Some("text/plain"),
        Some("text/html,*/*;q=0.8"),
        Some("application/openmetrics-text;q=0"),
        Some("application/openmetrics-text;q=0.2,text/plain;q=0.9"),
    ] {
        assert!(!open(accept), "{accept:?}");
    }
}

#[test]
fn two_applications_in_one_process_share_nothing() {
    let (one, two) = (metrics(), Metrics::new(&AppIdentity::new("other")));
    one.counter("orders_total", "Orders.", &[]).unwrap().with(&[]).add(3);
    two.counter("orders_total", "Orders.", &[]).unwrap().with(&[]).inc();
    assert_eq!(samples(&one, "my_shop_orders"), ["my_shop_orders_total 3"]);
    assert_eq!(samples(&two, "other_orders"), ["other_orders_total 1"]);
    assert!(samples(&two, "my_shop").is_empty());
}

#[test]
fn a_name_is_given_once() {
    let metrics = metrics();
    metrics.gauge("stock", "Stock.", &[]).unwrap();
    let taken = MetricError::Taken { name: "my_shop_stock".to_owned() };
    assert_eq!(metrics.gauge("stock", "Stock.", &[]).unwrap_err(), taken);
    assert_eq!(metrics.gauge("stock", "Stock.", &["shelf"]).unwrap_err(), taken);
    assert_eq!(metrics.histogram("stock", "Stock.", &[], &[1.0]).unwrap_err(), taken);
}

#[test]
fn an_app_cannot_take_a_name_of_the_framework() {
    let metrics = Metrics::new(&AppIdentity::new("framework"));
    let taken = metrics.gauge("runtime_tasks", "Mine.", &[]).unwrap_err();
    assert_eq!(taken.to_string(), "the metric `framework_runtime_tasks` is there already");
}

#[test]
fn what_cannot_be_a_metric_is_refused_with_its_cure() {
    let metrics = metrics();
    let error = |result: Result<(), MetricError>| result.unwrap_err().to_string();
    let gauge = |name, labels: &[&str]| error(metrics.gauge(name, "", labels).map(drop));
    assert_eq!(gauge("Stock", &[]), "`Stock` is not a metric's name: write it in `snake_case`");
    assert_eq!(gauge("", &[]), "`` is not a metric's name: write it in `snake_case`");
    assert_eq!(
        gauge("stock", &["shelf", "shelf"]),
        "`shelf` cannot be a label of `stock`: write each once, in `snake_case`, and not `le`"
    );
    assert!(gauge("stock", &["le"]).starts_with("`le` cannot be a label"));
    assert_eq!(
        error(metrics.counter("orders", "", &[]).map(drop)),
        "`orders` only grows, so its name ends in `_total`"
    );
    for buckets in [&[][..], &[1.0, 1.0], &[f64::NAN]] {
        let text = error(metrics.histogram("size", "", &[], buckets).map(drop));
        assert_eq!(text, "the buckets of `size` do not rise from one number to the next");
    }
}

#[test]
fn a_label_with_too_many_values_ends_in_one_series() {
    let metrics = metrics();
    let orders = metrics.counter("orders_total", "Orders.", &["customer"]).unwrap();
    let most = Family::<Counter>::MAX_SERIES;
    for customer in 0..most + 50 {
        orders.with(&[&customer.to_string()]).inc();
    }
    orders.with(&["7"]).inc();
    let series = samples(&metrics, "my_shop_orders_total");
    assert_eq!(series.len(), most + 1);
    assert!(series.contains(&"my_shop_orders_total{customer=\"_other\"} 50".to_owned()));
    assert!(series.contains(&"my_shop_orders_total{customer=\"7\"} 2".to_owned()));
}

#[test]
#[should_panic(expected = "1 labels, but 2 values")]
fn as_many_values_as_labels_are_given() {
    let _ = metrics().gauge("stock", "Stock.", &["shelf"]).unwrap().with(&["a", "b"]);
}

#[test]
fn whatever_clients_send_there_are_few_series() {
    let metrics = metrics();
    let route = metrics.http().route("/");
    for status in 0..1000 {
        for method in ["GET", "get", "BREW", "\u{1f37a}"] {
            route.record(&HandledRequest { method, status, ..GET });
        }
    }
    let durations = samples(&metrics, "framework_http_server_request_duration_seconds_count");
    assert_eq!(durations.len(), 2 * http_statuses());
}

fn http_statuses() -> usize {
    69
}

#[test]
fn routes_beyond_the_most_share_one() {
    let metrics = metrics();
    let most = HttpRequestMetrics::MAX_ROUTES;
    for n in 0..most + 10 {
        let route = metrics.http().route(&format!("/{n}"));
        route.record(&GET);
    }
    let name = "framework_http_server_request_duration_seconds_count";
    let series = samples(&metrics, name);
    assert_eq!(series.len(), most + 1);
    let other = format!("{name}{{method=\"GET\",route=\"_other\",status=\"200\"}} 10");
    assert!(series.contains(&other), "{:?}", series.last());
}

#[test]
fn a_route_is_found_again() {
    let metrics = metrics();
    let first = metrics.http().route("/a");
    assert!(Arc::ptr_eq(&first, &metrics.http().route("/a")));
    assert!(!Arc::ptr_eq(&first, &metrics.http().route("/b")));
}

#[test]
fn a_request_counts_the_same_by_the_route_that_is_kept_and_by_its_template() {
    let metrics = metrics();
    let route = metrics.http().route("/products/{id}");
    metrics.http().started();
    metrics.http().started();
    metrics.http().finished_on(&route, &GET);
    metrics.http().finished("/products/{id}", &GET);
    assert_eq!(metrics.http().requests(), 2);
    let active = samples(&metrics, "framework_http_server_active_requests");
    assert_eq!(active, ["framework_http_server_active_requests 0"]);
}

#[test]
fn a_request_is_active_until_it_is_finished() {
    let metrics = metrics();
    let active = || samples(&metrics, "framework_http_server_active_requests");
    metrics.http().started();
    metrics.http().started();
    assert_eq!(active(), ["framework_http_server_active_requests 2"]);
    metrics.http().finished("/", &GET);
    metrics.http().finished("/", &GET);
    assert_eq!(active(), ["framework_http_server_active_requests 0"]);
}

#[tokio::test(start_paused = true)]
async fn uptime_follows_the_clock() {
    let metrics = metrics();
    tokio::time::advance(Duration::from_secs(90)).await;
    assert_eq!(samples(&metrics, "framework_app_uptime"), ["framework_app_uptime_seconds 90"]);
}

#[test]
fn the_name_of_an_app_becomes_a_prefix() {
    for (app, prefix) in
        [("my-shop", "my_shop"), ("Shop 2", "shop_2"), ("2nd", "_2nd"), ("", "app")]
    {
        assert_eq!(namespace(app), prefix);
    }
}

proptest! {
    #[test]
    fn any_label_value_stays_in_its_line(value in "[\\PC\n\\\\\"]{0,20}") {
        let metrics = metrics();
        metrics.gauge("stock", "Stock.", &["shelf"]).unwrap().with(&[&value]).set(1.0);
        let escaped = value.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
        let line = format!("my_shop_stock{{shelf=\"{escaped}\"}} 1");
        prop_assert!(metrics.render(None).text.split('\n').any(|found| found == line));
    }
}
