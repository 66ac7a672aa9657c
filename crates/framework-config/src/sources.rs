use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    environment::{self, Taken, Variables},
    error::ConfigError,
    fallback::Fallback,
    fault::Fault,
    files,
    key_path::KeyPath,
    layers,
    loaded::Loaded,
    node::Node,
    origin::Origin,
    parse::{MAX_DEPTH, too_deep},
    reading::{FileLayer, Reading, Touched},
    reference,
};

/// The profile where none is named.
const DEFAULT_PROFILE: &str = "local";

/// Where a configuration is read from.
///
/// [`Sources::standard`] is what an application uses; the other methods add to it. The order in
/// which sources count is fixed, whatever the order of the calls, weakest first:
///
/// 1. the defaults of each section
/// 2. `config/app.{toml,yaml,json}`
/// 3. `config/{profile}.{toml,yaml,json}`
/// 4. texts, then files given by name, each in the order of the calls
/// 5. the variables `PORT` (the port of `http.addr`) and `RUST_LOG` (`telemetry.log.level`), where
///    a section has these keys
/// 6. the app's own variables, `SHOP_HTTP__ADDR` for `http.addr`
/// 7. assignments, `http.addr=0.0.0.0:80`, in the order of the calls
///
/// A file may begin with `include = ["other.toml", "conf.d/*.toml"]`: these files, which are named
/// relative to it, are read before it, in the order of the list and those of a pattern by name, so
/// that the later counts more and the including file most.
///
/// A file holds at most 1 MiB, tables and lists are nested at most 64 levels, and at most 32 files
/// are included.
///
/// # Examples
///
/// ```
/// use framework_config::Sources;
///
/// let loaded = Sources::none().toml_text("test.toml", "[http]\naddr = \"[::]:80\"").load()?;
/// assert_eq!(loaded.profile(), "local");
/// # Ok::<(), framework_config::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Sources {
    app: Option<String>,
    directory: Option<PathBuf>,
    profile: Option<String>,
    texts: Vec<(String, String)>,
    files: Vec<PathBuf>,
    variables: Variables,
    assignments: Vec<String>,
    instead: BTreeMap<PathBuf, String>,
    last_good: bool,
}

/// What came of reading sources.
pub(crate) struct Attempt {
    pub(crate) loaded: Result<Loaded, ConfigError>,
    /// The files that it was read from, or would have been.
    pub(crate) touched: Touched,
    /// Whether, and from where, to start on what was good last. Known also if nothing else is.
    pub(crate) fallback: Fallback,
}

/// What is strong: the layers that no file is part of, and the variables that they were made from.
struct Strong {
    taken: Taken,
    layers: Vec<Node>,
    faults: Vec<Fault>,
}

impl Sources {
    /// The sources of every application: the directory `config`, and the environment with the
    /// app's name in capitals before each variable (`-` becomes `_`).
    #[must_use]
    pub fn standard(app: impl Into<String>) -> Self {
        Self {
            app: Some(app.into()),
            directory: Some(PathBuf::from("config")),
            variables: Variables::Process,
            ..Self::none()
        }
    }

    /// No sources, and an empty environment: for tests, which add what they are about.
    #[must_use]
    pub fn none() -> Self {
        Self {
            app: None,
            directory: None,
            profile: None,
            texts: Vec::new(),
            files: Vec::new(),
            variables: Variables::Given(BTreeMap::new()),
            assignments: Vec::new(),
            instead: BTreeMap::new(),
            last_good: false,
        }
    }

    /// Names the profile. Defaults to the app's variable `SHOP_PROFILE`, then to what the sources
    /// say of `app.profile`, then to `local`.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// Sets the directory of the files `app.*` and `{profile}.*`. Defaults to `config`; `/dev/null`
    /// stands for none.
    #[must_use]
    pub fn dir(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.directory = (path != Path::new("/dev/null")).then_some(path);
        self
    }

    /// Adds a file, which must be there. The end of its name tells the format.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(path.into());
        self
    }

    /// Adds TOML that is already in memory; `name` stands for the file in messages.
    #[must_use]
    pub fn toml_text(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.texts.push((name.into(), text.into()));
        self
    }

    /// Uses these variables in place of those of the process.
    #[must_use]
    pub fn env<K, V>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.variables = Variables::Given(variables.collect());
        self
    }

    /// Adds an assignment, `http.addr=0.0.0.0:80`, as it is given with `--set`. The value is read
    /// as the type of its key.
    #[must_use]
    pub fn set(mut self, assignment: impl Into<String>) -> Self {
        self.assignments.push(assignment.into());
        self
    }

    /// Reads `text` wherever the file at `path` would be read, whether it is there or not: to find
    /// out what a file would amount to before it is written.
    #[must_use]
    pub fn instead_of(mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.instead.insert(path.into(), text.into());
        self
    }

    /// Lets an application start with the files that were good last, if those there are now are
    /// not. Defaults to `false`; the key `config.boot` says the same.
    #[must_use]
    pub fn last_good(mut self, allowed: bool) -> Self {
        self.last_good = allowed;
        self
    }

    /// The app's name, if the sources are those of an application.
    #[must_use]
    pub fn app(&self) -> Option<&str> {
        self.app.as_deref()
    }

    /// Reads everything, once. Blocks on files.
    ///
    /// What the values mean is checked later, against the sections of the modules.
    ///
    /// # Errors
    ///
    /// Returns an error that lists every source that cannot be read.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        self.attempt().loaded
    }

    /// Loads what was good last, if it is kept and an application
    /// [may start with it](Self::last_good). For what has to be known before the application is
    /// planned; the plan finds out by itself whether it is needed. Blocks on files.
    #[must_use]
    pub fn load_last_good(&self) -> Option<Loaded> {
        let fallback = self.attempt().fallback;
        if !fallback.allowed {
            return None;
        }
        fallback.find()?.load(self).ok()
    }

    /// Reads everything, once, and tells also what was tried.
    pub(crate) fn attempt(&self) -> Attempt {
        let mut reading = Reading::with(self.instead.clone());
        let strong = self.strong();
        let base = self.read_named(&mut reading, "app");
        let mut given: Vec<FileLayer> = Vec::new();
        for (name, text) in &self.texts {
            given.extend(reading.text(name, text));
        }
        for path in &self.files {
            given.extend(reading.file(path));
        }
        // What the sources say of the profile is known before the profile's own file is read.
        let weak = given.iter().rev().chain(base.iter().rev()).map(|(_, layer)| layer);
        let profile = self.chosen_profile(&strong, weak);
        let own = match &profile {
            Ok(name) if name != "app" => self.read_named(&mut reading, name),
            _ => Vec::new(),
        };
        let files: Vec<FileLayer> = base.into_iter().chain(own).chain(given).collect();
        let name = profile.as_deref().unwrap_or(DEFAULT_PROFILE);
        let fallback = {
            let layers = files.iter().map(|(_, layer)| layer).chain(&strong.layers);
            Fallback::of(self, name, layers.rev())
        };
        let Reading { texts, mut faults, touched, .. } = reading;
        let loaded = match profile {
            Err(fault) => {
                faults.push(fault);
                Err(ConfigError::new(faults))
            }
            Ok(profile) => {
                faults.extend(strong.faults.iter().cloned());
                match ConfigError::of(faults) {
                    Some(error) => Err(error),
                    None => self
                        .merge(profile, files, strong)
                        .map(|it| it.read_from(texts, touched.clone())),
                }
            }
        };
        Attempt { loaded, touched, fallback }
    }

    /// Loads these files in place of those that there are now; what is stronger is read anew.
    pub(crate) fn load_kept(
        &self,
        profile: String,
        kept: &[(String, String)],
    ) -> Result<Loaded, ConfigError> {
        let mut reading = Reading::default();
        let strong = self.strong();
        let files: Vec<_> = kept.iter().flat_map(|(name, text)| reading.kept(name, text)).collect();
        let Reading { texts, mut faults, .. } = reading;
        faults.extend(strong.faults.iter().cloned());
        match ConfigError::of(faults) {
            Some(error) => Err(error),
            None => {
                self.merge(profile, files, strong).map(|it| it.read_from(texts, Touched::default()))
            }
        }
    }

    /// Puts what is stronger over the files.
    fn merge(
        &self,
        profile: String,
        files: Vec<FileLayer>,
        strong: Strong,
    ) -> Result<Loaded, ConfigError> {
        let (names, mut layers): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        let of_files = layers.len();
        if self.app.is_some() {
            layers.push(environment::conventional_layer(&strong.taken.values, &layers));
        }
        layers.extend(strong.layers);
        let mut tree = layers::merge(&layers).map_err(ConfigError::one)?;
        reference::resolve_all(&mut tree, &strong.taken.values);
        Ok(Loaded::new(self.clone(), profile, names, tree).made_of(layers, of_files))
    }

    pub(crate) fn allows_last_good(&self) -> bool {
        self.last_good
    }

    /// The value of the variable `name`.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.variables.snapshot().values.remove(name).filter(|value| !value.is_empty())
    }

    /// Every file that is read if it is there.
    pub(crate) fn paths(&self, profile: &str) -> Vec<PathBuf> {
        let named = |dir: &PathBuf| ["app", profile].map(|name| files::named(dir, name));
        let named = self.directory.iter().flat_map(named).flatten();
        named.chain(self.files.iter().cloned()).collect()
    }

    /// Whether what is read may be something else the next time: the variables of a process stay.
    pub(crate) fn may_change(&self) -> bool {
        let refers = |(_, text): &(String, String)| reference::files(text).next().is_some();
        self.directory.is_some() || !self.files.is_empty() || self.texts.iter().any(refers)
    }

    fn read_named(&self, reading: &mut Reading, name: &str) -> Vec<FileLayer> {
        let directory = self.directory.as_deref();
        directory.map_or_else(Vec::new, |directory| reading.named(directory, name))
    }

    /// What is stronger than any file, weakest first.
    fn strong(&self) -> Strong {
        let taken = self.variables.snapshot();
        let own = self.app.as_deref().map(|app| environment::app_layer(app, &taken));
        let (mut layers, mut faults) = (Vec::new(), Vec::new());
        for layer in own.into_iter().chain([assignments(&self.assignments)]) {
            match layer {
                Ok(layer) => layers.push(layer),
                Err(found) => faults.extend(found),
            }
        }
        Strong { taken, layers, faults }
    }

    /// The profile that is named by the caller, by the app's variable, or as `app.profile` in a
    /// layer; of those in `weak` the strongest is the first.
    fn chosen_profile<'n>(
        &self,
        strong: &'n Strong,
        weak: impl Iterator<Item = &'n Node>,
    ) -> Result<String, Fault> {
        let variables = &strong.taken.values;
        let layers = strong.layers.iter().rev().chain(weak);
        let named = self.profile.clone().map(|name| (name, "--profile".to_owned()));
        let from_variable = || {
            let variable = format!("{}PROFILE", environment::prefix(self.app.as_deref()?));
            let name = variables.get(&variable).filter(|name| !name.is_empty())?;
            Some((name.clone(), format!("env {variable}")))
        };
        let key = KeyPath::dotted("app.profile");
        let mut said = layers.filter_map(|layer| layer.at(&key));
        let from_layer =
            || said.find_map(|node| Some((node.text()?.to_owned(), node.origin.to_string())));
        let Some((profile, origin)) = named.or_else(from_variable).or_else(from_layer) else {
            return Ok(DEFAULT_PROFILE.to_owned());
        };
        // The name becomes part of a path.
        if !profile.is_empty()
            && profile.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        {
            return Ok(profile);
        }
        let mut fault = Fault::file(origin, format!("{profile:?} is not the name of a profile"));
        fault.cure("use letters, digits, `-` and `_`");
        Err(fault)
    }
}

fn assignments(given: &[String]) -> Result<Node, Vec<Fault>> {
    let mut root = Node::empty_table(Origin::Argument);
    let mut faults = Vec::new();
    for assignment in given {
        match assignment.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                let path = KeyPath::dotted(key.trim());
                if path.steps().len() > MAX_DEPTH {
                    faults.push(Fault::file("--set", too_deep()));
                    continue;
                }
                root.insert(&path, Node::loose(value, Origin::Argument));
            }
            // What was given is not repeated: it may be a secret without its key.
            _ => {
                let mut fault = Fault::file("--set", "not of the form KEY=VALUE");
                fault.cure("write http.addr=0.0.0.0:80");
                faults.push(fault);
            }
        }
    }
    if faults.is_empty() { Ok(root) } else { Err(faults) }
}

/// Shows which sources there are, and no values.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.texts.iter().map(|(name, _)| name).collect();
        f.debug_struct("Sources")
            .field("app", &self.app)
            .field("directory", &self.directory)
            .field("profile", &self.profile)
            .field("texts", &texts)
            .field("files", &self.files)
            .field("assignments", &self.assignments.len())
            .finish_non_exhaustive()
    }
}
