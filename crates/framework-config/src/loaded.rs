use std::{fmt, sync::Arc};

use framework_core::is_planted;

use crate::{
    bind,
    error::ConfigError,
    excerpt::{Excerpt, SourceText, Texts},
    fallback::Fallback,
    fault::Fault,
    key_path::KeyPath,
    nearest::nearest,
    node::Node,
    origin::Origin,
    reading::Touched,
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
    // How many of the layers are files.
    of_files: usize,
    texts: Texts,
    touched: Touched,
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
        let (layers, texts) = (Vec::new(), Texts::new());
        Self {
            sources,
            profile,
            files,
            tree,
            layers,
            of_files: 0,
            texts,
            touched: Touched::default(),
        }
    }

    /// Keeps what each source said, weakest first, to tell what was overridden; the first
    /// `of_files` are files.
    pub(crate) fn made_of(self, layers: Vec<Node>, of_files: usize) -> Self {
        Self { layers, of_files, ..self }
    }

    /// Keeps the texts of the files, to show what is wrong in them, and which files they were.
    pub(crate) fn read_from(self, texts: Texts, touched: Touched) -> Self {
        Self { texts, touched, ..self }
    }

    /// The files that it was read from, or would have been.
    pub(crate) fn touched(&self) -> &Touched {
        &self.touched
    }

    /// Whether, and from where, to start on what was good last.
    pub(crate) fn fallback(&self) -> Fallback {
        Fallback::of(&self.sources, &self.profile, self.layers.iter().rev())
    }

    /// Each file with its text and what it says, weakest first.
    pub(crate) fn file_layers(&self) -> impl Iterator<Item = (&str, &SourceText, &Node)> {
        let files = self.files.iter().zip(&self.layers[..self.of_files]);
        files.filter_map(|(name, layer)| {
            Some((name.as_str(), self.texts.get(name.as_str())?, layer))
        })
    }

    /// Puts `node` in the place of what the sources say about `path`, or takes that out.
    pub(crate) fn put(&mut self, path: &KeyPath, node: Option<Node>) {
        match node {
            Some(node) => self.tree.insert(path, node),
            None => self.tree.remove(path),
        }
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
            _ => {
                let mut faults = bound.faults;
                self.show(&mut faults, &[&section]);
                Err(ConfigError::new(faults))
            }
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
        self.show(&mut faults, sections);
        Binding { values, nodes, faults, report }
    }

    /// Shows with each fault the lines that it is about.
    fn show(&self, faults: &mut [Fault], sections: &[&Section]) {
        let layers: Vec<_> = self.layers.iter().collect();
        for fault in faults {
            let Some(place) = fault.place() else { continue };
            let Some(text) = self.texts.get(&place.path) else { continue };
            let excerpt = Excerpt::of_parsed(place, text, &layers, sections);
            fault.show(excerpt);
        }
    }

    /// The sections that no module claims.
    fn unclaimed(&self, sections: &[&Section]) -> Vec<Fault> {
        if is_planted("passes-over-the-unknown") {
            return Vec::new();
        }
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
