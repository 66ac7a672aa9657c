use std::{
    fmt,
    panic::Location,
    sync::{Arc, OnceLock},
};

use crate::ModuleId;

/// A kind of value that many modules give and a layer gathers: routes, health checks, sections of
/// the configuration.
///
/// The layer that reads the values defines the type, so a module says *what* it gives and never
/// *to whom*. Within a kind, values keep the order in which they were registered; where another
/// order matters, as with middleware, the value itself carries a stage.
pub trait Contribution: Send + Sync + 'static {
    /// What to call these values in messages, in the plural: `"http routes"`.
    const KIND: &'static str;

    /// When the collector starts, relative to the modules that contribute.
    const ORDER: Order;

    /// What to do when nothing in the application collects this kind.
    const UNCLAIMED: Unclaimed = Unclaimed::Reject;
}

/// When a collector starts, relative to its contributors. Modules stop in the reverse order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The collector starts first and stops last: contributors rely on it (configuration).
    CollectorFirst,
    /// The collector starts last and stops first: it calls into contributors (an HTTP server).
    CollectorLast,
    /// Neither waits for the other: the collector only looks on (health, metrics).
    Independent,
}

/// What to do with contributions that nothing collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclaimed {
    /// Refuse to start: the contributor would not do its work.
    Reject,
    /// Drop them: the contributor works just as well.
    Ignore,
}

/// One contributed value, with the module and the place that it came from.
#[derive(Debug)]
pub struct Contributed<C> {
    pub(crate) module: &'static str,
    pub(crate) module_id: ModuleId,
    pub(crate) location: &'static Location<'static>,
    pub(crate) item: C,
}

impl<C> Contributed<C> {
    /// The name of the module that contributed the value.
    #[must_use]
    pub fn module(&self) -> &'static str {
        self.module
    }

    /// The module that contributed the value.
    #[must_use]
    pub fn module_id(&self) -> ModuleId {
        self.module_id
    }

    /// The place in the source that contributed the value.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// The value.
    #[must_use]
    pub fn item(&self) -> &C {
        &self.item
    }
}

pub(crate) type CollectedCell<C> = Arc<OnceLock<Arc<[Contributed<C>]>>>;

/// A claim on every contribution of one kind, read with
/// [`Context::collected`](crate::Context::collected).
pub struct Collected<C> {
    pub(crate) cell: CollectedCell<C>,
}

impl<C> Collected<C> {
    /// Everything contributed, in the order of registration; empty while modules are still
    /// registering. Modules read it with [`Context::collected`](crate::Context::collected).
    #[must_use]
    pub fn all(&self) -> &[Contributed<C>] {
        self.items()
    }

    pub(crate) fn items(&self) -> &[Contributed<C>] {
        self.cell.get().map_or(&[], |items| items)
    }
}

impl<C> Clone for Collected<C> {
    fn clone(&self) -> Self {
        Self { cell: Arc::clone(&self.cell) }
    }
}

impl<C: Contribution> fmt::Debug for Collected<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Collected").field(&C::KIND).finish()
    }
}
