use std::{
    any::{TypeId, type_name},
    fmt,
    marker::PhantomData,
    sync::{Arc, OnceLock},
};

use crate::snapshot::{Snapshot, Store};

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
            None => panic!("`{self:?}` was read before the application was planned"),
        }
    }

    /// The section as it is in force now; `None` while there is no plan.
    #[must_use]
    pub fn try_get(&self) -> Option<Arc<T>> {
        match &self.source {
            Source::Fixed(value) => Some(Arc::clone(value)),
            Source::Section(view) => view.read(),
        }
    }
}

impl<T: Send + Sync + 'static> View<T> {
    fn read(&self) -> Option<Arc<T>> {
        let snapshot = self.link.store.get()?.load()?;
        let index = match self.index.get() {
            Some(index) => *index,
            None => {
                let index = match self.which {
                    Which::Name(name) => snapshot.index_of(name)?,
                    Which::Type => snapshot.index_of_type(TypeId::of::<T>())?,
                };
                *self.index.get_or_init(|| index)
            }
        };
        let value: Arc<_> = Arc::clone(Snapshot::value(&snapshot, index)?);
        value.downcast().ok()
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
