//! The files that were good last: kept while the application runs, for a start on which those
//! that are there are broken.

use std::{
    fs::{self, DirBuilder},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::{
    config_file::{self, Access},
    environment,
    error::ConfigError,
    files,
    key_path::{KeyPath, Step},
    loaded::Loaded,
    node::{Content, Node},
    redact, reference,
    section::Section,
    sources::Sources,
};

/// What the kept file looks like; another number is another form.
const FORM: u32 = 1;

/// What comes before the path of a kept file in origins: it is not the file that is there now.
const KEPT: &str = "last good ";

/// Whether an application may start on what was good last, and where that is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fallback {
    pub(crate) allowed: bool,
    /// `None` if nobody says whose configuration it is.
    path: Option<PathBuf>,
    /// What allows it without a flag.
    variable: String,
}

/// The files of a configuration that was good.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    form: u32,
    profile: String,
    /// In seconds since 1970.
    saved: u64,
    /// For people who look into the file.
    saved_text: String,
    /// Weakest first; what they included stands before them.
    files: Vec<KeptFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptFile {
    path: String,
    text: String,
}

/// What there is to keep of a configuration that is in force.
#[derive(Debug)]
pub(crate) enum Keepsake {
    /// The path and the text of each file.
    Files(Vec<(String, String)>),
    /// Some files hold secrets, under these keys, and are not copied.
    Secrets(Vec<String>),
}

// ===== impl Fallback =====

impl Fallback {
    /// What the layers that could be read say about it, of which the strongest is the first.
    pub(crate) fn of<'n>(
        sources: &Sources,
        profile: &str,
        layers: impl Iterator<Item = &'n Node>,
    ) -> Self {
        let layers: Vec<_> = layers.collect();
        let said = |key: &str| {
            let key = KeyPath::dotted(key);
            let text = layers.iter().find_map(|layer| layer.at(&key))?.text()?.to_owned();
            reference::resolved(&text, |name| sources.variable(name))
        };
        let allowed =
            sources.allows_last_good() || said("config.boot").as_deref() == Some("last_good");
        let Some(app) = sources.app() else { return Self { allowed, ..Self::default() } };
        let given = said("config.state_dir").filter(|path| !path.is_empty()).map(PathBuf::from);
        let directory =
            given.unwrap_or_else(|| state_directory(app, |name| sources.variable(name)));
        let path = Some(directory.join(format!("last-good-{profile}.json")));
        let variable = environment::variable(app, &KeyPath::dotted("config.boot"));
        Self { allowed, path, variable }
    }

    /// Reads what is kept; `None` if there is nothing, or nothing that can be used.
    pub(crate) fn find(&self) -> Option<Kept> {
        let text = files::text_up_to(self.path.as_deref()?, MAX_KEPT_BYTES).ok()?;
        let kept: Kept = serde_json::from_str(&text).ok()?;
        (kept.form == FORM).then_some(kept)
    }

    /// Says that there is something to start on, and how.
    pub(crate) fn advice(&self, kept: &Kept) -> String {
        format!(
            "the configuration that was good last, of {}, is kept: start with it by `--last-good`, \
             or {}=last_good",
            kept.saved_text, self.variable
        )
    }

    /// Writes what is to be kept, for nobody else to read; says whether that is something new.
    /// Blocks on the disk.
    pub(crate) fn keep(&self, profile: &str, keepsake: &Keepsake) -> io::Result<bool> {
        let (Some(path), Keepsake::Files(files)) = (&self.path, keepsake) else {
            return Ok(false);
        };
        let now = SystemTime::now();
        let file = |(path, text): &(String, String)| KeptFile {
            path: path.strip_prefix(KEPT).unwrap_or(path).to_owned(),
            text: text.clone(),
        };
        let kept = Kept {
            form: FORM,
            profile: profile.to_owned(),
            saved: now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs(),
            saved_text: humantime::format_rfc3339_seconds(now).to_string(),
            files: files.iter().map(file).collect(),
        };
        // Another time alone is nothing to write a disk for.
        if self.find().is_some_and(|old| old.says_the_same(&kept)) {
            return Ok(false);
        }
        if let Some(directory) = path.parent() {
            make_private(directory)?;
        }
        let text = serde_json::to_vec_pretty(&kept)?;
        config_file::write_whole(path, &text, Access::Owner)?;
        Ok(true)
    }

    /// Where it is kept.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// More than all the files that it is made of, with the quotes.
const MAX_KEPT_BYTES: u64 = 64 * files::MAX_BYTES;

/// The directory that systemd gives a service, or that a user has for such things, or one here.
fn state_directory(app: &str, variable: impl Fn(&str) -> Option<String>) -> PathBuf {
    if let Some(directories) = variable("STATE_DIRECTORY") {
        // Systemd separates several by colons.
        return PathBuf::from(directories.split(':').next().unwrap_or_default());
    }
    match variable("XDG_STATE_HOME") {
        Some(home) => Path::new(&home).join(app),
        None => Path::new(".state").join(app),
    }
}

fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match fs::metadata(directory) {
        Ok(_) => Ok(()),
        Err(_) => builder.create(directory),
    }
}

// ===== impl Kept, Keepsake =====

impl Kept {
    /// When it was kept.
    pub(crate) fn saved(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.saved)
    }

    /// Loads the files with what is stronger than they are now.
    pub(crate) fn load(&self, sources: &Sources) -> Result<Loaded, ConfigError> {
        let files: Vec<_> = self
            .files
            .iter()
            .map(|file| (format!("{KEPT}{}", file.path), file.text.clone()))
            .collect();
        sources.load_kept(self.profile.clone(), &files)
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let files = |kept: &Self| -> Vec<(String, String)> {
            kept.files.iter().map(|file| (file.path.clone(), file.text.clone())).collect()
        };
        self.profile == other.profile && files(self) == files(other)
    }
}

impl Keepsake {
    /// The files of what was loaded, unless a secret stands in them as it is.
    pub(crate) fn of(loaded: &Loaded, sections: &[&Section]) -> Self {
        let (mut files, mut secrets) = (Vec::new(), Vec::new());
        for (name, text, layer) in loaded.file_layers() {
            collect_secrets(layer, &KeyPath::default(), sections, &mut secrets);
            files.push((name.to_owned(), text.as_str().to_owned()));
        }
        secrets.sort_unstable();
        secrets.dedup();
        if secrets.is_empty() { Self::Files(files) } else { Self::Secrets(secrets) }
    }
}

/// Notes the key of each secret that stands in a file itself.
fn collect_secrets(node: &Node, at: &KeyPath, sections: &[&Section], found: &mut Vec<String>) {
    match &node.content {
        Content::Table(table) => {
            for (key, child) in table {
                collect_secrets(child, &at.child(key), sections, found);
            }
        }
        Content::List(items) => {
            for (index, child) in items.iter().enumerate() {
                collect_secrets(child, &at.with(Step::Index(index)), sections, found);
            }
        }
        Content::Null => {}
        _ => {
            let text = node.text().unwrap_or("-");
            let has_password = redact::text(text) != text;
            let bare = !text.is_empty() && !reference::is_nothing_else(text);
            if has_password || bare && is_secret(at, sections) {
                found.push(at.to_string());
            }
        }
    }
}

fn is_secret(at: &KeyPath, sections: &[&Section]) -> bool {
    let Some((Step::Key(name), rest)) = at.steps().split_first() else { return false };
    let rest: KeyPath = rest.iter().cloned().collect();
    let section = sections.iter().find(|section| section.name() == name);
    section.is_some_and(|section| section.schema().touches_secret(&rest))
}
