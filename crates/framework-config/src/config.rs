use std::{
    any::{TypeId, type_name},
    fmt,
    marker::PhantomData,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use framework_core::BoxError;

use crate::{
    reload::{Owners, Prepared, ReloadOwner},
    section::AnySettings,
    snapshot::{ConfigSnapshot, Snapshot},
    store::{SnapshotGuard, Store},
    watch::Changes,
};

/// A module's view of its section: cheap to clone, and always of the configuration in force.
///
/// A value that is read twice may have changed in between. Whoever needs two values that fit
/// together takes both from one [`get`](Self::get).
///
/// # Examples
///
/// ```
/// use framework_config::Config;
///
/// let config = Config::fixed(String::from("in a test"));
/// assert_eq!(*config.get(), "in a test");
/// ```
pub struct Config<T> {
    source: Source<T>,
}

enum Source<T> {
    Fixed(Arc<T>),
    Section(View<T>),
}

/// One section of the configuration in force.
struct View<T> {
    which: Which,
    // One for each application, filled when its configuration module registers.
    link: Arc<Link>,
    // Sections keep their place from one snapshot to the next.
    index: OnceLock<usize>,
    section: PhantomData<fn() -> T>,
}

/// Which section a view is of.
#[derive(Clone, Copy)]
enum Which {
    Name(&'static str),
    /// The one section that is read as the view's type: the plan has checked that there is one.
    #[cfg_attr(not(feature = "di"), expect(dead_code, reason = "only constructors do not name it"))]
    Type,
}

/// A section at one moment; made by [`Config::load`].
pub struct ConfigGuard<'c, T> {
    held: Held<'c, T>,
}

enum Held<'c, T> {
    Fixed(&'c T),
    Section(SnapshotGuard, usize),
}

/// What connects the modules of one application with its configuration, whichever of them
/// registers first.
#[derive(Debug, Default)]
pub(crate) struct Link {
    store: OnceLock<Arc<Store>>,
}

impl<T: Send + Sync + 'static> Config<T> {
    /// A section that never changes, for tests and for use without modules.
    #[must_use]
    pub fn fixed(value: T) -> Self {
        Self { source: Source::Fixed(Arc::new(value)) }
    }

    pub(crate) fn of_section(name: &'static str, link: Arc<Link>) -> Self {
        Self::of(Which::Name(name), link)
    }

    #[cfg(feature = "di")]
    pub(crate) fn of_type(link: Arc<Link>) -> Self {
        Self::of(Which::Type, link)
    }

    fn of(which: Which, link: Arc<Link>) -> Self {
        let view = View { which, link, index: OnceLock::new(), section: PhantomData };
        Self { source: Source::Section(view) }
    }

    /// The section as it is in force now.
    ///
    /// # Panics
    ///
    /// Panics while modules are still registering: the plan checks the configuration, so there is
    /// none before it, nor if it was found wrong. Read it in `setup`, `run` and constructors.
    #[must_use]
    #[track_caller]
    pub fn get(&self) -> Arc<T> {
        match self.try_get() {
            Some(value) => value,
            None => self.unplanned(),
        }
    }

    #[cold]
    #[track_caller]
    fn unplanned(&self) -> ! {
        panic!("`{self:?}` was read before the application was planned")
    }

    /// The section as it is in force now; `None` while there is no plan.
    #[must_use]
    pub fn try_get(&self) -> Option<Arc<T>> {
        match &self.source {
            Source::Fixed(value) => Some(Arc::clone(value)),
            Source::Section(view) => view.read(),
        }
    }

    /// The section as it is in force now, to look at for a moment: one atomic load, and no count
    /// that all readers share. Keep what [`get`](Self::get) returns, and not this, for longer and
    /// over an `await`.
    ///
    /// # Panics
    ///
    /// Panics where [`get`](Self::get) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use framework_config::Config;
    ///
    /// let config = Config::fixed(String::from("in a test"));
    /// assert_eq!(config.load().len(), 9);
    /// ```
    #[must_use]
    #[inline]
    #[track_caller]
    pub fn load(&self) -> ConfigGuard<'_, T> {
        match &self.source {
            Source::Fixed(value) => ConfigGuard { held: Held::Fixed(value) },
            Source::Section(view) => match view.hold() {
                Some(guard) => guard,
                None => self.unplanned(),
            },
        }
    }

    /// The section as it was in force when `snapshot` was taken.
    ///
    /// # Panics
    ///
    /// Panics if the snapshot is of another application's configuration.
    #[must_use]
    #[track_caller]
    pub fn in_snapshot(&self, snapshot: &ConfigSnapshot) -> Arc<T> {
        let value = match &self.source {
            Source::Fixed(value) => Some(Arc::clone(value)),
            Source::Section(view) => view.read_in(snapshot.inner()),
        };
        match value {
            Some(value) => value,
            None => panic!("`{self:?}` was read in the snapshot of another application"),
        }
    }

    /// Follows the changes of this section, from the one in force now.
    ///
    /// Reading [`get`](Self::get) each time is simpler, and enough for most settings; this is for
    /// what has to be told, such as a timer with another interval.
    ///
    /// # Panics
    ///
    /// Panics where [`get`](Self::get) does.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use framework_config::Config;
    /// # async fn until(config: Config<Duration>, shutdown: impl Future<Output = ()>) {
    /// let mut changes = config.watch();
    /// tokio::pin!(shutdown);
    /// loop {
    ///     tokio::select! {
    ///         () = &mut shutdown => break,
    ///         changed = changes.next() => println!("{:?} -> {:?}", changed.old, changed.new),
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn watch(&self) -> Changes<T> {
        // Subscribed before it is read: a change in between is seen.
        let generations = self.store().map(|store| store.generations());
        Changes::new(self.clone(), self.get(), generations)
    }

    /// Has `prepare` asked before this section changes, as the owner called `name`; it gets the
    /// section as it is and as it would be.
    ///
    /// An error is a veto: no section changes. Else what it returns is committed as soon as the
    /// change is in force, or dropped if another owner refuses. Owners are asked one after the
    /// other in the order in which they came, each for at most 5 s and all for at most 15 s. The
    /// owner is asked until the value returned here is dropped.
    ///
    /// # Panics
    ///
    /// Panics where [`get`](Self::get) does.
    #[track_caller]
    pub fn on_reload<F, Fut>(&self, name: impl Into<String>, prepare: F) -> ReloadOwner
    where
        F: Fn(Arc<T>, Arc<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Prepared, BoxError>> + Send + 'static,
    {
        let Source::Section(view) = &self.source else { return ReloadOwner::of_nothing() };
        let _ = self.get();
        let (Some(store), Some(index)) = (self.store(), view.index.get()) else {
            return ReloadOwner::of_nothing();
        };
        let ask = move |old: Arc<AnySettings>, new: Arc<AnySettings>| {
            let (old, new) = (old.downcast::<T>(), new.downcast::<T>());
            let (old, new) = (old.ok(), new.ok());
            let (old, new) = old.zip(new).expect("a section keeps its type");
            Box::pin(prepare(old, new)) as _
        };
        Owners::add(store, name.into(), *index, Box::new(ask))
    }

    /// `None` for a section that never changes.
    fn store(&self) -> Option<&Arc<Store>> {
        match &self.source {
            Source::Fixed(_) => None,
            Source::Section(view) => view.link.store.get(),
        }
    }
}

impl<T: Send + Sync + 'static> View<T> {
    fn read(&self) -> Option<Arc<T>> {
        let snapshot = self.link.store.get()?.load()?;
        self.read_in(&snapshot)
    }

    fn read_in(&self, snapshot: &Snapshot) -> Option<Arc<T>> {
        let value: Arc<_> = Arc::clone(snapshot.value(self.index_in(snapshot)?)?);
        value.downcast().ok()
    }

    #[inline]
    fn hold(&self) -> Option<ConfigGuard<'_, T>> {
        let store = self.link.store.get()?;
        let index = match self.index.get() {
            Some(index) => *index,
            None => self.find_in(&*store.load()?)?,
        };
        // Made where it stays: moving it costs as much again as making it.
        Some(ConfigGuard { held: Held::Section(store.guard(), index) })
    }

    #[inline]
    fn index_in(&self, snapshot: &Snapshot) -> Option<usize> {
        match self.index.get() {
            Some(index) => Some(*index),
            None => self.find_in(snapshot),
        }
    }

    #[cold]
    fn find_in(&self, snapshot: &Snapshot) -> Option<usize> {
        let index = match self.which {
            Which::Name(name) => snapshot.index_of(name)?,
            Which::Type => snapshot.index_of_type(TypeId::of::<T>())?,
        };
        Some(*self.index.get_or_init(|| index))
    }
}

impl<T: Send + Sync + 'static> Deref for ConfigGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.held {
            Held::Fixed(value) => value,
            Held::Section(snapshot, index) => {
                let value = snapshot.as_deref().and_then(|snapshot| snapshot.value(*index));
                let value = value.and_then(|value| value.downcast_ref());
                value.expect("a section keeps its place and its type from one snapshot to the next")
            }
        }
    }
}

impl<T> fmt::Debug for ConfigGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigGuard").finish_non_exhaustive()
    }
}

impl Link {
    /// Connects with `store`; the first of several counts.
    pub(crate) fn connect(&self, store: Arc<Store>) {
        let _ = self.store.set(store);
    }
}

impl<T> Clone for Config<T> {
    fn clone(&self) -> Self {
        let source = match &self.source {
            Source::Fixed(value) => Source::Fixed(Arc::clone(value)),
            Source::Section(view) => Source::Section(View {
                which: view.which,
                link: Arc::clone(&view.link),
                index: view.index.clone(),
                section: PhantomData,
            }),
        };
        Self { source }
    }
}

/// Shows which section it is, and no value.
impl<T> fmt::Debug for Config<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let type_name = framework_core::short_type_name(type_name::<T>());
        match &self.source {
            Source::Fixed(_) => write!(f, "Config<{type_name}>(fixed)"),
            Source::Section(View { which: Which::Name(name), .. }) => {
                write!(f, "Config<{type_name}>({name})")
            }
            Source::Section(_) => write!(f, "Config<{type_name}>"),
        }
    }
}
