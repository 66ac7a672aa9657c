use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use framework_core::{BoxError, Lifetime, PanicError, Slot};

use crate::{
    InjectError, Resolver, Scope,
    scope::{Keeper, Place},
};

type MakeFn<T> = Box<dyn Fn(&Resolver<'_>) -> Result<Arc<T>, BoxError> + Send + Sync>;

/// How to come by a value that is not a singleton; attached to its slot.
pub(crate) struct OnDemand<T: ?Sized> {
    module: &'static str,
    source: Source<T>,
}

enum Source<T: ?Sized> {
    Scoped(Place, Keeper<T>, MakeFn<T>),
    Transient(MakeFn<T>),
    Seed(Place),
}

impl<T: ?Sized + Send + Sync + 'static> OnDemand<T> {
    pub(crate) fn scoped(
        module: &'static str,
        place: Place,
        keeper: Keeper<T>,
        make: MakeFn<T>,
    ) -> Self {
        Self { module, source: Source::Scoped(place, keeper, make) }
    }

    pub(crate) fn transient(module: &'static str, make: MakeFn<T>) -> Self {
        Self { module, source: Source::Transient(make) }
    }

    pub(crate) fn seed(module: &'static str, place: Place) -> Self {
        Self { module, source: Source::Seed(place) }
    }

    pub(crate) fn lifetime(&self) -> Lifetime {
        match self.source {
            Source::Scoped(..) | Source::Seed(_) => Lifetime::Scoped,
            Source::Transient(_) => Lifetime::Transient,
        }
    }

    pub(crate) fn value(&self, from: &Resolver<'_>, slot: &Slot<T>) -> Result<Arc<T>, InjectError> {
        let wanted = slot.key();
        let scope = || from.scope().ok_or(InjectError::OutsideScope { wanted });
        match &self.source {
            Source::Transient(make) => self.make(make, from, slot),
            Source::Scoped(place, keeper, make) => {
                scope()?.get_or_make(place, wanted, *keeper, || self.make(make, from, slot))
            }
            Source::Seed(place) => scope()?.get_or_make(place, wanted, Keeper::pointer(), || {
                Err(InjectError::Unseeded { wanted })
            }),
        }
    }

    fn make(
        &self,
        make: &MakeFn<T>,
        from: &Resolver<'_>,
        slot: &Slot<T>,
    ) -> Result<Arc<T>, InjectError> {
        let within = from.scope().map(|scope: &Scope| scope as &dyn Any);
        let made = panic::catch_unwind(AssertUnwindSafe(|| {
            make(from).and_then(|value| slot.decorate(from.context(), within, value))
        }));
        let made = made.unwrap_or_else(|payload| Err(PanicError::new(payload.as_ref()).into()));
        made.map_err(|source| InjectError::Make { made: slot.key(), module: self.module, source })
    }
}
