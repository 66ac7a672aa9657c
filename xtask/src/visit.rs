//! The files that people write, below a directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Lists the files below `dir`, sorted, without hidden directories and what tools build.
///
/// A directory that goes away while it is read counts as empty: editors do that all the time.
///
/// # Errors
///
/// Returns an error if a directory cannot be read.
pub(crate) fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(dir, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let left_out = name == "target" || name == "data" || name.as_encoded_bytes()[0] == b'.';
        let kind = entry.file_type()?;
        if kind.is_dir() && !left_out {
            collect(&entry.path(), found)?;
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_build_is_not_what_people_write() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["src/lib.rs", "target/debug/x.rs", ".git/config", "Cargo.toml"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = files(dir.path()).unwrap();
        let names: Vec<_> = found.iter().map(|f| f.strip_prefix(dir.path()).unwrap()).collect();
        assert_eq!(names, [Path::new("Cargo.toml"), Path::new("src/lib.rs")]);
    }

    #[test]
    fn a_directory_that_is_not_there_is_empty() {
        assert!(files(Path::new("/no/such/directory")).unwrap().is_empty());
    }
}
