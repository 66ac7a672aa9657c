use std::{fmt, sync::Arc};

use crate::{
    bind,
    error::ConfigError,
    fault::Fault,
    key_path::KeyPath,
    nearest::nearest,
    node::Node,
    origin::Origin,
    report::ConfigReport,
    section::{AnySettings, Section},
    settings::Settings,
    sources::Sources,
};

/// Everything that the sources said, read once; nothing of it has a type yet.
///
/// # Examples
///
/// ```
/// use framework_config::{Settings, Sources};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize, JsonSchema)]
/// #[serde(default)]
/// struct Limits {
///     /// How many may wait.
///     queue: u16,
/// }
///
/// impl Settings for Limits {}
///
/// let loaded = Sources::none().set("limits.queue=8").load()?;
/// assert_eq!(loaded.section::<Limits>("limits")?.queue, 8);
/// # Ok::<(), framework_config::ConfigError>(())
/// ```
pub struct Loaded {
    sources: Sources,
    profile: String,
    files: Vec<String>,
    tree: Node,
    // What each source said, weakest first; references are not followed.
    layers: Vec<Node>,
}

/// The sections of an application, bound to one configuration.
pub(crate) struct Binding {
    /// By section, in the order that was given; worth nothing if there are faults.
    pub(crate) values: Vec<Arc<AnySettings>>,
    /// What the sources said about each section.
    pub(crate) nodes: Vec<Node>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) report: ConfigReport,
}

impl Loaded {
    pub(crate) fn new(sources: Sources, profile: String, files: Vec<String>, tree: Node) -> Self {
        Self { sources, profile, files, tree, layers: Vec::new() }
    }

    /// Keeps what each source said, weakest first, to tell what was overridden.
    pub(crate) fn made_of(self, layers: Vec<Node>) -> Self {
        Self { layers, ..self }
    }

    /// The profile that was chosen.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// The files that were read, weakest first.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// Where it was read from, to read it again.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Binds one section, for use without modules. Other sections are not looked at.
    ///
    /// # Errors
    ///
    /// Returns an error that lists everything that is wrong with the section.
    pub fn section<T: Settings>(&self, name: &str) -> Result<T, ConfigError> {
        let section = Section::of::<T>(name.to_owned());
        let bound = bind::bind::<T>(name, &self.node(name), section.schema());
        match bound.value {
            Some(value) if bound.faults.is_empty() => Ok(value),
            _ => Err(ConfigError::new(bound.faults)),
        }
    }

    /// Binds all sections of an application, and finds everything that is wrong with any of them
    /// or belongs to none. `generation` counts the configurations of the application.
    pub(crate) fn bind(&self, sections: &[&Section], generation: u64) -> Binding {
        let (mut values, mut nodes, mut faults) =
            (Vec::new(), Vec::new(), self.unclaimed(sections));
        let mut report = ConfigReport::new(self, generation);
        for section in sections {
            let node = self.node(section.name());
            let bound = section.bind(&node);
            let layers = self.layers.iter().filter_map(|layer| layer.table()?.get(section.name()));
            report.add(section, &node, &layers.collect::<Vec<_>>(), bound.value.as_deref());
            faults.extend(bound.faults);
            values.extend(bound.value);
            nodes.push(node);
        }
        Binding { values, nodes, faults, report }
    }

    /// The sections that no module claims.
    fn unclaimed(&self, sections: &[&Section]) -> Vec<Fault> {
        let claimed = |name: &str| sections.iter().any(|section| section.name() == name);
        let tables = self.tree.table().into_iter().flatten();
        tables
            .filter(|(name, node)| {
                !claimed(name) && !name.starts_with("x-") && !node.is_conventional()
            })
            .map(|(name, node)| {
                let near = nearest(name, sections.iter().map(|section| section.name()));
                let cure = near.map_or("no module reads it".to_owned(), |near| {
                    format!("did you mean `{near}`?")
                });
                let fault = Fault::value(KeyPath::key(name), "unknown section", node.place());
                fault.cured_by(Some(cure))
            })
            .collect()
    }

    fn node(&self, section: &str) -> Node {
        let node = self.tree.at(&KeyPath::key(section));
        node.cloned().unwrap_or_else(|| Node::empty_table(Origin::Default))
    }
}

/// Shows where the values come from, and none of them.
impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("profile", &self.profile)
            .field("files", &self.files)
            .field("tree", &self.tree)
            .finish_non_exhaustive()
    }
}
