use std::{
    collections::BTreeMap,
    fs::File,
    hash::{DefaultHasher, Hasher},
    io::Read,
    path::{Path, PathBuf},
};

use crate::files::MAX_BYTES;

/// What some files hold, in short. Only compared within one program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    files: BTreeMap<PathBuf, u64>,
}

impl Fingerprint {
    /// Notes what the file at `path` held when it was read.
    pub(crate) fn note(&mut self, path: &Path, text: &str) {
        self.files.insert(path.to_owned(), hash_of(text.as_bytes()));
    }

    /// Reads `paths`; those that are not there, or are no files, have no part in it.
    pub(crate) fn take<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let file = |path: &Path| Some((path.to_owned(), hash(path)?));
        Self { files: paths.into_iter().filter_map(file).collect() }
    }

    /// What the file at `path` holds; `None` if it has no part in this.
    pub(crate) fn of(&self, path: &Path) -> Option<u64> {
        self.files.get(path).copied()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&PathBuf, u64)> {
        self.files.iter().map(|(path, hash)| (path, *hash))
    }
}

fn hash(path: &Path) -> Option<u64> {
    // Opening a pipe waits for somebody at its other end.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
    Some(hash_of(&bytes))
}

pub(crate) fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
