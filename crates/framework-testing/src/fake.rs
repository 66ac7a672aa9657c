use std::{fmt, sync::Arc};

use framework_core::{Contribution, Module, ProviderSpec, Registrar};

type DeclareFn = Box<dyn FnOnce(&mut Registrar<'_>) + Send>;

/// A module that stands in for others: it gives values that a test made, and nothing runs in it.
///
/// Relations between modules are types, so a fake of `dyn Mailer` serves whoever needs a
/// `dyn Mailer`, and nothing else has to change.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use framework_app::App;
/// use framework_core::module_fn;
/// use framework_testing::{Fake, TestApp, paused};
///
/// trait Mailer: Send + Sync {
///     fn sender(&self) -> String;
/// }
///
/// struct Silent;
///
/// impl Mailer for Silent {
///     fn sender(&self) -> String {
///         "nobody".to_owned()
///     }
/// }
///
/// let orders = module_fn("orders", |reg| {
///     let mailer = reg.need::<dyn Mailer>();
///     reg.setup("greet", move |cx| async move {
///         assert_eq!(cx.get(&mailer).sender(), "nobody");
///         Ok(())
///     });
/// });
/// let mailer: Arc<dyn Mailer> = Arc::new(Silent);
/// let app = App::builder("shop").modules((orders, Fake::new("fakes").provides(mailer)));
/// paused(async { TestApp::start(app).await.stop().await }).unwrap();
/// ```
#[must_use = "a fake does nothing until it is added to an application"]
pub struct Fake {
    name: &'static str,
    declare: Vec<DeclareFn>,
}

impl Fake {
    /// A module called `name` that offers nothing yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, declare: Vec::new() }
    }

    /// Offers the one `T` in the application.
    pub fn provides<T: ?Sized + Send + Sync + 'static>(self, value: Arc<T>) -> Self {
        self.value(ProviderSpec::singleton(), value)
    }

    /// Offers the `T` called `name`.
    pub fn provides_named<T>(self, name: &'static str, value: Arc<T>) -> Self
    where
        T: ?Sized + Send + Sync + 'static,
    {
        self.value(ProviderSpec::singleton().name(Some(name)), value)
    }

    /// Takes the place of the `T` that another module provides; that one is never made. It must be
    /// there: a fake of something that nobody has is a mistake.
    pub fn replaces<T: ?Sized + Send + Sync + 'static>(self, value: Arc<T>) -> Self {
        self.value(ProviderSpec::singleton().replacement(), value)
    }

    /// Serves as `M` for those who require that module.
    pub fn stands_for<M: Module>(self) -> Self {
        self.declares(|reg| reg.stands_for::<M>())
    }

    /// Takes what modules contribute to `C` and does nothing with it, so that they can be tested
    /// without the layer that does.
    pub fn swallows<C: Contribution>(self) -> Self {
        self.declares(|reg| drop(reg.collect::<C>()))
    }

    /// Adds anything else that a module can declare.
    pub fn declares(mut self, declare: impl FnOnce(&mut Registrar<'_>) + Send + 'static) -> Self {
        self.declare.push(Box::new(declare));
        self
    }

    fn value<T>(self, spec: ProviderSpec, value: Arc<T>) -> Self
    where
        T: ?Sized + Send + Sync + 'static,
    {
        self.declares(move |reg| {
            drop(reg.provide_with(spec, |_reg| (), move |_cx, ()| async move { Ok(value) }));
        })
    }
}

impl Module for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn register(self, reg: &mut Registrar<'_>) {
        self.declare.into_iter().for_each(|declare| declare(reg));
    }
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake").field("name", &self.name).finish_non_exhaustive()
    }
}
