//! Runs an application once from start to end, on a thread and in a time of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic,
    sync::Arc,
    thread,
    time::Duration,
};

use framework_app::{AppBuilder, PlanError, Point, ReadyApp, RunError};
use framework_core::{LifecycleEvent, ShutdownReason};
use tokio::{runtime::Handle, task, time};

use super::{
    Injection,
    facts::Facts,
    recorder::{Broken, Entry, Recorder},
};
use crate::paused;

/// How to run it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drive {
    /// How long the application serves before it is asked to stop.
    pub(super) serve_for: Duration,
    /// How long to look on after its end.
    pub(super) look_on: Duration,
}

/// What came of one run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) facts: Arc<Facts>,
    /// `None` if it did not end.
    pub(super) result: Option<Result<(), RunError>>,
    pub(super) log: Vec<Entry>,
    /// What each module that began relied on, also through others.
    pub(super) relied_on: BTreeMap<&'static str, BTreeSet<&'static str>>,
    pub(super) events: Vec<LifecycleEvent>,
    pub(super) injected_at: Option<Duration>,
    /// What failed because an avalanche came down.
    pub(super) followed: Vec<Point>,
    pub(super) ready_at: Option<Duration>,
    pub(super) ended_at: Duration,
    /// How much of the log there was when it ended.
    pub(super) ended: usize,
    pub(super) tasks: usize,
    pub(super) left_over: Vec<(&'static str, &'static str)>,
    pub(super) broken: Vec<Broken>,
}

/// Runs what `make` makes, with one fault or with none.
pub(super) fn run<F>(
    make: &F,
    drive: Drive,
    injection: Option<&Injection>,
) -> Result<Run, PlanError>
where
    F: Fn() -> AppBuilder + Sync,
{
    // A thread of its own, for whoever tests in async code has a runtime already.
    thread::scope(|scope| {
        let run = scope.spawn(|| paused(drive.run(make, injection.cloned())));
        run.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}

impl Drive {
    async fn run<F>(self, make: &F, injection: Option<Injection>) -> Result<Run, PlanError>
    where
        F: Fn() -> AppBuilder,
    {
        // Once for what the plan says, and once to run: a recorder has to know the plan.
        let facts = Arc::new(Facts::of(&make().build()?));
        let recorder = Arc::new(Recorder::new(Arc::clone(&facts), injection));
        let ready = make().probe(Arc::clone(&recorder) as _).build()?;
        let lifecycle = ready.lifecycle().clone();

        let mut ready_at = None;
        let life = self.live(ready, &recorder, &mut ready_at);
        let result = time::timeout(self.patience(&facts), life).await.ok();
        let (ended_at, ended) = (recorder.now(), recorder.log().len());
        // What was aborted is gone when it has been polled once more.
        for _ in 0..64 {
            task::yield_now().await;
        }
        let tasks = Handle::current().metrics().num_alive_tasks();
        let left_over = recorder.left_over();
        time::sleep(self.look_on).await;
        Ok(Run {
            result,
            log: recorder.log(),
            relied_on: recorder.relied_on(),
            events: lifecycle.events(),
            injected_at: recorder.injected_at(),
            followed: recorder.followed(),
            broken: recorder.take_broken(),
            facts,
            ready_at,
            ended_at,
            ended,
            tasks,
            left_over,
        })
    }

    async fn live(
        self,
        ready: ReadyApp,
        recorder: &Recorder,
        ready_at: &mut Option<Duration>,
    ) -> Result<(), RunError> {
        let lifecycle = ready.lifecycle().clone();
        let Some(running) = ready.try_start().await? else { return Ok(()) };
        *ready_at = Some(recorder.now());
        let ask = async {
            time::sleep(self.serve_for).await;
            let reason = ShutdownReason::Requested("the test has seen enough".to_owned());
            lifecycle.request_shutdown_once(reason);
            std::future::pending::<()>().await;
        };
        let mut running = std::pin::pin!(running.run());
        let mut ask = std::pin::pin!(ask);
        std::future::poll_fn(|cx| {
            let _ = ask.as_mut().poll(cx);
            running.as_mut().poll(cx)
        })
        .await
    }

    /// When to stop waiting for the end: long after it should have come.
    fn patience(self, facts: &Facts) -> Duration {
        let budgets = &facts.budgets;
        let life = budgets.start + budgets.cancel_grace + budgets.rollback + budgets.shutdown;
        (life + self.serve_for) * 2 + Duration::from_secs(60)
    }
}
