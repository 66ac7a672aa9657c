//! What runs a plan: [`start`] starts it by data flow, [`stop`] stops it in reverse.

mod start;
mod stop;

use std::{
    panic::{self, AssertUnwindSafe, Location},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use framework_core::{
    AnySlot, BoxError, BoxFuture, Chain, Context, Deferred, Environment, EventKind, Lifecycle,
    ModuleId, ModuleState, Outcome, PanicError, Stage, contain,
};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    start::{Interrupted, StartWork, Started, start},
    stop::{StopWork, Stopped, stop},
};
use crate::{
    Budgets, Failure, Probe,
    planted::Planted,
    probe::{Part, Point, Visit},
    report::Timeline,
    spawner::Tasks,
};

/// What the parts of a running application share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) budgets: Budgets,
    pub(crate) parallelism: usize,
    pub(crate) probe: Option<Arc<dyn Probe>>,
    pub(crate) planted: Planted,
    pub(crate) tasks: Arc<Tasks>,
    failures: Mutex<Vec<Failure>>,
}

/// One module while it runs.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    pub(crate) id: ModuleId,
    pub(crate) location: &'static Location<'static>,
    pub(crate) optional: bool,
    pub(crate) own_start: Option<Duration>,
    pub(crate) own_stop: Option<Duration>,
    pub(crate) cx: Context,
    pub(crate) timeline: Mutex<Timeline>,
    progress: Mutex<Progress>,
    supervisor: Mutex<Option<JoinSet<()>>>,
}

/// How far a module has come, for whoever ends it.
#[derive(Debug, Default)]
struct Progress {
    // What began last is last; the clean-ups of units that end at once run at once.
    doing: Vec<(Stage, Arc<str>, Instant)>,
    up: Vec<&'static str>,
    made: Vec<Arc<dyn AnySlot>>,
    // The contexts of units that can be started again: whoever ends one may have to clean up for it.
    incarnations: Vec<Context>,
}

/// A piece of code that failed.
pub(crate) struct Fault {
    pub(crate) stage: Stage,
    pub(crate) unit: Arc<str>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) source: BoxError,
}

impl Shared {
    pub(crate) fn new(
        lifecycle: Lifecycle,
        budgets: Budgets,
        parallelism: usize,
        probe: Option<Arc<dyn Probe>>,
        planted: Planted,
        tasks: Arc<Tasks>,
    ) -> Arc<Self> {
        let failures = Mutex::default();
        let shared =
            Arc::new(Self { lifecycle, budgets, parallelism, probe, planted, tasks, failures });
        shared.tasks.report_to(&shared);
        shared
    }

    /// Keeps a failure for the end, and tells everyone who listens.
    pub(crate) fn fail(&self, failure: Failure) {
        self.note_failure_ref(&failure);
        self.failures().push(failure);
    }

    /// Tells everyone who listens of a failure that the application goes on with.
    #[expect(clippy::needless_pass_by_value, reason = "nobody else has any use for it")]
    pub(crate) fn note_failure(&self, failure: Failure) {
        self.note_failure_ref(&failure);
    }

    fn note_failure_ref(&self, failure: &Failure) {
        let error = Chain(failure).to_string();
        let module = failure.module().unwrap_or("application");
        self.lifecycle.emit(EventKind::Failure { module, error });
    }

    pub(crate) fn take_failures(&self) -> Vec<Failure> {
        std::mem::take(&mut *self.failures())
    }

    fn failures(&self) -> MutexGuard<'_, Vec<Failure>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a piece of a module's code, and tells everyone who listens of its begin and its end.
    pub(crate) async fn step<T: Send + 'static>(
        &self,
        cell: &Cell,
        point: Point,
        cx: Context,
        work: impl FnOnce(Context) -> BoxFuture<Result<T, BoxError>> + Send + 'static,
    ) -> Result<T, BoxError> {
        let (module, stage, unit) = (point.module, point.stage, Arc::clone(&point.unit));
        let begun = cell.begins(stage, &unit);
        self.lifecycle.emit(EventKind::UnitStarted { module, stage, unit: Arc::clone(&unit) });
        let probe = self.probe.clone();
        let result = contain(move || match probe {
            None => work(cx),
            Some(_) => Box::pin(async move {
                let _visit = Visit::begin(probe.as_ref(), point, &cx).await?;
                work(cx).await
            }),
        })
        .await;
        let outcome = match &result {
            Ok(_) => Outcome::Done,
            Err(error) => Outcome::Failed(Chain(error.as_ref()).to_string()),
        };
        cell.ends(stage, &unit, begun);
        let took = begun.elapsed();
        self.lifecycle.emit(EventKind::UnitEnded { module, stage, unit, outcome, took });
        result
    }

    /// Says that code which a module was running has been dropped: that of its start, or that of
    /// its stop.
    pub(crate) fn dropped(&self, cell: &Cell, starting: bool, outcome: &Outcome) {
        for (stage, unit, begun) in cell.take_doing(starting) {
            cell.timeline().step(stage, &unit, begun);
            let (module, took, outcome) = (cell.name, begun.elapsed(), outcome.clone());
            self.lifecycle.emit(EventKind::UnitEnded { module, stage, unit, outcome, took });
        }
    }

    /// Runs the clean-ups that were put off in `cx`, last first. Each is tried, whatever becomes of
    /// those before it.
    pub(crate) async fn clean_up(&self, cell: &Cell, cx: &Context) {
        while let Some(deferred) = cx.next_deferred() {
            self.clean_up_one(cell, cx, deferred).await;
        }
    }

    pub(crate) async fn clean_up_one(&self, cell: &Cell, cx: &Context, deferred: Deferred) {
        let unit = Arc::from(deferred.name);
        let point = Point { module: cell.name, stage: Stage::Teardown, unit, part: Part::Deferred };
        if let Err(source) = self.step(cell, point, cx.clone(), deferred.run).await {
            let unit = deferred.name.to_owned();
            self.fail(Failure::Stop { module: cell.name, unit, source });
        }
    }

    pub(crate) fn enter(&self, cell: &Cell, state: ModuleState) {
        self.lifecycle.module_entered(cell.id, state);
    }
}

impl Cell {
    pub(crate) fn new(
        record: &framework_core::ModuleRecord,
        environment: Arc<Environment>,
    ) -> Self {
        let cx = Context::within(record.name, record.id, CancellationToken::new(), environment);
        Self {
            name: record.name,
            id: record.id,
            location: record.location,
            optional: record.optional,
            own_start: record.budget.start,
            own_stop: record.budget.stop.or(record.budget.stop_at_most),
            cx,
            timeline: Mutex::default(),
            progress: Mutex::default(),
            supervisor: Mutex::default(),
        }
    }

    /// A context for one run of a unit, which can be ended without the others.
    pub(crate) fn incarnation(&self) -> Context {
        let token = self.cx.shutdown_token().child_token();
        let cx = Context::within(self.name, self.id, token, Arc::clone(self.cx.environment()));
        let incarnations = &mut self.progress().incarnations;
        // Those that are over have been cleaned up.
        incarnations.retain(|cx| !cx.is_shutting_down());
        incarnations.push(cx.clone());
        cx
    }

    /// The contexts of runs that may not have been cleaned up, first to start first.
    pub(crate) fn take_incarnations(&self) -> Vec<Context> {
        std::mem::take(&mut self.progress().incarnations)
    }

    pub(crate) fn point(&self, stage: Stage, unit: &Arc<str>) -> Point {
        Point { module: self.name, stage, unit: Arc::clone(unit), part: Part::Start }
    }

    pub(crate) fn made(&self, slot: Arc<dyn AnySlot>) {
        self.progress().made.push(slot);
    }

    pub(crate) fn unit_is_up(&self, unit: &'static str) {
        self.progress().up.push(unit);
    }

    pub(crate) fn unit_is_down(&self, unit: &'static str) {
        let mut progress = self.progress();
        if let Some(at) = progress.up.iter().position(|up| *up == unit) {
            progress.up.swap_remove(at);
        }
    }

    /// The running units, and what else the module is doing.
    pub(crate) fn busy_with(&self) -> Vec<String> {
        let progress = self.progress();
        let up = progress.up.iter().map(|unit| (*unit).to_owned());
        up.chain(progress.doing.iter().map(|(_, unit, _)| unit.to_string())).collect()
    }

    /// What the start of the module is doing.
    pub(crate) fn doing(&self) -> Option<(Stage, Arc<str>)> {
        let progress = self.progress();
        let last = progress.doing.iter().rev().find(|(stage, ..)| *stage != Stage::Teardown);
        last.map(|(stage, unit, _)| (*stage, Arc::clone(unit)))
    }

    fn take_doing(&self, starting: bool) -> Vec<(Stage, Arc<str>, Instant)> {
        let asked = |(stage, ..): &mut (Stage, _, _)| (*stage != Stage::Teardown) == starting;
        self.progress().doing.extract_if(.., asked).collect()
    }

    pub(crate) fn supervise(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        supervisor.get_or_insert_default().spawn(task);
    }

    pub(crate) fn take_supervisor(&self) -> JoinSet<()> {
        let mut supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        supervisor.take().unwrap_or_default()
    }

    /// Lets go of the module's values, last made first, and says which of them panicked.
    pub(crate) fn drop_values(&self) -> Vec<(String, PanicError)> {
        let mut made = std::mem::take(&mut self.progress().made);
        let mut panics = Vec::new();
        while let Some(slot) = made.pop() {
            let key = slot.key();
            if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| slot.clear())) {
                panics.push((key.to_string(), PanicError::new(payload.as_ref())));
            }
        }
        panics
    }

    pub(crate) fn timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begins(&self, stage: Stage, unit: &Arc<str>) -> Instant {
        let now = Instant::now();
        self.progress().doing.push((stage, Arc::clone(unit), now));
        now
    }

    fn ends(&self, stage: Stage, unit: &Arc<str>, begun: Instant) {
        let is_it = |(s, u, b): &(Stage, Arc<str>, Instant)| (*s, u, *b) == (stage, unit, begun);
        let doing = &mut self.progress().doing;
        // One of them, should two of a name have begun in the same instant.
        if let Some(at) = doing.iter().position(is_it) {
            doing.remove(at);
        }
        self.timeline().step(stage, unit, begun);
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
