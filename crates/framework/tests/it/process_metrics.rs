//! What the facade shows of a process: only what there is.

use std::sync::Arc;

use framework::{
    prelude::*,
    testing::{TestApp, paused},
};
use tokio::time::{Duration, sleep};

/// The line of the metric `name`, without the name.
fn value(metrics: &Metrics, name: &str) -> Option<String> {
    let text = metrics.render(None).text;
    text.lines().find_map(|line| line.strip_prefix(name)).map(|line| line.trim().to_owned())
}

async fn started(modules: impl framework::core::Modules) -> (TestApp, Arc<Metrics>) {
    let app = TestApp::builder(App::builder("shop").modules(modules)).start().await;
    let metrics = app.get_value::<Metrics>();
    (app, metrics)
}

#[test]
fn the_worker_pool_is_counted() {
    paused(async {
        let (app, metrics) = started(WorkerPoolModule::new()).await;
        // Taken when the application starts, and every few seconds from then on.
        sleep(Duration::from_millis(1)).await;
        let done = value(&metrics, "framework_worker_pool_jobs_total{outcome=\"done\"}");
        assert_eq!(done.as_deref(), Some("0"));
        let threads = value(&metrics, "framework_worker_pool_threads{state=\"working\"}");
        let pool = app.get_value::<WorkerPool>();
        assert_eq!(threads, Some(pool.stats().workers.to_string()));
        let wait = value(&metrics, "framework_worker_pool_wait_seconds{quantile=\"0.99\"}");
        assert_eq!(wait.as_deref(), Some("NaN"), "nobody has waited yet");
        app.stop().await.unwrap();
    });
}

#[test]
fn an_application_without_them_has_no_numbers_of_them_and_starts() {
    paused(async {
        let (app, metrics) = started(()).await;
        let text = metrics.render(None).text;
        assert!(!text.contains("worker_pool") && !text.contains("shop_resource"), "{text}");
        app.stop().await.unwrap();
    });
}
