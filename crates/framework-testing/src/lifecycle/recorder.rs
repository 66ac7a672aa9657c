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
    injection::{FaultKind, INJECTED, Injection, Place, is_start},
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
    broken: Vec<Broken>,
}

/// A module that has begun.
struct Module {
    stop: CancellationToken,
    // Those that it relies on and that were over when it began: optional ones that had failed.
    over: BTreeSet<&'static str>,
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

    pub(super) fn take_broken(&self) -> Vec<Broken> {
        std::mem::take(&mut self.state().broken)
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
    fn inject(&self, state: &mut State, point: &Point, cx: &Context) -> Option<FaultKind> {
        let injection = self.injection.as_ref().filter(|injection| injection.point == *point)?;
        if state.injected_at.is_some() {
            return None;
        }
        state.injected_at = Some(self.now());
        if injection.kind == FaultKind::Cancel {
            let reason = ShutdownReason::Requested(INJECTED.to_owned());
            cx.lifecycle().request_shutdown(reason);
        }
        Some(injection.kind)
    }
}

impl State {
    /// While code of a module is there, nothing that it relies on may have been asked to stop.
    fn check_order(&mut self, facts: &Facts, point: &Point) {
        let (Some(module), Some(known)) =
            (self.modules.get(point.module), facts.modules.get(point.module))
        else {
            return;
        };
        for other in known.relies_on.difference(&module.over) {
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
        let over =
            |(name, module): (&&'static str, &Module)| module.stop.is_cancelled().then_some(*name);
        let over = state.modules.iter().filter_map(over).collect();
        let stop = cx.shutdown_token().clone();
        state.modules.insert(module, Module { stop, over });
        state.contexts.push(cx.clone());
    }

    fn enter(&self, point: &Point, cx: &Context) -> BoxFuture<Result<(), BoxError>> {
        let mut state = self.see(Seen::Enter(point.clone()));
        state.check_order(&self.facts, point);
        state.check_start(point);
        // A unit that can be started again has a context of its own each time.
        if point.stage == Stage::Run {
            state.contexts.push(cx.clone());
        }
        let kind = self.inject(&mut state, point, cx);
        drop(state);
        match kind {
            None => Box::pin(future::ready(Ok(()))),
            Some(FaultKind::Error) => Box::pin(future::ready(Err(INJECTED.into()))),
            // Without the panic hook: its output would look like that of a test that failed.
            Some(FaultKind::Panic) => {
                Box::pin(async { panic::resume_unwind(Box::new(INJECTED.to_owned())) })
            }
            Some(FaultKind::Hang) => Box::pin(future::pending()),
            Some(FaultKind::Slow) => {
                let late = self.facts.late(point);
                Box::pin(async move {
                    time::sleep(late).await;
                    Ok(())
                })
            }
            Some(FaultKind::Cancel) => {
                let asked = cx.shutdown();
                Box::pin(async move {
                    asked.await;
                    Ok(())
                })
            }
        }
    }

    fn leave(&self, point: &Point) {
        self.see(Seen::Leave(point.clone())).check_order(&self.facts, point);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("injection", &self.injection).finish_non_exhaustive()
    }
}
