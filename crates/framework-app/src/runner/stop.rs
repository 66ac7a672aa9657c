use std::{collections::VecDeque, pin::Pin, sync::Arc, time::Duration};

use framework_core::{ModuleState, OnceFn, Outcome, Phase, Stage, Unit, Work};
use tokio::{
    task::JoinSet,
    time::{self, Instant},
};

use super::{Cell, Shared};
use crate::{Failure, budgets::LEAST_SLICE, planted::PlantedBug};

/// What it takes to stop a module.
pub(crate) struct StopWork {
    pub(crate) cell: Arc<Cell>,
    pub(crate) teardowns: Vec<Unit>,
    /// The modules that this one waited for: they stop after it.
    pub(crate) waited_for: Vec<usize>,
    /// Whether the module has no code: then nothing of it can be left running.
    pub(crate) is_empty: bool,
}

/// How a module stopped.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    pub(crate) module: &'static str,
    pub(crate) in_time: bool,
    pub(crate) took: Duration,
}

/// Stops modules, each when everything that relies on it has stopped.
///
/// A failure or a deadline never keeps the next from stopping; failures are kept in `shared`.
pub(crate) async fn stop(
    shared: &Arc<Shared>,
    mut work: Vec<Option<StopWork>>,
    deadline: Instant,
) -> Vec<Stopped> {
    let mut relied_on_by = vec![0_usize; work.len()];
    let waited_for: Vec<Vec<usize>> = work
        .iter()
        .map(|work| work.as_ref().map_or(Vec::new(), |work| work.waited_for.clone()))
        .collect();
    waited_for.iter().flatten().for_each(|&before| relied_on_by[before] += 1);
    let mut ready: VecDeque<usize> =
        (0..work.len()).rev().filter(|at| relied_on_by[*at] == 0).collect();
    let mut left = work.len();
    // What nothing relies on takes in work from outside; the rest may still be needed for that.
    let mut draining = ready.len();
    plant(shared, &work, &mut ready, &mut relied_on_by);
    let mut tasks = JoinSet::new();
    let (mut stopped, mut done) = (Vec::new(), Vec::new());
    while left > 0 {
        while let Some(at) = ready.pop_front() {
            match work[at].take() {
                Some(work) if !work.is_empty => {
                    let shared = Arc::clone(shared);
                    tasks.spawn(async move { (at, stop_one(&shared, work, deadline).await) });
                }
                Some(work) => done.push((at, Some(stop_empty(shared, &work)))),
                None => done.push((at, None)),
            }
        }
        if done.is_empty() {
            let Some(Ok((at, how))) = tasks.join_next().await else { break };
            done.push((at, Some(how)));
        }
        for (at, how) in done.drain(..) {
            left -= 1;
            stopped.extend(how);
            draining = draining.saturating_sub(1);
            if draining == 0 {
                shared.lifecycle.enter(Phase::Stopping);
            }
            // Last started first, among those that are free at once.
            let mut freed = Vec::new();
            for &before in &waited_for[at] {
                relied_on_by[before] = relied_on_by[before].wrapping_sub(1);
                if relied_on_by[before] == 0 {
                    freed.push(before);
                }
            }
            freed.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
            ready.extend(freed);
        }
    }
    stopped
}

/// Stops a module that has no code.
fn stop_empty(shared: &Shared, work: &StopWork) -> Stopped {
    shared.enter(&work.cell, ModuleState::Stopping);
    work.cell.cx.shutdown_token().cancel();
    shared.enter(&work.cell, ModuleState::Stopped);
    Stopped { module: work.cell.name, in_time: true, took: Duration::ZERO }
}

/// Makes the mistakes that a test has asked for.
fn plant(
    shared: &Shared,
    work: &[Option<StopWork>],
    ready: &mut VecDeque<usize>,
    relied_on_by: &mut [usize],
) {
    if shared.planted.has(PlantedBug::RootCancelledFirst) {
        work.iter().flatten().for_each(|work| work.cell.cx.shutdown_token().cancel());
    }
    if shared.planted.has(PlantedBug::FirstInFirstOut) {
        *ready = (0..work.len()).collect();
        relied_on_by.fill(usize::MAX);
    }
}

/// Stops one module: its units, its teardowns, its clean-ups, its tasks, its values.
pub(crate) async fn stop_one(shared: &Arc<Shared>, work: StopWork, deadline: Instant) -> Stopped {
    let StopWork { cell, teardowns, .. } = work;
    let begun = Instant::now();
    let limit = cell.own_stop.unwrap_or(shared.budgets.module_stop);
    shared.enter(&cell, ModuleState::Stopping);
    cell.cx.shutdown_token().cancel();
    let until = Until { shared, begun, limit, deadline };

    let mut in_time = true;
    let mut supervisor = cell.take_supervisor();
    let ended = async { while supervisor.join_next().await.is_some() {} };
    if !until.over(ended).await {
        in_time = false;
        let (module, units) = (cell.name, cell.busy_with());
        shared.fail(Failure::StopTimeout { module, units, limit: begun.elapsed() });
    }
    // Dropping it aborts what is left; waiting makes sure that nothing of it runs any more.
    supervisor.shutdown().await;
    shared.dropped(&cell, false, &Outcome::TimedOut);

    let until = Until { begun: if in_time { begun } else { Instant::now() }, ..until };
    in_time &= finish(&cell, teardowns, until, begun).await;
    shared.tasks.end(cell.id).await;
    for (value, panic) in cell.drop_values() {
        let (module, unit) = (cell.name, format!("dropping `{value}`"));
        shared.fail(Failure::Stop { module, unit, source: panic.into() });
    }
    shared.enter(&cell, if in_time { ModuleState::Stopped } else { ModuleState::Abandoned });
    Stopped { module: cell.name, in_time, took: begun.elapsed() }
}

/// Runs what a module does when its units have ended: the clean-ups of units that were cut off, the
/// teardowns, the module's own clean-ups. Says whether all of it was in time.
///
/// Each is tried, whatever becomes of those before it: after one that took too long, the next still
/// has the least slice.
async fn finish(cell: &Cell, teardowns: Vec<Unit>, mut until: Until<'_>, begun: Instant) -> bool {
    let (shared, mut in_time) = (until.shared, true);
    let mut teardowns = teardowns.into_iter().rev();
    let mut cut_off = cell.take_incarnations();
    loop {
        let deferred = cut_off.last().and_then(|cx| Some((cx.clone(), cx.next_deferred()?)));
        let piece: Piece<'_> = if let Some((cx, deferred)) = deferred {
            Box::pin(async move { shared.clean_up_one(cell, &cx, deferred).await })
        } else if cut_off.pop().is_some() {
            continue;
        } else if let Some(Unit { name, work, .. }) = teardowns.next() {
            let Work::Teardown(teardown) = work else { continue };
            Box::pin(tear_down(shared, cell, name, teardown))
        } else if let Some(deferred) = cell.cx.next_deferred() {
            Box::pin(shared.clean_up_one(cell, &cell.cx, deferred))
        } else {
            return in_time;
        };
        if !until.over(piece).await {
            in_time = false;
            let (module, units) = (cell.name, cell.busy_with());
            shared.dropped(cell, false, &Outcome::TimedOut);
            shared.fail(Failure::StopTimeout { module, units, limit: begun.elapsed() });
            until = Until { begun: Instant::now(), limit: LEAST_SLICE, ..until };
        }
    }
}

type Piece<'p> = Pin<Box<dyn Future<Output = ()> + Send + 'p>>;

async fn tear_down(shared: &Shared, cell: &Cell, name: &'static str, teardown: OnceFn<()>) {
    let point = cell.point(Stage::Teardown, &Arc::from(name));
    if let Err(source) = shared.step(cell, point, cell.cx.clone(), teardown).await {
        let unit = name.to_owned();
        shared.fail(Failure::Stop { module: cell.name, unit, source });
    }
}

/// How long a module may go on stopping.
struct Until<'a> {
    shared: &'a Shared,
    begun: Instant,
    limit: Duration,
    deadline: Instant,
}

impl Until<'_> {
    /// Whether `work` ended before the time was over.
    async fn over(&self, work: impl Future<Output = ()>) -> bool {
        let lifecycle = &self.shared.lifecycle;
        let least = self.begun + LEAST_SLICE;
        let own = (self.begun + self.limit).min(self.deadline).max(least);
        // A second request moves the deadline forward; a third leaves no time at all.
        let hurried = async {
            lifecycle.shutdown_requested(2).await;
            let at = Instant::now() + self.shared.budgets.force_after;
            tokio::select! {
                () = time::sleep_until(at.max(least)) => {}
                () = lifecycle.shutdown_requested(3) => {}
            }
        };
        tokio::select! {
            biased;
            () = work => true,
            () = time::sleep_until(own) => false,
            () = hurried => false,
        }
    }
}
