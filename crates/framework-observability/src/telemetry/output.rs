use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tracing_subscriber::fmt::MakeWriter;

/// Where lines of the log go: standard error or a file. Clones write to the same place.
///
/// A line is one write, so lines of several threads, and of several processes that append to one
/// file, do not mix. A line that cannot be written is counted and dropped: an application does not
/// fail because its log does.
#[derive(Clone)]
pub struct LogOutput {
    inner: Arc<Inner>,
}

struct Inner {
    target: Target,
    lost: AtomicU64,
}

enum Target {
    Stderr,
    File { path: PathBuf, open: ArcSwap<Open>, let_go: Mutex<Receiver<()>> },
}

/// A file that lines are written to.
struct Open {
    file: File,
    // Dropped with the file, by whoever writes the last line.
    _let_go: Sender<()>,
}

/// How long a line may take that is being written to a file that was moved away.
const LAST_LINE: Duration = Duration::from_secs(5);

// ===== impl LogOutput =====

impl LogOutput {
    /// Writes to standard error.
    #[must_use]
    pub fn stderr() -> Self {
        Self::to(Target::Stderr)
    }

    /// Appends to the file at `path`, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened for writing.
    pub fn file(path: PathBuf) -> io::Result<Self> {
        let (open, let_go) = open(&path)?;
        let (open, let_go) = (ArcSwap::from_pointee(open), Mutex::new(let_go));
        Ok(Self::to(Target::File { path, open, let_go }))
    }

    fn to(target: Target) -> Self {
        Self { inner: Arc::new(Inner { target, lost: AtomicU64::new(0) }) }
    }

    /// Opens the file anew, after something moved the old one away, and waits for the lines that
    /// are being written to that one: afterwards nobody writes there. Standard error stays as it is.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, and lines go on into the old one; or when a line takes
    /// longer than five seconds to be written there.
    pub fn reopen(&self) -> io::Result<()> {
        self.reopen_within(LAST_LINE)
    }

    pub(super) fn reopen_within(&self, limit: Duration) -> io::Result<()> {
        let Target::File { path, open: current, let_go } = &self.inner.target else {
            return Ok(());
        };
        // Nobody who writes a line takes this lock.
        let mut let_go = let_go.lock().unwrap_or_else(PoisonError::into_inner);
        let (new, of_new) = open(path)?;
        drop(current.swap(Arc::new(new)));
        let of_old = std::mem::replace(&mut *let_go, of_new);
        match of_old.recv_timeout(limit) {
            Err(RecvTimeoutError::Timeout) => {
                let message = "a line is still being written to the old file";
                Err(io::Error::new(io::ErrorKind::TimedOut, message))
            }
            _ => Ok(()),
        }
    }

    /// How many lines could not be written.
    #[must_use]
    pub fn lost_lines(&self) -> u64 {
        self.inner.lost.load(Ordering::Relaxed)
    }

    fn write_line(&self, line: &[u8]) {
        let written = match &self.inner.target {
            Target::Stderr => io::stderr().lock().write_all(line),
            Target::File { open, .. } => (&open.load().file).write_all(line),
        };
        if written.is_err() {
            self.inner.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Write for LogOutput {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for LogOutput {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl fmt::Debug for LogOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = match &self.inner.target {
            Target::Stderr => "standard error".into(),
            Target::File { path, .. } => path.to_string_lossy(),
        };
        f.debug_tuple("LogOutput").field(&target).finish()
    }
}

fn open(path: &std::path::Path) -> io::Result<(Open, Receiver<()>)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let (sender, receiver) = mpsc::channel();
    Ok((Open { file, _let_go: sender }, receiver))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_opens_the_log_anew_waits_for_the_last_line_in_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let output = LogOutput::file(dir.path().join("app.log")).unwrap();
        let Target::File { open, .. } = &output.inner.target else { panic!("it is a file") };
        let writer = open.load();
        let error = output.reopen_within(Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(writer);
        output.reopen_within(LAST_LINE).unwrap();
        let writer = open.load();
        std::thread::scope(|scope| {
            let opening = scope.spawn(|| output.reopen());
            drop(writer);
            opening.join().unwrap().unwrap();
        });
    }
}
