use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    panic::{self, AssertUnwindSafe, Location},
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{
    AnySlot, BoxModule, Construct, Contributed, Contribution, GateView, Group, GroupId, Issue, Key,
    Lifetime, Order, PanicError, Registrar, Role, Slot, SlotTable, Unclaimed, Unit,
    contribution::CollectedCell, gate::GateFn, key_index::KeyIndex, need::AllCell,
};

/// A module's position in the order of registration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(u32);

/// A key's position in the order in which keys were first named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u32);

/// A provider's position in the order of registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(u32);

/// Everything that the modules of one application declared.
///
/// Every list is in the order of registration, so what is worked out from it is the same each
/// time.
#[derive(Default)]
pub struct Declarations {
    modules: Vec<ModuleRecord>,
    pub(crate) providers: Vec<ProviderRecord>,
    pub(crate) needs: Vec<NeedRecord>,
    pub(crate) decorators: Vec<DecoratorRecord>,
    pub(crate) relations: Vec<Relation>,
    keys: KeyIndex,
    kinds: Vec<Box<dyn Kind>>,
    kind_index: HashMap<TypeId, usize>,
    all: HashMap<TypeId, Box<dyn AnyAll>>,
    pub(crate) shared: HashMap<TypeId, Box<dyn Any + Send>>,
}

/// One module: what it is, what it runs, and what it asked for besides values.
pub struct ModuleRecord {
    /// Its position.
    pub id: ModuleId,
    /// Its name.
    pub name: &'static str,
    /// The identity of its type.
    pub type_id: TypeId,
    /// The name of its type.
    pub type_name: &'static str,
    /// The place in the source that added it.
    pub location: &'static Location<'static>,
    /// Its version, as it wrote it.
    pub version: Option<&'static str>,
    /// The modules that it takes the place of, by type.
    pub stands_for: Vec<TypeId>,
    /// How long it may take.
    pub budget: ModuleBudget,
    /// Whether the application can do without it.
    pub optional: bool,
    /// Whether everything that it does not rely on itself starts after it.
    pub foundation: bool,
    /// How its values are made, in the order of registration.
    pub constructs: Vec<Construct>,
    /// Its running code, in the order of registration.
    pub units: Vec<Unit>,
    /// Its groups of supervised units.
    pub groups: Vec<Group>,
    pub(crate) gates: Vec<(&'static str, GateFn)>,
}

/// How long a module may take, where it says so itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModuleBudget {
    /// To start.
    pub start: Option<Duration>,
    /// To stop.
    pub stop: Option<Duration>,
    /// To stop, for a module that makes do with less.
    pub stop_at_most: Option<Duration>,
}

/// A value that a module offers.
#[derive(Clone, Debug)]
pub struct ProviderRecord {
    /// Its position.
    pub id: ProviderId,
    /// What the value is known by.
    pub key: Key,
    /// The key's position.
    pub key_id: KeyId,
    /// The module that offers it.
    pub module: ModuleId,
    /// The place in the source that offers it.
    pub location: &'static Location<'static>,
    /// How long the value lives.
    pub lifetime: Lifetime,
    /// Whether it is the only one.
    pub role: Role,
    /// Where the value will be.
    pub slot: Arc<dyn AnySlot>,
    pub(crate) own: Weak<()>,
}

/// How a value is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NeedMode {
    /// It must be there, and first.
    Required,
    /// If it is there, it must be first.
    Optional,
    /// It must be there, and is made when somebody wants it.
    Lazy,
    /// All that are there, first.
    All,
    /// It must be there, and is made anew in each scope that its user opens: a request, a message,
    /// a job. So a user that outlives the value does not keep it.
    InScope,
}

/// A use of a value that a module declared.
#[derive(Clone, Copy, Debug)]
pub struct NeedRecord {
    /// What the value is known by: see [`Declarations::key`].
    pub key_id: KeyId,
    /// The module that uses it.
    pub module: ModuleId,
    /// What exactly uses it.
    pub by: NeededBy,
    /// How.
    pub mode: NeedMode,
    /// The place in the source that declared it.
    pub location: &'static Location<'static>,
}

/// What exactly uses a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NeededBy {
    /// The module's running code.
    Module,
    /// The making of another value.
    Provider(ProviderId),
    /// A decorator, by its position: it acts for the provider of what it decorates.
    Decorator(usize),
}

/// A wrapper around a value that another provider makes.
#[derive(Clone, Copy, Debug)]
pub struct DecoratorRecord {
    /// What the value is known by: see [`Declarations::key`].
    pub key_id: KeyId,
    /// The module that wraps it.
    pub module: ModuleId,
    /// The place in the source that declared it.
    pub location: &'static Location<'static>,
}

/// A relation between modules that no value shows.
#[derive(Clone, Copy, Debug)]
pub struct Relation {
    /// The module that declared it.
    pub module: ModuleId,
    /// What it says.
    pub kind: ModuleRelation,
    /// The identity of the other module's type.
    pub target: TypeId,
    /// The name of the other module's type.
    pub target_name: &'static str,
    /// The place in the source that declared it.
    pub location: &'static Location<'static>,
}

/// What a [`Relation`] says of the other module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleRelation {
    /// It must be there, in a version within this range if there is one, and starts first.
    Requires(Option<&'static str>),
    /// If it is there, it starts first.
    After,
    /// It must not be there.
    Conflicts,
}

/// What was said about one kind of contribution.
#[derive(Clone, Debug)]
pub struct KindRecord {
    /// What to call the contributions.
    pub name: &'static str,
    /// When the collector starts.
    pub order: Order,
    /// What becomes of contributions that nothing collects.
    pub unclaimed: Unclaimed,
    /// Who contributes, and where: one entry for each contribution.
    pub contributors: Vec<(ModuleId, &'static Location<'static>)>,
    /// Who collects, and where.
    pub collectors: Vec<(ModuleId, &'static Location<'static>)>,
}

/// What one gate found.
#[derive(Clone, Debug)]
pub struct GateReport {
    /// The module that added the gate.
    pub module: ModuleId,
    /// The gate's name.
    pub name: &'static str,
    /// What is wrong, or that the gate itself panicked.
    pub found: Result<Vec<Issue>, PanicError>,
}

/// A kind of contribution, whatever its type.
trait Kind: Any + Send {
    fn seal(&mut self);
    fn record(&self) -> KindRecord;
}

struct KindOf<C> {
    cell: CollectedCell<C>,
    items: Vec<Contributed<C>>,
    contributors: Vec<(ModuleId, &'static Location<'static>)>,
    collectors: Vec<(ModuleId, &'static Location<'static>)>,
}

/// A claim on every value of a type, whatever the type.
trait AnyAll: Any + Send {
    fn seal(&mut self, slots: Vec<Arc<dyn AnySlot>>);
}

struct AllOf<T: ?Sized> {
    cell: AllCell<T>,
}

// ===== impl Declarations =====

impl Declarations {
    /// With room for what so many modules are likely to declare, so that thousands of them are not
    /// copied each time that the lists grow.
    #[must_use]
    pub fn with_capacity(modules: usize) -> Self {
        Self {
            modules: Vec::with_capacity(modules),
            providers: Vec::with_capacity(modules),
            needs: Vec::with_capacity(4 * modules),
            ..Self::default()
        }
    }

    /// Asks `module` what it offers and uses.
    ///
    /// # Errors
    ///
    /// Returns an error if the module panics; what it had declared by then stays.
    pub fn register(&mut self, module: BoxModule) -> Result<ModuleId, PanicError> {
        let id = ModuleId::at(self.modules.len());
        self.modules.push(ModuleRecord::new(id, &module));
        let mut reg = Registrar::new(id, self);
        let register = AssertUnwindSafe(|| module.register(&mut reg));
        match panic::catch_unwind(register) {
            Ok(()) => Ok(id),
            Err(payload) => Err(PanicError::new(payload.as_ref())),
        }
    }

    /// Closes the lists: what was contributed can be read from now on, and nothing is added.
    pub fn seal(&mut self) {
        self.kinds.iter_mut().for_each(|kind| kind.seal());
        if self.all.is_empty() {
            return;
        }
        let mut slots: HashMap<TypeId, Vec<Arc<dyn AnySlot>>> = HashMap::new();
        for provider in &self.providers {
            let of_type = slots.entry(provider.key.value_type()).or_default();
            // A replacement shares the slot of what it replaces.
            if !of_type.iter().any(|slot| Arc::ptr_eq(slot, &provider.slot)) {
                of_type.push(Arc::clone(&provider.slot));
            }
        }
        for (id, all) in &mut self.all {
            all.seal(slots.remove(id).unwrap_or_default());
        }
    }

    /// Runs every gate once, and gathers what they found.
    #[must_use]
    pub fn run_gates(&mut self) -> Vec<GateReport> {
        let modules = self.modules.iter_mut();
        let gates: Vec<_> = modules
            .flat_map(|module| module.gates.drain(..).map(|gate| (module.id, gate)))
            .collect();
        let view = GateView::new(self);
        let run = |gate: GateFn| {
            panic::catch_unwind(AssertUnwindSafe(|| gate(&view)))
                .map_err(|payload| PanicError::new(payload.as_ref()))
        };
        let report = |(module, (name, gate))| GateReport { module, name, found: run(gate) };
        gates.into_iter().map(report).collect()
    }

    /// The modules.
    #[must_use]
    pub fn modules(&self) -> &[ModuleRecord] {
        &self.modules
    }

    /// One module.
    ///
    /// # Panics
    ///
    /// Panics if `id` is of another application.
    #[must_use]
    pub fn module(&self, id: ModuleId) -> &ModuleRecord {
        &self.modules[id.index()]
    }

    /// Takes out the modules, for whoever runs them.
    #[must_use]
    pub fn take_modules(&mut self) -> Vec<ModuleRecord> {
        std::mem::take(&mut self.modules)
    }

    /// Takes out the cells of the values, for whoever runs the modules. Keys have no positions
    /// after that.
    #[must_use]
    pub fn take_slots(&mut self) -> SlotTable {
        SlotTable::new(std::mem::take(&mut self.keys))
    }

    /// The values offered.
    #[must_use]
    pub fn providers(&self) -> &[ProviderRecord] {
        &self.providers
    }

    /// The values used.
    #[must_use]
    pub fn needs(&self) -> &[NeedRecord] {
        &self.needs
    }

    /// What a value is known by.
    ///
    /// # Panics
    ///
    /// Panics if `id` is of another application.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Key {
        self.keys.slots()[id.index()].key()
    }

    /// Every key, by position.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.keys.slots().iter().map(|slot| slot.key())
    }

    /// How many keys were named.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.slots().len()
    }

    /// The wrappers around values.
    #[must_use]
    pub fn decorators(&self) -> &[DecoratorRecord] {
        &self.decorators
    }

    /// The relations between modules that no value shows.
    #[must_use]
    pub fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// The kinds of contributions.
    pub fn kinds(&self) -> impl Iterator<Item = KindRecord> {
        self.kinds.iter().map(|kind| kind.record())
    }

    /// Claims a kind for the application itself, rather than for one of its modules.
    #[must_use]
    pub fn collected<C: Contribution>(&mut self) -> crate::Collected<C> {
        crate::Collected { cell: Arc::clone(&self.kind::<C>().cell) }
    }

    /// The cell of the one value that `key` is of, and the key's position.
    pub(crate) fn slot<T>(&mut self, key: Key) -> (KeyId, Arc<Slot<T>>)
    where
        T: ?Sized + Send + Sync + 'static,
    {
        let id = self.keys.position_or_add(key, || Arc::new(Slot::<T>::new(key)));
        let slot = Arc::clone(&self.keys.slots()[id.index()]).into_any();
        (id, slot.downcast().expect("slots are keyed by their type"))
    }

    pub(crate) fn next_provider(&self) -> ProviderId {
        ProviderId(u32::try_from(self.providers.len()).expect("fewer than 2^32 providers"))
    }

    pub(crate) fn module_mut(&mut self, id: ModuleId) -> &mut ModuleRecord {
        &mut self.modules[id.index()]
    }

    pub(crate) fn contribute<C: Contribution>(
        &mut self,
        module_id: ModuleId,
        location: &'static Location<'static>,
        item: C,
    ) {
        let module = self.module(module_id).name;
        let kind = self.kind::<C>();
        kind.contributors.push((module_id, location));
        kind.items.push(Contributed { module, module_id, location, item });
    }

    pub(crate) fn collect<C: Contribution>(
        &mut self,
        module: ModuleId,
        location: &'static Location<'static>,
    ) -> crate::Collected<C> {
        let kind = self.kind::<C>();
        kind.collectors.push((module, location));
        crate::Collected { cell: Arc::clone(&kind.cell) }
    }

    pub(crate) fn all<T: ?Sized + Send + Sync + 'static>(&mut self) -> AllCell<T> {
        let all = self
            .all
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Box::new(AllOf::<T> { cell: AllCell::default() }));
        let all: &dyn Any = all.as_ref();
        let all: &AllOf<T> = all.downcast_ref().expect("claims are keyed by their type");
        Arc::clone(&all.cell)
    }

    fn kind<C: Contribution>(&mut self) -> &mut KindOf<C> {
        let at = *self.kind_index.entry(TypeId::of::<C>()).or_insert_with(|| {
            self.kinds.push(Box::new(KindOf::<C>::default()));
            self.kinds.len() - 1
        });
        let kind: &mut dyn Any = self.kinds[at].as_mut();
        kind.downcast_mut().expect("kinds are keyed by their type")
    }
}

impl fmt::Debug for Declarations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declarations")
            .field("modules", &self.modules)
            .field("providers", &self.providers.len())
            .field("needs", &self.needs.len())
            .finish_non_exhaustive()
    }
}

// ===== impl ModuleRecord =====

impl ModuleRecord {
    fn new(id: ModuleId, module: &BoxModule) -> Self {
        Self {
            id,
            name: module.name(),
            type_id: module.module_type(),
            type_name: module.type_name(),
            location: module.location(),
            version: None,
            stands_for: Vec::new(),
            budget: ModuleBudget::default(),
            optional: false,
            foundation: false,
            constructs: Vec::new(),
            units: Vec::new(),
            groups: Vec::new(),
            gates: Vec::new(),
        }
    }

    /// One of the module's groups.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id.0)
    }
}

impl fmt::Debug for ModuleRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleRecord")
            .field("name", &self.name)
            .field("constructs", &self.constructs)
            .field("units", &self.units)
            .finish_non_exhaustive()
    }
}

// ===== impl ProviderRecord =====

impl ProviderRecord {
    /// Whether the module that offers the value kept the means to read it at any time.
    #[must_use]
    pub fn is_read_by_its_module(&self) -> bool {
        self.own.strong_count() > 0
    }
}

// ===== impl ModuleId, KeyId, ProviderId =====

impl ModuleId {
    /// The position as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The id at an index.
    ///
    /// # Panics
    ///
    /// Panics from 2^32 on.
    #[must_use]
    pub fn at(index: usize) -> Self {
        Self(u32::try_from(index).expect("fewer than 2^32 modules"))
    }
}

impl KeyId {
    pub(crate) fn at(index: usize) -> Self {
        Self(u32::try_from(index).expect("fewer than 2^32 keys"))
    }

    /// The position as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl ProviderId {
    /// The position as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

// ===== impl KindOf, AllOf =====

impl<C: Contribution> Kind for KindOf<C> {
    fn seal(&mut self) {
        // `seal` is called once, on declarations nothing else can reach.
        let _ = self.cell.set(std::mem::take(&mut self.items).into());
    }

    fn record(&self) -> KindRecord {
        KindRecord {
            name: C::KIND,
            order: C::ORDER,
            unclaimed: C::UNCLAIMED,
            contributors: self.contributors.clone(),
            collectors: self.collectors.clone(),
        }
    }
}

impl<C> Default for KindOf<C> {
    fn default() -> Self {
        Self {
            cell: Arc::default(),
            items: Vec::new(),
            contributors: Vec::new(),
            collectors: Vec::new(),
        }
    }
}

impl<T: ?Sized + Send + Sync + 'static> AnyAll for AllOf<T> {
    fn seal(&mut self, slots: Vec<Arc<dyn AnySlot>>) {
        let typed = slots.into_iter().filter_map(|slot| slot.into_any().downcast().ok());
        let _ = self.cell.set(typed.collect());
    }
}
