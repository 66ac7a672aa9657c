use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// The most that a file may hold, in bytes.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

const EXTENSIONS: [&str; 4] = ["toml", "yaml", "yml", "json"];

/// Where the file `name` of `directory` may be.
pub(crate) fn named(directory: &Path, name: &str) -> [PathBuf; 4] {
    EXTENSIONS.map(|extension| directory.join(format!("{name}.{extension}")))
}

/// Why a file cannot be read, with line and column if that is a matter of one place.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) reason: String,
    pub(crate) at: Option<(usize, usize)>,
}

/// Reads the file at `path`; an error says why not, and nothing of what it holds.
pub(crate) fn text(path: &Path) -> Result<Zeroizing<String>, Unreadable> {
    text_up_to(path, MAX_BYTES)
}

/// As [`text`], of a file that may hold `limit` bytes.
pub(crate) fn text_up_to(path: &Path, limit: u64) -> Result<Zeroizing<String>, Unreadable> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Unreadable::because("the file is not there"),
        io::ErrorKind::PermissionDenied => Unreadable::because("permission to read it is missing"),
        _ => Unreadable::because(format!("cannot be read: {error}")),
    };
    let mut file = File::open(path).map_err(failed)?;
    // All of it at once: each time that it grows, a copy of the secrets in it would stay behind.
    let size = file.metadata().map_or(0, |about| about.len()).min(limit);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 2));
    // Never more than the limit, whatever a device or a pipe would give.
    (&mut file).take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(Unreadable::because("larger than 1 MiB"));
    }
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let bytes = Zeroizing::new(error.into_bytes());
            let before = String::from_utf8_lossy(&bytes[..valid]);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let reason = "the file is not UTF-8 text".to_owned();
            Err(Unreadable { reason, at: Some((line, column)) })
        }
    }
}

impl Unreadable {
    fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), at: None }
    }
}
