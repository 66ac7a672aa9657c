use std::{
    any, fmt,
    sync::{Arc, OnceLock},
};

use crate::Slot;

/// A declared use of a value, read with [`Context::get`](crate::Context::get).
///
/// The only way to obtain a `Need` is to declare it, so a value that can be read is a value whose
/// provider is known to exist and to start first.
///
/// A `Need` cannot be read while modules are still registering, because no
/// [`Context`](crate::Context) exists yet:
///
/// ```compile_fail
/// # use framework_core::{Module, Registrar};
/// # struct Early;
/// # impl Module for Early {
/// # fn name(&self) -> &'static str { "early" }
/// fn register(self, reg: &mut Registrar<'_>) {
///     let port = reg.need::<u16>();
///     assert_eq!(*port.get(), 80);
/// }
/// # }
/// ```
pub struct Need<T: ?Sized> {
    slot: Arc<Slot<T>>,
    // Held by the need that a provider's own module got, and its clones: while one is left, the
    // module may read the value at any time, so the value is not put off until somebody asks.
    own: Option<Arc<()>>,
}

/// A declared use of a value that may have no provider, read with
/// [`Context::get_optional`](crate::Context::get_optional).
pub struct OptionalNeed<T: ?Sized> {
    slot: Arc<Slot<T>>,
}

/// A declared use of every value of a type, named ones and members, read with
/// [`Context::get_all`](crate::Context::get_all).
pub struct AllNeed<T: ?Sized> {
    pub(crate) slots: AllCell<T>,
}

/// The slots of every provider of a type, known once all modules have registered.
pub(crate) type AllCell<T> = Arc<OnceLock<Vec<Arc<Slot<T>>>>>;

impl<T: ?Sized> Need<T> {
    pub(crate) fn new(slot: Arc<Slot<T>>) -> Self {
        Self { slot, own: None }
    }

    pub(crate) fn own(slot: Arc<Slot<T>>, own: Arc<()>) -> Self {
        Self { slot, own: Some(own) }
    }

    /// The cell that the value will be in, for layers that hand out values in their own way.
    #[must_use]
    pub fn slot(&self) -> &Arc<Slot<T>> {
        &self.slot
    }
}

impl<T: ?Sized> OptionalNeed<T> {
    pub(crate) fn new(slot: Arc<Slot<T>>) -> Self {
        Self { slot }
    }

    /// The cell that the value will be in, if there is one.
    #[must_use]
    pub fn slot(&self) -> &Arc<Slot<T>> {
        &self.slot
    }
}

impl<T: ?Sized> AllNeed<T> {
    /// The cells that the values will be in, in the order of registration.
    #[must_use]
    pub fn slots(&self) -> &[Arc<Slot<T>>] {
        self.slots.get().map_or(&[], Vec::as_slice)
    }
}

macro_rules! impl_need {
    ($($need:ident { $field:ident })*) => {$(
        impl<T: ?Sized> Clone for $need<T> {
            fn clone(&self) -> Self {
                Self { $field: Arc::clone(&self.$field) }
            }
        }

        impl<T: ?Sized> fmt::Debug for $need<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($need)).field(&any::type_name::<T>()).finish()
            }
        }
    )*};
}

impl_need!(OptionalNeed { slot } AllNeed { slots });

impl<T: ?Sized> Clone for Need<T> {
    fn clone(&self) -> Self {
        Self { slot: Arc::clone(&self.slot), own: self.own.clone() }
    }
}

impl<T: ?Sized> fmt::Debug for Need<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Need").field(&any::type_name::<T>()).finish()
    }
}
