use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

use framework_core::is_planted;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    libc,
};
use rustix::process::{Pid, test_kill_process};

/// How often the file may be replaced while it is opened, before something is wrong with it.
const ATTEMPTS: usize = 100;

/// The one instance of an application that holds a PID file, for as long as this exists.
///
/// What counts is a lock on the file, which the kernel releases with the process, however that
/// ends; the number in it is only for people. The file is never removed: whoever removed it could
/// remove that of the next instance.
///
/// # Examples
///
/// ```
/// use framework_process::{Instance, InstanceError};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("app.pid");
/// let instance = Instance::acquire(&path)?;
/// assert_eq!(Instance::holder(&path)?, Some(std::process::id()));
/// assert!(matches!(Instance::acquire(&path), Err(InstanceError::Held { .. })));
/// drop(instance);
/// assert_eq!(Instance::holder(&path)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Instance {
    file: File,
    path: PathBuf,
    released: bool,
}

/// There is no instance to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstanceError {
    /// Another process holds the file.
    #[error(
        "another instance{} holds `{}`",
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(),
        path.display()
    )]
    Held {
        /// The file.
        path: PathBuf,
        /// The number in the file, if it has one.
        pid: Option<u32>,
    },
    /// The file cannot be opened, locked or written.
    #[error("cannot use the PID file `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

// ===== impl Instance =====

impl Instance {
    /// Locks the file at `path`, which is made if it is missing, and writes the number of this
    /// process into it. Whatever else the file says does not matter.
    ///
    /// # Errors
    ///
    /// When another process holds the file, or it cannot be written; what it says then stays.
    pub fn acquire(path: &Path) -> Result<Self, InstanceError> {
        let failed = |source| InstanceError::File { path: path.to_owned(), source };
        for _ in 0..ATTEMPTS {
            let file = open(path).map_err(failed)?;
            if is_taken(&file).map_err(failed)? {
                let pid = read_pid(&file);
                return Err(InstanceError::Held { path: path.to_owned(), pid });
            }
            // Between opening and locking, somebody may have put another file in its place.
            if is_still_there(&file, path).map_err(failed)? {
                write_pid(&file).map_err(failed)?;
                if is_planted("lets-go") {
                    // As a lock of the process does, with the first descriptor that is closed.
                    let _ = fcntl(&file, FcntlArg::F_OFD_SETLK(&unlocked()));
                }
                if is_planted("inherited-lock") {
                    let _ = rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty());
                }
                return Ok(Self { file, path: path.to_owned(), released: false });
            }
        }
        Err(failed(io::Error::other("other processes keep replacing it")))
    }

    /// Takes over the lock that the process before this one holds, on an open file that was handed
    /// over.
    ///
    /// # Errors
    ///
    /// When the number of this process cannot be written.
    pub fn take_over(file: OwnedFd, path: &Path) -> Result<Self, InstanceError> {
        let file = File::from(file);
        let failed = |source| InstanceError::File { path: path.to_owned(), source };
        write_pid(&file).map_err(failed)?;
        Ok(Self { file, path: path.to_owned(), released: false })
    }

    /// The number of the process that holds the file at `path`; `None` if nobody does. `Some(0)`
    /// for a holder that has not written its number yet.
    ///
    /// # Errors
    ///
    /// When there is a file that cannot be looked at.
    pub fn holder(path: &Path) -> io::Result<Option<u32>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(if is_locked(&file)? { Some(read_pid(&file).unwrap_or(0)) } else { None })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets go of the file without a trace: another process has taken it over.
    pub fn hand_over(mut self) {
        self.released = true;
    }
}

impl AsFd for Instance {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if self.released {
            return;
        }
        if let Err(error) = self.file.set_len(0) {
            tracing::warn!(path = %self.path.display(), %error, "cannot empty the PID file");
        }
    }
}

/// Opens the file. A link is followed, except where everybody could have put it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o644);
    if is_for_everybody(path) {
        options.custom_flags(libc::O_NOFOLLOW);
    }
    options.open(path)
}

fn is_for_everybody(path: &Path) -> bool {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = std::fs::metadata(directory.unwrap_or(Path::new(".")));
    directory.is_ok_and(|directory| directory.mode() & 0o002 != 0)
}

/// Locks the file, unless somebody else has.
fn is_taken(file: &File) -> io::Result<bool> {
    if is_planted("trusts-numbers") {
        let holder = read_pid(file).and_then(|pid| Pid::from_raw(pid.cast_signed()));
        return Ok(holder.is_some_and(|pid| test_kill_process(pid).is_ok()));
    }
    Ok(!lock(file)?)
}

/// A lock of the open file, and not of the process: those of the process go with the first
/// descriptor of the file that any part of it closes.
fn lock(file: &File) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file())) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Asks, and takes nothing: a process that starts at this moment must not find it taken.
fn is_locked(file: &File) -> io::Result<bool> {
    let mut found = whole_file();
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut found))?;
    Ok(i32::from(found.l_type) != libc::F_UNLCK)
}

fn unlocked() -> libc::flock {
    #[expect(clippy::cast_possible_truncation, reason = "the constants are small")]
    libc::flock { l_type: libc::F_UNLCK as libc::c_short, ..whole_file() }
}

fn whole_file() -> libc::flock {
    #[expect(clippy::cast_possible_truncation, reason = "the constants are small")]
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

fn is_still_there(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes first and cuts off after that: on a full disk, what was there is still there.
fn write_pid(file: &File) -> io::Result<()> {
    let mut old = Vec::new();
    file.take(64).read_to_end(&mut old)?;
    let line = format!("{}\n", std::process::id());
    if is_planted("truncates-first") {
        file.set_len(0)?;
        return file.write_all_at(line.as_bytes(), 0);
    }
    let written = file.write_all_at(line.as_bytes(), 0);
    let written = written.and_then(|()| file.set_len(line.len() as u64));
    if written.is_err() {
        // What could be written over it can be written back.
        let _ = file.write_all_at(&old, 0);
    }
    written
}

fn read_pid(file: &File) -> Option<u32> {
    let mut text = [0; 16];
    let read = file.read_at(&mut text, 0).ok()?;
    let line = str::from_utf8(&text[..read]).ok()?.lines().next()?;
    line.parse().ok().filter(|pid| *pid != 0)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn file() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.pid");
        (directory, path)
    }

    #[test]
    fn whatever_is_in_the_file_says_nothing_about_who_holds_it() {
        let stranger = std::process::id().to_string();
        for left in ["", "1\n", &stranger, "garbage\u{0}", "99999999999999999999", "-1"] {
            let (_directory, path) = file();
            fs::write(&path, left).unwrap();
            assert_eq!(Instance::holder(&path).unwrap(), None, "{left:?}");
            let instance = Instance::acquire(&path).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("{}\n", std::process::id()), "{left:?}");
            drop(instance);
            assert_eq!(fs::read_to_string(&path).unwrap(), "", "{left:?}");
        }
    }

    #[test]
    fn the_second_is_told_who_is_the_first() {
        let (_directory, path) = file();
        let _first = Instance::acquire(&path).unwrap();
        let error = Instance::acquire(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("another instance (process {}) holds `{}`", std::process::id(), path.display())
        );
    }

    #[test]
    fn to_ask_who_holds_it_takes_nothing() {
        let (_directory, path) = file();
        fs::write(&path, "").unwrap();
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                for _ in 0..2_000 {
                    Instance::holder(&path).unwrap();
                }
            });
            while !asking.is_finished() {
                drop(Instance::acquire(&path).unwrap());
            }
        });
    }

    #[test]
    fn a_link_is_followed_but_not_where_everybody_could_have_put_it() {
        let (directory, path) = file();
        let target = directory.path().join("target");
        symlink(&target, &path).unwrap();
        drop(Instance::acquire(&path).unwrap());
        assert!(target.exists());
        let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(directory.path(), open_to_all).unwrap();
        let error = Instance::acquire(&path).unwrap_err();
        assert!(matches!(error, InstanceError::File { .. }), "{error}");
    }

    #[test]
    fn the_lock_passes_with_the_open_file() {
        let (_directory, path) = file();
        let first = Instance::acquire(&path).unwrap();
        let handed = first.as_fd().try_clone_to_owned().unwrap();
        let second = Instance::take_over(handed, &path).unwrap();
        first.hand_over();
        assert!(matches!(Instance::acquire(&path), Err(InstanceError::Held { .. })));
        assert_eq!(Instance::holder(&path).unwrap(), Some(std::process::id()));
        drop(second);
        assert_eq!(Instance::holder(&path).unwrap(), None);
    }

    #[test]
    fn a_file_that_was_replaced_while_it_was_opened_is_not_held() {
        let (_directory, path) = file();
        let old = open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert!(!is_still_there(&old, &path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!is_still_there(&old, &path).unwrap());
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let (directory, _) = file();
        let error = Instance::acquire(directory.path()).unwrap_err();
        let text = format!("cannot use the PID file `{}`", directory.path().display());
        assert_eq!(error.to_string(), text);
    }
}
