use std::{any::TypeId, panic::Location, sync::Arc};

use framework_core::{
    BoxError, Context, Contributed, Contribution, GateView, Issue, Module, Order, Phase, Registrar,
};

use crate::{
    codes,
    config::{Config, Link},
    config_settings::ConfigSettings,
    error::ConfigError,
    handle::ConfigHandle,
    loaded::Loaded,
    reload::{Prepared, serve},
    section::Section,
    settings::Settings,
    snapshot::Snapshot,
    sources::Sources,
    store::{Basis, Store},
};

/// Adds configuration to [`Registrar`].
pub trait ConfigExt: sealed::Sealed {
    /// Claims the section called `name`, and gives a view of it. What is absent from the
    /// configuration has its default.
    ///
    /// Two modules may claim one section if they read it as the same type.
    ///
    /// # Panics
    ///
    /// Panics if `name` is not of the form `snake_case`, which is the form of all keys.
    ///
    /// # Examples
    ///
    /// ```
    /// use framework_config::{ConfigExt, Settings};
    /// use framework_core::{Module, Registrar};
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize, JsonSchema)]
    /// # struct CatalogSettings { page_size: u32 }
    /// # impl Settings for CatalogSettings {}
    /// # struct Catalog;
    /// # impl Module for Catalog {
    /// # fn name(&self) -> &'static str { "catalog" }
    ///
    /// fn register(self, reg: &mut Registrar<'_>) {
    ///     let settings = reg.config::<CatalogSettings>("catalog");
    ///     reg.setup("warm-up", move |_cx| async move {
    ///         assert!(settings.get().page_size > 0);
    ///         Ok(())
    ///     });
    /// }
    /// # }
    /// ```
    #[track_caller]
    fn config<T: Settings>(&mut self, name: &'static str) -> Config<T>;

    /// Has `prepare` asked before the section behind `config` changes while the application runs,
    /// from when this module has started until it stops: see [`Config::on_reload`]. The owner's
    /// name is the module's.
    ///
    /// # Examples
    ///
    /// ```
    /// use framework_config::{ConfigExt, Prepared, Settings};
    /// use framework_core::{Module, Registrar};
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Default, Serialize, Deserialize, JsonSchema)]
    /// # struct CatalogSettings { page_size: u32 }
    /// # impl Settings for CatalogSettings {}
    /// # struct Catalog;
    /// # impl Module for Catalog {
    /// # fn name(&self) -> &'static str { "catalog" }
    ///
    /// fn register(self, reg: &mut Registrar<'_>) {
    ///     let settings = reg.config::<CatalogSettings>("catalog");
    ///     reg.on_reload(&settings, |_cx, old, new| async move {
    ///         if new.page_size > 2 * old.page_size {
    ///             return Err("the pages must not grow so fast".into());
    ///         }
    ///         Ok(Prepared::nothing())
    ///     });
    /// }
    /// # }
    /// ```
    #[track_caller]
    fn on_reload<T, F, Fut>(&mut self, config: &Config<T>, prepare: F)
    where
        T: Send + Sync + 'static,
        F: Fn(Context, Arc<T>, Arc<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Prepared, BoxError>> + Send + 'static;
}

/// Gives every module its section of one configuration.
///
/// Planning binds and checks all sections, so `check` finds every mistake without starting
/// anything, and the values can be read from then on.
///
/// # Examples
///
/// ```
/// use framework_config::{ConfigModule, Sources};
///
/// let module = ConfigModule::from(Sources::standard("shop").profile("test"));
/// let handle = module.handle();
/// assert!(handle.report().is_none(), "nothing is planned yet");
/// ```
#[derive(Debug)]
pub struct ConfigModule {
    given: Given,
    store: Arc<Store>,
}

/// What was loaded, or where to load it from.
#[derive(Debug)]
enum Given {
    Loaded(Box<Result<Loaded, ConfigError>>),
    Sources(Box<Sources>),
}

impl Given {
    fn may_change(&self) -> bool {
        match self {
            Self::Loaded(loaded) => {
                loaded.as_ref().as_ref().is_ok_and(|it| it.sources().may_change())
            }
            Self::Sources(sources) => sources.may_change(),
        }
    }
}

/// The application's one [`Link`], for all modules that register in it.
#[derive(Default)]
struct Shared(Arc<Link>);

// ===== impl ConfigModule =====

impl ConfigModule {
    /// Takes a configuration that was loaded, or the reason why it could not be, which the plan
    /// then tells along with everything else.
    #[must_use]
    pub fn new(loaded: Result<Loaded, ConfigError>) -> Self {
        Self { given: Given::Loaded(Box::new(loaded)), store: Arc::default() }
    }

    /// Loads the [standard sources](Sources::standard) of the application called `app` when it is
    /// planned, and not if something takes the place of this module before. Blocks on files.
    #[must_use]
    pub fn standard(app: impl Into<String>) -> Self {
        Self::from(Sources::standard(app))
    }

    /// What can be asked about the configuration once it is planned.
    #[must_use]
    pub fn handle(&self) -> ConfigHandle {
        ConfigHandle::new(Arc::clone(&self.store))
    }
}

/// Loads the sources when the application is planned.
impl From<Sources> for ConfigModule {
    fn from(sources: Sources) -> Self {
        Self { given: Given::Sources(Box::new(sources)), store: Arc::default() }
    }
}

impl Module for ConfigModule {
    fn name(&self) -> &'static str {
        "config"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        reg.provide_value(Arc::new(self.handle()));
        reg.shared::<Shared>().0.connect(Arc::clone(&self.store));
        let (handle, settings) = (self.handle(), reg.config::<ConfigSettings>("config"));
        if self.given.may_change() {
            reg.run("reload", move |cx| async move { Ok(reload(handle, settings, cx)) });
        }
        let sections = reg.collect::<Section>();
        let readers = reg.collect::<Reader>();
        reg.gate("readers of the configuration", {
            let (sections, readers) = (sections.clone(), readers.clone());
            move |view: &GateView<'_>| {
                let sections = view.collected(&sections);
                let readers = view.collected(&readers).iter();
                readers.filter_map(|reader| unclear(reader, sections)).collect()
            }
        });
        reg.gate("configuration", move |view: &GateView<'_>| {
            let contributed = view.collected(&sections);
            let loaded = match self.given {
                Given::Loaded(loaded) => *loaded,
                Given::Sources(sources) => sources.load(),
            };
            match &loaded {
                Ok(loaded) => bind(loaded, contributed, view.collected(&readers), &self.store),
                Err(error) => {
                    describe(contributed, &self.store);
                    vec![error.to_issue()]
                }
            }
        });
    }
}

/// Runs reloads from when the application is ready until it stops: while modules start, what they
/// read must not change under their hands.
async fn reload(
    handle: ConfigHandle,
    settings: Config<ConfigSettings>,
    cx: Context,
) -> Result<(), BoxError> {
    let reloads = async {
        cx.lifecycle().reached(Phase::Ready).await;
        let settings = settings.get();
        let look = settings.watch.then_some(settings.poll_interval);
        serve(handle, look, || cx.lifecycle().phase() == Phase::Ready).await;
    };
    tokio::select! {
        () = cx.shutdown() => {}
        () = reloads => {}
    }
    Ok(())
}

/// Binds every section and puts the result into force if nothing is wrong.
fn bind(
    loaded: &Loaded,
    contributed: &[Contributed<Section>],
    takers: &[Contributed<Reader>],
    store: &Store,
) -> Vec<Issue> {
    let (claims, mut issues) = claims(contributed);
    let known = |claim: &&Contributed<Section>| {
        let section = claim.item().clone();
        section.read_by(readers(claim.item(), contributed, takers))
    };
    let sections = claims.iter().map(known).collect();
    let basis = Basis { sources: loaded.sources().clone(), sections };
    let (snapshot, faults) = Snapshot::bind(loaded, &basis.sections(), store.next_generation());
    issues.extend(ConfigError::of(faults).map(|error| error.to_issue()));
    if issues.is_empty() {
        store.commit(snapshot);
        store.settle(basis);
    } else {
        store.commit(snapshot.without_values());
    }
    issues
}

/// The modules that read `section`, those that claim it first.
fn readers(
    section: &Section,
    claims: &[Contributed<Section>],
    takers: &[Contributed<Reader>],
) -> Vec<String> {
    let claims = claims.iter().filter(|claim| claim.item().name() == section.name());
    let takers = takers.iter().filter(|taker| taker.item().type_id == section.read_as());
    let mut names = Vec::<String>::new();
    for name in claims.map(Contributed::module).chain(takers.map(Contributed::module)) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Makes a report of what may be configured, where nothing is known of what is.
fn describe(contributed: &[Contributed<Section>], store: &Store) {
    let (claims, _) = claims(contributed);
    let sections: Vec<_> = claims.iter().map(|claim| claim.item()).collect();
    store.commit(Snapshot::describe(&sections));
}

/// The first claim on each section, by name, and an issue for each claim with another type.
fn claims(contributed: &[Contributed<Section>]) -> (Vec<&Contributed<Section>>, Vec<Issue>) {
    let (mut claims, mut issues) = (Vec::<&Contributed<Section>>::new(), Vec::new());
    for claim in contributed {
        match claims.iter().find(|known| known.item().name() == claim.item().name()) {
            None => claims.push(claim),
            Some(known) if known.item().same_type(claim.item()) => {}
            Some(known) => issues.push(claimed_twice(known, claim)),
        }
    }
    claims.sort_by_key(|claim| claim.item().name());
    (claims, issues)
}

fn claimed_twice(first: &Contributed<Section>, second: &Contributed<Section>) -> Issue {
    let name = first.item().name();
    let summary = format!("the section `{name}` is claimed with two types");
    let row = |claim: &Contributed<Section>| -> (String, &'static Location<'static>) {
        let text = format!("`{}` reads it as {}", claim.module(), claim.item().type_name());
        (text, claim.location())
    };
    let ((one, there), (other, here)) = (row(first), row(second));
    Issue::new(&codes::CLAIMED_TWICE, summary)
        .evidence_at(one, there)
        .evidence_at(other, here)
        .help("give one of the sections another name, or let both read the same type")
}

/// What is wrong with a reader that names its section by type only: none is read as this type, or
/// several are.
fn unclear(reader: &Contributed<Reader>, sections: &[Contributed<Section>]) -> Option<Issue> {
    let Reader { type_id, type_name } = reader.item();
    let mut names: Vec<_> = sections
        .iter()
        .filter(|section| section.item().read_as() == *type_id)
        .map(|section| section.item().name())
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.len() == 1 {
        return None;
    }
    let (found, cure) = match names.len() {
        0 => (
            "no section is".to_owned(),
            format!("claim it in a module: `reg.config::<{type_name}>(\"…\")`"),
        ),
        n => (
            format!("{n} sections are"),
            format!("give each of {} a type of its own", names.join(", ")),
        ),
    };
    let summary =
        format!("`{}` takes `Config<{type_name}>`, and {found} read as that", reader.module());
    let row = format!("taken by `{}`", reader.module());
    Some(
        Issue::new(&codes::UNCLEAR_SECTION, summary).evidence_at(row, reader.location()).help(cure),
    )
}

// ===== impl Section, Reader, Registrar =====

/// A constructor that takes a `Config<T>`, and so names its section by type only.
pub(crate) struct Reader {
    pub(crate) type_id: TypeId,
    pub(crate) type_name: String,
}

impl Contribution for Reader {
    const KIND: &'static str = "readers of the configuration";
    const ORDER: Order = Order::CollectorFirst;
}

/// The link of the application that `reg` registers in.
#[cfg(feature = "di")]
pub(crate) fn link(reg: &mut Registrar<'_>) -> Arc<Link> {
    Arc::clone(&reg.shared::<Shared>().0)
}

impl Contribution for Section {
    const KIND: &'static str = "configuration sections";
    const ORDER: Order = Order::CollectorFirst;
}

impl ConfigExt for Registrar<'_> {
    #[track_caller]
    fn config<T: Settings>(&mut self, name: &'static str) -> Config<T> {
        let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(
            !name.is_empty() && name.chars().all(snake),
            "the section {name:?} must be named in snake_case",
        );
        self.contribute(Section::of::<T>(name.to_owned()));
        Config::of_section(name, Arc::clone(&self.shared::<Shared>().0))
    }

    #[track_caller]
    fn on_reload<T, F, Fut>(&mut self, config: &Config<T>, prepare: F)
    where
        T: Send + Sync + 'static,
        F: Fn(Context, Arc<T>, Arc<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Prepared, BoxError>> + Send + 'static,
    {
        let config = config.clone();
        self.setup("own-configuration", move |cx| async move {
            let own = cx.clone();
            let ask = move |old, new| prepare(own.clone(), old, new);
            let owner = config.on_reload(cx.module(), ask);
            cx.defer("disown-configuration", move || async move {
                drop(owner);
                Ok(())
            });
            Ok(())
        });
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Registrar<'_> {}
}
