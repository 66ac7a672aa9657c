use std::{future, panic::Location, sync::Arc, time::Duration};

use framework_core::{
    BoxError, Chain, Context, EventKind, Group, GroupId, Outcome, Phase, RepeatFn, RunFuture,
    ShutdownReason, Stage, Supervision, contain,
};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use super::tree::{Reaction, Tree};
use crate::{
    Failure,
    probe::{Part, Point, Visit},
    runner::{Cell, Shared},
};

/// How long a unit that is restarted because of another may take to end before it is aborted.
const UNIT_GRACE: Duration = Duration::from_secs(5);

/// A unit that has started, and is from now on looked after.
pub(crate) struct Adopted {
    pub(crate) unit: usize,
    pub(crate) run: RunFuture,
    pub(crate) cx: Context,
}

/// A unit as its supervisor knows it.
pub(crate) struct Supervised {
    pub(crate) name: &'static str,
    pub(crate) location: &'static Location<'static>,
    pub(crate) group: Option<GroupId>,
    /// How to start it again; `None` for one that the application cannot go on without.
    pub(crate) again: Option<(Supervision, RepeatFn)>,
}

/// Looks after the running units of one module, until the module is asked to stop and they have all
/// ended.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    units: Vec<Unit>,
    tree: Tree,
    tasks: JoinSet<(usize, u64, Result<(), BoxError>)>,
    // When to start units that rest after they ended.
    resting: Vec<(Instant, Vec<usize>)>,
}

struct Unit {
    spec: Supervised,
    node: Option<usize>,
    // Which of its runs this is: the end of an earlier one is no news.
    run: u64,
    live: Option<Live>,
}

/// A run of a unit that is not over.
struct Live {
    cx: Context,
    // Cancelled when the task has ended or has been dropped.
    gone: CancellationToken,
    abort: AbortHandle,
}

impl Supervisor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        cell: Arc<Cell>,
        groups: &[Group],
        specs: Vec<Supervised>,
    ) -> Self {
        let mut tree = Tree::new(groups);
        let units = specs.into_iter().map(|spec| {
            let policy = spec.again.as_ref().map(|(policy, _)| *policy);
            let node = policy.map(|policy| tree.add(spec.group.map(|group| group.0), policy));
            Unit { spec, node, run: 0, live: None }
        });
        let units = units.collect();
        Self { shared, cell, units, tree, tasks: JoinSet::new(), resting: Vec::new() }
    }

    pub(crate) async fn supervise(mut self, mut adopted: mpsc::Receiver<Adopted>) {
        let stop = self.cell.cx.shutdown_token().clone();
        loop {
            let wake = self.resting.iter().map(|(at, _)| *at).min();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(unit) = adopted.recv() => self.adopt(unit),
                Some(Ok((unit, run, result))) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    self.ended(unit, run, result).await;
                }
                () = rest_until(wake) => self.start_rested(),
            }
        }
        // What started a moment ago learns of the stop like everyone else.
        adopted.close();
        while let Some(unit) = adopted.recv().await {
            self.adopt(unit);
        }
        while let Some(ended) = self.tasks.join_next().await {
            let Ok((unit, run, Err(source))) = ended else { continue };
            if self.units[unit].run == run {
                let unit = self.units[unit].spec.name.to_owned();
                self.shared.fail(Failure::Stop { module: self.cell.name, unit, source });
            }
        }
    }

    fn adopt(&mut self, adopted: Adopted) {
        let Adopted { unit, run, cx } = adopted;
        self.spawn(unit, cx, move |_cx| Box::pin(future::ready(Ok(run))));
    }

    fn start_rested(&mut self) {
        let now = Instant::now();
        let (due, resting) =
            std::mem::take(&mut self.resting).into_iter().partition(|(at, _)| *at <= now);
        self.resting = resting;
        let due: Vec<(Instant, Vec<usize>)> = due;
        for node in due.into_iter().flat_map(|(_, nodes)| nodes) {
            let found = self.units.iter().position(|unit| unit.node == Some(node));
            let Some(unit) = found else { continue };
            let Some((_, start)) = &self.units[unit].spec.again else { continue };
            let start = Arc::clone(start);
            let cx = self.cell.incarnation();
            self.spawn(unit, cx, move |cx| start(cx));
        }
    }

    /// Runs one incarnation of a unit: its start, its run, and the clean-ups that it put off.
    fn spawn<S>(&mut self, unit: usize, cx: Context, start: S)
    where
        S: FnOnce(Context) -> framework_core::BoxFuture<Result<RunFuture, BoxError>>
            + Send
            + 'static,
    {
        let entry = &mut self.units[unit];
        entry.run += 1;
        let (run, name, own) = (entry.run, entry.spec.name, entry.spec.again.is_some());
        let (for_end, gone) = (cx.clone(), CancellationToken::new());
        let going = gone.clone().drop_guard();
        let (shared, cell) = (Arc::clone(&self.shared), Arc::clone(&self.cell));
        self.cell.unit_is_up(name);
        let abort = self.tasks.spawn(async move {
            let (probe, for_start) = (shared.probe.clone(), cx.clone());
            let point = Point {
                module: cell.name,
                stage: Stage::Run,
                unit: name.into(),
                part: Part::Running,
            };
            let work = contain(move || {
                Box::pin(async move {
                    let running = start(for_start.clone()).await?;
                    let _visit = Visit::begin(probe.as_ref(), point, &for_start).await?;
                    running.await
                })
            });
            let result = work.await;
            if own {
                shared.clean_up(&cell, &cx).await;
                cx.shutdown_token().cancel();
            }
            cell.unit_is_down(name);
            drop(going);
            (unit, run, result)
        });
        entry.live = Some(Live { cx: for_end, gone, abort });
    }

    async fn ended(&mut self, unit: usize, run: u64, result: Result<(), BoxError>) {
        let stopping = self.cell.cx.is_shutting_down();
        let entry = &mut self.units[unit];
        if entry.run != run {
            return;
        }
        entry.live = None;
        let (module, name, location) = (self.cell.name, entry.spec.name, entry.spec.location);
        if stopping {
            if let Err(source) = result {
                self.shared.fail(Failure::Stop { module, unit: name.to_owned(), source });
            }
            return;
        }
        // What serves the outside ends with the drain, before its module is told to stop.
        if result.is_ok() && self.shared.lifecycle.phase() >= Phase::Draining {
            return;
        }
        let Some(node) = entry.node else {
            let failure = match result {
                Ok(()) => Failure::EndedEarly { module, unit: name, location },
                Err(source) => Failure::Unit { module, unit: name, location, source },
            };
            return self.stop_application(failure, name);
        };
        let cause = match &result {
            Ok(()) => "it ended".to_owned(),
            Err(error) => Chain(error.as_ref()).to_string(),
        };
        match self.tree.ended(node, result.is_err(), self.shared.lifecycle.now()) {
            Reaction::Leave => {
                if result.is_err() {
                    let error = format!("{name}: {cause}");
                    self.shared.lifecycle.emit(EventKind::Failure { module, error });
                }
            }
            Reaction::Restart { end, start, delay } => {
                let unit = Arc::from(name);
                let event = EventKind::Restarting { module, unit, cause, delay };
                self.shared.lifecycle.emit(event);
                self.end(&end).await;
                self.resting.push((Instant::now() + delay, start));
            }
            Reaction::GiveUp { restarts } => {
                let event = EventKind::GaveUp { module, unit: Arc::from(name), cause };
                self.shared.lifecycle.emit(event);
                let source = result.err().unwrap_or_else(|| "it ended".into());
                self.stop_application(
                    Failure::GaveUp { module, unit: name, restarts, location, source },
                    name,
                );
            }
        }
    }

    /// Ends units one after the other, and takes back the start of those that rest.
    async fn end(&mut self, nodes: &[usize]) {
        for (_, start) in &mut self.resting {
            start.retain(|node| !nodes.contains(node));
        }
        for node in nodes {
            let found = self.units.iter().position(|unit| unit.node == Some(*node));
            let Some(unit) = found else { continue };
            let Some(Live { cx, gone, abort }) = self.units[unit].live.take() else { continue };
            cx.shutdown_token().cancel();
            // Its end is no news from here on.
            self.units[unit].run += 1;
            if time::timeout(UNIT_GRACE, gone.cancelled()).await.is_err() {
                abort.abort();
                gone.cancelled().await;
                // Its task would have done that.
                let clean_up = self.shared.clean_up(&self.cell, &cx);
                if time::timeout(UNIT_GRACE, clean_up).await.is_err() {
                    self.shared.dropped(&self.cell, false, &Outcome::TimedOut);
                }
            }
        }
    }

    fn stop_application(&self, failure: Failure, unit: &str) {
        let module = self.cell.name;
        self.shared.fail(failure);
        let reason = ShutdownReason::UnitFailed { module, unit: unit.to_owned() };
        self.shared.lifecycle.request_shutdown_once(reason);
    }
}

async fn rest_until(wake: Option<Instant>) {
    match wake {
        Some(at) => time::sleep_until(at).await,
        None => future::pending().await,
    }
}
