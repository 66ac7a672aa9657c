use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

/// How many dumps are kept.
const KEPT: usize = 10;

/// How far two dumps are apart, at least.
const APART: Duration = Duration::from_secs(1);

/// Writes down how a process is, for somebody who looks for an error: JSON files that only this
/// user can read, the last ten of them, no more than one a second.
#[derive(Debug)]
pub struct DumpFiles {
    directory: PathBuf,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    at: Option<Duration>,
    number: u64,
}

impl DumpFiles {
    /// Writes into `directory`, which is made when it is needed.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), last: Mutex::default() }
    }

    /// Writes what `collect` returns, and removes the oldest files. `None` if the last one is less
    /// than a second old: then nothing is collected.
    ///
    /// # Errors
    ///
    /// When the file cannot be written; what there is of it is removed.
    pub fn write(&self, collect: impl FnOnce() -> Value) -> io::Result<Option<PathBuf>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock_gettime(ClockId::Monotonic);
        let now = Duration::try_from(now).unwrap_or_default();
        if last.at.is_some_and(|at| now.saturating_sub(at) < APART) {
            return Ok(None);
        }
        last.at = Some(now);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let path = self.next_file(&mut last.number)?;
        let written = write(&path, &collect());
        if written.is_err() {
            let _ = fs::remove_file(&path);
        }
        written?;
        self.remove_old()?;
        Ok(Some(path))
    }

    /// Makes a file that was not there: nobody can have put a link in its place.
    fn next_file(&self, number: &mut u64) -> io::Result<PathBuf> {
        loop {
            let name = format!("dump-{}-{number}.json", std::process::id());
            let path = self.directory.join(name);
            *number += 1;
            match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(_) => return Ok(path),
                // A process before this one had the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn remove_old(&self) -> io::Result<()> {
        let mut dumps: Vec<_> = fs::read_dir(&self.directory)?
            .filter_map(Result::ok)
            .filter(|file| is_dump(&file.file_name().to_string_lossy()))
            .filter_map(|file| {
                let number = number(&file.file_name().to_string_lossy());
                Some((file.metadata().ok()?.modified().ok()?, number, file.path()))
            })
            .collect();
        dumps.sort();
        let many = dumps.len().saturating_sub(KEPT);
        for (_, _, path) in dumps.drain(..many) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

fn is_dump(name: &str) -> bool {
    name.starts_with("dump-") && name.ends_with(".json")
}

/// The file system's clock may be coarse: of one moment, the higher number is the later one.
fn number(name: &str) -> u64 {
    let number = name.trim_end_matches(".json").rsplit('-').next();
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn write(path: &Path, value: &Value) -> io::Result<()> {
    let mut file = io::BufWriter::new(fs::OpenOptions::new().write(true).open(path)?);
    serde_json::to_writer_pretty(&mut file, value)?;
    file.write_all(b"\n")?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_dump_is_for_this_user_only_and_follows_another_after_a_second_at_the_soonest() {
        let directory = tempfile::tempdir().unwrap();
        let dumps = DumpFiles::new(&directory.path().join("state"));
        let path = dumps.write(|| json!({"up": true})).unwrap().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!({"up": true}));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let second = dumps.write(|| unreachable!("nothing is collected")).unwrap();
        assert_eq!(second, None);
    }

    #[test]
    fn the_last_ten_are_kept_and_files_of_others_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let other = directory.path().join("notes.json");
        fs::write(&other, "mine").unwrap();
        let newest: Vec<_> = (0..13)
            .map(|n| DumpFiles::new(directory.path()).write(|| json!(n)).unwrap().unwrap())
            .skip(3)
            .collect();
        let mut left: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().path()).collect();
        left.retain(|path| *path != other);
        left.sort();
        let mut newest = newest;
        newest.sort();
        assert_eq!(left, newest);
        assert_eq!(fs::read_to_string(other).unwrap(), "mine");
    }
}
