use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use framework_core::{Check, Context, Environment, Health, HealthStatus, ModuleId, Phase};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, advance, sleep},
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{AppIdentity, Metrics, system::SystemSampler};

/// Answers what it was told to, and notes when it was asked.
#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<Vec<Health>>>,
    asked: Arc<Mutex<Vec<Duration>>>,
    began: Instant,
}

impl Script {
    /// The last answer is given for ever.
    fn new(answers: &[Health]) -> Self {
        let answers = answers.iter().rev().cloned().collect();
        let asked = Arc::default();
        Self { answers: Arc::new(Mutex::new(answers)), asked, began: Instant::now() }
    }

    /// When it was asked, in milliseconds.
    fn asked(&self) -> Vec<u128> {
        self.asked.lock().unwrap().iter().map(Duration::as_millis).collect()
    }
}

impl Check for Script {
    async fn check(&self, _cx: &Context) -> Health {
        self.asked.lock().unwrap().push(self.began.elapsed());
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() }
    }
}

struct Hangs;

impl Check for Hangs {
    async fn check(&self, _cx: &Context) -> Health {
        pending().await
    }
}

struct Panics;

impl Check for Panics {
    async fn check(&self, _cx: &Context) -> Health {
        panic!("no such table")
    }
}

/// Takes five seconds, and counts how many of it run at once.
#[derive(Clone, Default)]
struct Slow {
    running: Arc<AtomicU32>,
    most: Arc<AtomicU32>,
}

impl Check for Slow {
    async fn check(&self, _cx: &Context) -> Health {
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(running, Ordering::Relaxed);
        sleep(Duration::from_secs(5)).await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        Health::healthy()
    }
}

/// A running runner; it ends with this.
struct Running {
    board: Arc<HealthBoard>,
    metrics: Arc<Metrics>,
    environment: Environment,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(checks: Vec<(&'static str, HealthCheck)>) -> Self {
        Self::within(Environment::detached(), checks).await
    }

    async fn within(environment: Environment, checks: Vec<(&'static str, HealthCheck)>) -> Self {
        let board = Arc::new(HealthBoard::new());
        let system = SystemSampler::reading(|| Err(std::io::ErrorKind::Unsupported.into()));
        let metrics = Arc::new(Metrics::with_system(&AppIdentity::new("shop"), system));
        let mut runner = HealthRunner::new(HealthSettings::default(), Arc::clone(&board))
            .metrics(Arc::clone(&metrics));
        for (module, check) in checks {
            let (id, token) = (ModuleId::default(), CancellationToken::new());
            runner = runner.check(Context::within(module, id, token, environment.clone()), check);
        }
        let (stop, stopped) = oneshot::channel::<()>();
        #[expect(clippy::disallowed_methods, reason = "the test ends it")]
        let task = tokio::spawn(runner.run(async { drop(stopped.await) }));
        let running = Self { board, metrics, environment, stop: Some(stop), task };
        running.after(0).await;
        running
    }

    async fn one(options: HealthOptions, check: impl Check) -> Self {
        Self::start(vec![("stock", HealthCheck::new("database", options, check))]).await
    }

    /// Lets time pass, and everything happen that is due by then.
    async fn after(&self, seconds: u64) -> &Self {
        sleep(Duration::from_secs(seconds) + Duration::from_millis(1)).await;
        self
    }

    fn only(&self) -> CheckStanding {
        self.board.checks().remove(0)
    }

    async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap();
    }

    fn has(&self, line: &str) -> bool {
        self.metrics.render(None).text.lines().any(|found| found == line)
    }
}

fn down() -> Health {
    Health::unhealthy("refused")
}

#[tokio::test(start_paused = true)]
async fn nobody_is_ready_before_the_first_look() {
    let slow = Slow::default();
    let options = HealthOptions::critical().timeout(Duration::from_secs(10));
    let running = Running::one(options, slow).await;
    assert_eq!(running.only().status, None);
    assert_eq!(running.board.status(), HealthStatus::Unhealthy);
    assert!(!running.board.ready());
    running.after(5).await;
    assert_eq!(running.only().status, Some(HealthStatus::Healthy));
    assert_eq!(running.only().took, Some(Duration::from_secs(5)));
    assert!(running.board.ready());
}

#[tokio::test(start_paused = true)]
async fn a_check_runs_at_once_and_then_after_its_interval() {
    let script = Script::new(&[Health::healthy()]);
    let running = Running::one(HealthOptions::critical(), script.clone()).await;
    running.after(61).await;
    assert_eq!(script.asked(), [0, 30_000, 60_000]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_shows_after_three_failures_and_a_recovery_after_two_passes() {
    let up = Health::healthy;
    let script = Script::new(&[up(), down(), down(), down(), up(), up()]);
    let options = HealthOptions::critical().interval(Duration::from_secs(10));
    let running = Running::one(options, script).await;
    let mut stood = Vec::new();
    for _ in 0..6 {
        stood.push(running.board.ready());
        running.after(10).await;
    }
    assert_eq!(stood, [true, true, true, false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn what_has_never_passed_is_looked_at_every_second_and_one_pass_is_enough() {
    let script = Script::new(&[down(), down(), Health::healthy()]);
    let running = Running::one(HealthOptions::critical(), script.clone()).await;
    assert!(!running.board.ready());
    running.after(2).await;
    assert!(running.board.ready());
    running.after(10).await;
    assert_eq!(script.asked(), [0, 1000, 2000]);
}

#[tokio::test(start_paused = true)]
async fn an_application_that_is_ready_is_looked_at_without_delay() {
    let script = Script::new(&[down(), Health::healthy()]);
    let running = Running::one(HealthOptions::critical(), script.clone()).await;
    running.environment.lifecycle.enter(Phase::Ready);
    running.after(0).await;
    assert!(running.board.ready());
    assert!(script.asked()[1] < 10, "{:?}", script.asked());
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_once_modules_stop() {
    let script = Script::new(&[Health::healthy()]);
    let running = Running::one(HealthOptions::critical(), script.clone()).await;
    running.environment.lifecycle.enter(Phase::Stopping);
    running.after(90).await;
    assert_eq!(script.asked(), [0]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_fails_at_its_limit() {
    let running = Running::one(HealthOptions::critical(), Hangs).await;
    assert_eq!(running.only().status, None);
    running.after(1).await;
    assert_eq!(running.only().status, Some(HealthStatus::Unhealthy));
    assert_eq!(running.only().detail.as_deref(), Some("no answer within 1s"));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_fails_and_is_run_again() {
    let running = Running::one(HealthOptions::critical(), Panics).await;
    assert_eq!(running.only().status, Some(HealthStatus::Unhealthy));
    assert_eq!(running.only().detail.as_deref(), Some("panicked: no such table"));
    running.after(3).await;
    let labels = "check=\"database\",module=\"stock\"";
    assert!(running.has(&format!("framework_health_check_errors_total{{{labels}}} 4")));
}

#[tokio::test(start_paused = true)]
async fn a_check_never_runs_twice_at_once() {
    let slow = Slow::default();
    let options =
        HealthOptions::critical().interval(Duration::from_secs(1)).timeout(Duration::from_secs(20));
    let running = Running::one(options, slow.clone()).await;
    running.environment.lifecycle.enter(Phase::Ready);
    running.after(60).await;
    assert_eq!(slow.most.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn one_slow_check_does_not_hold_up_another() {
    let script = Script::new(&[Health::healthy()]);
    let running = Running::start(vec![
        ("stock", HealthCheck::new("slow", HealthOptions::informative(), Hangs)),
        ("stock", HealthCheck::new("quick", HealthOptions::critical(), script)),
    ])
    .await;
    assert!(running.board.ready());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_critical_degrades_and_no_more() {
    let running = Running::start(vec![
        ("mail", HealthCheck::new("smtp", HealthOptions::informative(), Script::new(&[down()]))),
        (
            "stock",
            HealthCheck::new("db", HealthOptions::critical(), Script::new(&[Health::healthy()])),
        ),
    ])
    .await;
    assert_eq!(running.board.status(), HealthStatus::Degraded);
    assert!(running.board.ready());
    assert!(running.has("framework_module_health_status{module=\"mail\"} 0"));
    assert!(running.has("framework_module_health_status{module=\"stock\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn an_application_without_checks_is_healthy_once_somebody_looked() {
    let running = Running::start(Vec::new()).await;
    assert_eq!(running.board.status(), HealthStatus::Healthy);
    assert!(running.board.ready());
}

#[tokio::test(start_paused = true)]
async fn every_check_ends_with_its_runner() {
    let slow = Slow::default();
    let alive = Arc::clone(&slow.running);
    let options = HealthOptions::critical().timeout(Duration::from_secs(60));
    let running = Running::one(options, slow).await;
    running.stop().await;
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[tokio::test(start_paused = true)]
async fn the_report_has_what_operators_rely_on() {
    let slow = Health::degraded("a long queue");
    let running = Running::start(vec![
        ("stock", HealthCheck::new("database", HealthOptions::critical(), Script::new(&[slow]))),
        ("mail", HealthCheck::new("smtp", HealthOptions::informative(), Hangs)),
    ])
    .await;
    running.board.count_connections(|| 7);
    advance(Duration::from_millis(500)).await;
    let blind = SystemSampler::reading(|| Err(std::io::ErrorKind::Unsupported.into()));
    let mut report = serde_json::to_value(running.board.report(&blind)).unwrap();
    assert_eq!(report["pid"], std::process::id());
    assert!(humantime::parse_rfc3339(report["timestamp"].as_str().unwrap()).is_ok());
    (report["pid"], report["timestamp"]) = (1.into(), "now".into());
    insta::assert_snapshot!("report", serde_json::to_string_pretty(&report).unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_has_yet_to_start_is_unhealthy_without_an_error() {
    struct Broken;
    impl Check for Broken {
        async fn check(&self, _cx: &Context) -> Health {
            Health::unhealthy("no pool")
        }
    }
    let environment = Environment::detached();
    environment.lifecycle.enter(Phase::Starting);
    let check = HealthCheck::new("database", HealthOptions::critical(), Broken);
    let running = Running::within(environment, vec![("stock", check)]).await;
    let line = "framework_health_check_errors_total{check=\"database\",module=\"stock\"}";
    let errors = |count| running.has(&format!("{line} {count}"));
    assert!(errors(0));
    assert_eq!(running.only().status, Some(HealthStatus::Unhealthy));
    running.environment.lifecycle.enter(Phase::Ready);
    running.after(1).await;
    assert!(!errors(0), "from now on it is one");
    running.stop().await;
}
