use std::{fmt, sync::Arc, time::Duration};

use crate::{Contribution, ModuleState, Order, Phase, ShutdownReason, Stage, Unclaimed};

/// Something that the framework did, or saw a module do. Logs, metrics, reports and tests all read
/// this one stream.
#[derive(Clone, Debug, PartialEq)]
pub struct LifecycleEvent {
    /// When, since the application was made.
    pub at: Duration,
    /// What.
    pub kind: EventKind,
}

/// What a [`LifecycleEvent`] tells.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The application entered a phase.
    Phase(Phase),
    /// A module entered a state.
    Module {
        /// The module.
        module: &'static str,
        /// Its new state.
        state: ModuleState,
    },
    /// A piece of a module's code begins: the making of a value, a setup, the start of a run, a
    /// teardown or a clean-up.
    UnitStarted {
        /// The module.
        module: &'static str,
        /// What kind of code.
        stage: Stage,
        /// Its name.
        unit: Arc<str>,
    },
    /// A piece of a module's code is done.
    UnitEnded {
        /// The module.
        module: &'static str,
        /// What kind of code.
        stage: Stage,
        /// Its name.
        unit: Arc<str>,
        /// How it ended.
        outcome: Outcome,
        /// How long it took.
        took: Duration,
    },
    /// A module has used half of its time to start.
    Slow {
        /// The module.
        module: &'static str,
        /// What it is doing.
        stage: Stage,
        /// The piece of code that is running.
        unit: Arc<str>,
        /// How long the module has been starting.
        elapsed: Duration,
        /// How long it may take.
        budget: Duration,
        /// The last note of the module.
        note: Option<String>,
    },
    /// A supervised unit ended and is started again.
    Restarting {
        /// The module.
        module: &'static str,
        /// The unit.
        unit: Arc<str>,
        /// Why it ended, for people.
        cause: String,
        /// How long it rests before that.
        delay: Duration,
    },
    /// A unit, or a group of units, was restarted too often or may not be restarted; the
    /// application stops.
    GaveUp {
        /// The module.
        module: &'static str,
        /// The unit or group.
        unit: Arc<str>,
        /// Why, for people.
        cause: String,
    },
    /// Somebody or something asked the application to stop.
    ShutdownRequested {
        /// Who or what, and why.
        reason: ShutdownReason,
        /// How often this has been asked, from 1.
        count: u32,
    },
    /// A module has bound an address, which clients can connect to.
    Listening {
        /// The module.
        module: &'static str,
        /// Where, as a URL: `http://127.0.0.1:8080`.
        url: String,
    },
    /// An error that did not stop what it happened in.
    Failure {
        /// The module.
        module: &'static str,
        /// The error with its causes.
        error: String,
    },
}

/// How a piece of a module's code ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Well.
    Done,
    /// With an error or a panic: its text with its causes.
    Failed(String),
    /// It took longer than it may, and was dropped.
    TimedOut,
    /// The application gave it up, because of something else.
    Cancelled,
}

impl Outcome {
    /// The outcome in lower case, as reports spell it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed(_) => "failed",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
        }
    }
}

type ObserveFn = Arc<dyn Fn(&LifecycleEvent) + Send + Sync>;

/// A contribution that is told every [`LifecycleEvent`], in order, from the first on.
///
/// The application itself collects these. An observer must be quick, and must not panic.
///
/// # Examples
///
/// ```
/// use framework_core::{Observe, module_fn};
///
/// let log = module_fn("log", |reg| {
///     reg.contribute(Observe::new(|event| assert!(event.at.as_secs() < 3600)));
/// });
/// ```
#[derive(Clone)]
pub struct Observe {
    observe: ObserveFn,
}

impl Observe {
    /// Calls `observe` with each event.
    pub fn new(observe: impl Fn(&LifecycleEvent) + Send + Sync + 'static) -> Self {
        Self { observe: Arc::new(observe) }
    }

    /// Tells the observer of `event`.
    pub fn tell(&self, event: &LifecycleEvent) {
        (self.observe)(event);
    }
}

impl Contribution for Observe {
    const KIND: &'static str = "lifecycle observers";
    // An observer hears of the start of its own module, so it cannot wait for that.
    const ORDER: Order = Order::Independent;
    const UNCLAIMED: Unclaimed = Unclaimed::Ignore;
}

impl fmt::Debug for Observe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observe").finish_non_exhaustive()
    }
}
