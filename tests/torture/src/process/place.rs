//! Where a process runs, and whoever else does.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::BoxError;

/// A directory of the process's own, with its configuration.
#[derive(Debug)]
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no room for it.
    pub(crate) fn new() -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("torture-").tempdir()?;
        fs::create_dir(dir.path().join("config"))?;
        Ok(Self { dir })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The file that the configuration is in.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("config/app.toml")
    }

    /// Puts another configuration in place, at once.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be written.
    pub(crate) fn configure(&self, text: impl AsRef<[u8]>) -> io::Result<()> {
        let new = self.dir.path().join("app.toml.new");
        fs::write(&new, text)?;
        fs::rename(&new, self.config())
    }

    /// When no process ran here any more; `None` if that takes longer than `limit`.
    pub(crate) async fn empty(&self, limit: Duration) -> Option<Instant> {
        let give_up = Instant::now() + limit;
        loop {
            let now = Instant::now();
            if self.processes().is_empty() {
                return Some(now);
            }
            if now > give_up {
                return None;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The processes that run here, whoever has started them.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
        let here = |process: &fs::DirEntry| {
            fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == self.path())
        };
        let number = |process: fs::DirEntry| process.file_name().to_str()?.parse().ok();
        processes.flatten().filter(here).filter_map(number).collect()
    }
}

impl Drop for Place {
    /// Nobody stays behind, whatever went wrong.
    fn drop(&mut self) {
        for pid in self.processes() {
            // It may just have ended.
            let _ = kill(pid, Signal::KILL);
        }
    }
}

/// Sends a signal to a process that was started here.
///
/// # Errors
///
/// Returns an error if there is no such process.
pub(crate) fn kill(pid: u32, signal: Signal) -> Result<Instant, BoxError> {
    let pid = Pid::from_raw(pid.cast_signed()).ok_or("no such process")?;
    kill_process(pid, signal)?;
    Ok(Instant::now())
}
