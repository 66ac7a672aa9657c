use std::{
    any::{self, TypeId},
    fmt,
    panic::Location,
    sync::Arc,
};

use crate::Registrar;

/// A named part of an application.
///
/// A module is a description, not a running thing: [`register`](Self::register) records what the
/// module offers and uses, before anything starts. It takes the module by value, so it happens
/// once, and what the module owns can move into the code that will run.
///
/// Check arguments in the module's constructor: `register` does no I/O and cannot fail.
///
/// # Examples
///
/// ```
/// use framework_core::{Module, Registrar};
///
/// struct Greeting {
///     text: String,
/// }
///
/// impl Module for Greeting {
///     fn name(&self) -> &'static str {
///         "greeting"
///     }
///
///     fn register(self, reg: &mut Registrar<'_>) {
///         reg.provide(|_cx| async { Ok(self.text) });
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a module",
    note = "a module implements `Module`: a name, and `register`, which says what it offers and uses"
)]
pub trait Module: Send + 'static {
    /// The module's name: `kebab-case`, stable, unique in one application.
    fn name(&self) -> &'static str;

    /// Declares what this module offers and uses.
    fn register(self, reg: &mut Registrar<'_>);
}

/// Ways to wrap a [`Module`].
pub trait ModuleExt: Module + Sized {
    /// Keeps the module so that it can be built again: one that is restarted while the rest of the
    /// application goes on, or started many times by a test.
    #[track_caller]
    fn rebuildable(self) -> BoxModule
    where
        Self: Clone + Sync,
    {
        let original = Arc::new(self);
        BoxModule::from_factory(move || Self::clone(&original))
    }
}

impl<M: Module> ModuleExt for M {}

/// Makes a [`Module`] of a name and a function.
pub fn module_fn<F>(name: &'static str, register: F) -> ModuleFn<F>
where
    F: FnOnce(&mut Registrar<'_>) + Send + 'static,
{
    ModuleFn { name, register }
}

/// A [`Module`] made by [`module_fn`].
#[derive(Clone)]
pub struct ModuleFn<F> {
    name: &'static str,
    register: F,
}

/// Any [`Module`], for lists of them.
pub struct BoxModule {
    inner: Box<dyn DynModule>,
    type_id: TypeId,
    type_name: &'static str,
    location: &'static Location<'static>,
    factory: Option<Arc<dyn Fn() -> Box<dyn DynModule> + Send + Sync>>,
}

/// One module, several in a tuple (up to twelve) or in a `Vec`, or none.
///
/// # Examples
///
/// ```
/// use framework_core::{Modules, module_fn};
///
/// let one = module_fn("catalog", |_reg| ());
/// let two = (module_fn("orders", |_reg| ()), module_fn("stock", |_reg| ()));
/// let mut all = Vec::new();
/// one.add_to(&mut all);
/// two.add_to(&mut all);
/// assert_eq!(all.len(), 3);
/// ```
pub trait Modules {
    /// Appends the modules to `list`, in order.
    #[track_caller]
    fn add_to(self, list: &mut Vec<BoxModule>);
}

/// [`Module`] for trait objects, which cannot take `self` by value.
trait DynModule: Send {
    fn name_dyn(&self) -> &'static str;
    fn register_dyn(self: Box<Self>, reg: &mut Registrar<'_>);
}

// ===== impl ModuleFn =====

impl<F> Module for ModuleFn<F>
where
    F: FnOnce(&mut Registrar<'_>) + Send + 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn register(self, reg: &mut Registrar<'_>) {
        (self.register)(reg);
    }
}

impl<F> fmt::Debug for ModuleFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleFn").field("name", &self.name).finish_non_exhaustive()
    }
}

// ===== impl BoxModule =====

impl BoxModule {
    /// Boxes `module`. A module that is boxed already is left as it is.
    #[track_caller]
    pub fn new<M: Module>(module: M) -> Self {
        Self {
            inner: Box::new(module),
            type_id: TypeId::of::<M>(),
            type_name: any::type_name::<M>(),
            location: Location::caller(),
            factory: None,
        }
    }

    /// Boxes a module that `make` can make again.
    #[track_caller]
    pub fn from_factory<M: Module>(make: impl Fn() -> M + Send + Sync + 'static) -> Self {
        let first = Self::new(make());
        Self { factory: Some(Arc::new(move || Box::new(make()))), ..first }
    }

    /// Another module just like this one, if it was boxed with a way to make it again.
    #[must_use]
    pub fn rebuild(&self) -> Option<Self> {
        let make = self.factory.as_ref()?;
        Some(Self { inner: make(), factory: Some(Arc::clone(make)), ..*self })
    }

    /// The identity of the module's own type.
    #[must_use]
    pub fn module_type(&self) -> TypeId {
        self.type_id
    }

    /// The name of the module's own type, for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// The place in the source that added the module.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// The module's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.inner.name_dyn()
    }

    pub(crate) fn register(self, reg: &mut Registrar<'_>) {
        self.inner.register_dyn(reg);
    }
}

impl fmt::Debug for BoxModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxModule")
            .field("name", &self.name())
            .field("type", &self.type_name)
            .field("rebuildable", &self.factory.is_some())
            .finish_non_exhaustive()
    }
}

impl<M: Module> DynModule for M {
    fn name_dyn(&self) -> &'static str {
        self.name()
    }

    fn register_dyn(self: Box<Self>, reg: &mut Registrar<'_>) {
        (*self).register(reg);
    }
}

// ===== impl Modules =====

impl<M: Module> Modules for M {
    #[track_caller]
    fn add_to(self, list: &mut Vec<BoxModule>) {
        list.push(BoxModule::new(self));
    }
}

impl Modules for BoxModule {
    fn add_to(self, list: &mut Vec<BoxModule>) {
        list.push(self);
    }
}

impl<M: Modules> Modules for Vec<M> {
    #[track_caller]
    fn add_to(self, list: &mut Vec<BoxModule>) {
        for modules in self {
            modules.add_to(list);
        }
    }
}

impl<M: Modules> Modules for Option<M> {
    #[track_caller]
    fn add_to(self, list: &mut Vec<BoxModule>) {
        if let Some(modules) = self {
            modules.add_to(list);
        }
    }
}

macro_rules! impl_modules {
    ($($module:ident)*) => {
        impl<$($module: Modules),*> Modules for ($($module,)*) {
            #[track_caller]
            #[allow(non_snake_case, reason = "each variable is called as its type")]
            fn add_to(self, _list: &mut Vec<BoxModule>) {
                let ($($module,)*) = self;
                $($module.add_to(_list);)*
            }
        }
    };
}

impl_modules!();
impl_modules!(A);
impl_modules!(A B);
impl_modules!(A B C);
impl_modules!(A B C D);
impl_modules!(A B C D E);
impl_modules!(A B C D E F);
impl_modules!(A B C D E F G);
impl_modules!(A B C D E F G H);
impl_modules!(A B C D E F G H I);
impl_modules!(A B C D E F G H I J);
impl_modules!(A B C D E F G H I J K);
impl_modules!(A B C D E F G H I J K L);
