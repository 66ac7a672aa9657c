use std::sync::Arc;

use framework_core::{Context, Slot};

use crate::{InjectError, Scope, on_demand::OnDemand};

/// Where arguments come from: the values of the application and, inside a [`Scope`], those of the
/// scope.
///
/// # Examples
///
/// A layer that takes an injected state declares it while modules register, and resolves it once:
///
/// ```
/// use framework_core::{Context, Registrar};
/// use framework_di::{Inject, InjectError, Resolver};
///
/// fn state_later<S: Inject>(
///     reg: &mut Registrar<'_>,
/// ) -> impl FnOnce(&Context) -> Result<S, InjectError> + use<S> {
///     let needs = S::declare(reg);
///     move |cx| S::resolve(&needs, &Resolver::new(cx))
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Resolver<'r> {
    cx: &'r Context,
    scope: Option<&'r Scope>,
}

impl<'r> Resolver<'r> {
    /// Takes the values of the application that `cx` belongs to.
    #[must_use]
    pub fn new(cx: &'r Context) -> Self {
        Self { cx, scope: None }
    }

    /// Takes scoped values from `scope`, and all others from its application.
    #[must_use]
    pub fn within(scope: &'r Scope) -> Self {
        Self { cx: scope.context(), scope: Some(scope) }
    }

    /// The context of whoever asks.
    #[must_use]
    pub fn context(&self) -> &'r Context {
        self.cx
    }

    /// The scope, if there is one.
    #[must_use]
    pub fn scope(&self) -> Option<&'r Scope> {
        self.scope
    }

    pub(crate) fn with_scope(cx: &'r Context, scope: Option<&'r Scope>) -> Self {
        Self { cx, scope }
    }

    /// The value of a slot: the singleton, the one of the scope, or a new one.
    ///
    /// # Errors
    ///
    /// Returns an error if the value is not there and cannot be made.
    pub fn value<T>(&self, slot: &Slot<T>) -> Result<Arc<T>, InjectError>
    where
        T: ?Sized + Send + Sync + 'static,
    {
        self.find(slot)?.ok_or_else(|| InjectError::Absent { wanted: slot.key() })
    }

    /// As [`value`](Self::value), where it is no error that there is none.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be made.
    pub fn find<T>(&self, slot: &Slot<T>) -> Result<Option<Arc<T>>, InjectError>
    where
        T: ?Sized + Send + Sync + 'static,
    {
        // A singleton that replaced a scoped value shares the slot with its recipe, so it counts
        // first.
        if let Some(singleton) = slot.get() {
            return Ok(Some(singleton));
        }
        let recipe = slot.recipe::<OnDemand<T>>();
        recipe.map(|recipe| recipe.value(self, slot)).transpose()
    }
}
