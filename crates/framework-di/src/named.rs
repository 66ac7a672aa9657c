use std::{fmt, marker::PhantomData, ops::Deref, sync::Arc};

use framework_core::Registrar;

use crate::{Inject, InjectError, InjectNamed, Resolver};

/// A name for one of several values of a type, as a type of its own: a misspelt one does not
/// compile.
///
/// # Examples
///
/// ```
/// # use framework_core::module_fn;
/// use framework_di::{InjectExt, Name, Named};
///
/// struct Replica;
///
/// impl Name for Replica {
///     const NAME: &'static str = "replica";
/// }
///
/// struct Pool;
///
/// struct Reports {
///     pool: Named<Pool, Replica>,
/// }
///
/// let data = module_fn("data", |reg| {
///     reg.inject(|| Pool);
///     reg.inject_named(Replica, || Pool);
///     reg.inject(|pool: Named<Pool, Replica>| Reports { pool });
/// });
/// ```
pub trait Name: 'static {
    /// The name: stable, unique among the values of a type.
    const NAME: &'static str;
}

/// The `T` called `N`; it dereferences to the `Arc` of the value.
pub struct Named<T: ?Sized, N> {
    value: Arc<T>,
    name: PhantomData<fn() -> N>,
}

impl<T: ?Sized, N> Named<T, N> {
    /// Gives a value its name, where none is injected.
    #[must_use]
    pub fn new(value: Arc<T>) -> Self {
        Self { value, name: PhantomData }
    }

    /// The value without its name.
    #[must_use]
    pub fn into_inner(self) -> Arc<T> {
        self.value
    }
}

impl<T: ?Sized, N> Deref for Named<T, N> {
    type Target = Arc<T>;

    fn deref(&self) -> &Self::Target {
        &self.value
    }
}

impl<T: ?Sized + Send + Sync + 'static, N: Name> Inject for Named<T, N> {
    type Needs = <Arc<T> as Inject>::Needs;

    #[track_caller]
    fn declare(reg: &mut Registrar<'_>) -> Self::Needs {
        Arc::<T>::declare_named(reg, N::NAME)
    }

    fn resolve(needs: &Self::Needs, from: &Resolver<'_>) -> Result<Self, InjectError> {
        Arc::resolve(needs, from).map(Self::new)
    }
}

impl<T: ?Sized, N> Clone for Named<T, N> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.value))
    }
}

impl<T: ?Sized + fmt::Debug, N: Name> fmt::Debug for Named<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Named").field(&N::NAME).field(&self.value).finish()
    }
}
