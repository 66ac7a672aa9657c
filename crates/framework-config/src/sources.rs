use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    environment::{self, Variables},
    error::ConfigError,
    fault::Fault,
    files,
    key_path::KeyPath,
    layers,
    loaded::Loaded,
    node::Node,
    origin::Origin,
    parse::{self, Format, MAX_DEPTH, too_deep},
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
        }
    }

    /// Names the profile. Defaults to the app's variable `SHOP_PROFILE`, then to `local`.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// Sets the directory of the files `app.*` and `{profile}.*`. Defaults to `config`.
    #[must_use]
    pub fn dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = Some(path.into());
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
        let taken = self.variables.snapshot();
        let variables = &taken.values;
        let profile = self.chosen_profile(variables).map_err(ConfigError::one)?;
        let (mut layers, mut names, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for read in self.read_files(&profile) {
            match read {
                Ok(Some((name, layer))) => {
                    names.push(name);
                    layers.push(layer);
                }
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        if let Some(app) = &self.app {
            layers.push(environment::conventional_layer(variables, &layers));
            match environment::app_layer(app, &taken) {
                Ok(layer) => layers.push(layer),
                Err(found) => faults.extend(found),
            }
        }
        match assignments(&self.assignments) {
            Ok(layer) => layers.push(layer),
            Err(found) => faults.extend(found),
        }
        if let Some(error) = ConfigError::of(faults) {
            return Err(error);
        }
        let mut tree = layers::merge(&layers).map_err(ConfigError::one)?;
        reference::resolve_all(&mut tree, variables);
        Ok(Loaded::new(self.clone(), profile, names, tree))
    }

    fn read_files(&self, profile: &str) -> Vec<Result<Option<(String, Node)>, Fault>> {
        let directory = self.directory.as_deref().into_iter();
        let mut named = vec!["app"];
        if profile != "app" {
            named.push(profile);
        }
        let named = directory.flat_map(|dir: &Path| {
            named.iter().map(|name| files::read_named(dir, name)).collect::<Vec<_>>()
        });
        let texts = self.texts.iter().map(|(name, text)| {
            let node = parse::parse(Format::Toml, name, text)?;
            Ok(Some((name.clone(), node)))
        });
        let files = self.files.iter().map(|path| files::read(path).map(Some));
        named.chain(texts).chain(files).collect()
    }

    fn chosen_profile(&self, variables: &BTreeMap<String, String>) -> Result<String, Fault> {
        let variable =
            self.app.as_deref().map(|app| format!("{}PROFILE", environment::prefix(app)));
        let from_variable = variable.as_ref().and_then(|name| variables.get(name));
        let (profile, origin) = match (&self.profile, from_variable, &variable) {
            (Some(profile), _, _) => (profile.clone(), "--profile".to_owned()),
            (None, Some(profile), Some(name)) if !profile.is_empty() => {
                (profile.clone(), format!("env {name}"))
            }
            _ => return Ok(DEFAULT_PROFILE.to_owned()),
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
