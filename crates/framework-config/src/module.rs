mod decide;

use std::{any::TypeId, sync::Arc, time::Duration};

use framework_core::{
    BoxError, ClusterView, Context, Contributed, Contribution, GateView, Issue, Module, Order,
    Phase, Registrar,
};

use self::decide::{Claimed, decide};
use crate::{
    codes,
    config::{Config, Link},
    config_settings::ConfigSettings,
    error::ConfigError,
    handle::ConfigHandle,
    include,
    loaded::Loaded,
    reload::{Prepared, serve},
    section::Section,
    settings::Settings,
    sources::Sources,
    store::Store,
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
    /// Panics if `name` is not of the form `snake_case`, which is the form of all keys, or is
    /// `include`, which has a meaning of its own in files.
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

/// What was loaded, and where from.
#[derive(Debug, Default)]
struct Given {
    /// `None` if it is not loaded yet.
    loaded: Option<Result<Loaded, ConfigError>>,
    /// `None` if it could not be loaded, and nobody has said where from.
    sources: Option<Sources>,
}

impl Given {
    fn may_change(&self) -> bool {
        self.sources.as_ref().is_some_and(Sources::may_change)
    }

    fn load(&mut self) -> Result<Loaded, ConfigError> {
        let load = || self.sources.as_ref().map_or_else(|| Sources::none().load(), Sources::load);
        self.loaded.take().unwrap_or_else(load)
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
        let sources = loaded.as_ref().ok().map(|loaded| loaded.sources().clone());
        Self { given: Given { loaded: Some(loaded), sources }, store: Arc::default() }
    }

    /// Says where the configuration was loaded from, which is not known of one that could not be:
    /// then it can be reloaded, and the application can start with
    /// [what was good last](Sources::last_good).
    #[must_use]
    pub fn loaded_from(mut self, sources: Sources) -> Self {
        self.given.sources = Some(sources);
        self
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
        Self { given: Given { loaded: None, sources: Some(sources) }, store: Arc::default() }
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
            let cluster = reg.need_optional::<dyn ClusterView>();
            reg.run("reload", move |cx| async move {
                let cluster = cx.get_optional(&cluster);
                Ok(reload(handle, cluster, settings, cx))
            });
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
        let mut given = self.given;
        reg.gate("configuration", move |view: &GateView<'_>| {
            let contributed = view.collected(&sections);
            let claimed = Claimed::of(contributed, view.collected(&readers));
            decide(&mut given, claimed, &self.store)
        });
    }
}

/// Runs reloads from when the application is ready until it stops: while modules start, what they
/// read must not change under their hands.
async fn reload(
    handle: ConfigHandle,
    cluster: Option<Arc<dyn ClusterView>>,
    settings: Config<ConfigSettings>,
    cx: Context,
) -> Result<(), BoxError> {
    let reloads = async {
        cx.lifecycle().reached(Phase::Ready).await;
        let settings = settings.get();
        begin(&handle, settings.confirm);
        let look = settings.watch.then_some(settings.poll_interval);
        serve(handle, cluster, look, || cx.lifecycle().phase() == Phase::Ready).await;
    };
    tokio::select! {
        () = cx.shutdown() => {}
        () = reloads => {}
    }
    Ok(())
}

/// Tells loudly if the files are broken, and has the configuration prove itself if not.
fn begin(handle: &ConfigHandle, confirm: Duration) {
    let store = handle.store();
    let Some(snapshot) = store.in_force() else { return };
    match snapshot.last_good() {
        Some(last_good) => {
            let saved = humantime::format_rfc3339_seconds(last_good.saved).to_string();
            let reason = last_good.reason.to_string();
            tracing::error!(
                saved,
                reason,
                "the files are broken: running on the configuration that was good last"
            );
        }
        None => {
            let generation = snapshot.report().generation();
            store.probation.begin(None, generation, false, Vec::new(), confirm);
        }
    }
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
        assert!(name != include::KEY, "`{name}` is what files begin with, and no section");
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
