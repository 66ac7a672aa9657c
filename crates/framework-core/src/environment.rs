use std::{
    any::{Any, TypeId},
    fmt,
    sync::Arc,
};

use crate::{
    BoxError, BoxFuture, Clock, Key, Lifecycle, ModuleId, Slot, SystemClock, key_index::KeyIndex,
};

/// Runs tasks on behalf of modules, so that each task has an owner that ends it.
pub trait Spawn: Send + Sync + fmt::Debug + 'static {
    /// Runs `task` as a task of `module`: it is aborted when the module has stopped, and an error
    /// or a panic in it is reported as one of the module's.
    fn spawn(&self, module: ModuleId, name: &'static str, task: BoxFuture<Result<(), BoxError>>);
}

/// What the modules of one application share, reached through [`Context`](crate::Context).
#[derive(Clone, Debug)]
pub struct Environment {
    /// The life of the application.
    pub lifecycle: Lifecycle,
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// What runs its tasks.
    pub spawner: Arc<dyn Spawn>,
    /// Its values.
    pub slots: Arc<SlotTable>,
}

impl Environment {
    /// An environment without an application: no values, and no way to spawn.
    #[must_use]
    pub fn detached() -> Self {
        Self {
            lifecycle: Lifecycle::default(),
            clock: Arc::new(SystemClock),
            spawner: Arc::new(Nobody),
            slots: Arc::default(),
        }
    }
}

#[derive(Debug)]
struct Nobody;

impl Spawn for Nobody {
    fn spawn(&self, _module: ModuleId, name: &'static str, _task: BoxFuture<Result<(), BoxError>>) {
        panic!("cannot spawn `{name}`: this context belongs to no running application");
    }
}

/// The values of an application by key, for those who do not know at compile time what they will
/// ask for. Everyone else declares a [`Need`](crate::Need), which is checked before anything starts.
#[derive(Default)]
pub struct SlotTable {
    index: KeyIndex,
}

impl SlotTable {
    /// The singleton of type `T`, if there is one and its module has started.
    #[must_use]
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.find(Key::of::<T>())
    }

    /// The singleton of type `T` called `name`, if there is one and its module has started.
    #[must_use]
    pub fn get_named<T: ?Sized + Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        let wanted = |key: &Key| key.value_type() == TypeId::of::<T>() && key.name() == Some(name);
        let key = self.index.slots().iter().map(|slot| slot.key()).find(wanted)?;
        self.find(key)
    }

    /// The slot of a key, for layers.
    #[must_use]
    pub fn slot<T: ?Sized + Send + Sync + 'static>(&self, key: Key) -> Option<&Slot<T>> {
        let slot: &(dyn Any + Send + Sync) =
            self.index.slots()[self.index.position(&key)?.index()].as_any();
        slot.downcast_ref()
    }

    /// Puts in a value that no module provides. For whoever makes a plan.
    pub fn add<T: ?Sized + Send + Sync + 'static>(&mut self, value: Arc<T>) {
        let key = Key::of::<T>();
        if let Some(slot) = self.slot(key) {
            return slot.set(value);
        }
        self.index.position_or_add(key, || {
            let slot = Slot::new(key);
            slot.set(value);
            Arc::new(slot)
        });
    }

    fn find<T: ?Sized + Send + Sync + 'static>(&self, key: Key) -> Option<Arc<T>> {
        self.slot::<T>(key)?.get()
    }
}

impl SlotTable {
    /// Takes over what the declarations know of keys.
    pub(crate) fn new(index: KeyIndex) -> Self {
        Self { index }
    }
}

impl fmt::Debug for SlotTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotTable").field("slots", &self.index.slots().len()).finish()
    }
}
