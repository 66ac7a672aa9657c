//! Notices that a source file has changed, by looking at the times of all of them.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::visit;

/// What an application is built from, or serves from its own directory.
const EXTENSIONS: [&str; 6] = ["rs", "toml", "sql", "html", "css", "js"];

/// The source files of a workspace, as they were at the last look.
#[derive(Debug)]
pub(super) struct Watch {
    root: PathBuf,
    seen: BTreeMap<PathBuf, SystemTime>,
}

impl Watch {
    /// Looks for the first time.
    ///
    /// # Errors
    ///
    /// Returns an error if a directory cannot be read.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        Ok(Self { root: root.to_owned(), seen: look(root)? })
    }

    /// Looks again, and returns one file that is new, gone, or written since the last look.
    ///
    /// # Errors
    ///
    /// Returns an error if a directory cannot be read.
    pub(super) fn changed(&mut self) -> io::Result<Option<PathBuf>> {
        let now = look(&self.root)?;
        let new = now.iter().find(|(path, time)| self.seen.get(*path) != Some(time));
        let gone = self.seen.iter().find(|(path, _)| !now.contains_key(*path));
        let changed = new.or(gone).map(|(path, _)| path);
        let changed = changed.map(|path| path.strip_prefix(&self.root).unwrap_or(path).to_owned());
        self.seen = now;
        Ok(changed)
    }
}

fn look(root: &Path) -> io::Result<BTreeMap<PathBuf, SystemTime>> {
    let mut times = BTreeMap::new();
    for path in visit::files(root)? {
        let known =
            path.extension().and_then(|e| e.to_str()).is_some_and(|e| EXTENSIONS.contains(&e));
        if !known {
            continue;
        }
        // A file that went away since it was listed is noticed as gone.
        if let Ok(time) = fs::metadata(&path).and_then(|metadata| metadata.modified()) {
            times.insert(path, time);
        }
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use std::{fs::File, time::Duration};

    use super::*;

    #[test]
    fn a_file_that_is_new_written_or_gone_is_noticed_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("main.rs");
        let mut watch = Watch::new(dir.path()).unwrap();
        let main = Some(PathBuf::from("main.rs"));

        let handle = File::create(&file).unwrap();
        assert_eq!(watch.changed().unwrap(), main, "new");
        assert_eq!(watch.changed().unwrap(), None);
        handle.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
        assert_eq!(watch.changed().unwrap(), main, "written");
        assert_eq!(watch.changed().unwrap(), None);
        fs::remove_file(&file).unwrap();
        assert_eq!(watch.changed().unwrap(), main, "gone");
        assert_eq!(watch.changed().unwrap(), None);
    }

    #[test]
    fn what_no_program_is_built_from_is_not_watched() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(dir.path()).unwrap();
        fs::write(dir.path().join("notes.txt"), "").unwrap();
        assert_eq!(watch.changed().unwrap(), None);
    }
}
