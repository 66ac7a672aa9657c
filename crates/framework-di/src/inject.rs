use std::sync::Arc;

use framework_core::{Context, NeedMode, Registrar, Slot};

use crate::{InjectError, Resolver, arity::for_each_arity};

/// What a constructor can take.
///
/// | argument | what it is given |
/// |---|---|
/// | `Arc<T>`, `Arc<dyn Trait>` | the value, which must have a provider |
/// | `Option<Arc<T>>` | the value, if it has a provider |
/// | [`Lazy<T>`](crate::Lazy) | the value, made when it is first asked for |
/// | [`All<T>`](crate::All) | every `T`: the one, those with names, the members |
/// | [`Named<T, N>`](crate::Named) | the `T` called `N` |
/// | [`Scoped<T>`](crate::Scoped), [`ScopeFactory`](crate::ScopeFactory) | scoped values for whoever outlives a scope |
/// | `Context` | what the code of a running module can reach |
/// | a tuple, a struct with `#[derive(Inject)]` | each of its fields |
///
/// Layers add their own, such as the configuration's `Config<T>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be injected",
    label = "this is not something the application provides",
    note = "a constructor takes owned arguments: `Arc<T>`, `Option<Arc<T>>`, `Lazy<T>`, `All<T>`, \
            `Named<T, N>`, `Scoped<T>`, `Context`",
    note = "for a struct of such things, add `#[derive(Inject)]`"
)]
pub trait Inject: Sized + Send + Sync + 'static {
    /// What was declared, from which the argument is made.
    type Needs: Send + Sync + 'static;

    /// Declares what the argument is made from.
    #[track_caller]
    fn declare(reg: &mut Registrar<'_>) -> Self::Needs;

    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// Returns an error if something that it is made from is not there or cannot be made.
    fn resolve(needs: &Self::Needs, from: &Resolver<'_>) -> Result<Self, InjectError>;
}

/// What can be taken by name, where a type has several values: see [`Named`](crate::Named), and
/// `#[inject(name = "…")]` on the field of a struct.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be injected by name",
    note = "only `Arc<T>`, `Option<Arc<T>>`, `Lazy<T>` and `Scoped<T>` have names"
)]
pub trait InjectNamed: Inject {
    /// As [`Inject::declare`], for the value called `name`.
    #[track_caller]
    fn declare_named(reg: &mut Registrar<'_>, name: &'static str) -> Self::Needs;
}

impl<T: ?Sized + Send + Sync + 'static> Inject for Arc<T> {
    type Needs = Arc<Slot<T>>;

    #[track_caller]
    fn declare(reg: &mut Registrar<'_>) -> Self::Needs {
        reg.need_with(None, NeedMode::Required)
    }

    fn resolve(needs: &Self::Needs, from: &Resolver<'_>) -> Result<Self, InjectError> {
        from.value(needs)
    }
}

impl<T: ?Sized + Send + Sync + 'static> InjectNamed for Arc<T> {
    #[track_caller]
    fn declare_named(reg: &mut Registrar<'_>, name: &'static str) -> Self::Needs {
        reg.need_with(Some(name), NeedMode::Required)
    }
}

impl<T: ?Sized + Send + Sync + 'static> Inject for Option<Arc<T>> {
    type Needs = Arc<Slot<T>>;

    #[track_caller]
    fn declare(reg: &mut Registrar<'_>) -> Self::Needs {
        reg.need_with(None, NeedMode::Optional)
    }

    fn resolve(needs: &Self::Needs, from: &Resolver<'_>) -> Result<Self, InjectError> {
        from.find(needs)
    }
}

impl<T: ?Sized + Send + Sync + 'static> InjectNamed for Option<Arc<T>> {
    #[track_caller]
    fn declare_named(reg: &mut Registrar<'_>, name: &'static str) -> Self::Needs {
        reg.need_with(Some(name), NeedMode::Optional)
    }
}

/// The context of whoever asks: for a singleton its own module, for a scoped value whoever opened
/// the scope.
impl Inject for Context {
    type Needs = ();

    fn declare(_reg: &mut Registrar<'_>) -> Self::Needs {}

    fn resolve((): &Self::Needs, from: &Resolver<'_>) -> Result<Self, InjectError> {
        Ok(from.context().clone())
    }
}

macro_rules! impl_inject_for_tuples {
    ($($field:ident)*) => {
        impl<$($field: Inject),*> Inject for ($($field,)*) {
            type Needs = ($($field::Needs,)*);

            #[track_caller]
            #[allow(clippy::unused_unit, reason = "the empty tuple has no fields")]
            fn declare(_reg: &mut Registrar<'_>) -> Self::Needs {
                ($($field::declare(_reg),)*)
            }

            #[allow(non_snake_case, reason = "each variable is called as its type")]
            fn resolve(needs: &Self::Needs, _from: &Resolver<'_>) -> Result<Self, InjectError> {
                let ($($field,)*) = needs;
                Ok(($($field::resolve($field, _from)?,)*))
            }
        }
    };
}

for_each_arity!(impl_inject_for_tuples);
