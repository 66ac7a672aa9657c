use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    AllNeed, BoxError, Clock, Collected, Contributed, Contribution, Environment, Lifecycle,
    ModuleId, Need, OptionalNeed, SlotTable, unit::OnceFn,
};

/// What the code of a starting or running module can reach. Cloning it is cheap.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    module: &'static str,
    id: ModuleId,
    shutdown: CancellationToken,
    environment: Arc<Environment>,
    deferred: Mutex<Vec<Deferred>>,
}

/// A clean-up that was put off until its module stops.
pub struct Deferred {
    /// What to call it.
    pub name: &'static str,
    /// The clean-up.
    pub run: OnceFn<()>,
}

impl Context {
    /// Makes a context that belongs to no application, for tests of code that takes one.
    #[must_use]
    pub fn new(module: &'static str, shutdown: CancellationToken) -> Self {
        Self::within(module, ModuleId::default(), shutdown, Environment::detached())
    }

    /// Makes the context of a module. Only what runs a plan needs this.
    #[must_use]
    pub fn within(
        module: &'static str,
        id: ModuleId,
        shutdown: CancellationToken,
        environment: impl Into<Arc<Environment>>,
    ) -> Self {
        let environment = environment.into();
        let deferred = Mutex::default();
        Self { inner: Arc::new(Inner { module, id, shutdown, environment, deferred }) }
    }

    /// The name of the module this context belongs to.
    #[must_use]
    pub fn module(&self) -> &'static str {
        self.inner.module
    }

    /// The module this context belongs to.
    #[must_use]
    pub fn module_id(&self) -> ModuleId {
        self.inner.id
    }

    /// The value behind a declared need.
    ///
    /// # Panics
    ///
    /// Panics if the value's provider has not started. That takes a need of another application,
    /// or code that runs before its own module has started: see [`try_get`](Self::try_get).
    #[must_use]
    #[track_caller]
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self, need: &Need<T>) -> Arc<T> {
        self.try_get(need).expect("the plan starts a provider before whoever needs it")
    }

    /// The value behind a declared need, if its provider has started.
    #[must_use]
    pub fn try_get<T: ?Sized + Send + Sync + 'static>(&self, need: &Need<T>) -> Option<Arc<T>> {
        need.slot().get()
    }

    /// The value behind an optional need; without a provider there is none.
    #[must_use]
    pub fn get_optional<T>(&self, need: &OptionalNeed<T>) -> Option<Arc<T>>
    where
        T: ?Sized + Send + Sync + 'static,
    {
        need.slot().get()
    }

    /// Every value of a type, in the order of registration.
    #[must_use]
    pub fn get_all<T>(&self, need: &AllNeed<T>) -> Vec<Arc<T>>
    where
        T: ?Sized + Send + Sync + 'static,
    {
        need.slots().iter().filter_map(|slot| slot.get()).collect()
    }

    /// The values of the application by key, for code that learns only at run time what it wants.
    #[must_use]
    pub fn container(&self) -> &SlotTable {
        &self.inner.environment.slots
    }

    /// Everything contributed to a claimed kind, in the order of registration.
    #[must_use]
    pub fn collected<'c, C: Contribution>(&self, claim: &'c Collected<C>) -> &'c [Contributed<C>] {
        claim.items()
    }

    /// Completes when this module is asked to stop: after everything that relies on it has
    /// stopped.
    pub fn shutdown(&self) -> WaitForCancellationFutureOwned {
        self.inner.shutdown.clone().cancelled_owned()
    }

    /// Whether this module has been asked to stop.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.inner.shutdown.is_cancelled()
    }

    /// The token behind [`shutdown`](Self::shutdown), for code that wants one.
    #[must_use]
    pub fn shutdown_token(&self) -> &CancellationToken {
        &self.inner.shutdown
    }

    /// The life of the whole application: its phase, its modules, and how to stop it.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.inner.environment.lifecycle
    }

    /// The application's time.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.inner.environment.clock.as_ref()
    }

    /// What the modules of the application share.
    #[must_use]
    pub fn environment(&self) -> &Arc<Environment> {
        &self.inner.environment
    }

    /// Says what this module is doing, for whoever wonders why it takes so long: the last note
    /// stands in warnings and in errors about time.
    pub fn note(&self, note: impl Into<String>) {
        self.lifecycle().note(self.inner.id, note.into());
    }

    /// Runs `task` beside the module's units. It is aborted when the module has stopped; an error
    /// or a panic in it is reported, and the application goes on.
    ///
    /// Work whose end matters belongs in [`Registrar::run`](crate::Registrar::run).
    ///
    /// # Panics
    ///
    /// Panics in a context that belongs to no running application.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.inner.environment.spawner.spawn(self.inner.id, name, Box::pin(task));
    }

    /// Registers a clean-up next to what it cleans up. Clean-ups run last to first when the module
    /// stops, and also when its start fails half-way.
    pub fn defer<F, Fut>(&self, name: &'static str, clean_up: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let run: OnceFn<()> = Box::new(move |_cx| Box::pin(clean_up()));
        self.deferred().push(Deferred { name, run });
    }

    /// Takes the clean-up that was registered last. For whoever runs a plan.
    #[must_use]
    pub fn next_deferred(&self) -> Option<Deferred> {
        self.deferred().pop()
    }

    fn deferred(&self) -> std::sync::MutexGuard<'_, Vec<Deferred>> {
        self.inner.deferred.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("module", &self.inner.module).finish_non_exhaustive()
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").field("name", &self.name).finish_non_exhaustive()
    }
}
