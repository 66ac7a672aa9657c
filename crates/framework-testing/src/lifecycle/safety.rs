use std::{fmt, sync::Arc, time::Duration};

use framework_app::{AppBuilder, Point};

use super::{
    FaultKind, Injection, LifecycleReport, Violation,
    drive::{self, Drive, Run},
    recorder::{Broken, Seen},
    rules,
};
use crate::config::TestConfig;

type ChooseFn = Arc<dyn Fn(&Point) -> bool + Send + Sync>;

/// Breaks every piece of code that the application runs, one at a time and in each way of
/// [`FaultKind`], and insists on every [`Rule`](super::Rule).
///
/// `make` makes the application anew for each run. It runs in [paused](crate::paused) time, with the
/// configuration of a [`TestApp`](crate::TestApp); what it would wait for outside of the process
/// has to be [faked](crate::Fake). For anything else, see [`LifecycleSafety`].
///
/// # Panics
///
/// Panics with what is wrong with the plan, or with every rule that was broken after every fault.
///
/// # Examples
///
/// ```
/// use framework_app::{App, AppBuilder};
/// use framework_core::module_fn;
/// use framework_testing::assert_lifecycle_safe;
///
/// fn app() -> AppBuilder {
///     App::builder("shop").module(module_fn("poller", |reg| {
///         reg.setup("connect", |cx| async move {
///             cx.defer("disconnect", || async { Ok(()) });
///             Ok(())
///         });
///         reg.run("poll", |cx| async move {
///             Ok(async move {
///                 cx.shutdown().await;
///                 Ok(())
///             })
///         });
///     }))
/// }
///
/// assert_lifecycle_safe(app);
/// ```
#[track_caller]
pub fn assert_lifecycle_safe<F>(make: F)
where
    F: Fn() -> AppBuilder + Sync,
{
    LifecycleSafety::new(make).run().assert();
}

/// [`assert_lifecycle_safe`] with choices.
///
/// # Examples
///
/// ```
/// use framework_app::App;
/// use framework_core::module_fn;
/// use framework_testing::{FaultKind, LifecycleSafety};
///
/// let app = || {
///     App::builder("shop").module(module_fn("data", |reg| {
///         reg.setup("open", |_cx| async { Ok(()) });
///     }))
/// };
/// let report = LifecycleSafety::new(app)
///     .kinds([FaultKind::Error, FaultKind::Panic])
///     .points(|point| point.module == "data")
///     .run();
/// report.assert();
/// // Once for each kind, once without a fault, and each of them twice.
/// assert_eq!(report.runs(), 6);
/// ```
#[must_use = "nothing is tried until it runs"]
pub struct LifecycleSafety<F> {
    make: F,
    config: TestConfig,
    kinds: Vec<FaultKind>,
    choose: ChooseFn,
    drive: Drive,
    max_runs: usize,
    twice: bool,
}

impl<F> LifecycleSafety<F>
where
    F: Fn() -> AppBuilder + Sync,
{
    /// Tries every fault on what `make` makes.
    pub fn new(make: F) -> Self {
        let drive = Drive { serve_for: Duration::from_secs(1), look_on: Duration::from_secs(120) };
        Self {
            make,
            config: TestConfig::default(),
            kinds: FaultKind::ALL.to_vec(),
            choose: Arc::new(|_point| true),
            drive,
            max_runs: 20_000,
            twice: true,
        }
    }

    /// Adds TOML to the application's configuration, which is empty otherwise.
    pub fn config(mut self, toml: impl Into<String>) -> Self {
        self.config.text(toml);
        self
    }

    /// Leaves the application the configuration that it has.
    pub fn keep_config(mut self) -> Self {
        self.config.as_is();
        self
    }

    /// Tries only these kinds of faults. Defaults to all.
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = FaultKind>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// Breaks only the pieces of code that `choose` chooses. Defaults to all.
    pub fn points(mut self, choose: impl Fn(&Point) -> bool + Send + Sync + 'static) -> Self {
        self.choose = Arc::new(choose);
        self
    }

    /// Sets how long the application serves before it is asked to stop. Defaults to 1 s.
    pub fn serve_for(mut self, duration: Duration) -> Self {
        self.drive.serve_for = duration;
        self
    }

    /// Sets how long to look on after the application has ended, for code that goes on nevertheless.
    /// Defaults to 2 min.
    pub fn look_on(mut self, duration: Duration) -> Self {
        self.drive.look_on = duration;
        self
    }

    /// Runs each fault once instead of twice. Code that waits for threads or sockets does not do the
    /// same each time; everything but [`Rule::SameEachTime`](super::Rule::SameEachTime) holds for it
    /// as well.
    pub fn once(mut self) -> Self {
        self.twice = false;
        self
    }

    /// Sets how often the application is run at most; faults beyond that are
    /// [left out](LifecycleReport::left_out). Defaults to 20 000.
    pub fn max_runs(mut self, runs: usize) -> Self {
        self.max_runs = runs;
        self
    }

    /// Tries every fault that was chosen, in the order in which the code runs.
    ///
    /// # Panics
    ///
    /// Panics with what is wrong with the plan, if something is.
    #[track_caller]
    pub fn run(&self) -> LifecycleReport {
        let mut clean = self.once_with(None);
        let mut points: Vec<Point> = Vec::new();
        for entry in &clean.log {
            if let Seen::Enter(point) = &entry.seen
                && !points.contains(point)
            {
                points.push(point.clone());
            }
        }
        let chosen = points.iter().filter(|point| (self.choose)(point));
        let kinds = |point: &Point| {
            self.kinds.iter().map(|kind| Injection { point: point.clone(), kind: *kind }).collect()
        };
        let mut injections: Vec<Injection> = chosen.flat_map::<Vec<_>, _>(kinds).collect();
        let each = if self.twice { 2 } else { 1 };
        let fit = self.max_runs.saturating_sub(each) / each;
        let left_out = injections.len().saturating_sub(fit);
        injections.truncate(fit);

        let mut report = LifecycleReport {
            app: clean.facts.app,
            points,
            injections: injections.len(),
            runs: 1,
            left_out,
            violations: Vec::new(),
        };
        self.judge(&mut report, &mut clean, None);
        for injection in &injections {
            let mut first = self.once_with(Some(injection));
            report.runs += 1;
            self.judge(&mut report, &mut first, Some(injection));
        }
        report
    }

    /// Notes what is wrong with a run, and runs it again for the comparison.
    fn judge(&self, report: &mut LifecycleReport, run: &mut Run, injection: Option<&Injection>) {
        let mut broken: Vec<Broken> = rules::check(run, self.drive, injection);
        if self.twice {
            report.runs += 1;
            broken.extend(rules::difference(run, &self.once_with(injection)));
        }
        let violation = |(rule, detail)| Violation { injection: injection.cloned(), rule, detail };
        report.violations.extend(broken.into_iter().map(violation));
    }

    #[track_caller]
    fn once_with(&self, injection: Option<&Injection>) -> Run {
        let (make, config) = (&self.make, &self.config);
        let make = || config.apply(make());
        drive::run(&make, self.drive, injection).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl<F> fmt::Debug for LifecycleSafety<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LifecycleSafety")
            .field("kinds", &self.kinds)
            .field("drive", &self.drive)
            .field("max_runs", &self.max_runs)
            .finish_non_exhaustive()
    }
}
