//! The configuration in force: one value that is swapped as a whole, so that nobody ever sees
//! half of one configuration and half of another.

use std::{any::TypeId, fmt, sync::Arc};

use crate::{
    fault::Fault,
    loaded::Loaded,
    node::Node,
    reference,
    report::ConfigReport,
    section::{AnySettings, Section},
};

/// All sections as they are at one time.
pub(crate) struct Snapshot {
    names: Arc<[String]>,
    values: Vec<Arc<AnySettings>>,
    // What the values were made from: only here can a secret be told from another.
    nodes: Vec<Node>,
    report: Arc<ConfigReport>,
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

impl Snapshot {
    /// Binds all sections to what was loaded, and says what is wrong with it. A snapshot with
    /// faults must not come into force.
    pub(crate) fn bind(
        loaded: &Loaded,
        sections: &[&Section],
        generation: u64,
    ) -> (Self, Vec<Fault>) {
        let binding = loaded.bind(sections, generation);
        let snapshot = Self {
            names: sections.iter().map(|section| section.name().to_owned()).collect(),
            values: binding.values,
            nodes: binding.nodes,
            report: Arc::new(binding.report),
        };
        (snapshot, binding.faults)
    }

    /// Only tells what may be configured: there is no configuration.
    pub(crate) fn describe(sections: &[&Section]) -> Self {
        let report = Arc::new(ConfigReport::without_values(sections));
        Self { names: Arc::default(), values: Vec::new(), nodes: Vec::new(), report }
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

    pub(crate) fn value(&self, index: usize) -> Option<&Arc<AnySettings>> {
        self.values.get(index)
    }

    pub(crate) fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
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
