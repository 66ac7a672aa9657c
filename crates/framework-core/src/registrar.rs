use std::{
    any::{self, Any, TypeId},
    fmt,
    future::Future,
    panic::Location,
    sync::Arc,
    time::Duration,
};

use crate::{
    AllNeed, BoxError, Collected, Construct, Context, Contribution, Declarations, DecoratorRecord,
    GateView, Group, GroupId, Intensity, Issue, Key, Module, ModuleId, ModuleRecord,
    ModuleRelation, Need, NeedMode, NeedRecord, NeededBy, OptionalNeed, ProviderId, ProviderRecord,
    ProviderSpec, Relation, Role, RunFuture, Slot, Strategy, Supervision, Unit, Work,
    unit::{OnceFn, RepeatFn},
};

/// Where one module writes down what it offers and uses.
///
/// Layers extend this type with their own words through extension traits.
pub struct Registrar<'a> {
    module: ModuleId,
    declarations: &'a mut Declarations,
    // Whose needs these are, and in which group the units are, while a closure of the caller runs.
    by: NeededBy,
    group: Option<GroupId>,
    // A provider's needs come from the place that declares the provider: the calls in between are
    // those of a layer.
    location: Option<&'static Location<'static>>,
}

impl<'a> Registrar<'a> {
    pub(crate) fn new(module: ModuleId, declarations: &'a mut Declarations) -> Self {
        Self { module, declarations, by: NeededBy::Module, group: None, location: None }
    }
}

/// The module itself.
impl Registrar<'_> {
    /// The name of the module that is registering.
    #[must_use]
    pub fn module(&self) -> &'static str {
        self.declarations.module(self.module).name
    }

    /// The module that is registering.
    #[must_use]
    pub fn module_id(&self) -> ModuleId {
        self.module
    }

    /// States the module's version, `"1.2.0"`, for those who [require](Self::requires_version) it.
    pub fn version(&mut self, version: &'static str) {
        self.record().version = Some(version);
    }

    /// States that this module relies on `M`, where no value shows it: `M` must be there, and
    /// starts first.
    #[track_caller]
    pub fn requires<M: Module>(&mut self) {
        self.relate::<M>(ModuleRelation::Requires(None), Location::caller());
    }

    /// As [`requires`](Self::requires), and the version of `M` must be within `range`, such as
    /// `">=1.2, <2"`.
    #[track_caller]
    pub fn requires_version<M: Module>(&mut self, range: &'static str) {
        self.relate::<M>(ModuleRelation::Requires(Some(range)), Location::caller());
    }

    /// States that `M` starts before this module, if it is there.
    #[track_caller]
    pub fn after<M: Module>(&mut self) {
        self.relate::<M>(ModuleRelation::After, Location::caller());
    }

    /// States that this module and `M` cannot be in one application.
    #[track_caller]
    pub fn conflicts<M: Module>(&mut self) {
        self.relate::<M>(ModuleRelation::Conflicts, Location::caller());
    }

    /// States that this module takes the place of `M`, for those who require it: a fake in a test.
    pub fn stands_for<M: Module>(&mut self) {
        self.record().stands_for.push(TypeId::of::<M>());
    }

    /// Sets how long the module may take to start, all its values and units together. Without it,
    /// the application's limit holds, which defaults to 30 s.
    pub fn start_timeout(&mut self, limit: Duration) {
        self.record().budget.start = Some(limit);
    }

    /// Sets how long the module may take to stop before it is aborted. Without it, the
    /// application's limit holds, which defaults to 5 s.
    pub fn stop_timeout(&mut self, limit: Duration) {
        self.record().budget.stop = Some(limit);
    }

    /// As [`stop_timeout`](Self::stop_timeout), for a module that makes do with less when the whole
    /// has less: this limit does not count when those of the modules are added up.
    pub fn stop_timeout_at_most(&mut self, limit: Duration) {
        self.record().budget.stop_at_most = Some(limit);
    }

    /// Lets the application start without this module when it fails to. What relies on it is
    /// skipped; if one of those is not optional, the start fails after all.
    pub fn optional(&mut self) {
        self.record().optional = true;
    }

    /// Puts this module under all others: whatever it does not rely on itself starts after it and
    /// stops before it. For layers that watch over the rest.
    pub fn foundation(&mut self) {
        self.record().foundation = true;
    }

    /// Adds a pure check that runs when all modules have registered and before anything starts.
    pub fn gate(
        &mut self,
        name: &'static str,
        check: impl FnOnce(&GateView<'_>) -> Vec<Issue> + Send + 'static,
    ) {
        self.record().gates.push((name, Box::new(check)));
    }

    /// Something that a layer keeps while the modules of one application register, one for each
    /// type.
    #[expect(clippy::missing_panics_doc, reason = "it cannot: things are keyed by their type")]
    pub fn shared<X: Default + Send + 'static>(&mut self) -> &mut X {
        let shared = self.declarations.shared.entry(TypeId::of::<X>());
        let shared = shared.or_insert_with(|| Box::<X>::default());
        shared.downcast_mut().expect("shared things are keyed by their type")
    }

    fn record(&mut self) -> &mut ModuleRecord {
        self.declarations.module_mut(self.module)
    }

    fn relate<M: Module>(&mut self, kind: ModuleRelation, location: &'static Location<'static>) {
        self.declarations.relations.push(Relation {
            module: self.module,
            kind,
            target: TypeId::of::<M>(),
            target_name: any::type_name::<M>(),
            location,
        });
    }
}

/// Values.
impl Registrar<'_> {
    /// Offers the one `T` in the application, made by `make` when the module starts.
    ///
    /// The returned [`Need`] lets the module itself read the value later on.
    #[track_caller]
    pub fn provide<T, F, Fut>(&mut self, make: F) -> Need<T>
    where
        T: Send + Sync + 'static,
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, BoxError>> + Send + 'static,
    {
        self.provide_arc(|cx| async { make(cx).await.map(Arc::new) })
    }

    /// As [`provide`](Self::provide), for a `T` that may be a trait object.
    #[track_caller]
    pub fn provide_arc<T, F, Fut>(&mut self, make: F) -> Need<T>
    where
        T: ?Sized + Send + Sync + 'static,
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Arc<T>, BoxError>> + Send + 'static,
    {
        self.provide_with(ProviderSpec::singleton(), |_reg| (), |cx, ()| make(cx))
    }

    /// As [`provide_arc`](Self::provide_arc), for one of several `T`, which is known by `name`.
    #[track_caller]
    pub fn provide_named<T, F, Fut>(&mut self, name: &'static str, make: F) -> Need<T>
    where
        T: ?Sized + Send + Sync + 'static,
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Arc<T>, BoxError>> + Send + 'static,
    {
        self.provide_with(ProviderSpec::singleton().name(Some(name)), |_reg| (), |cx, ()| make(cx))
    }

    /// Offers a value that exists already.
    #[track_caller]
    pub fn provide_value<T>(&mut self, value: Arc<T>) -> Need<T>
    where
        T: ?Sized + Send + Sync + 'static,
    {
        self.provide_arc(|_cx| async move { Ok(value) })
    }

    /// Offers a singleton in the most general way: `declare` declares what the making of the value
    /// needs, and `make` makes it.
    #[track_caller]
    pub fn provide_with<T, N, F, Fut>(
        &mut self,
        spec: ProviderSpec,
        declare: impl FnOnce(&mut Registrar<'_>) -> N,
        make: F,
    ) -> Need<T>
    where
        T: ?Sized + Send + Sync + 'static,
        N: Send + 'static,
        F: FnOnce(Context, N) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Arc<T>, BoxError>> + Send + 'static,
    {
        let (provider, slot, own, needs) = self.provider(spec, declare, Location::caller());
        let to = Arc::clone(&slot);
        let make: OnceFn<()> = Box::new(move |cx| {
            let made = make(cx.clone(), needs);
            Box::pin(async move {
                let value = made.await?;
                to.set(to.decorate(&cx, None, value)?);
                Ok(())
            })
        });
        let construct = Construct { provider, slot: Arc::clone(&slot) as _, make };
        self.record().constructs.push(construct);
        Need::own(slot, own)
    }

    /// Offers a value that a layer makes on demand: `declare` declares what its making needs, and
    /// `recipe` says how. The layer finds the recipe again through [`Slot::recipe`].
    #[track_caller]
    pub fn provide_on_demand<T, N, R>(
        &mut self,
        spec: ProviderSpec,
        declare: impl FnOnce(&mut Registrar<'_>) -> N,
        recipe: impl FnOnce(N) -> R,
    ) -> Need<T>
    where
        T: ?Sized + Send + Sync + 'static,
        R: Send + Sync + 'static,
    {
        let (_, slot, own, needs) = self.provider(spec, declare, Location::caller());
        match spec.role {
            Role::Replacement => slot.attach_replacement(recipe(needs)),
            Role::Only | Role::Member => slot.attach(recipe(needs)),
        }
        Need::own(slot, own)
    }

    /// Wraps the value of `T`, whoever provides it: `declare` declares what the wrapping needs, and
    /// `wrap` does it, for what the layer that makes the value hands to [`Slot::decorate`]. Those
    /// added later wrap those before.
    #[track_caller]
    pub fn decorate_with<T, N, F>(
        &mut self,
        name: Option<&'static str>,
        declare: impl FnOnce(&mut Registrar<'_>) -> N,
        wrap: F,
    ) where
        T: ?Sized + Send + Sync + 'static,
        N: Send + Sync + 'static,
        F: Fn(&Context, Option<&dyn Any>, &N, Arc<T>) -> Result<Arc<T>, BoxError>
            + Send
            + Sync
            + 'static,
    {
        let location = Location::caller();
        let (key, module) = (Key::named::<T>(name), self.module);
        let by = NeededBy::Decorator(self.declarations.decorators.len());
        let (key_id, slot) = self.declarations.slot::<T>(key);
        self.declarations.decorators.push(DecoratorRecord { key_id, module, location });
        let needs = self.declare_for(by, location, declare);
        slot.add_decorator(Box::new(move |cx, within, value| wrap(cx, within, &needs, value)));
    }

    /// Declares that this module uses the one `T` in the application.
    #[track_caller]
    pub fn need<T: ?Sized + Send + Sync + 'static>(&mut self) -> Need<T> {
        Need::new(self.needed(None, NeedMode::Required, Location::caller()))
    }

    /// Declares that this module uses the `T` called `name`.
    #[track_caller]
    pub fn need_named<T>(&mut self, name: &'static str) -> Need<T>
    where
        T: ?Sized + Send + Sync + 'static,
    {
        Need::new(self.needed(Some(name), NeedMode::Required, Location::caller()))
    }

    /// Declares that this module uses the one `T`, if there is one.
    #[track_caller]
    pub fn need_optional<T>(&mut self) -> OptionalNeed<T>
    where
        T: ?Sized + Send + Sync + 'static,
    {
        OptionalNeed::new(self.needed(None, NeedMode::Optional, Location::caller()))
    }

    /// Declares that this module uses the one `T` when it wants it, and not before: read it with
    /// [`Slot::resolve`]. A singleton that nobody needs otherwise is made then.
    #[track_caller]
    pub fn need_lazy<T: ?Sized + Send + Sync + 'static>(&mut self) -> Need<T> {
        Need::new(self.needed(None, NeedMode::Lazy, Location::caller()))
    }

    /// Declares that this module uses every `T`: the one, those with names, and the members.
    #[track_caller]
    pub fn need_all<T: ?Sized + Send + Sync + 'static>(&mut self) -> AllNeed<T> {
        self.needed::<T>(None, NeedMode::All, Location::caller());
        AllNeed { slots: self.declarations.all() }
    }

    /// Declares a need in the most general way, for layers.
    #[track_caller]
    pub fn need_with<T>(&mut self, name: Option<&'static str>, mode: NeedMode) -> Arc<Slot<T>>
    where
        T: ?Sized + Send + Sync + 'static,
    {
        self.needed(name, mode, Location::caller())
    }

    fn needed<T: ?Sized + Send + Sync + 'static>(
        &mut self,
        name: Option<&'static str>,
        mode: NeedMode,
        location: &'static Location<'static>,
    ) -> Arc<Slot<T>> {
        let location = self.location.unwrap_or(location);
        let (key_id, slot) = self.declarations.slot(Key::named::<T>(name));
        let (module, by) = (self.module, self.by);
        self.declarations.needs.push(NeedRecord { key_id, module, by, mode, location });
        slot
    }

    fn provider<T: ?Sized + Send + Sync + 'static, N>(
        &mut self,
        spec: ProviderSpec,
        declare: impl FnOnce(&mut Registrar<'_>) -> N,
        location: &'static Location<'static>,
    ) -> (ProviderId, Arc<Slot<T>>, Arc<()>, N) {
        let ProviderSpec { name, lifetime, role } = spec;
        let key = Key::named::<T>(name);
        // One of many has a value of its own.
        let (key_id, slot) = self.declarations.slot(key);
        let slot = match role {
            Role::Member => Arc::new(Slot::new(key)),
            Role::Only | Role::Replacement => slot,
        };
        let id = self.declarations.next_provider();
        let own = Arc::new(());
        self.declarations.providers.push(ProviderRecord {
            id,
            key,
            key_id,
            module: self.module,
            location,
            lifetime,
            role,
            slot: Arc::clone(&slot) as _,
            own: Arc::downgrade(&own),
        });
        let needs = self.declare_for(NeededBy::Provider(id), location, declare);
        (id, slot, own, needs)
    }

    fn declare_for<N>(
        &mut self,
        by: NeededBy,
        location: &'static Location<'static>,
        declare: impl FnOnce(&mut Registrar<'_>) -> N,
    ) -> N {
        let declarations = &mut *self.declarations;
        let location = Some(self.location.unwrap_or(location));
        declare(&mut Registrar { module: self.module, declarations, by, group: None, location })
    }
}

/// Contributions.
impl Registrar<'_> {
    /// Adds `item` to the contributions of its kind.
    #[track_caller]
    pub fn contribute<C: Contribution>(&mut self, item: C) {
        let location = self.location.unwrap_or(Location::caller());
        self.declarations.contribute(self.module, location, item);
    }

    /// Claims every contribution of the kind `C`.
    #[track_caller]
    pub fn collect<C: Contribution>(&mut self) -> Collected<C> {
        self.declarations.collect(self.module, Location::caller())
    }
}

/// Running code.
impl Registrar<'_> {
    /// Adds work to finish before whatever relies on this module starts.
    #[track_caller]
    pub fn setup<F, Fut>(&mut self, name: &'static str, setup: F)
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let setup: OnceFn<()> = Box::new(move |cx| Box::pin(setup(cx)));
        self.unit(name, Work::Setup(setup), Location::caller());
    }

    /// Adds work that lasts until shutdown, and without which the application cannot go on: if it
    /// ends early, the application stops.
    ///
    /// The outer future starts the work, and whatever relies on this module waits for it; it
    /// yields the inner future, which is the work. So readiness needs no signal of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// # use framework_core::module_fn;
    /// let ticker = module_fn("ticker", |reg| {
    ///     reg.run("tick", |cx| async move {
    ///         let ticks = 0_u32; // open what the work needs
    ///         Ok(async move {
    ///             cx.shutdown().await; // and work
    ///             assert_eq!(ticks, 0);
    ///             Ok(())
    ///         })
    ///     });
    /// });
    /// ```
    #[track_caller]
    pub fn run<F, Start, Run>(&mut self, name: &'static str, start: F)
    where
        F: FnOnce(Context) -> Start + Send + 'static,
        Start: Future<Output = Result<Run, BoxError>> + Send + 'static,
        Run: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let start: OnceFn<RunFuture> = Box::new(move |cx| {
            let start = start(cx);
            Box::pin(async move { Ok(Box::pin(start.await?) as RunFuture) })
        });
        self.unit(name, Work::Run(start), Location::caller());
    }

    /// As [`run`](Self::run), for work that can be started again when it ends: `policy` says when,
    /// and how often.
    #[track_caller]
    pub fn supervise<F, Start, Run>(&mut self, name: &'static str, policy: Supervision, start: F)
    where
        F: Fn(Context) -> Start + Send + Sync + 'static,
        Start: Future<Output = Result<Run, BoxError>> + Send + 'static,
        Run: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let start: RepeatFn = Arc::new(move |cx| {
            let start = start(cx);
            Box::pin(async move { Ok(Box::pin(start.await?) as RunFuture) })
        });
        self.unit(name, Work::Supervised(policy, start), Location::caller());
    }

    /// Puts the units that `declare` adds into a group: when one of them is restarted, `strategy`
    /// says which others are too. When the group has used up `intensity`, it ends as a whole, and
    /// counts as one ended unit of what it is in.
    pub fn group(
        &mut self,
        name: &'static str,
        strategy: Strategy,
        intensity: Intensity,
        declare: impl FnOnce(&mut Registrar<'_>),
    ) {
        let parent = self.group;
        let groups = &mut self.record().groups;
        let group = GroupId(groups.len());
        groups.push(Group { name, strategy, intensity, parent });
        let declarations = &mut *self.declarations;
        let (module, by, location) = (self.module, self.by, self.location);
        declare(&mut Registrar { module, declarations, by, group: Some(group), location });
    }

    /// Adds work to do when the module stops, after its running units have ended, in the reverse
    /// order of registration. It is done also if the module failed half-way through its start, so
    /// it must not count on what its setup did; see [`Context::defer`] for clean-ups that do.
    #[track_caller]
    pub fn teardown<F, Fut>(&mut self, name: &'static str, teardown: F)
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let teardown: OnceFn<()> = Box::new(move |cx| Box::pin(teardown(cx)));
        self.unit(name, Work::Teardown(teardown), Location::caller());
    }

    fn unit(&mut self, name: &'static str, work: Work, location: &'static Location<'static>) {
        let group = self.group;
        self.record().units.push(Unit { name, location, group, work });
    }
}

impl fmt::Debug for Registrar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrar").field("module", &self.module()).finish_non_exhaustive()
    }
}
