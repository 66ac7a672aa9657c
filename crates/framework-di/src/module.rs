use std::{future::Future, sync::Arc};

use framework_core::{Need, NeedMode, ProviderSpec, Registrar};

use crate::{Constructor, Decorator, Fallible, Inject, Injector, Interface, Name, Scoped, Seed};

/// Adds constructor injection to [`Registrar`].
///
/// | word | the value is | the constructor |
/// |---|---|---|
/// | [`inject`](Self::inject), [`try_inject`](Self::try_inject), [`inject_async`](Self::inject_async) | one for all | returns it, a `Result`, a future of a `Result` |
/// | [`inject_arc`](Self::inject_arc) | one for all | returns an `Arc`, such as `Arc<dyn Trait>` |
/// | [`inject_type`](Self::inject_type) | one for all | is the struct itself |
/// | [`scoped`](Self::scoped), [`try_scoped`](Self::try_scoped) | one in each [`Scope`](crate::Scope) | returns it, a `Result` |
/// | [`transient`](Self::transient), [`try_transient`](Self::try_transient) | a new one for each that takes it | returns it, a `Result` |
/// | [`bind`](Self::bind), [`bind_scoped`](Self::bind_scoped), [`bind_with`](Self::bind_with) | another one, as `dyn Trait` | |
/// | [`scope_seed`](Self::scope_seed) | put into each scope | |
///
/// Each can be had [by name](Self::named), [in place of another](Self::replacing) and [as one of
/// many](Self::members). Whatever is registered here is registered with the core, argument by
/// argument: the plan finds what is missing, doubled, circular, or kept too long, before anything
/// starts.
pub trait InjectExt<'a>: sealed::Sealed<'a> {
    /// Provides what `constructor` makes, one for all, and needs what it takes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use framework_core::module_fn;
    /// use std::sync::Arc;
    /// use framework_di::InjectExt;
    ///
    /// struct Pool;
    ///
    /// struct Orders {
    ///     pool: Arc<Pool>,
    /// }
    ///
    /// impl Orders {
    ///     fn new(pool: Arc<Pool>) -> Self {
    ///         Self { pool }
    ///     }
    /// }
    ///
    /// let ordering = module_fn("ordering", |reg| {
    ///     let orders = reg.inject(Orders::new);
    ///     reg.setup("warm-up", move |cx| async move {
    ///         let _pool = &cx.get(&orders).pool;
    ///         Ok(())
    ///     });
    /// });
    /// ```
    #[track_caller]
    fn inject<C, Args>(&mut self, constructor: C) -> Need<C::Output>
    where
        C: Constructor<Args>,
        C::Output: Send + Sync + 'static,
        Args: Inject,
    {
        self.injector().inject(constructor)
    }

    /// As [`inject`](Self::inject), for a constructor that can fail: it returns a `Result` with any
    /// error.
    #[track_caller]
    fn try_inject<C, Args>(&mut self, constructor: C) -> Need<<C::Output as Fallible>::Value>
    where
        C: Constructor<Args>,
        C::Output: Fallible<Value: Send + Sync + 'static>,
        Args: Inject,
    {
        self.injector().try_inject(constructor)
    }

    /// As [`try_inject`](Self::try_inject), for an `async` constructor: what opens a connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use framework_core::module_fn;
    /// use std::{io, sync::Arc};
    /// use framework_di::InjectExt;
    ///
    /// struct Address(&'static str);
    /// struct Connection(Arc<Address>);
    ///
    /// let data = module_fn("data", |reg| {
    ///     reg.inject(|| Address("db.internal"));
    ///     reg.inject_async(async |address: Arc<Address>| -> io::Result<_> {
    ///         Ok(Connection(address))
    ///     });
    /// });
    /// ```
    #[track_caller]
    fn inject_async<C, Args, Out>(&mut self, constructor: C) -> Need<Out::Value>
    where
        C: Constructor<Args, Output: Future<Output = Out> + Send>,
        Out: Fallible<Value: Send + Sync + 'static>,
        Args: Inject,
    {
        self.injector().inject_async(constructor)
    }

    /// As [`inject`](Self::inject), for a constructor that returns an `Arc`: what is provided is
    /// what the `Arc` points to, such as `dyn Trait`.
    #[track_caller]
    fn inject_arc<C, Args, T>(&mut self, constructor: C) -> Need<T>
    where
        C: Constructor<Args, Output = Arc<T>>,
        Args: Inject,
        T: ?Sized + Send + Sync + 'static,
    {
        self.injector().inject_arc(constructor)
    }

    /// Provides a struct with `#[derive(Inject)]`: its fields are its needs, and it has no other
    /// constructor.
    ///
    /// # Examples
    ///
    /// ```
    /// # use framework_core::module_fn;
    /// use std::sync::Arc;
    /// use framework_di::{Inject, InjectExt};
    ///
    /// struct Pool;
    ///
    /// #[derive(Inject)]
    /// struct Orders {
    ///     pool: Arc<Pool>,
    ///     #[inject(name = "archive")]
    ///     archive: Option<Arc<Pool>>,
    ///     #[inject(default)]
    ///     page_size: usize,
    /// }
    ///
    /// let ordering = module_fn("ordering", |reg| {
    ///     reg.inject(|| Pool);
    ///     reg.inject_type::<Orders>();
    /// });
    /// ```
    #[track_caller]
    fn inject_type<T: Inject>(&mut self) -> Need<T> {
        self.injector().inject_type()
    }

    /// Provides what `constructor` makes under a name, beside the one value of the type. Read it as
    /// [`Named<T, N>`](crate::Named).
    #[track_caller]
    fn inject_named<N, C, Args>(&mut self, name: N, constructor: C) -> Need<C::Output>
    where
        N: Name,
        C: Constructor<Args>,
        C::Output: Send + Sync + 'static,
        Args: Inject,
    {
        self.named(name).inject(constructor)
    }

    /// Provides what `constructor` makes, once in each [`Scope`](crate::Scope): a request, a
    /// message, a job. Singletons cannot take it; the plan refuses one that does.
    #[track_caller]
    fn scoped<C, Args>(&mut self, constructor: C) -> Scoped<C::Output>
    where
        C: Constructor<Args> + Clone + Sync,
        C::Output: Send + Sync + 'static,
        Args: Inject,
    {
        self.injector().scoped(constructor)
    }

    /// As [`scoped`](Self::scoped), for a constructor that can fail.
    #[track_caller]
    fn try_scoped<C, Args>(&mut self, constructor: C) -> Scoped<<C::Output as Fallible>::Value>
    where
        C: Constructor<Args> + Clone + Sync,
        C::Output: Fallible<Value: Send + Sync + 'static>,
        Args: Inject,
    {
        self.injector().try_scoped(constructor)
    }

    /// Declares a scoped value that no constructor makes: whoever opens a scope
    /// [puts it in](crate::Scope::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// # use framework_core::module_fn;
    /// use std::sync::Arc;
    /// use framework_di::{InjectExt, Scope};
    ///
    /// struct Tenant(&'static str);
    /// struct Prices(Arc<Tenant>);
    ///
    /// let shop = module_fn("shop", |reg| {
    ///     let tenant = reg.scope_seed::<Tenant>();
    ///     let prices = reg.scoped(Prices);
    ///     reg.setup("try-it", move |cx| async move {
    ///         let scope = Scope::new(&cx);
    ///         scope.insert(&tenant, Arc::new(Tenant("acme")))?;
    ///         assert_eq!(scope.get(&prices)?.0.0, "acme");
    ///         Ok(())
    ///     });
    /// });
    /// ```
    #[track_caller]
    fn scope_seed<T: ?Sized + Send + Sync + 'static>(&mut self) -> Seed<T> {
        self.injector().seed()
    }

    /// Declares that this module's running code uses the scoped `T` of another module, in scopes
    /// that it opens.
    #[track_caller]
    fn need_scoped<T: ?Sized + Send + Sync + 'static>(&mut self) -> Scoped<T> {
        Scoped::new(self.registrar().need_with(None, NeedMode::InScope))
    }

    /// Provides what `constructor` makes, anew for each that takes it.
    #[track_caller]
    fn transient<C, Args>(&mut self, constructor: C)
    where
        C: Constructor<Args> + Clone + Sync,
        C::Output: Send + Sync + 'static,
        Args: Inject,
    {
        self.injector().transient(constructor);
    }

    /// As [`transient`](Self::transient), for a constructor that can fail.
    #[track_caller]
    fn try_transient<C, Args>(&mut self, constructor: C)
    where
        C: Constructor<Args> + Clone + Sync,
        C::Output: Fallible<Value: Send + Sync + 'static>,
        Args: Inject,
    {
        self.injector().try_transient(constructor);
    }

    /// Provides `dyn Trait`, for a trait with `#[interface]`: it is the value of `C`, which must
    /// have a provider. So `C` can be taken as itself and as what it implements.
    #[track_caller]
    fn bind<I, C>(&mut self) -> Need<I>
    where
        I: Interface<C> + ?Sized,
        C: Send + Sync + 'static,
    {
        self.injector().bind::<I, C>()
    }

    /// As [`bind`](Self::bind), for a trait without `#[interface]`, such as one of another crate.
    ///
    /// # Examples
    ///
    /// ```
    /// # use framework_core::module_fn;
    /// use std::fmt::Display;
    /// use framework_di::InjectExt;
    ///
    /// let greeting = module_fn("greeting", |reg| {
    ///     reg.inject(|| String::from("hello"));
    ///     reg.bind_with::<dyn Display + Send + Sync, String>(|text| text);
    /// });
    /// ```
    #[track_caller]
    fn bind_with<I, C>(&mut self, coerce: fn(Arc<C>) -> Arc<I>) -> Need<I>
    where
        I: ?Sized + Send + Sync + 'static,
        C: Send + Sync + 'static,
    {
        self.injector().bind_with(coerce)
    }

    /// As [`bind`](Self::bind), where `C` is scoped.
    #[track_caller]
    fn bind_scoped<I, C>(&mut self) -> Scoped<I>
    where
        I: Interface<C> + ?Sized,
        C: Send + Sync + 'static,
    {
        self.injector().bind_scoped::<I, C>()
    }

    /// Wraps the one value of a type, whoever provides it, and whatever its lifetime. Decorators
    /// added later wrap those before; the first argument is what is wrapped, the others are
    /// injected. [Members](Self::members) are left as they are.
    ///
    /// # Examples
    ///
    /// ```
    /// # use framework_core::module_fn;
    /// use std::sync::Arc;
    /// use framework_di::InjectExt;
    ///
    /// trait Clock: Send + Sync {
    ///     fn now(&self) -> u64;
    /// }
    ///
    /// struct Offset(u64);
    ///
    /// struct Shifted {
    ///     inner: Arc<dyn Clock>,
    ///     by: Arc<Offset>,
    /// }
    ///
    /// impl Clock for Shifted {
    ///     fn now(&self) -> u64 {
    ///         self.inner.now() + self.by.0
    ///     }
    /// }
    ///
    /// let shift = module_fn("shift", |reg| {
    ///     reg.inject(|| Offset(60));
    ///     reg.decorate(|inner: Arc<dyn Clock>, by: Arc<Offset>| -> Arc<dyn Clock> {
    ///         Arc::new(Shifted { inner, by })
    ///     });
    /// });
    /// ```
    #[track_caller]
    fn decorate<D, T, Args>(&mut self, decorator: D)
    where
        D: Decorator<T, Args>,
        T: ?Sized + Send + Sync + 'static,
        Args: Inject,
    {
        self.injector().decorate(decorator);
    }

    /// Provides what `constructor` makes in place of what another module provides: a fake in a
    /// test. It is an error if there is nothing to replace.
    #[track_caller]
    fn replace<C, Args>(&mut self, constructor: C) -> Need<C::Output>
    where
        C: Constructor<Args>,
        C::Output: Send + Sync + 'static,
        Args: Inject,
    {
        self.replacing().inject(constructor)
    }

    /// Adds what `constructor` makes to the values that [`All<T>`](crate::All) gathers, and makes
    /// it known in no other way.
    #[track_caller]
    fn member<C, Args>(&mut self, constructor: C)
    where
        C: Constructor<Args>,
        C::Output: Send + Sync + 'static,
        Args: Inject,
    {
        let _ = self.members().inject(constructor);
    }

    /// What is registered through this is known by a name.
    fn named<N: Name>(&mut self, _name: N) -> Injector<'_, 'a> {
        Injector::new(self.registrar(), ProviderSpec::singleton().name(Some(N::NAME)))
    }

    /// What is registered through this takes the place of another value.
    ///
    /// # Examples
    ///
    /// ```
    /// # use framework_core::module_fn;
    /// use framework_di::{InjectExt, interface};
    ///
    /// #[interface]
    /// trait Mailer: Send + Sync {}
    ///
    /// struct Outbox;
    ///
    /// impl Mailer for Outbox {}
    ///
    /// let fakes = module_fn("fakes", |reg| {
    ///     reg.inject(|| Outbox);
    ///     reg.replacing().bind::<dyn Mailer, Outbox>();
    /// });
    /// ```
    fn replacing(&mut self) -> Injector<'_, 'a> {
        Injector::new(self.registrar(), ProviderSpec::singleton().replacement())
    }

    /// What is registered through this is one of many, gathered by [`All<T>`](crate::All).
    fn members(&mut self) -> Injector<'_, 'a> {
        Injector::new(self.registrar(), ProviderSpec::singleton().member())
    }

    #[doc(hidden)]
    fn injector(&mut self) -> Injector<'_, 'a> {
        Injector::new(self.registrar(), ProviderSpec::singleton())
    }
}

impl<'a> InjectExt<'a> for Registrar<'a> {}

mod sealed {
    use framework_core::Registrar;

    pub trait Sealed<'a> {
        fn registrar(&mut self) -> &mut Registrar<'a>;
    }

    impl<'a> Sealed<'a> for Registrar<'a> {
        fn registrar(&mut self) -> &mut Self {
            self
        }
    }
}
