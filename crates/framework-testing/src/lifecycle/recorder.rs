//! Writes down what really runs, from inside, and breaks one piece of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, future, panic,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use framework_app::{Point, Probe};
use framework_core::{BoxError, BoxFuture, Context, ShutdownReason, Stage};
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use super::{
    facts::Facts,
    injection::{FOLLOWING, FaultKind, INJECTED, Injection, Place, is_start},
    report::Rule,
};

/// Something that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// When, since the application began to start.
    pub(super) at: Duration,
    pub(super) seen: Seen,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A module began to start.
    Module(&'static str),
    /// A piece of code is about to run.
    Enter(Point),
    /// A piece of code has ended or has been dropped.
    Leave(Point),
}

/// Something that broke a rule while it was written down.
pub(super) type Broken = (Rule, String);

pub(super) struct Recorder {
    facts: Arc<Facts>,
    injection: Option<Injection>,
    origin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    log: Vec<Entry>,
    modules: BTreeMap<&'static str, Module>,
    contexts: Vec<Context>,
    injected_at: Option<Duration>,
    // The code that failed because an avalanche came down.
    followed: Vec<Point>,
    broken: Vec<Broken>,
}

/// A module that has begun.
struct Module {
    stop: CancellationToken,
    // Those that it relies on, also through others: not optional ones that had failed by then, nor
    // what only those rely on.
    relies_on: BTreeSet<&'static str>,
}

impl Recorder {
    /// A recorder for an application that starts now.
    pub(super) fn new(facts: Arc<Facts>, injection: Option<Injection>) -> Self {
        Self { facts, injection, origin: Instant::now(), state: Mutex::default() }
    }

    pub(super) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    pub(super) fn log(&self) -> Vec<Entry> {
        self.state().log.clone()
    }

    pub(super) fn injected_at(&self) -> Option<Duration> {
        self.state().injected_at
    }

    pub(super) fn followed(&self) -> Vec<Point> {
        self.state().followed.clone()
    }

    pub(super) fn take_broken(&self) -> Vec<Broken> {
        std::mem::take(&mut self.state().broken)
    }

    /// What each module that began relies on, also through others.
    pub(super) fn relied_on(&self) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
        let of = |(name, module): (&&'static str, &Module)| (*name, module.relies_on.clone());
        self.state().modules.iter().map(of).collect()
    }

    /// The clean-ups that were put off and that nobody ran.
    pub(super) fn left_over(&self) -> Vec<(&'static str, &'static str)> {
        let contexts = std::mem::take(&mut self.state().contexts);
        let of = |cx: &Context| {
            std::iter::from_fn(|| cx.next_deferred())
                .map(|deferred| (cx.module(), deferred.name))
                .collect::<Vec<_>>()
        };
        contexts.iter().flat_map(of).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see(&self, seen: Seen) -> MutexGuard<'_, State> {
        let at = self.now();
        let mut state = self.state();
        state.log.push(Entry { at, seen });
        state
    }

    /// Goes wrong, if this is where and when.
    fn inject(&self, state: &mut State, point: &Point, cx: &Context) -> Option<Fault> {
        let injection = self.injection.as_ref()?;
        if state.injected_at.is_some() {
            let falls = injection.kind == FaultKind::Avalanche && point.stage == Stage::Teardown;
            return falls.then(|| {
                state.followed.push(point.clone());
                Fault::Following
            });
        }
        if injection.point != *point {
            return None;
        }
        state.injected_at = Some(self.now());
        if injection.kind == FaultKind::Cancel {
            let reason = ShutdownReason::Requested(INJECTED.to_owned());
            cx.lifecycle().request_shutdown(reason);
        }
        Some(Fault::Kind(injection.kind))
    }
}

/// What is done to a piece of code.
enum Fault {
    Kind(FaultKind),
    Following,
}

impl State {
    /// While code of a module is there, nothing that it relies on may have been asked to stop.
    fn check_order(&mut self, point: &Point) {
        let Some(module) = self.modules.get(point.module) else { return };
        for other in &module.relies_on {
            if self.modules.get(other).is_some_and(|other| other.stop.is_cancelled()) {
                let text = format!(
                    "`{other}` was asked to stop before {} was over, which relies on it",
                    Place(point)
                );
                self.broken.push((Rule::DependentsFirst, text));
            }
        }
    }

    /// Nothing of a module starts once it has been asked to stop.
    fn check_start(&mut self, point: &Point) {
        let module = self.modules.get(point.module);
        if is_start(point) && module.is_some_and(|module| module.stop.is_cancelled()) {
            let text = format!("{} began after its module was asked to stop", Place(point));
            self.broken.push((Rule::NothingAfterTheEnd, text));
        }
    }
}

impl Probe for Recorder {
    fn begins(&self, module: &'static str, cx: &Context) {
        let mut state = self.see(Seen::Module(module));
        let mut relies_on = BTreeSet::new();
        let waits_for = |module| self.facts.modules.get(module).map(|facts| &facts.waits_for);
        let mut others: Vec<_> = waits_for(module).into_iter().flatten().collect();
        while let Some(&other) = others.pop() {
            let lives = |other: &Module| !other.stop.is_cancelled();
            if state.modules.get(other).is_some_and(lives) && relies_on.insert(other) {
                others.extend(waits_for(other).into_iter().flatten());
            }
        }
        let stop = cx.shutdown_token().clone();
        state.modules.insert(module, Module { stop, relies_on });
        state.contexts.push(cx.clone());
    }

    fn enter(&self, point: &Point, cx: &Context) -> BoxFuture<Result<(), BoxError>> {
        let mut state = self.see(Seen::Enter(point.clone()));
        state.check_order(point);
        state.check_start(point);
        // A unit that can be started again has a context of its own each time.
        if point.stage == Stage::Run {
            state.contexts.push(cx.clone());
        }
        let kind = self.inject(&mut state, point, cx);
        drop(state);
        match kind {
            None => Box::pin(future::ready(Ok(()))),
            Some(Fault::Following) => Box::pin(future::ready(Err(FOLLOWING.into()))),
            Some(Fault::Kind(FaultKind::Error | FaultKind::Avalanche)) => {
                Box::pin(future::ready(Err(INJECTED.into())))
            }
            // Without the panic hook: its output would look like that of a test that failed.
            Some(Fault::Kind(FaultKind::Panic)) => {
                Box::pin(async { panic::resume_unwind(Box::new(INJECTED.to_owned())) })
            }
            Some(Fault::Kind(FaultKind::Hang)) => Box::pin(future::pending()),
            Some(Fault::Kind(FaultKind::Slow)) => {
                let late = self.facts.late(point);
                Box::pin(async move {
                    time::sleep(late).await;
                    Ok(())
                })
            }
            Some(Fault::Kind(FaultKind::Cancel)) => {
                let asked = cx.shutdown();
                Box::pin(async move {
                    asked.await;
                    Ok(())
                })
            }
        }
    }

    fn leave(&self, point: &Point) {
        self.see(Seen::Leave(point.clone())).check_order(point);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("injection", &self.injection).finish_non_exhaustive()
    }
}
