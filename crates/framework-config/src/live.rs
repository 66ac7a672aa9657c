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
        let loaded = self.sources.load();
        self.sections.sort_by(|one, other| one.name().cmp(other.name()));
        let store = Arc::<Store>::default();
        let basis = Basis { sources: self.sources, sections: self.sections };
        let loaded = loaded.map_err(|error| error.revealed(&basis.sections()))?;
        let (snapshot, faults) = Snapshot::bind(&loaded, &basis.sections(), 1);
        if let Some(error) = ConfigError::of(faults) {
            return Err(error);
        }
        store.commit(snapshot.worth_keeping(&loaded, &basis.sections()));
        store.settle(basis);
        self.link.connect(Arc::clone(&store));
        Ok(ConfigHandle::new(store))
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{key_path::KeyPath, secret::Secret};

    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Bank {
        token: Secret<String>,
        others: Vec<Secret<String>>,
        url: String,
    }

    impl Settings for Bank {}

    #[test]
    fn what_is_in_force_holds_a_secret_once_in_the_section_and_else_its_hash() {
        let text = "[bank]\ntoken = \"hunter2\"\nothers = [\"hunter3\"]\nurl = \"x\"\n";
        let mut config = LiveConfig::new(Sources::none().toml_text("a.toml", text));
        let bank = config.section::<Bank>("bank");
        let handle = config.load().unwrap();
        assert_eq!(bank.get().token.expose(), "hunter2");
        let snapshot = handle.store().in_force().unwrap();
        let text =
            |key: &str| snapshot.at(&KeyPath::dotted(key)).unwrap().text().map(str::to_owned);
        assert_eq!((text("bank.token"), text("bank.url")), (None, Some("x".to_owned())));
        let others = snapshot.at(&KeyPath::dotted("bank.others")).unwrap();
        let crate::node::Content::List(others) = &others.content else { panic!("{others:?}") };
        assert_eq!(others[0].text(), None);
    }
}
