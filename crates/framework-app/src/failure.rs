use std::{fmt, panic::Location, time::Duration};

use framework_core::{BoxError, Chain, CutShort, ErrorCode, Issue, Stage};

use framework_registry::PlanError;

use crate::{budgets, codes};

/// One thing that went wrong while an application ran.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A piece of a module's code failed while the module was starting.
    #[error("`{module}` failed to start: {stage} {unit}")]
    Start {
        /// The module that did not start.
        module: &'static str,
        /// What kind of code failed.
        stage: Stage,
        /// Its name.
        unit: String,
        /// The place in the source that declared it, or that added the module.
        location: &'static Location<'static>,
        /// What it returned, or the panic it ended with.
        source: BoxError,
    },

    /// A module took too long to start.
    #[error("`{}` did not start within {}", .0.module, budgets::text(.0.limit))]
    StartTimeout(Box<StartTimeout>),

    /// The whole start took too long.
    #[error("the start took longer than {}", budgets::text(*limit))]
    TotalStartTimeout {
        /// The time that it was given.
        limit: Duration,
        /// The modules that were still starting, and what they were doing.
        starting: Vec<String>,
    },

    /// A module that is not optional relies on one that is and that failed.
    #[error("`{module}` cannot start without `{optional}`")]
    Skipped {
        /// The module that cannot be done without.
        module: &'static str,
        /// The optional one that failed.
        optional: &'static str,
    },

    /// A running unit failed.
    #[error("`{module}` failed: {unit}")]
    Unit {
        /// The module the unit belongs to.
        module: &'static str,
        /// The unit that failed.
        unit: &'static str,
        /// The place in the source that declared it.
        location: &'static Location<'static>,
        /// What the unit returned, or the panic it ended with.
        source: BoxError,
    },

    /// A running unit ended although nobody asked it to.
    #[error("`{module}` ended early: {unit}")]
    EndedEarly {
        /// The module the unit belongs to.
        module: &'static str,
        /// The unit that ended.
        unit: &'static str,
        /// The place in the source that declared it.
        location: &'static Location<'static>,
    },

    /// A supervised unit was restarted too often.
    #[error("`{module}` gave up: {unit} was restarted {restarts} times")]
    GaveUp {
        /// The module the unit belongs to.
        module: &'static str,
        /// The unit that ended last.
        unit: &'static str,
        /// How often it, or its group, was restarted before.
        restarts: usize,
        /// The place in the source that declared it.
        location: &'static Location<'static>,
        /// What the unit returned last, or the panic it ended with; that it ended, otherwise.
        source: BoxError,
    },

    /// A task that a module had spawned beside its units failed.
    #[error("`{module}` had a task fail: {task}")]
    Task {
        /// The module that the task belongs to.
        module: &'static str,
        /// The task.
        task: &'static str,
        /// What it returned, or the panic it ended with.
        source: BoxError,
    },

    /// Something failed while its module was stopping.
    #[error("`{module}` failed to stop: {unit}")]
    Stop {
        /// The module that was stopping.
        module: &'static str,
        /// What failed.
        unit: String,
        /// What it returned, or the panic it ended with.
        source: BoxError,
    },

    /// A module did not stop in time, and its code was dropped.
    #[error("`{module}` did not stop within {}: {}", budgets::text(*limit), units.join(", "))]
    StopTimeout {
        /// The module that was stopping.
        module: &'static str,
        /// What was still running.
        units: Vec<String>,
        /// The time that it had.
        limit: Duration,
    },
}

/// What is known about a start that took too long.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StartTimeout {
    /// The module that did not start.
    pub module: &'static str,
    /// What it was doing.
    pub stage: Stage,
    /// The piece of code that was running.
    pub unit: String,
    /// The place in the source that added the module.
    pub location: &'static Location<'static>,
    /// The time it was given.
    pub limit: Duration,
    /// Whether the module asked for this time itself.
    pub own_limit: bool,
    /// What it last noted, and how long before the end.
    pub note: Option<(String, Duration)>,
    /// When its code ended by itself after it was cancelled; `None` if it was dropped.
    pub ended_at: Option<Duration>,
    /// The modules that waited for it.
    pub waiting: Vec<&'static str>,
}

/// An application failed to start, to keep running, or to stop in time.
///
/// It displays as a person reads it: the first cause with its evidence and cure, then every later
/// failure.
#[derive(Debug)]
pub struct RunError {
    primary: Failure,
    secondary: Vec<Failure>,
    rollback: Option<String>,
}

/// An application could not be planned, or failed to start, to keep running, or to stop in time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// Its modules do not fit together.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// It failed once it had begun to start.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl RunError {
    pub(crate) fn new(primary: Failure, secondary: Vec<Failure>, rollback: Option<String>) -> Self {
        Self { primary, secondary, rollback }
    }

    /// What went wrong first.
    #[must_use]
    pub fn primary(&self) -> &Failure {
        &self.primary
    }

    /// What went wrong after that, in order.
    #[must_use]
    pub fn secondary(&self) -> &[Failure] {
        &self.secondary
    }

    /// Everything that went wrong, in order.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        std::iter::once(&self.primary).chain(&self.secondary)
    }

    /// Whether all that went wrong is that a deadline cut work off while stopping.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        let cut = |failure: &Failure| {
            matches!(failure, Failure::StopTimeout { .. }) || CutShort::is_cause_of(failure)
        };
        self.failures().all(cut)
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issue = self.primary.issue();
        let issue = match &self.rollback {
            Some(rollback) => issue.evidence(format!("rollback    : {rollback}")),
            None => issue,
        };
        write!(f, "{issue}")?;
        if !self.secondary.is_empty() {
            writeln!(f, "\nafter that:")?;
        }
        self.secondary.iter().try_for_each(|failure| writeln!(f, "    {}", Chain(failure)))
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.primary)
    }
}

impl Failure {
    /// The code under which the failure is explained.
    #[must_use]
    pub fn code(&self) -> &'static ErrorCode {
        match self {
            Self::Start { .. } => &codes::START,
            Self::StartTimeout(_) => &codes::TIMEOUT,
            Self::TotalStartTimeout { .. } => &codes::TOTAL,
            Self::Skipped { .. } => &codes::SKIPPED,
            Self::Unit { .. } | Self::Task { .. } => &codes::UNIT,
            Self::EndedEarly { .. } => &codes::ENDED,
            Self::GaveUp { .. } => &codes::GAVE_UP,
            Self::Stop { .. } => &codes::STOP,
            Self::StopTimeout { .. } => &codes::STOP_TIMEOUT,
        }
    }

    /// The module in which it happened, if it was one.
    #[must_use]
    pub fn module(&self) -> Option<&'static str> {
        match self {
            Self::Start { module, .. }
            | Self::Skipped { module, .. }
            | Self::Unit { module, .. }
            | Self::EndedEarly { module, .. }
            | Self::GaveUp { module, .. }
            | Self::Task { module, .. }
            | Self::Stop { module, .. }
            | Self::StopTimeout { module, .. } => Some(module),
            Self::StartTimeout(timeout) => Some(timeout.module),
            Self::TotalStartTimeout { .. } => None,
        }
    }

    /// The failure as it is told to a person.
    pub fn issue(&self) -> Issue {
        if let Self::StartTimeout(timeout) = self {
            return timeout.issue();
        }
        let mut issue = Issue::new(self.code(), self.to_string());
        let mut causes = std::iter::successors(std::error::Error::source(self), |e| e.source());
        issue = match self {
            Self::Start { location, .. }
            | Self::Unit { location, .. }
            | Self::EndedEarly { location, .. }
            | Self::GaveUp { location, .. } => match causes.next() {
                Some(cause) => issue.evidence_at(cause.to_string(), *location),
                None => issue.evidence_at("declared here", *location),
            },
            Self::TotalStartTimeout { starting, .. } => {
                starting.iter().fold(issue, |issue, line| issue.evidence(line))
            }
            _ => issue,
        };
        issue = causes.fold(issue, |issue, cause| issue.evidence(format!("caused by: {cause}")));
        match self {
            Self::EndedEarly { .. } => issue.help("let the unit wait for `cx.shutdown()`"),
            Self::Skipped { optional, .. } => issue.help(format!(
                "make it optional as well, or let it take what it wants of `{optional}` as \
                 `Option<Arc<T>>`"
            )),
            Self::StopTimeout { .. } => issue.help(
                "look at `cx.shutdown()` in every loop and every wait, or ask for more time with \
                 `reg.stop_timeout(…)`",
            ),
            Self::Unit { .. } => issue.help(
                "a unit that can be started again is declared with `reg.supervise(…)` and a policy",
            ),
            _ => issue,
        }
    }
}

impl StartTimeout {
    fn issue(&self) -> Issue {
        let Self { module, limit, .. } = self;
        let limit = budgets::text(*limit);
        let whose = if self.own_limit { "its own limit" } else { "the default" };
        let summary = format!("module `{module}` did not start within {limit} ({whose})");
        let mut issue = Issue::new(&codes::TIMEOUT, summary);
        issue = match &self.note {
            Some((note, ago)) => {
                issue.evidence(format!("last note   : {note:?} ({} before)", budgets::text(*ago)))
            }
            None => issue.evidence("last note   : none"),
        };
        let ended = match self.ended_at {
            Some(at) => format!("ended by itself at {:.1} s", at.as_secs_f64()),
            None => "dropped a moment later".to_owned(),
        };
        issue = issue.evidence(format!("was in      : {} {}", self.stage, self.unit));
        issue = issue.evidence(format!("waited for  : {limit}, then cancelled, {ended}"));
        if !self.waiting.is_empty() {
            issue = issue.evidence(format!("waiting on it: {}", self.waiting.join(", ")));
        }
        let help = match self.note {
            Some(_) => "see why this takes so long, or ask for more with `reg.start_timeout(…)`",
            None => {
                "call `cx.note(…)` before each step that may wait, so that this message can say \
                 which; or ask for more with `reg.start_timeout(…)`"
            }
        };
        issue.help(help)
    }
}
