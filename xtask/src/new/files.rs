//! Writing new files, and only new ones.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{error::NewError, shown};
use crate::print;

/// Files to be written together.
#[derive(Debug, Default)]
pub(super) struct Files(Vec<(PathBuf, String)>);

impl Files {
    pub(super) fn add(&mut self, path: PathBuf, text: String) {
        self.0.push((path, text));
    }

    /// Writes all of them, with the directories above.
    ///
    /// # Errors
    ///
    /// Returns an error, before anything is written, if one of them exists.
    pub(super) fn write(self) -> Result<(), NewError> {
        if let Some((path, _)) = self.0.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
            return Err(NewError::Exists { path: path.clone() });
        }
        for (path, text) in self.0 {
            write_new(&path, &text).map_err(|source| match source.kind() {
                io::ErrorKind::AlreadyExists => NewError::Exists { path: path.clone() },
                _ => NewError::Write { path: path.clone(), source },
            })?;
            print::good(&format!("wrote {}", shown(&path)));
        }
        Ok(())
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    // Whoever creates the file between the look and here keeps it, too.
    File::create_new(path)?.write_all(text.as_bytes())
}

/// Replaces a file in one step: whoever reads it sees the old text or the new one.
///
/// # Errors
///
/// Returns an error if it cannot be replaced; then it is as it was.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), NewError> {
    let failed = |source| NewError::Write { path: path.to_owned(), source };
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut next = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    next.write_all(text.as_bytes()).map_err(failed)?;
    let permissions = fs::metadata(path).map_err(failed)?.permissions();
    next.as_file().set_permissions(permissions).map_err(failed)?;
    next.persist(path).map_err(|error| failed(error.error))?;
    print::good(&format!("changed {}", shown(path)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_one_file_exists_none_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let (new, old) = (dir.path().join("a/new"), dir.path().join("old"));
        fs::write(&old, "mine").unwrap();
        let mut files = Files::default();
        files.add(new.clone(), "theirs".into());
        files.add(old.clone(), "theirs".into());
        assert!(matches!(files.write(), Err(NewError::Exists { path }) if path == old));
        assert!(!new.exists());
        assert_eq!(fs::read_to_string(&old).unwrap(), "mine");
    }

    #[test]
    fn a_replaced_file_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lib.rs");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        replace(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }
}
