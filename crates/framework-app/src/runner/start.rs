use std::{
    cmp::Reverse, collections::BinaryHeap, panic::Location, pin::pin, sync::Arc, time::Duration,
};

use framework_core::{
    Construct, EventKind, Group, ModuleState, Outcome, Stage, Supervision, Unit, Work,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use super::{Cell, Fault, Shared, StopWork, Stopped, stop};
use crate::{
    Failure, Point, StartTimeout,
    planted::PlantedBug,
    supervise::{Adopted, Supervised, Supervisor},
};

/// What a module has to do to start.
pub(crate) struct StartWork {
    pub(crate) cell: Arc<Cell>,
    pub(crate) constructs: Vec<(Construct, &'static Location<'static>, bool)>,
    pub(crate) setups: Vec<Unit>,
    pub(crate) runs: Vec<Unit>,
    pub(crate) groups: Vec<Group>,
    /// The modules to wait for, and whether this one cannot do without.
    pub(crate) waits_for: Vec<(usize, bool)>,
}

/// How far a start came.
#[derive(Debug)]
pub(crate) struct Started {
    /// Of each module, whether it was begun: then it must be stopped.
    pub(crate) entered: Vec<bool>,
    /// Why it did not come to its end.
    pub(crate) interrupted: Option<Interrupted>,
}

/// Why a start did not come to its end.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// Something failed.
    Failed(Failure),
    /// Somebody asked the application to stop.
    Asked,
}

enum Ended {
    Running,
    Cancelled,
    Failed(Failure),
}

struct Flow<'a> {
    shared: &'a Arc<Shared>,
    cells: Vec<Arc<Cell>>,
    work: Vec<Option<StartWork>>,
    // How many modules each one still waits for, and who waits for each.
    waits: Vec<usize>,
    dependents: Vec<Vec<(usize, bool)>>,
    ready: BinaryHeap<Reverse<usize>>,
    entered: Vec<bool>,
    left: usize,
    tasks: JoinSet<(usize, Ended)>,
    cancel: CancellationToken,
    stops: &'a mut [Option<StopWork>],
}

/// Starts modules as soon as what they wait for has started.
///
/// `stops` has what it takes to stop each module; that of an optional module that fails is used here.
pub(crate) async fn start(
    shared: &Arc<Shared>,
    work: Vec<StartWork>,
    stops: &mut [Option<StopWork>],
) -> Started {
    let mut counts = vec![0; work.len()];
    let before = work.iter().flat_map(|module| &module.waits_for).map(|(before, _)| *before);
    before.for_each(|before| counts[before] += 1);
    let mut dependents: Vec<Vec<(usize, bool)>> =
        counts.into_iter().map(Vec::with_capacity).collect();
    for (at, module) in work.iter().enumerate() {
        module.waits_for.iter().for_each(|&(before, hard)| dependents[before].push((at, hard)));
    }
    let waits: Vec<_> = work.iter().map(|module| module.waits_for.len()).collect();
    let free = |(at, waits): (usize, &usize)| (*waits == 0).then_some(Reverse(at));
    let flow = Flow {
        shared,
        cells: work.iter().map(|module| Arc::clone(&module.cell)).collect(),
        ready: waits.iter().enumerate().filter_map(free).collect(),
        entered: vec![false; work.len()],
        left: work.len(),
        work: work.into_iter().map(Some).collect(),
        waits,
        dependents,
        tasks: JoinSet::new(),
        cancel: CancellationToken::new(),
        stops,
    };
    flow.run().await
}

impl Flow<'_> {
    async fn run(mut self) -> Started {
        let lifecycle = self.shared.lifecycle.clone();
        let limit = self.shared.budgets.start;
        let deadline = Instant::now() + limit;
        let interrupted = loop {
            while self.tasks.len() < self.shared.parallelism
                && let Some(Reverse(at)) = self.ready.pop()
            {
                self.begin(at);
            }
            if self.left == 0 {
                break None;
            }
            tokio::select! {
                biased;
                // Also when a unit of a module that had started failed.
                () = lifecycle.shutdown_requested(1) => break Some(Interrupted::Asked),
                Some(ended) = self.tasks.join_next() => {
                    if let Err(failure) = self.ended(ended).await {
                        break Some(Interrupted::Failed(failure));
                    }
                }
                () = time::sleep_until(deadline) => {
                    let starting = self.starting();
                    break Some(Interrupted::Failed(Failure::TotalStartTimeout { limit, starting }));
                }
            }
        };
        if interrupted.is_some() {
            self.give_up().await;
        }
        Started { entered: self.entered, interrupted }
    }

    fn begin(&mut self, at: usize) {
        let Some(work) = self.work[at].take() else { return };
        self.entered[at] = true;
        let cell = Arc::clone(&work.cell);
        cell.timeline().begin();
        if let Some(probe) = &self.shared.probe {
            probe.begins(cell.name, &cell.cx);
        }
        self.shared.enter(&cell, ModuleState::Starting);
        if work.constructs.is_empty() && work.setups.is_empty() && work.runs.is_empty() {
            return self.is_running(at);
        }
        let (shared, cancel) = (Arc::clone(self.shared), self.cancel.clone());
        let waiting = self.dependents[at].iter().map(|(other, _)| self.cells[*other].name);
        let waiting = waiting.collect();
        self.tasks.spawn(async move { (at, start_module(&shared, work, cancel, waiting).await) });
    }

    fn is_running(&mut self, at: usize) {
        let cell = &self.cells[at];
        cell.timeline().end();
        self.shared.enter(cell, ModuleState::Running);
        self.left -= 1;
        self.release(at);
    }

    fn release(&mut self, at: usize) {
        for &(next, _) in &self.dependents[at] {
            self.waits[next] -= 1;
            if self.waits[next] == 0 && self.work[next].is_some() {
                self.ready.push(Reverse(next));
            }
        }
    }

    async fn ended(
        &mut self,
        ended: Result<(usize, Ended), tokio::task::JoinError>,
    ) -> Result<(), Failure> {
        // The task contains panics, and nobody aborts it while the start goes on.
        let Ok((at, ended)) = ended else { return Ok(()) };
        match ended {
            Ended::Running => self.is_running(at),
            Ended::Cancelled => {}
            Ended::Failed(failure) => {
                self.shared.enter(&self.cells[at], ModuleState::Failed);
                if !self.cells[at].optional {
                    return Err(failure);
                }
                self.shared.fail(failure);
                self.do_without(at).await?;
            }
        }
        Ok(())
    }

    /// Cleans up an optional module that failed, and skips those that cannot do without it.
    async fn do_without(&mut self, failed: usize) -> Result<(), Failure> {
        if let Some(work) = self.stops[failed].take() {
            let deadline = Instant::now() + self.shared.budgets.rollback;
            let Stopped { .. } = stop::stop_one(self.shared, work, deadline).await;
            self.shared.enter(&self.cells[failed], ModuleState::Failed);
        }
        self.entered[failed] = false;
        self.left -= 1;
        let mut skipped = vec![failed];
        while let Some(at) = skipped.pop() {
            for (next, hard) in self.dependents[at].clone() {
                if !hard || self.work[next].is_none() {
                    continue;
                }
                let cell = Arc::clone(&self.cells[next]);
                if !cell.optional {
                    let (module, optional) = (cell.name, self.cells[failed].name);
                    return Err(Failure::Skipped { module, optional });
                }
                self.work[next] = None;
                self.left -= 1;
                self.shared.enter(&cell, ModuleState::Skipped);
                skipped.push(next);
            }
            self.release(at);
        }
        Ok(())
    }

    fn starting(&self) -> Vec<String> {
        let doing = |(at, cell): (usize, &Arc<Cell>)| {
            let (stage, unit) = self.entered[at].then(|| cell.doing())??;
            let note = self.shared.lifecycle.note_of(cell.id);
            let note = note.map_or(String::new(), |(note, _)| format!(", last note {note:?}"));
            Some(format!("`{}` was in {stage} {unit}{note}", cell.name))
        };
        self.cells.iter().enumerate().filter_map(doing).collect()
    }

    /// Cancels what is starting, and waits until it has ended or was dropped.
    async fn give_up(&mut self) {
        self.cancel.cancel();
        for (at, work) in self.work.iter_mut().enumerate() {
            if work.take().is_some() {
                self.shared.enter(&self.cells[at], ModuleState::Cancelled);
            }
        }
        // Each ends itself within the grace; one that blocks its thread does not.
        let ended = async {
            while let Some(ended) = self.tasks.join_next().await {
                match ended {
                    Ok((at, Ended::Failed(failure))) => {
                        self.shared.enter(&self.cells[at], ModuleState::Failed);
                        self.shared.fail(failure);
                    }
                    Ok((at, Ended::Cancelled)) => {
                        self.shared.enter(&self.cells[at], ModuleState::Cancelled);
                    }
                    Ok((at, Ended::Running)) => {
                        self.shared.enter(&self.cells[at], ModuleState::Running);
                    }
                    Err(_) => {}
                }
            }
        };
        let grace = self.shared.budgets.cancel_grace + Duration::from_millis(500);
        if time::timeout(grace, ended).await.is_err() {
            self.tasks.abort_all();
        }
    }
}

/// Starts one module, within its limit and until it is cancelled.
async fn start_module(
    shared: &Arc<Shared>,
    work: StartWork,
    cancel: CancellationToken,
    waiting: Vec<&'static str>,
) -> Ended {
    let cell = Arc::clone(&work.cell);
    let limit = cell.own_start.unwrap_or(shared.budgets.module_start);
    let begun = Instant::now();
    let mut sequence = Box::pin(sequence(Arc::clone(shared), work));
    let mut half = pin!(time::sleep_until(begun + limit / 2));
    let mut told = false;
    let timed_out = loop {
        tokio::select! {
            biased;
            result = &mut sequence => return ended(&cell, result),
            () = cancel.cancelled() => break false,
            () = &mut half, if !told => {
                told = true;
                tell_slow(shared, &cell, begun.elapsed(), limit);
            }
            () = time::sleep_until(begun + limit) => break true,
        }
    };
    let (stage, unit) = cell.doing().unwrap_or((Stage::Setup, Arc::from("")));
    cell.cx.shutdown_token().cancel();
    let now = shared.lifecycle.now();
    let note = shared.lifecycle.note_of(cell.id).map(|(note, at)| (note, now.saturating_sub(at)));
    let by_itself = time::timeout(shared.budgets.cancel_grace, &mut sequence).await;
    let ended_at = by_itself.is_ok().then(|| begun.elapsed());
    if by_itself.is_err() {
        if shared.planted.has(PlantedBug::LateStartGoesOn) {
            cell.supervise(async move { drop(sequence.await) });
        } else {
            // Dropped before anyone is told, so that nothing of it runs when they are.
            drop(sequence);
        }
        let outcome = if timed_out { Outcome::TimedOut } else { Outcome::Cancelled };
        shared.dropped(&cell, true, &outcome);
    }
    if !timed_out {
        return match by_itself {
            Ok(Ok(())) => Ended::Running,
            Ok(Err(_)) | Err(_) => Ended::Cancelled,
        };
    }
    Ended::Failed(Failure::StartTimeout(Box::new(StartTimeout {
        module: cell.name,
        stage,
        unit: unit.to_string(),
        location: cell.location,
        limit,
        own_limit: cell.own_start.is_some(),
        note,
        ended_at,
        waiting,
    })))
}

fn ended(cell: &Cell, result: Result<(), Fault>) -> Ended {
    match result {
        Ok(()) => Ended::Running,
        Err(Fault { stage, unit, location, source }) => Ended::Failed(Failure::Start {
            module: cell.name,
            stage,
            unit: unit.to_string(),
            location,
            source,
        }),
    }
}

fn tell_slow(shared: &Shared, cell: &Cell, elapsed: Duration, budget: Duration) {
    let Some((stage, unit)) = cell.doing() else { return };
    let note = shared.lifecycle.note_of(cell.id).map(|(note, _)| note);
    let module = cell.name;
    shared.lifecycle.emit(EventKind::Slow { module, stage, unit, elapsed, budget, note });
}

/// Makes the module's values, runs its setups, and starts its running units.
async fn sequence(shared: Arc<Shared>, work: StartWork) -> Result<(), Fault> {
    let StartWork { cell, constructs, setups, runs, groups, .. } = work;
    for (construct, location, deferred) in constructs {
        let Construct { slot, make, .. } = construct;
        let cx = cell.cx.clone();
        cell.made(Arc::clone(&slot));
        if deferred {
            slot.defer(Box::pin(async move { make(cx).await }));
            continue;
        }
        let unit = Arc::from(slot.key().to_string());
        let point = cell.point(Stage::Construct, &unit);
        still_starts(&cell, &point, location)?;
        let made = shared.step(&cell, point, cx, make).await;
        made.map_err(|source| Fault { stage: Stage::Construct, unit, location, source })?;
    }
    for Unit { name, location, work, .. } in setups {
        let Work::Setup(setup) = work else { continue };
        let unit = Arc::from(name);
        let point = cell.point(Stage::Setup, &unit);
        still_starts(&cell, &point, location)?;
        let done = shared.step(&cell, point, cell.cx.clone(), setup).await;
        done.map_err(|source| Fault { stage: Stage::Setup, unit, location, source })?;
    }
    if runs.is_empty() {
        return Ok(());
    }
    start_units(&shared, &cell, &groups, runs).await
}

/// Code that is starting when its module is asked to stop may end by itself; no other begins.
fn still_starts(
    cell: &Cell,
    point: &Point,
    location: &'static Location<'static>,
) -> Result<(), Fault> {
    if !cell.cx.is_shutting_down() {
        return Ok(());
    }
    let (stage, unit) = (point.stage, Arc::clone(&point.unit));
    Err(Fault { stage, unit, location, source: "its module was asked to stop".into() })
}

async fn start_units(
    shared: &Arc<Shared>,
    cell: &Arc<Cell>,
    groups: &[Group],
    runs: Vec<Unit>,
) -> Result<(), Fault> {
    let again = |work: &Work| match work {
        Work::Supervised(policy, start) => Some((*policy, Arc::clone(start))),
        Work::Setup(_) | Work::Run(_) | Work::Teardown(_) => None::<(Supervision, _)>,
    };
    let spec = |unit: &Unit| Supervised {
        name: unit.name,
        location: unit.location,
        group: unit.group,
        again: again(&unit.work),
    };
    let specs = runs.iter().map(spec).collect();
    let (adopt, adopted) = mpsc::channel(runs.len());
    let supervisor = Supervisor::new(Arc::clone(shared), Arc::clone(cell), groups, specs);
    cell.supervise(supervisor.supervise(adopted));
    for (at, Unit { name, location, work, .. }) in runs.into_iter().enumerate() {
        let unit = Arc::from(name);
        let point = cell.point(Stage::Run, &unit);
        still_starts(cell, &point, location)?;
        let (cx, started) = match work {
            Work::Run(start) => {
                let cx = cell.cx.clone();
                (cx.clone(), shared.step(cell, point, cx, start).await)
            }
            Work::Supervised(_, start) => {
                let cx = cell.incarnation();
                (cx.clone(), shared.step(cell, point, cx, move |cx| start(cx)).await)
            }
            Work::Setup(_) | Work::Teardown(_) => continue,
        };
        match started {
            // The supervisor takes what comes until the module stops.
            Ok(run) => drop(adopt.send(Adopted { unit: at, run, cx }).await),
            // What it put off is cleaned up with the rest of the module.
            Err(source) => return Err(Fault { stage: Stage::Run, unit, location, source }),
        }
    }
    Ok(())
}
