use std::{any::Any, future::Future, sync::Arc};

use framework_core::{BoxError, Lifetime, Need, ProviderSpec, Registrar};

use crate::{
    Constructor, Decorator, Fallible, Inject, Interface, Resolver, Scope, Scoped, Seed,
    on_demand::OnDemand,
    scope::{Keeper, Layout, Place},
};

/// Registers values that are not simply the one of their type: by name, in place of another, as one
/// of many.
///
/// It comes from [`named`](crate::InjectExt::named), [`replacing`](crate::InjectExt::replacing) and
/// [`members`](crate::InjectExt::members), and its words mean what they do in
/// [`InjectExt`](crate::InjectExt).
#[derive(Debug)]
#[must_use = "nothing is registered until a constructor is given"]
pub struct Injector<'r, 'a> {
    reg: &'r mut Registrar<'a>,
    spec: ProviderSpec,
}

/// What the scopes of one application share while its modules register.
#[derive(Default)]
struct Scopes {
    layout: Arc<Layout>,
}

impl<'r, 'a> Injector<'r, 'a> {
    pub(crate) fn new(reg: &'r mut Registrar<'a>, spec: ProviderSpec) -> Self {
        Self { reg, spec }
    }
}

/// Singletons.
impl Injector<'_, '_> {
    /// Provides what `constructor` makes.
    #[track_caller]
    pub fn inject<C, Args>(self, constructor: C) -> Need<C::Output>
    where
        C: Constructor<Args>,
        C::Output: Send + Sync + 'static,
        Args: Inject,
    {
        self.singleton(|args| async { Ok(Arc::new(constructor.construct(args))) })
    }

    /// As [`inject`](Self::inject), for a constructor that can fail.
    #[track_caller]
    pub fn try_inject<C, Args>(self, constructor: C) -> Need<<C::Output as Fallible>::Value>
    where
        C: Constructor<Args>,
        C::Output: Fallible<Value: Send + Sync + 'static>,
        Args: Inject,
    {
        self.singleton(|args| async { constructor.construct(args).into_result().map(Arc::new) })
    }

    /// As [`inject`](Self::inject), for an `async` constructor that can fail.
    #[track_caller]
    pub fn inject_async<C, Args, Out>(self, constructor: C) -> Need<Out::Value>
    where
        C: Constructor<Args, Output: Future<Output = Out> + Send>,
        Out: Fallible<Value: Send + Sync + 'static>,
        Args: Inject,
    {
        self.singleton(|args| async {
            constructor.construct(args).await.into_result().map(Arc::new)
        })
    }

    /// As [`inject`](Self::inject), for a constructor that returns an `Arc`, such as
    /// `Arc<dyn Trait>`.
    #[track_caller]
    pub fn inject_arc<C, Args, T>(self, constructor: C) -> Need<T>
    where
        C: Constructor<Args, Output = Arc<T>>,
        Args: Inject,
        T: ?Sized + Send + Sync + 'static,
    {
        self.singleton(|args| async { Ok(constructor.construct(args)) })
    }

    /// Provides `T` itself, whose fields are its needs.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "it is called for what it registers")]
    pub fn inject_type<T: Inject>(self) -> Need<T> {
        self.singleton(|value: T| async { Ok(Arc::new(value)) })
    }

    /// Provides `dyn Trait`: the value of `C`, which must have a provider.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "it is called for what it registers")]
    pub fn bind<I, C>(self) -> Need<I>
    where
        I: Interface<C> + ?Sized,
        C: Send + Sync + 'static,
    {
        self.inject_arc(|concrete: Arc<C>| I::from_concrete(concrete))
    }

    /// As [`bind`](Self::bind), for a trait without `#[interface]`: `coerce` is `|it| it`.
    #[track_caller]
    pub fn bind_with<I, C>(self, coerce: fn(Arc<C>) -> Arc<I>) -> Need<I>
    where
        I: ?Sized + Send + Sync + 'static,
        C: Send + Sync + 'static,
    {
        self.inject_arc(coerce)
    }

    #[track_caller]
    fn singleton<T, Args, F, Fut>(self, make: F) -> Need<T>
    where
        T: ?Sized + Send + Sync + 'static,
        Args: Inject,
        F: FnOnce(Args) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Arc<T>, BoxError>> + Send + 'static,
    {
        self.reg.provide_with(self.spec, Args::declare, |cx, needs| async move {
            let args = Args::resolve(&needs, &Resolver::new(&cx))?;
            make(args).await
        })
    }
}

/// Values made on demand.
impl Injector<'_, '_> {
    /// Provides what `constructor` makes, once in each scope.
    #[track_caller]
    pub fn scoped<C, Args>(self, constructor: C) -> Scoped<C::Output>
    where
        C: Constructor<Args> + Clone + Sync,
        C::Output: Send + Sync + 'static,
        Args: Inject,
    {
        self.in_scopes(Keeper::sized(), move |args| {
            Ok(Arc::new(constructor.clone().construct(args)))
        })
    }

    /// As [`scoped`](Self::scoped), for a constructor that can fail.
    #[track_caller]
    pub fn try_scoped<C, Args>(self, constructor: C) -> Scoped<<C::Output as Fallible>::Value>
    where
        C: Constructor<Args> + Clone + Sync,
        C::Output: Fallible<Value: Send + Sync + 'static>,
        Args: Inject,
    {
        self.in_scopes(Keeper::sized(), move |args| {
            constructor.clone().construct(args).into_result().map(Arc::new)
        })
    }

    /// Provides `dyn Trait` in each scope: the value of `C`, which is scoped.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "it is called for what it registers")]
    pub fn bind_scoped<I, C>(self) -> Scoped<I>
    where
        I: Interface<C> + ?Sized,
        C: Send + Sync + 'static,
    {
        self.in_scopes(Keeper::pointer(), |concrete: Arc<C>| Ok(I::from_concrete(concrete)))
    }

    /// Provides what `constructor` makes, anew for each that takes it.
    #[track_caller]
    pub fn transient<C, Args>(self, constructor: C)
    where
        C: Constructor<Args> + Clone + Sync,
        C::Output: Send + Sync + 'static,
        Args: Inject,
    {
        self.anew(move |args| Ok(Arc::new(constructor.clone().construct(args))));
    }

    /// As [`transient`](Self::transient), for a constructor that can fail.
    #[track_caller]
    pub fn try_transient<C, Args>(self, constructor: C)
    where
        C: Constructor<Args> + Clone + Sync,
        C::Output: Fallible<Value: Send + Sync + 'static>,
        Args: Inject,
    {
        self.anew(move |args| constructor.clone().construct(args).into_result().map(Arc::new));
    }

    #[track_caller]
    pub(crate) fn seed<T: ?Sized + Send + Sync + 'static>(mut self) -> Seed<T> {
        let (place, module) = (self.place(), self.reg.module());
        let seed = Seed::new(place.clone());
        self.on_demand::<T, _>(Lifetime::Scoped, |_reg| (), |()| OnDemand::seed(module, place));
        seed
    }

    #[track_caller]
    fn in_scopes<T, Args>(
        mut self,
        keeper: Keeper<T>,
        make: impl Fn(Args) -> Result<Arc<T>, BoxError> + Send + Sync + 'static,
    ) -> Scoped<T>
    where
        T: ?Sized + Send + Sync + 'static,
        Args: Inject,
    {
        let (place, module) = (self.place(), self.reg.module());
        let need = self.on_demand(Lifetime::Scoped, Args::declare, |needs| {
            let make = Box::new(move |from: &Resolver<'_>| make(Args::resolve(&needs, from)?));
            OnDemand::scoped(module, place, keeper, make)
        });
        Scoped::new(Arc::clone(need.slot()))
    }

    #[track_caller]
    fn anew<T, Args>(self, make: impl Fn(Args) -> Result<Arc<T>, BoxError> + Send + Sync + 'static)
    where
        T: ?Sized + Send + Sync + 'static,
        Args: Inject,
    {
        let module = self.reg.module();
        self.on_demand(Lifetime::Transient, Args::declare, |needs| {
            let make = Box::new(move |from: &Resolver<'_>| make(Args::resolve(&needs, from)?));
            OnDemand::transient(module, make)
        });
    }

    #[track_caller]
    fn on_demand<T: ?Sized + Send + Sync + 'static, N: Send + Sync + 'static>(
        self,
        lifetime: Lifetime,
        declare: impl FnOnce(&mut Registrar<'_>) -> N,
        recipe: impl FnOnce(N) -> OnDemand<T>,
    ) -> Need<T> {
        self.reg.provide_on_demand(ProviderSpec { lifetime, ..self.spec }, declare, recipe)
    }

    fn place(&mut self) -> Place {
        self.reg.shared::<Scopes>().layout.add()
    }
}

/// Decoration.
impl Injector<'_, '_> {
    /// Wraps the value, whoever provides it.
    #[track_caller]
    pub fn decorate<D, T, Args>(self, decorator: D)
    where
        D: Decorator<T, Args>,
        T: ?Sized + Send + Sync + 'static,
        Args: Inject,
    {
        self.reg.decorate_with(
            self.spec.name,
            Args::declare,
            move |cx, within: Option<&dyn Any>, needs: &Args::Needs, inner: Arc<T>| {
                let scope = within.and_then(<dyn Any>::downcast_ref::<Scope>);
                let args = Args::resolve(needs, &Resolver::with_scope(cx, scope))?;
                Ok(decorator.clone().decorate(inner, args))
            },
        );
    }
}
