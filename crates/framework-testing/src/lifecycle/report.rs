use std::fmt;

use framework_app::Point;

use super::Injection;

/// What [`assert_lifecycle_safe`](super::assert_lifecycle_safe) promises of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Every module whose code was entered is cleaned up exactly once, also one that failed; no
    /// other module is.
    CleanedUpOnce,
    /// No code runs when the application has ended, and none starts in a module that was asked to
    /// stop.
    NothingAfterTheEnd,
    /// A module stops only when everything that relies on it has stopped.
    DependentsFirst,
    /// No task and no piece of code is left over.
    NothingLeft,
    /// The first cause is the fault.
    FirstCause,
    /// Every later failure is kept.
    EveryFailure,
    /// The start, the stop and each module keep to their limits.
    InTime,
    /// The application ends well exactly when nothing in it failed.
    Result,
    /// The same fault has the same consequences in each module each time.
    SameEachTime,
}

impl Rule {
    /// The rule as a sentence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CleanedUpOnce => "what was entered is cleaned up exactly once",
            Self::NothingAfterTheEnd => "nothing starts once it is over",
            Self::DependentsFirst => "a module stops after everything that relies on it",
            Self::NothingLeft => "no task is left over",
            Self::FirstCause => "the first cause is the fault",
            Self::EveryFailure => "every later failure is kept",
            Self::InTime => "every limit is kept",
            Self::Result => "the result says whether something failed",
            Self::SameEachTime => "the same fault has the same consequences",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule that an application broke.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The fault that it broke it after; `None` if nothing had gone wrong.
    pub injection: Option<Injection>,
    /// The rule.
    pub rule: Rule,
    /// What happened.
    pub detail: String,
}

/// What came of breaking an application.
///
/// It displays as a person reads it: the faults that broke a rule, and how.
#[derive(Clone, Debug)]
#[must_use = "a report that nobody looks at finds nothing"]
pub struct LifecycleReport {
    pub(super) app: &'static str,
    pub(super) points: Vec<Point>,
    pub(super) injections: usize,
    pub(super) runs: usize,
    pub(super) left_out: usize,
    pub(super) violations: Vec<Violation>,
}

/// How many violations are shown.
const SHOWN: usize = 40;

impl LifecycleReport {
    /// The pieces of code that ran when nothing went wrong, in the order in which they first did.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// How often the application was run.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// How many faults were not tried because they were too many.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Every rule that was broken, in the order of the faults.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Insists that every rule was kept and every fault tried.
    ///
    /// # Panics
    ///
    /// Panics with the report if not.
    #[track_caller]
    pub fn assert(&self) {
        assert!(self.violations.is_empty() && self.left_out == 0, "{self}");
    }
}

impl fmt::Display for LifecycleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { app, injections, runs, left_out, .. } = self;
        let (points, broken) = (self.points.len(), self.violations.len());
        writeln!(f, "`{app}`: {points} pieces of code, {injections} faults, {runs} runs")?;
        if *left_out > 0 {
            writeln!(
                f,
                "{left_out} faults were left out: raise `max_runs`, or choose with `points` and \
                 `kinds`"
            )?;
        }
        writeln!(f, "{broken} times a rule was broken")?;
        let mut last: Option<&Option<Injection>> = None;
        for violation in self.violations.iter().take(SHOWN) {
            if last.replace(&violation.injection) != Some(&violation.injection) {
                match &violation.injection {
                    Some(injection) => writeln!(f, "\nafter {injection}:")?,
                    None => writeln!(f, "\nwhen nothing went wrong:")?,
                }
            }
            writeln!(f, "    {}: {}", violation.rule, violation.detail)?;
        }
        if broken > SHOWN {
            writeln!(f, "\nand {} more", broken - SHOWN)?;
        }
        Ok(())
    }
}
