//! The configuration in force: one value that is swapped as a whole, so that nobody ever sees
//! half of one configuration and half of another.

use std::{
    any::TypeId,
    fmt,
    hash::{DefaultHasher, Hasher},
    sync::Arc,
    time::SystemTime,
};

use crate::{
    error::ConfigError,
    fallback::{Fallback, Keepsake},
    fault::Fault,
    key_path::{KeyPath, Step},
    loaded::Loaded,
    node::Node,
    reading::Touched,
    reference,
    reload::{ConfigChange, ReloadClass},
    report::ConfigReport,
    section::{AnySettings, Section},
};

/// All sections as they are at one time.
pub(crate) struct Snapshot {
    names: Arc<[String]>,
    values: Vec<Arc<AnySettings>>,
    // What the values were made from, without the secrets: only here can be told whether one is
    // another than before.
    nodes: Vec<Node>,
    report: Arc<ConfigReport>,
    touched: Touched,
    /// Where what is good is kept, and what of this there is to keep.
    keepsake: Option<(Fallback, Arc<Keepsake>)>,
    /// Set if this is what was good last, since the files are not.
    last_good: Option<Arc<LastGood>>,
}

/// The configuration that was good when the application ran last, which is in force because the
/// files are broken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LastGood {
    /// When it was kept.
    pub saved: SystemTime,
    /// What is wrong with the files.
    pub reason: ConfigError,
}

/// All sections as they were in force at one time: what is read from one snapshot belongs
/// together, whatever is reloaded meanwhile.
///
/// Got from [`ConfigHandle::snapshot`](crate::ConfigHandle::snapshot), and read with
/// [`Config::in_snapshot`](crate::Config::in_snapshot). Cheap to clone. Keeps the values of its
/// generation alive, so it is for a request and not for a cache.
///
/// # Examples
///
/// ```
/// use framework_config::{LiveConfig, Settings, Sources};
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize, JsonSchema)]
/// # #[serde(default)]
/// # struct Limits { queue: u16 }
/// # impl Settings for Limits {}
///
/// let mut config = LiveConfig::new(Sources::none().set("input.queue=8").set("output.queue=9"));
/// let (input, output) = (config.section::<Limits>("input"), config.section::<Limits>("output"));
/// let handle = config.load()?;
/// let snapshot = handle.snapshot().expect("it was loaded");
/// let both = (input.in_snapshot(&snapshot).queue, output.in_snapshot(&snapshot).queue);
/// assert_eq!((both, snapshot.generation()), ((8, 9), 1));
/// # Ok::<(), framework_config::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ConfigSnapshot {
    inner: Arc<Snapshot>,
}

/// Shows what it is and of when, in a few words.
impl fmt::Display for LastGood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let saved = humantime::format_rfc3339_seconds(self.saved);
        write!(f, "the configuration that was good last, of {saved}")
    }
}

impl Snapshot {
    /// Binds all sections to what was loaded, and says what is wrong with it. A snapshot with
    /// faults must not come into force.
    pub(crate) fn bind(
        loaded: &Loaded,
        sections: &[&Section],
        generation: u64,
    ) -> (Self, Vec<Fault>) {
        let mut binding = loaded.bind(sections, generation);
        for (section, node) in sections.iter().zip(&mut binding.nodes) {
            // What can wait for another start has to be bound again until then.
            let is_hot = |path: &KeyPath| section.class(path) == ReloadClass::Hot;
            if section.about().has_secrets {
                let schema = section.schema();
                let path = KeyPath::default();
                node.forget(&path, &|path| schema.touches_secret(path) && is_hot(path));
            }
        }
        let snapshot = Self {
            names: sections.iter().map(|section| section.name().to_owned()).collect(),
            values: binding.values,
            nodes: binding.nodes,
            report: Arc::new(binding.report),
            touched: loaded.touched().clone(),
            keepsake: None,
            last_good: None,
        };
        (snapshot, binding.faults)
    }

    /// Only tells what may be configured: there is no configuration.
    pub(crate) fn describe(sections: &[&Section]) -> Self {
        let report = Arc::new(ConfigReport::without_values(sections));
        Self {
            names: Arc::default(),
            values: Vec::new(),
            nodes: Vec::new(),
            report,
            touched: Touched::default(),
            keepsake: None,
            last_good: None,
        }
    }

    /// The same once more, as a configuration of its own.
    pub(crate) fn again(&self, generation: u64) -> Self {
        let report = ConfigReport::clone(&self.report).of_generation(generation);
        Self {
            names: Arc::clone(&self.names),
            values: self.values.clone(),
            nodes: self.nodes.clone(),
            report: Arc::new(report),
            touched: self.touched.clone(),
            keepsake: self.keepsake.clone(),
            last_good: self.last_good.clone(),
        }
    }

    /// Remembers what there is to keep of `loaded`, for the case that it proves good.
    pub(crate) fn worth_keeping(self, loaded: &Loaded, sections: &[&Section]) -> Self {
        let keepsake = Arc::new(Keepsake::of(loaded, sections));
        Self { keepsake: Some((loaded.fallback(), keepsake)), ..self }
    }

    /// Remembers what `before` does of what there is to keep.
    pub(crate) fn worth_what(self, before: &Self) -> Self {
        Self { keepsake: before.keepsake.clone(), ..self }
    }

    pub(crate) fn keepsake(&self) -> Option<&(Fallback, Arc<Keepsake>)> {
        self.keepsake.as_ref()
    }

    /// Says that this is what was good last.
    pub(crate) fn started_for(self, last_good: LastGood) -> Self {
        Self { last_good: Some(Arc::new(last_good)), ..self }
    }

    pub(crate) fn last_good(&self) -> Option<&Arc<LastGood>> {
        self.last_good.as_ref()
    }

    /// Says which changes wait for the next start.
    pub(crate) fn waiting_for_restart(mut self, pending: Vec<ConfigChange>) -> Self {
        let report = Arc::unwrap_or_clone(self.report);
        self.report = Arc::new(report.waiting_for_restart(pending));
        self
    }

    /// The files that it was read from, or would have been.
    pub(crate) fn touched(&self) -> &Touched {
        &self.touched
    }

    /// A number for what the sources say, secrets included, wherever they say it. Only compared
    /// within one process.
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.nodes.iter().for_each(|node| node.hash_content(&mut hasher));
        hasher.finish()
    }

    /// The section of this name, if it is read as a `T`.
    pub(crate) fn section<T: Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        Arc::clone(self.value(self.index_of(name)?)?).downcast().ok()
    }

    /// Takes the values out, because they are wrong; the report stays.
    pub(crate) fn without_values(self) -> Self {
        Self { values: Vec::new(), nodes: Vec::new(), ..self }
    }

    /// Takes over the value of the section at `index`, which has not changed.
    pub(crate) fn keep(&mut self, index: usize, before: &Self) {
        if let (Some(place), Some(value)) = (self.values.get_mut(index), before.values.get(index)) {
            *place = Arc::clone(value);
        }
    }

    pub(crate) fn index_of(&self, section: &str) -> Option<usize> {
        // Without values the configuration is wrong, and only its report may be read.
        self.names.iter().position(|name| name == section).filter(|_| !self.values.is_empty())
    }

    pub(crate) fn index_of_type(&self, wanted: TypeId) -> Option<usize> {
        self.values.iter().position(|value| value.as_ref().type_id() == wanted)
    }

    /// The files that values refer to.
    pub(crate) fn references(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().flat_map(Node::references).flat_map(reference::files)
    }

    #[inline]
    pub(crate) fn value(&self, index: usize) -> Option<&Arc<AnySettings>> {
        self.values.get(index)
    }

    pub(crate) fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
    }

    /// What the sources said at `path`, from the section on.
    pub(crate) fn at(&self, path: &KeyPath) -> Option<&Node> {
        let (Step::Key(section), rest) = path.steps().split_first()? else { return None };
        self.node(self.index_of(section)?)?.at(&rest.iter().cloned().collect())
    }

    pub(crate) fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", String::as_str)
    }

    /// Numbers the snapshot anew.
    pub(crate) fn of_generation(mut self, generation: u64) -> Self {
        let report = Arc::unwrap_or_clone(self.report);
        self.report = Arc::new(report.of_generation(generation));
        self
    }

    pub(crate) fn report(&self) -> &Arc<ConfigReport> {
        &self.report
    }

    pub(crate) fn has_values(&self) -> bool {
        self.report.generation() > 0 && self.values.len() == self.names.len()
    }
}

impl ConfigSnapshot {
    pub(crate) fn new(inner: Arc<Snapshot>) -> Self {
        Self { inner }
    }

    pub(crate) fn inner(&self) -> &Snapshot {
        &self.inner
    }

    /// Which of the application's configurations this is, counted from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.inner.report.generation()
    }

    /// What the configuration amounts to.
    #[must_use]
    pub fn report(&self) -> &Arc<ConfigReport> {
        &self.inner.report
    }
}

/// Shows which generation it is, and no value.
impl fmt::Debug for ConfigSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigSnapshot")
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
