use std::{
    env, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

/// The longest path that a socket can have, with the byte that ends it.
const LONGEST_SOCKET: usize = 107;

/// Where a process leaves what belongs to it while it runs: its PID file, its control socket, its
/// debug dumps. Whoever wants to speak to it finds it there.
///
/// Named by its PID file, the socket and the dumps are beside that; named by a directory, they are
/// in it. Without either, they are in the
/// directory that the service manager made for it (`RUNTIME_DIRECTORY`), or in one that belongs to
/// this user, this application and this working directory: two checkouts are two applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFiles {
    pid_file: PathBuf,
    socket: PathBuf,
    directory: PathBuf,
    // Made for this application, and not by an operator or the service manager.
    own: bool,
}

impl RunFiles {
    /// Those of the application called `app`.
    ///
    /// # Errors
    ///
    /// When the working directory is gone, the path of the socket is too long, or somebody else
    /// made the directory that would be used.
    pub fn of(app: &str, pid_file: Option<&Path>) -> io::Result<Self> {
        let files = match pid_file {
            Some(path) if path.is_dir() => Self::inside(path, app, false),
            Some(path) => Self::beside(path),
            None => match env::var_os("RUNTIME_DIRECTORY").filter(|it| !it.is_empty()) {
                Some(given) => Self::inside(&first_of(&given), app, false),
                None => Self::inside(&own_directory(app)?, app, true),
            },
        };
        let length = files.socket.as_os_str().len();
        if length > LONGEST_SOCKET {
            let path = files.socket.display();
            let text = format!("`{path}` is longer than a socket's path can be: {LONGEST_SOCKET}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(files)
    }

    fn beside(pid_file: &Path) -> Self {
        let directory = pid_file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new(".")).to_owned();
        let socket = pid_file.with_extension("sock");
        Self { pid_file: pid_file.to_owned(), socket, directory, own: false }
    }

    fn inside(directory: &Path, app: &str, own: bool) -> Self {
        let file = |extension| directory.join(app).with_added_extension(extension);
        Self { pid_file: file("pid"), socket: file("sock"), directory: directory.to_owned(), own }
    }

    /// The file that the one instance holds.
    #[must_use]
    pub fn pid_file(&self) -> &Path {
        &self.pid_file
    }

    /// The socket that operators speak to.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Removes the directory, if it was made for this application alone and nothing is in it.
    pub fn tidy_up(&self) {
        if self.own {
            // There is a PID file, a dump or a log in it, or another process has tidied up.
            let _ = fs::remove_dir(&self.directory);
        }
    }

    /// Where dumps and the log of a daemon go.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Of several directories, which colons separate, the first is the main one.
fn first_of(directories: &std::ffi::OsStr) -> PathBuf {
    let first = directories.as_bytes().split(|byte| *byte == b':').next().unwrap_or_default();
    PathBuf::from(std::ffi::OsStr::from_bytes(first))
}

fn own_directory(app: &str) -> io::Result<PathBuf> {
    let own = match env::var_os("XDG_RUNTIME_DIR").filter(|it| Path::new(it).is_absolute()) {
        Some(runtime) => PathBuf::from(runtime).join("framework"),
        None => env::temp_dir().join(format!("framework-{}", geteuid().as_raw())),
    };
    make_private(&own)?;
    let mut hasher = DefaultHasher::new();
    env::current_dir()?.hash(&mut hasher);
    Ok(own.join(format!("{app}-{:08x}", hasher.finish() as u32)))
}

/// Everybody can make directories in `/tmp`, and what one has made is that one's.
fn make_private(directory: &Path) -> io::Result<()> {
    let made = fs::DirBuilder::new().mode(0o700).create(directory);
    if let Err(error) = made
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    let found = fs::symlink_metadata(directory)?;
    let private = found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0;
    if private {
        return Ok(());
    }
    let text = format!("`{}` is not this user's alone", directory.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn everything_is_beside_a_pid_file_that_is_named() {
        let files = RunFiles::of("shop", Some(Path::new("/run/shop/main.pid"))).unwrap();
        assert_eq!(files.pid_file(), Path::new("/run/shop/main.pid"));
        assert_eq!(files.socket(), Path::new("/run/shop/main.sock"));
        assert_eq!(files.directory(), Path::new("/run/shop"));
        let files = RunFiles::of("shop", Some(Path::new("app.pid"))).unwrap();
        assert_eq!((files.directory(), files.socket()), (Path::new("."), Path::new("app.sock")));
    }

    #[test]
    fn a_directory_is_a_place_for_all_of_them() {
        let directory = tempfile::tempdir().unwrap();
        let files = RunFiles::of("shop", Some(directory.path())).unwrap();
        assert_eq!(files.pid_file(), directory.path().join("shop.pid"));
        assert_eq!(files.socket(), directory.path().join("shop.sock"));
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_refused_with_the_limit() {
        let long = PathBuf::from("/").join("x".repeat(120)).join("app.pid");
        let error = RunFiles::of("shop", Some(&long)).unwrap_err().to_string();
        assert!(error.ends_with("is longer than a socket's path can be: 107"), "{error}");
    }

    #[test]
    fn a_directory_that_others_could_have_filled_is_not_used() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("own");
        make_private(&directory).unwrap();
        make_private(&directory).unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(make_private(&directory).is_err());
        let link = parent.path().join("link");
        symlink(parent.path(), &link).unwrap();
        assert!(make_private(&link).is_err());
    }
}
