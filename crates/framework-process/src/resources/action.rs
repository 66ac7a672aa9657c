//! What modules do when the process runs short of something.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use framework_core::{
    BoxError, BoxFuture, Chain, Context, Contributed, Contribution, Order, Unclaimed, contain,
};
use tokio::{sync::watch, time::timeout};

use super::{Pressure, PressureLevel};

/// Something to do when the process runs short of memory or processor time.
///
/// It is done once when its level is reached, however far above that the pressure goes, and again
/// when it is reached anew. It has a deadline; a panic or an error is a line in the log, and
/// nobody else's concern.
///
/// # Examples
///
/// ```
/// use framework_core::module_fn;
/// use framework_process::{PressureAction, PressureLevel};
/// use std::time::Duration;
///
/// let catalog = module_fn("catalog", |reg| {
///     let pause = PressureAction::on_cpu("pause the indexer", PressureLevel::Critical, |_cx, change| {
///         async move {
///             println!("{}", if change.reached { "pause" } else { "go on" });
///             Ok(())
///         }
///     });
///     reg.contribute(pause.also_afterwards().timeout(Duration::from_secs(1)));
/// });
/// # let _ = catalog;
/// ```
#[must_use = "an action does nothing until it is contributed"]
pub struct PressureAction {
    name: &'static str,
    resource: Resource,
    level: PressureLevel,
    afterwards: bool,
    limit: Duration,
    act: Act,
}

/// What an action is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PressureChange {
    /// Whether the action's level has been reached; otherwise it is over.
    pub reached: bool,
    /// How things stand.
    pub pressure: Pressure,
}

type Act = Arc<dyn Fn(Context, PressureChange) -> BoxFuture<Result<(), BoxError>> + Send + Sync>;

#[derive(Clone, Copy, Debug)]
enum Resource {
    Memory,
    Cpu,
}

/// How long an action may take unless it says otherwise.
const LIMIT: Duration = Duration::from_secs(5);

// ===== impl PressureAction =====

impl PressureAction {
    /// Does `act` when there is as little memory as `level` says.
    pub fn on_memory<F, Fut>(name: &'static str, level: PressureLevel, act: F) -> Self
    where
        F: Fn(Context, PressureChange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        Self::new(name, Resource::Memory, level, act)
    }

    /// Does `act` when there is as little processor time as `level` says.
    pub fn on_cpu<F, Fut>(name: &'static str, level: PressureLevel, act: F) -> Self
    where
        F: Fn(Context, PressureChange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        Self::new(name, Resource::Cpu, level, act)
    }

    fn new<F, Fut>(name: &'static str, resource: Resource, level: PressureLevel, act: F) -> Self
    where
        F: Fn(Context, PressureChange) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let act: Act = Arc::new(move |cx, change| Box::pin(act(cx, change)));
        Self { name, resource, level, afterwards: false, limit: LIMIT, act }
    }

    /// Does it also when the level is over. Defaults to not.
    pub fn also_afterwards(mut self) -> Self {
        self.afterwards = true;
        self
    }

    /// Sets how long it may take before it is given up. Defaults to 5 s.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The name of the action.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn is_reached(&self, pressure: Pressure) -> bool {
        let level = match self.resource {
            Resource::Memory => pressure.memory,
            Resource::Cpu => pressure.cpu,
        };
        level >= self.level
    }

    async fn act(&self, module: &'static str, cx: &Context, change: PressureChange) {
        let work = contain(|| (self.act)(cx.clone(), change));
        let action = self.name;
        match timeout(self.limit, work).await {
            Ok(Ok(())) => {
                tracing::debug!(module, action, reached = change.reached, "done under pressure");
            }
            Ok(Err(error)) => {
                let error = Chain(&*error);
                tracing::warn!(module, action, %error, "an action under pressure failed");
            }
            Err(_) => {
                let limit = self.limit;
                tracing::warn!(module, action, ?limit, "an action under pressure was given up");
            }
        }
    }
}

impl Contribution for PressureAction {
    const KIND: &'static str = "actions under pressure";
    // Whoever watches looks on; it neither waits for those who act nor holds them up.
    const ORDER: Order = Order::Independent;
    // An application without a monitor is never told of pressure, and works just as well.
    const UNCLAIMED: Unclaimed = Unclaimed::Ignore;
}

impl fmt::Debug for PressureAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PressureAction")
            .field("name", &self.name)
            .field("resource", &self.resource)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// Does what one action asks for, in turn, until nobody says any more how things stand. While it is
/// at work, only the last of what happens counts.
pub(super) async fn follow(
    contributed: &Contributed<PressureAction>,
    cx: Context,
    mut pressure: watch::Receiver<Pressure>,
) {
    let action = contributed.item();
    let mut done = false;
    loop {
        let now = *pressure.borrow_and_update();
        let reached = action.is_reached(now);
        if reached != done {
            done = reached;
            if reached || action.afterwards {
                let change = PressureChange { reached, pressure: now };
                action.act(contributed.module(), &cx, change).await;
                continue;
            }
        }
        if pressure.changed().await.is_err() {
            return;
        }
    }
}
