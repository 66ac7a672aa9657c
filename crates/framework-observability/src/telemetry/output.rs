use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
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
    File { path: PathBuf, file: ArcSwap<File> },
}

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
        let file = ArcSwap::from_pointee(open(&path)?);
        Ok(Self::to(Target::File { path, file }))
    }

    fn to(target: Target) -> Self {
        Self { inner: Arc::new(Inner { target, lost: AtomicU64::new(0) }) }
    }

    /// Opens the file anew, after something moved the old one away. Standard error stays as it is.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened; lines go on into the old one.
    pub fn reopen(&self) -> io::Result<()> {
        if let Target::File { path, file } = &self.inner.target {
            file.store(Arc::new(open(path)?));
        }
        Ok(())
    }

    /// How many lines could not be written.
    #[must_use]
    pub fn lost_lines(&self) -> u64 {
        self.inner.lost.load(Ordering::Relaxed)
    }

    fn write_line(&self, line: &[u8]) {
        let written = match &self.inner.target {
            Target::Stderr => io::stderr().lock().write_all(line),
            Target::File { file, .. } => (&**file.load()).write_all(line),
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

fn open(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}
