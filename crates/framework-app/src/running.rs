use std::{fmt, sync::Arc, time::Duration};

use framework_core::{
    Environment, Lifecycle, ModuleState, Phase, ShutdownReason, SlotTable, Stage,
};
use framework_registry::{Graph, PlannedModule};
use tokio::time::{self, Instant};

use crate::{
    Budgets, Failure, ReadyApp, RunError, StartReport, TokioClock,
    budgets::text,
    planted::PlantedBug,
    runner::{self, Cell, Interrupted, Shared, StartWork, Started, StopWork, Stopped},
    spawner::Tasks,
};

/// An application whose modules have all started.
///
/// Dropping it aborts what is running; [`stop`](Self::stop) ends it in order.
#[must_use = "dropping a running application aborts it"]
pub struct RunningApp {
    shared: Arc<Shared>,
    stops: Vec<Option<StopWork>>,
    slots: Arc<SlotTable>,
    graph: Arc<Graph>,
    report: Arc<StartReport>,
}

impl RunningApp {
    pub(crate) async fn start(ready: ReadyApp) -> Result<Option<Self>, RunError> {
        let ReadyApp { plan, budgets, parallelism, probe, planted, lifecycle, .. } = ready;
        let parts = plan.into_parts();
        let mut names = vec![""; parts.modules.len()];
        parts.modules.iter().for_each(|m| names[m.record.id.index()] = m.record.name);
        lifecycle.prepare(names.clone(), parts.observers);
        let tasks = Arc::new(Tasks::new(names));
        let shared =
            Shared::new(lifecycle, budgets, parallelism, probe, planted, Arc::clone(&tasks));
        let environment = Arc::new(Environment {
            lifecycle: shared.lifecycle.clone(),
            clock: Arc::new(TokioClock::new()),
            spawner: tasks,
            slots: Arc::clone(&parts.slots),
        });

        let origin = Instant::now();
        shared.lifecycle.enter(Phase::Starting);
        let (work, mut stops) = take_apart(parts.modules, &environment);
        let cells: Vec<_> = work.iter().map(|work| Arc::clone(&work.cell)).collect();
        let Started { entered, interrupted } = runner::start(&shared, work, &mut stops).await;
        let Some(interrupted) = interrupted else {
            // What was skipped has nothing to stop.
            let skipped = stops.iter_mut().zip(&entered).filter(|(_, entered)| !**entered);
            skipped.for_each(|(stop, _)| *stop = None);
            let report = Arc::new(report(&cells, &parts.graph, origin));
            shared.lifecycle.set_startup(Arc::clone(&report) as _);
            shared.lifecycle.enter(Phase::Ready);
            let (slots, graph) = (parts.slots, parts.graph);
            return Ok(Some(Self { shared, stops, slots, graph, report }));
        };
        roll_back(&shared, stops, &entered, interrupted).await.map(|()| None)
    }

    /// What the application consists of.
    #[must_use]
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// Its life: its phase, its modules, and how to stop it from elsewhere.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.shared.lifecycle
    }

    /// Where the time of its start went.
    #[must_use]
    pub fn report(&self) -> &StartReport {
        &self.report
    }

    /// The singleton of type `T`, if there is one.
    #[must_use]
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.slots.get()
    }

    /// The values of the application, by type and name.
    #[must_use]
    pub fn container(&self) -> &Arc<SlotTable> {
        &self.slots
    }

    /// Runs until somebody asks the application to stop or a unit fails, and stops it.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub async fn run(self) -> Result<(), RunError> {
        self.shared.lifecycle.shutdown_requested(1).await;
        self.end().await
    }

    /// Asks the application to stop, and stops it.
    ///
    /// # Errors
    ///
    /// Returns the first failure, if there was one while the application ran or while it stopped,
    /// and all that came after it.
    pub async fn stop(self, reason: ShutdownReason) -> Result<(), RunError> {
        self.shared.lifecycle.request_shutdown_once(reason);
        self.end().await
    }

    async fn end(mut self) -> Result<(), RunError> {
        let Budgets { shutdown, lame_duck, force_after, .. } = self.shared.budgets;
        let lifecycle = self.shared.lifecycle.clone();
        let begun = Instant::now();
        let deadline = begun + shutdown;
        lifecycle.set_stop_deadline(lifecycle.now() + shutdown);
        let hurry = async {
            lifecycle.shutdown_requested(2).await;
            lifecycle.set_stop_deadline(lifecycle.now() + force_after.min(shutdown));
            std::future::pending::<()>().await;
        };
        let end = async {
            if !lame_duck.is_zero() {
                lifecycle.enter(Phase::LameDuck);
                tokio::select! {
                    () = time::sleep(lame_duck.min(shutdown)) => {}
                    () = lifecycle.shutdown_requested(2) => {}
                }
            }
            lifecycle.enter(Phase::Draining);
            runner::stop(&self.shared, std::mem::take(&mut self.stops), deadline).await
        };
        tokio::select! {
            biased;
            _ = end => {}
            () = hurry => {}
        }
        lifecycle.enter(Phase::Stopped);
        let mut failures = self.shared.take_failures().into_iter();
        match failures.next() {
            None => Ok(()),
            Some(primary) => Err(RunError::new(primary, failures.collect(), None)),
        }
    }
}

impl fmt::Debug for RunningApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningApp")
            .field("lifecycle", &self.shared.lifecycle)
            .finish_non_exhaustive()
    }
}

/// What each module does to start, and what it does to stop, which it must even if the former is
/// dropped half-way.
fn take_apart(
    modules: Vec<PlannedModule>,
    environment: &Arc<Environment>,
) -> (Vec<StartWork>, Vec<Option<StopWork>>) {
    let take = |module: PlannedModule| {
        let PlannedModule { mut record, waits_for, deferred, .. } = module;
        let cell = Arc::new(Cell::new(&record, Arc::clone(environment)));
        let (mut setups, mut runs, mut teardowns) = (Vec::new(), Vec::new(), Vec::new());
        for unit in std::mem::take(&mut record.units) {
            match unit.work.stage() {
                Stage::Construct | Stage::Setup => setups.push(unit),
                Stage::Run => runs.push(unit),
                Stage::Teardown => teardowns.push(unit),
            }
        }
        let constructs = std::mem::take(&mut record.constructs).into_iter().zip(deferred);
        let constructs =
            constructs.map(|(construct, deferred)| (construct, record.location, deferred));
        let constructs: Vec<_> = constructs.collect();
        let waited_for = waits_for.iter().map(|(before, _)| *before).collect();
        let is_empty =
            constructs.is_empty() && setups.is_empty() && runs.is_empty() && teardowns.is_empty();
        let stop = StopWork { cell: Arc::clone(&cell), teardowns, waited_for, is_empty };
        let groups = record.groups;
        (StartWork { cell, constructs, setups, runs, groups, waits_for }, Some(stop))
    };
    modules.into_iter().map(take).unzip()
}

fn report(cells: &[Arc<Cell>], graph: &Graph, origin: Instant) -> StartReport {
    let waited_for =
        graph.modules().iter().map(|node| node.waits_for.iter().map(|wait| wait.module));
    let modules = cells
        .iter()
        .zip(waited_for)
        .map(|(cell, waited_for)| cell.timeline().report(cell.name, waited_for.collect(), origin));
    StartReport { modules: modules.collect(), took: origin.elapsed() }
}

/// Stops what had started, within a budget of its own.
async fn roll_back(
    shared: &Arc<Shared>,
    mut stops: Vec<Option<StopWork>>,
    entered: &[bool],
    interrupted: Interrupted,
) -> Result<(), RunError> {
    let limit = shared.budgets.rollback;
    let primary = match interrupted {
        Interrupted::Asked => None,
        Interrupted::Failed(failure) => Some(failure),
    };
    if let Some(failure) = &primary {
        let module = failure.module().unwrap_or("application");
        shared.lifecycle.request_shutdown_once(ShutdownReason::StartFailed { module });
    }
    shared.lifecycle.set_stop_deadline(shared.lifecycle.now() + limit);
    shared.lifecycle.enter(Phase::Stopping);
    for (at, stop) in stops.iter_mut().enumerate() {
        let failed = stop
            .as_ref()
            .is_some_and(|work| Some(work.cell.name) == primary.as_ref().and_then(Failure::module));
        let planted = shared.planted;
        let forgotten = planted.has(PlantedBug::NoRollback) && !failed
            || planted.has(PlantedBug::NoCleanUpOfTheFailed) && failed;
        if !entered[at] || forgotten {
            *stop = None;
        }
    }
    let begun = Instant::now();
    let stopped = runner::stop(shared, stops, begun + limit).await;
    shared.lifecycle.enter(Phase::Stopped);
    if let Some(failure) = &primary
        && let Some(name) = failure.module()
        && let Some(at) = shared.lifecycle.modules().iter().position(|status| status.name == name)
    {
        shared.lifecycle.module_entered(framework_core::ModuleId::at(at), ModuleState::Failed);
    }
    let mut failures = shared.take_failures().into_iter();
    match primary.or_else(|| failures.next()) {
        None => Ok(()),
        Some(primary) => {
            let rollback = summary(&stopped, begun.elapsed(), limit);
            Err(RunError::new(primary, failures.collect(), Some(rollback)))
        }
    }
}

fn summary(stopped: &[Stopped], took: Duration, limit: Duration) -> String {
    let one = |stopped: &Stopped| {
        let how = if stopped.in_time { "ok" } else { "cut off" };
        format!("{} {how} {}", stopped.module, text(stopped.took))
    };
    let all: Vec<_> = stopped.iter().map(one).collect();
    let all = if all.is_empty() { "nothing had started".to_owned() } else { all.join(", ") };
    format!("{all}   ({} of {})", text(took), text(limit))
}
