use std::{fmt, sync::Arc};

use framework_core::{BoxError, BoxFuture, Context, Stage};

/// A piece of a module's code, as a [`Probe`] sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Point {
    /// The module.
    pub module: &'static str,
    /// What kind of code.
    pub stage: Stage,
    /// Its name.
    pub unit: Arc<str>,
    /// Which part of it.
    pub part: Part,
}

/// A part of a piece of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// All of it; of a running unit, what happens before it runs.
    Start,
    /// The running of a running unit.
    Running,
    /// A clean-up that the module put off until it stops.
    Deferred,
}

/// Sees, and may disturb, each piece of code that an application runs: for tests that break every
/// piece once.
pub trait Probe: Send + Sync + fmt::Debug + 'static {
    /// Runs when a module begins to start, with the context that the module has until it stops.
    /// Does nothing by default.
    fn begins(&self, module: &'static str, cx: &Context) {
        let _ = (module, cx);
    }

    /// Runs before the code at `point`, in its place and within its limits: an error is the code's
    /// error, a panic its panic, a delay its delay.
    fn enter(&self, point: &Point, cx: &Context) -> BoxFuture<Result<(), BoxError>>;

    /// Runs when the code at `point` has ended, or has been dropped.
    fn leave(&self, point: &Point);
}

/// Tells the probe when the code is over, however it ends.
pub(crate) struct Visit<'p> {
    probe: Option<&'p Arc<dyn Probe>>,
    point: Point,
}

impl<'p> Visit<'p> {
    pub(crate) async fn begin(
        probe: Option<&'p Arc<dyn Probe>>,
        point: Point,
        cx: &Context,
    ) -> Result<Self, BoxError> {
        let visit = Self { probe, point };
        if let Some(probe) = visit.probe {
            probe.enter(&visit.point, cx).await?;
        }
        Ok(visit)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if let Some(probe) = self.probe {
            probe.leave(&self.point);
        }
    }
}
