use std::{fmt, sync::Arc};

use crate::{Contribution, Order, Unclaimed};

type ReadFn = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// A contribution that tells operators how a module is at the moment: in a dump of the process, and
/// wherever else the application shows itself.
///
/// What it says is JSON. It must be quick, take no lock that is held for long, and hold no secret:
/// it is asked for when the application is in trouble.
///
/// # Examples
///
/// ```
/// use framework_core::{Inspect, module_fn};
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
///
/// let waiting = Arc::new(AtomicUsize::new(0));
/// let mail = module_fn("mail", |reg| {
///     reg.contribute(Inspect::new(move || {
///         format!(r#"{{"waiting": {}}}"#, waiting.load(Ordering::Relaxed))
///     }));
/// });
/// ```
#[derive(Clone)]
pub struct Inspect {
    read: ReadFn,
}

impl Inspect {
    /// Says what `read` returns.
    pub fn new(read: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self::maybe(move || Some(read()))
    }

    /// Says what `read` returns, and nothing while that is nothing: what it tells of is not there
    /// yet.
    pub fn maybe(read: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self { read: Arc::new(read) }
    }

    /// How the module is, as JSON.
    #[must_use]
    pub fn read(&self) -> Option<String> {
        (self.read)()
    }
}

impl Contribution for Inspect {
    const KIND: &'static str = "inspections";
    const ORDER: Order = Order::Independent;
    const UNCLAIMED: Unclaimed = Unclaimed::Ignore;
}

impl fmt::Debug for Inspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspect").finish_non_exhaustive()
    }
}
