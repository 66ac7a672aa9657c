use std::{fmt, marker::PhantomData, sync::Arc};

use framework_core::{Context, Key, NeedMode, Registrar, Slot};

use crate::{Inject, InjectError, InjectNamed, Resolver};

mod table;

use self::table::Table;
pub(crate) use self::table::{Keeper, Layout, Place};

/// The values of one request, message or job.
///
/// Each is made when it is first asked for, once, however many tasks ask. When the scope ends, it
/// lets go of them in the reverse order of their making. A scope that nobody asks for anything
/// allocates nothing.
///
/// Making a value calls its constructor on the spot, so constructors of scoped values are not
/// `async`: what needs I/O to come about belongs in a singleton, such as a pool, from which the
/// scoped value borrows later.
///
/// # Examples
///
/// ```
/// # use framework_core::{Context, module_fn};
/// use framework_di::{InjectExt, Scope};
///
/// struct Cart;
///
/// let shop = module_fn("shop", |reg| {
///     let cart = reg.scoped(|| Cart);
///     reg.setup("try-it", move |cx| async move {
///         let scope = Scope::new(&cx);
///         let (one, same) = (scope.get(&cart)?, scope.get(&cart)?);
///         assert!(std::sync::Arc::ptr_eq(&one, &same));
///         Ok(())
///     });
/// });
/// ```
pub struct Scope {
    cx: Context,
    table: Table,
}

/// Opens scopes: what a singleton takes that needs scoped values for each piece of its work.
///
/// # Examples
///
/// ```
/// use framework_di::{InjectError, ScopeFactory, Scoped};
///
/// struct Transaction;
///
/// struct Importer {
///     scopes: ScopeFactory,
///     transaction: Scoped<Transaction>,
/// }
///
/// impl Importer {
///     fn new(scopes: ScopeFactory, transaction: Scoped<Transaction>) -> Self {
///         Self { scopes, transaction }
///     }
///
///     fn import(&self, line: &str) -> Result<(), InjectError> {
///         let scope = self.scopes.open();
///         let transaction = scope.get(&self.transaction)?;
///         # let _ = (line, transaction);
///         Ok(())
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ScopeFactory {
    cx: Context,
}

/// A declared use of a scoped value, read with [`Scope::get`].
///
/// As an argument it stands for the value in scopes yet to come, so a singleton may keep it.
pub struct Scoped<T: ?Sized> {
    slot: Arc<Slot<T>>,
}

/// A declared place for a value that whoever opens a scope puts in, with [`Scope::insert`].
pub struct Seed<T: ?Sized> {
    key: Key,
    place: Place,
    value: PhantomData<fn(Arc<T>)>,
}

// ===== impl Scope =====

impl Scope {
    /// Opens a scope in the application that `cx` belongs to.
    #[must_use]
    pub fn new(cx: &Context) -> Self {
        Self { cx: cx.clone(), table: Table::default() }
    }

    /// The value of this scope, made now if nobody asked before.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be made; the next to ask tries again.
    pub fn get<T>(&self, wanted: &Scoped<T>) -> Result<Arc<T>, InjectError>
    where
        T: ?Sized + Send + Sync + 'static,
    {
        Resolver::within(self).value(&wanted.slot)
    }

    /// Puts a value into the scope that its opener knows and no constructor could: the current
    /// tenant, the message at hand.
    ///
    /// # Errors
    ///
    /// Returns an error if the scope has the value already, or is of another application.
    pub fn insert<T>(&self, seed: &Seed<T>, value: Arc<T>) -> Result<(), InjectError>
    where
        T: ?Sized + Send + Sync + 'static,
    {
        let mut value = Some(value);
        let took = || value.take().ok_or(InjectError::SeededTwice { seeded: seed.key });
        self.get_or_make(&seed.place, seed.key, Keeper::pointer(), took)?;
        match value {
            None => Ok(()),
            Some(_) => Err(InjectError::SeededTwice { seeded: seed.key }),
        }
    }

    /// The context that the scope was opened with.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.cx
    }

    pub(crate) fn get_or_make<T: ?Sized + Send + Sync + 'static>(
        &self,
        place: &Place,
        wanted: Key,
        keeper: Keeper<T>,
        make: impl FnOnce() -> Result<Arc<T>, InjectError>,
    ) -> Result<Arc<T>, InjectError> {
        let value = self.table.get_or_make(place, keeper, make);
        value.unwrap_or(Err(InjectError::OtherApplication { wanted }))
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("made", &self.table.made()).finish_non_exhaustive()
    }
}

// ===== impl ScopeFactory =====

impl ScopeFactory {
    /// Makes a factory for the application that `cx` belongs to, where none is injected.
    #[must_use]
    pub fn new(cx: &Context) -> Self {
        Self { cx: cx.clone() }
    }

    /// Opens a scope.
    #[must_use]
    pub fn open(&self) -> Scope {
        Scope::new(&self.cx)
    }
}

impl Inject for ScopeFactory {
    type Needs = ();

    fn declare(_reg: &mut Registrar<'_>) -> Self::Needs {}

    fn resolve((): &Self::Needs, from: &Resolver<'_>) -> Result<Self, InjectError> {
        Ok(Self::new(from.context()))
    }
}

// ===== impl Scoped =====

impl<T: ?Sized + Send + Sync + 'static> Scoped<T> {
    pub(crate) fn new(slot: Arc<Slot<T>>) -> Self {
        Self { slot }
    }
}

impl<T: ?Sized + Send + Sync + 'static> Inject for Scoped<T> {
    type Needs = Self;

    #[track_caller]
    fn declare(reg: &mut Registrar<'_>) -> Self::Needs {
        Self::new(reg.need_with(None, NeedMode::InScope))
    }

    fn resolve(needs: &Self::Needs, _from: &Resolver<'_>) -> Result<Self, InjectError> {
        Ok(needs.clone())
    }
}

impl<T: ?Sized + Send + Sync + 'static> InjectNamed for Scoped<T> {
    #[track_caller]
    fn declare_named(reg: &mut Registrar<'_>, name: &'static str) -> Self::Needs {
        Self::new(reg.need_with(Some(name), NeedMode::InScope))
    }
}

impl<T: ?Sized> Clone for Scoped<T> {
    fn clone(&self) -> Self {
        Self { slot: Arc::clone(&self.slot) }
    }
}

impl<T: ?Sized> fmt::Debug for Scoped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scoped").field(&std::any::type_name::<T>()).finish()
    }
}

// ===== impl Seed =====

impl<T: ?Sized + 'static> Seed<T> {
    pub(crate) fn new(place: Place) -> Self {
        Self { key: Key::of::<T>(), place, value: PhantomData }
    }
}

impl<T: ?Sized> Clone for Seed<T> {
    fn clone(&self) -> Self {
        Self { key: self.key, place: self.place.clone(), value: PhantomData }
    }
}

impl<T: ?Sized> fmt::Debug for Seed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seed").field(&self.key).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(scope: &Scope, place: &Place) -> Result<Arc<usize>, InjectError> {
        let make = || Ok(Arc::new(scope.table.made()));
        scope.get_or_make(place, Key::of::<usize>(), Keeper::sized(), make)
    }

    #[test]
    fn a_scope_has_room_for_as_many_values_as_there_are() {
        let layout = Arc::new(Layout::default());
        let places: Vec<_> = (0..9).map(|_| layout.add()).collect();
        let scope = Scope::new(&Context::new("test", Default::default()));
        for (at, place) in places.iter().enumerate().rev() {
            assert_eq!(*get(&scope, place).unwrap(), 8 - at, "each is made once");
        }
        assert_eq!(*get(&scope, &places[8]).unwrap(), 0);
        // It came when scopes had their size already.
        let late = layout.add();
        assert!(matches!(get(&scope, &late), Err(InjectError::OtherApplication { .. })));
        let other = Arc::new(Layout::default()).add();
        assert!(matches!(get(&scope, &other), Err(InjectError::OtherApplication { .. })));
    }
}
