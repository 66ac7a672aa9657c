use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use framework_core::{
    Check, Context, EventKind, Health, HealthStatus, Need, Order, Unclaimed, module_fn,
};
use framework_observability::{
    AppIdentity, HealthBoard, HealthExt, HealthOptions, LogLevel, Metrics, ObservabilityModule,
};
use tokio::time::sleep;

use crate::rig::{Rig, boxed, planned, tap};

/// Looks whether a value is there, and notes whose context it got.
struct IsThere {
    value: Need<u32>,
    seen_by: Arc<Mutex<Vec<&'static str>>>,
}

impl Check for IsThere {
    async fn check(&self, cx: &Context) -> Health {
        self.seen_by.lock().unwrap().push(cx.module());
        match cx.try_get(&self.value) {
            Some(_) => Health::healthy(),
            None => Health::unhealthy("not started"),
        }
    }
}

struct Down;

impl Check for Down {
    async fn check(&self, _cx: &Context) -> Health {
        Health::unhealthy("refused")
    }
}

fn observability() -> ObservabilityModule {
    ObservabilityModule::new(&AppIdentity::new("shop"))
}

/// Lets everything happen that is due.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn an_application_is_ready_as_soon_as_what_it_checks_has_started() {
    let module = observability();
    let board = module.health_board();
    let seen_by = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen_by);
    let early = Arc::clone(&board);
    let stock = module_fn("stock", move |reg| {
        let value = reg.provide(move |_cx| async move {
            settle().await;
            assert!(!early.ready(), "the check cannot have passed");
            Ok(7_u32)
        });
        reg.health("value", IsThere { value, seen_by: log });
    });
    let rig = Rig::start([boxed(module), boxed(stock)]).await;
    settle().await;
    assert!(board.ready());
    assert_eq!(board.status(), HealthStatus::Healthy);
    assert_eq!(board.checks()[0].module, "stock");
    assert_eq!(*seen_by.lock().unwrap(), ["stock", "stock"]);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_it_offers_can_be_needed() {
    let module = observability();
    let (metrics, board) = (module.metrics(), module.health_board());
    let (tap_metrics, got_metrics) = tap::<Metrics>();
    let (tap_board, got_board) = tap::<HealthBoard>();
    let (tap_level, got_level) = tap::<LogLevel>();
    let rig = Rig::start([boxed(module), tap_metrics, tap_board, tap_level]).await;
    assert!(Arc::ptr_eq(&metrics, got_metrics.lock().unwrap().as_ref().unwrap()));
    assert!(Arc::ptr_eq(&board, got_board.lock().unwrap().as_ref().unwrap()));
    assert_eq!(got_level.lock().unwrap().as_ref().unwrap().get(), None);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn it_lies_under_every_other_module_and_waits_for_none_of_their_checks() {
    let stock = module_fn("stock", |reg| reg.health("down", Down));
    let rig = Rig::start([boxed(observability()), boxed(stock)]).await;
    assert_eq!(rig.foundations, ["observability"]);
    let checks = rig.kinds.iter().find(|kind| kind.name == "health checks").unwrap();
    assert_eq!(checks.order, Order::Independent);
    assert_eq!(checks.unclaimed, Unclaimed::Ignore);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_happens_in_the_application_is_counted() {
    let module = observability();
    let metrics = module.metrics();
    let rig = Rig::start([boxed(module), boxed(module_fn("stock", |_reg| {}))]).await;
    rig.emit(EventKind::Failure { module: "stock", error: "late".to_owned() });
    let text = metrics.render(None).text;
    for line in [
        "framework_module_count{state=\"running\"} 3\n",
        "framework_module_count{state=\"waiting\"} 0\n",
        "framework_module_errors_total{module=\"stock\",severity=\"error\"} 1\n",
        "framework_startup_duration_seconds{phase=\"starting\"}",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_applications_in_one_process_share_nothing() {
    let (one, two) = (observability(), observability());
    let (sick, well) = (one.health_board(), two.health_board());
    let (of_one, of_two) = (one.metrics(), two.metrics());
    let stock = module_fn("stock", |reg| reg.health("down", Down));
    let first = Rig::start([boxed(one), boxed(stock)]).await;
    let second = Rig::start([boxed(two)]).await;
    settle().await;
    assert_eq!(sick.status(), HealthStatus::Unhealthy);
    assert_eq!(well.status(), HealthStatus::Healthy);
    assert!(of_one.render(None).text.contains("framework_health_check_status{"));
    assert!(!of_two.render(None).text.contains("framework_health_check_status{"));
    first.stop().await;
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_informative_does_not_keep_traffic_away() {
    let module = observability();
    let board = module.health_board();
    let mail = module_fn("mail", |reg| {
        reg.health_with("smtp", HealthOptions::informative(), Down);
    });
    let rig = Rig::start([boxed(module), boxed(mail)]).await;
    settle().await;
    assert_eq!(board.status(), HealthStatus::Degraded);
    assert!(board.ready());
    rig.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn the_machine_is_looked_at_without_anybody_asking() {
    let module = observability();
    let metrics = module.metrics();
    let rig = Rig::start([boxed(module)]).await;
    settle().await;
    let seen = metrics.system().last().expect("the first look comes at once");
    assert!(seen.rss_bytes > 0);
    sleep(Duration::from_secs(6)).await;
    let later = metrics.system().last().unwrap();
    assert!(!Arc::ptr_eq(&seen, &later) && later.cpu_ratio.is_some());
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn checks_are_run_as_the_configuration_says() {
    let module = observability();
    let board = module.health_board();
    let passes_once = Flaky::default();
    let stock = module_fn("stock", |reg| reg.health("flaky", passes_once));
    let toml = "[health]\ninterval = \"2s\"\nfail_after = 1";
    let rig = Rig::configured(toml, [boxed(module), boxed(stock)]).await;
    settle().await;
    assert!(board.ready());
    sleep(Duration::from_secs(2)).await;
    assert!(!board.ready());
    rig.stop().await;
}

/// Passes once.
#[derive(Default)]
struct Flaky(AtomicBool);

impl Check for Flaky {
    async fn check(&self, _cx: &Context) -> Health {
        if self.0.swap(true, Ordering::Relaxed) {
            Health::unhealthy("gone")
        } else {
            Health::healthy()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_metrics_are_off_nobody_looks_at_the_machine() {
    let module = observability();
    let metrics = module.metrics();
    let rig = Rig::configured("[metrics]\nenabled = false", [boxed(module)]).await;
    sleep(Duration::from_secs(60)).await;
    assert!(metrics.system().last().is_none());
    rig.stop().await;
}

#[test]
fn two_checks_of_a_module_with_one_name_are_found_before_anything_starts() {
    let once = |name| module_fn(name, |reg| reg.health("database", Down));
    let twice = module_fn("catalog", |reg| {
        reg.health("database", Down);
        reg.health("database", Down);
    });
    assert_eq!(
        planned([boxed(observability()), boxed(once("stock")), boxed(once("mail"))]),
        [""; 0]
    );
    let issues = planned([boxed(observability()), boxed(once("stock")), boxed(twice)]);
    let [issue] = issues.as_slice() else { panic!("{issues:?}") };
    let first = "error[E0601]: `catalog` has two health checks called `database`\n\n    the first ";
    assert!(issue.starts_with(first), "{issue}");
    assert!(issue.contains("tests/it/module.rs:"), "{issue}");
}
