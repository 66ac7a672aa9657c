use std::sync::Arc;

use crate::{
    config::{Config, Link},
    error::ConfigError,
    handle::ConfigHandle,
    section::Section,
    settings::Settings,
    snapshot::Snapshot,
    sources::Sources,
    store::{Basis, Store},
};

/// A configuration that can be reloaded, for programs without modules.
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
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// let file = directory.path().join("limits.toml");
/// std::fs::write(&file, "[limits]\nqueue = 8")?;
///
/// let mut config = LiveConfig::new(Sources::none().file(&file));
/// let limits = config.section::<Limits>("limits");
/// let handle = config.load()?;
/// assert_eq!(limits.get().queue, 8);
///
/// std::fs::write(&file, "[limits]\nqueue = 9")?;
/// assert!(handle.reload().await.is_applied());
/// assert_eq!(limits.get().queue, 9);
///
/// std::fs::write(&file, "[limits]\nqueue = \"many\"")?;
/// assert!(handle.reload().await.error().is_some());
/// assert_eq!(limits.get().queue, 9);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LiveConfig {
    sources: Sources,
    sections: Vec<Section>,
    link: Arc<Link>,
}

impl LiveConfig {
    /// Will be read from `sources`.
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        Self { sources, sections: Vec::new(), link: Arc::default() }
    }

    /// Claims the section called `name`, and gives a view of it, which can be read after
    /// [`load`](Self::load).
    ///
    /// # Panics
    ///
    /// Panics if the section was claimed before.
    #[track_caller]
    pub fn section<T: Settings>(&mut self, name: &'static str) -> Config<T> {
        let twice = self.sections.iter().any(|section| section.name() == name);
        assert!(!twice, "the section `{name}` was claimed before: clone its `Config`");
        self.sections.push(Section::of::<T>(name.to_owned()));
        Config::of_section(name, Arc::clone(&self.link))
    }

    /// Reads the sources, binds the sections, and puts them into force.
    ///
    /// # Errors
    ///
    /// Returns an error that lists everything that is wrong.
    pub fn load(mut self) -> Result<ConfigHandle, ConfigError> {
        let loaded = self.sources.load()?;
        self.sections.sort_by(|one, other| one.name().cmp(other.name()));
        let store = Arc::<Store>::default();
        let basis = Basis { sources: self.sources, sections: self.sections };
        let (snapshot, faults) = Snapshot::bind(&loaded, &basis.sections(), 1);
        if let Some(error) = ConfigError::of(faults) {
            return Err(error);
        }
        store.commit(snapshot);
        store.settle(basis);
        self.link.connect(Arc::clone(&store));
        Ok(ConfigHandle::new(store))
    }
}
