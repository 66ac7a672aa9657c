use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde_json::Value;
use toml_edit::{DocumentMut, Item, Table};

use crate::report;

/// A configuration file in TOML that is to be changed, with the comments and the order that people
/// gave it.
///
/// # Examples
///
/// ```
/// use framework_config::ConfigFile;
///
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("app.toml");
/// std::fs::write(&path, "[http]\naddr = \"[::]:80\"   # for all\n")?;
///
/// let mut file = ConfigFile::open(&path)?;
/// file.set("http.addr", &"[::1]:80".into())?;
/// file.save()?;
///
/// assert_eq!(std::fs::read_to_string(&path)?, "[http]\naddr = \"[::1]:80\"   # for all\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    document: DocumentMut,
}

/// Why a configuration file cannot be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// Only TOML keeps its comments.
    #[error("`{}` is not TOML", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
    },
    /// The file is no TOML inside.
    #[error("`{}` cannot be understood: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// A value stands where the key needs a table.
    #[error("`{key}` lies below a value that is not a table")]
    NotATable {
        /// The key.
        key: String,
    },
    /// TOML has no such value: null.
    #[error("TOML cannot say that `{key}` is not set: remove it")]
    NoValue {
        /// The key.
        key: String,
    },
    /// The file cannot be read or written.
    #[error("`{}` cannot be {doing}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: `read`, `written`.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl ConfigFile {
    /// Reads the file at `path`; one that is not there is empty.
    ///
    /// # Errors
    ///
    /// Returns an error if the file is not TOML, or cannot be read.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ConfigFileError> {
        let path = path.into();
        if path.extension().is_none_or(|extension| extension != "toml") {
            return Err(ConfigFileError::NotToml { path });
        }
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ConfigFileError::Io { path, doing: "read", source }),
        };
        match text.parse() {
            Ok(document) => Ok(Self { path, document }),
            Err(error) => Err(ConfigFileError::Malformed { path, message: error.to_string() }),
        }
    }

    /// Sets `key`, written from the section on, to `value`. A comment behind the value stays.
    ///
    /// # Errors
    ///
    /// Returns an error if a value is in the way, or is null.
    pub fn set(&mut self, key: &str, value: &Value) -> Result<(), ConfigFileError> {
        let no_value = || ConfigFileError::NoValue { key: key.to_owned() };
        let text = report::toml(value).ok_or_else(no_value)?;
        let mut value: toml_edit::Value = text.parse().map_err(|_| no_value())?;
        let not_a_table = || ConfigFileError::NotATable { key: key.to_owned() };
        let (tables, last) = match key.rsplit_once('.') {
            Some((tables, last)) => (tables.split('.').collect(), last),
            None => (Vec::new(), key),
        };
        let mut place = self.document.as_item_mut();
        for table in tables {
            let below = place.as_table_like_mut().ok_or_else(not_a_table)?;
            place = below.entry(table).or_insert_with(implicit_table);
        }
        let table = place.as_table_like_mut().ok_or_else(not_a_table)?;
        match table.get_mut(last) {
            Some(Item::Value(old)) => {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            Some(_) => return Err(not_a_table()),
            None => drop(table.insert(last, Item::Value(value))),
        }
        Ok(())
    }

    /// Takes `key` out, so that a weaker source or the default counts; says whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let (tables, last) = key.rsplit_once('.').unwrap_or(("", key));
        let mut place = Some(self.document.as_item_mut());
        for table in tables.split('.').filter(|table| !table.is_empty()) {
            place = place.and_then(|place| place.as_table_like_mut()?.get_mut(table));
        }
        let table = place.and_then(Item::as_table_like_mut);
        table.is_some_and(|table| table.remove(last).is_some())
    }

    /// The text that [`save`](Self::save) writes.
    #[must_use]
    pub fn text(&self) -> String {
        self.document.to_string()
    }

    /// Writes the file in one step: whoever reads it meanwhile gets the old one or the new one as
    /// a whole. A link stays a link, and the permissions stay what they were. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// Returns an error if the file, or its neighbour that becomes it, cannot be written. The old
    /// file is still there then.
    pub fn save(&self) -> Result<(), ConfigFileError> {
        write_whole(&self.path, self.text().as_bytes(), Access::Kept).map_err(|source| {
            ConfigFileError::Io { path: self.path.clone(), doing: "written", source }
        })
    }
}

/// A table that is written only for what is in it.
fn implicit_table() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}

/// Who may read a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever could before.
    Kept,
    /// Its owner, and nobody else.
    Owner,
}

/// Writes a file beside `path`, and renames it over when all of it is on the disk.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    let directory = directory.unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_new(&temporary, &path, bytes, access);
    let written = written.and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        // The first error is what counts.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    // Not every file system lets directories be synced; the rename has happened.
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
    Ok(())
}

fn write_new(temporary: &Path, like: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    // One that a process left behind under our number is of no use to anybody.
    let _ = fs::remove_file(temporary);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if access == Access::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut file = options.open(temporary)?;
    if access == Access::Kept
        && let Ok(old) = fs::metadata(like)
    {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
