//! The configuration in force: one value that is swapped as a whole, so that nobody ever sees
//! half of one configuration and half of another.

use std::{any::TypeId, fmt, sync::Arc};

use arc_swap::{ArcSwapOption, Guard};

use crate::{report::ConfigReport, section::AnySettings};

/// All sections as they are at one time.
pub(crate) struct Snapshot {
    names: Arc<[String]>,
    values: Vec<Arc<AnySettings>>,
    report: Arc<ConfigReport>,
}

/// Where the snapshot in force is kept.
#[derive(Default)]
pub(crate) struct Store {
    current: ArcSwapOption<Snapshot>,
}

/// What can be asked about the configuration of an application, from outside its modules.
///
/// Got from [`ConfigModule::handle`](crate::ConfigModule::handle), and by modules as a value:
/// `reg.need::<ConfigHandle>()`.
#[derive(Clone, Debug)]
pub struct ConfigHandle {
    store: Arc<Store>,
}

impl Snapshot {
    pub(crate) fn new(
        names: Arc<[String]>,
        values: Vec<Arc<AnySettings>>,
        report: Arc<ConfigReport>,
    ) -> Self {
        Self { names, values, report }
    }

    pub(crate) fn index_of(&self, section: &str) -> Option<usize> {
        // Without values the configuration is wrong, and only its report may be read.
        self.names.iter().position(|name| name == section).filter(|_| !self.values.is_empty())
    }

    pub(crate) fn index_of_type(&self, wanted: TypeId) -> Option<usize> {
        self.values.iter().position(|value| value.as_ref().type_id() == wanted)
    }

    pub(crate) fn value(&self, index: usize) -> Option<&Arc<AnySettings>> {
        self.values.get(index)
    }
}

impl Store {
    pub(crate) fn load(&self) -> Option<impl std::ops::Deref<Target = Snapshot>> {
        let guard = self.current.load();
        guard.is_some().then(|| Loaded(guard))
    }

    /// The number of the configuration that comes next.
    pub(crate) fn next_generation(&self) -> u64 {
        self.load().map_or(1, |snapshot| snapshot.report.generation() + 1)
    }

    /// Puts `snapshot` into force, in one step.
    pub(crate) fn commit(&self, snapshot: Snapshot) {
        self.current.store(Some(Arc::new(snapshot)));
    }
}

impl ConfigHandle {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// What the configuration amounts to; `None` before the application is planned. If the
    /// configuration is wrong, the report has what may be configured, and perhaps not every value.
    #[must_use]
    pub fn report(&self) -> Option<Arc<ConfigReport>> {
        self.store.load().map(|snapshot| Arc::clone(&snapshot.report))
    }
}

/// A snapshot that is there.
struct Loaded(Guard<Option<Arc<Snapshot>>>);

impl std::ops::Deref for Loaded {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        self.0.as_deref().expect("only a guard that holds a snapshot is wrapped")
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("filled", &self.current.load().is_some()).finish()
    }
}
