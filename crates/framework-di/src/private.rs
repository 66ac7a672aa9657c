//! What the expansions of the macros name.

pub use std::{
    default::Default,
    marker::{PhantomData, Send, Sync},
    result::Result,
    sync::Arc,
};

pub use framework_core::Registrar;

use crate::{Constructor, Inject, InjectError, InjectNamed, Resolver};

/// A declared field of a struct: it makes the field's value.
///
/// Its type says nothing of how the value comes about, so a field that cannot be injected is one
/// error, at the field.
pub type Field<T> = Box<dyn Fn(&Resolver<'_>) -> Result<T, InjectError> + Send + Sync>;

/// Declares a field that the application provides.
#[track_caller]
pub fn provided<T: Inject>(reg: &mut Registrar<'_>) -> Field<T> {
    let needs = T::declare(reg);
    Box::new(move |from| T::resolve(&needs, from))
}

/// Declares a field that the application provides by name.
#[track_caller]
pub fn named<T: InjectNamed>(reg: &mut Registrar<'_>, name: &'static str) -> Field<T> {
    let needs = T::declare_named(reg, name);
    Box::new(move |from| T::resolve(&needs, from))
}

/// Declares a field that a constructor makes.
#[track_caller]
pub fn with<C, Args>(reg: &mut Registrar<'_>, constructor: C) -> Field<C::Output>
where
    C: Constructor<Args> + Clone + Sync,
    Args: Inject,
{
    let needs = Args::declare(reg);
    Box::new(move |from| Ok(constructor.clone().construct(Args::resolve(&needs, from)?)))
}
