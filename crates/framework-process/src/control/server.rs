use std::{
    fs, io,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{
        fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::{net::sockopt::socket_peercred, process::geteuid};
use serde_json::Value;

use super::{
    ControlError, Refused, Request,
    protocol::{LONGEST, Line},
};

/// How many operators can be answered at a time.
const AT_ONCE: usize = 8;

/// How long the end waits for answers that are on their way.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long an operator may take to say what is wanted.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an operator hears on the way to an answer.
pub type Progress<'p> = dyn FnMut(Value) + 'p;

/// Does what operators ask.
pub trait ControlHandler: Send + Sync + 'static {
    /// Does what is asked, tells `progress` of the steps, and returns the answer. Runs on a thread
    /// of its own, so it may wait.
    ///
    /// # Errors
    ///
    /// When it cannot be done.
    fn handle(&self, request: &Request, progress: &mut Progress<'_>) -> Result<Value, Refused>;
}

/// Listens to operators at a socket that only this user and root can use, on threads of its own: it
/// answers also while everything else is stuck. The socket is removed with it.
#[derive(Debug)]
pub struct ControlServer {
    path: PathBuf,
    inode: u64,
    listener: UnixListener,
    stopping: Arc<AtomicBool>,
    places: Arc<Places>,
    thread: Option<JoinHandle<()>>,
}

impl ControlServer {
    /// Listens at `path`. The directory is made if it is missing, for this user only; a socket that
    /// nobody listens at is replaced.
    ///
    /// # Errors
    ///
    /// When another process listens there, or the operating system refuses.
    pub fn bind(path: &Path, handler: Arc<dyn ControlHandler>) -> Result<Self, ControlError> {
        let failed = |source| ControlError::Socket { path: path.to_owned(), source };
        make_parent(path).map_err(failed)?;
        let listener = listen(path).or_else(|error| match error {
            // The process before this one may have removed the directory just now.
            ControlError::Socket { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                make_parent(path).map_err(failed)?;
                listen(path)
            }
            other => Err(other),
        })?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let inode = fs::symlink_metadata(path).map_err(failed)?.ino();
        let stopping = Arc::new(AtomicBool::new(false));
        let (accepting, until) = (listener.try_clone().map_err(failed)?, Arc::clone(&stopping));
        let places = Arc::new(Places::default());
        let taken = Arc::clone(&places);
        let run = move || accept(&accepting, &handler, &until, &taken);
        let thread = thread::Builder::new().name("control".to_owned()).spawn(run);
        let thread = Some(thread.map_err(failed)?);
        Ok(Self { path: path.to_owned(), inode, listener, stopping, places, thread })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl ControlServer {
    /// Lets nobody new in, and leaves the path to the next process. Those who are being answered
    /// still are.
    pub fn close(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.stopping.store(true, Ordering::SeqCst);
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode);
        if ours {
            // It may have been removed with its directory.
            let _ = fs::remove_file(&self.path);
        }
        // Whoever waits in `accept` is woken by that.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        let _ = thread.join();
    }
}

/// Waits a moment for those who are being answered.
impl Drop for ControlServer {
    fn drop(&mut self) {
        self.close();
        self.places.wait_until_free();
    }
}

fn make_parent(path: &Path) -> io::Result<()> {
    match path.parent().filter(|it| !it.as_os_str().is_empty()) {
        Some(directory) => fs::DirBuilder::new().recursive(true).mode(0o700).create(directory),
        None => Ok(()),
    }
}

fn listen(path: &Path) -> Result<UnixListener, ControlError> {
    let failed = |source| ControlError::Socket { path: path.to_owned(), source };
    match UnixListener::bind(path) {
        Ok(listener) => return Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
        Err(error) => return Err(failed(error)),
    }
    // A file of another kind refuses connections as well, and is somebody's.
    if !fs::symlink_metadata(path).map_err(failed)?.file_type().is_socket() {
        return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "it is no socket")));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Ok(_) => return Err(ControlError::InUse { path: path.to_owned() }),
        Err(error) => return Err(failed(error)),
    }
    fs::remove_file(path).map_err(failed)?;
    UnixListener::bind(path).map_err(failed)
}

fn accept(
    listener: &UnixListener,
    handler: &Arc<dyn ControlHandler>,
    stopping: &AtomicBool,
    places: &Arc<Places>,
) {
    for stream in listener.incoming() {
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if !is_allowed(&stream) {
            refuse(&stream, 71, "only the user that runs this process may speak to it");
            continue;
        }
        let Some(place) = places.take() else {
            refuse(&stream, 75, "too many operators speak to this process: try again");
            continue;
        };
        let handler = Arc::clone(handler);
        let answer = move || {
            let _place = place;
            serve(&stream, &*handler);
        };
        // Without a thread, the connection closes and the operator tries again.
        if let Err(error) = thread::Builder::new().name("operator".to_owned()).spawn(answer) {
            tracing::warn!(%error, "cannot answer an operator");
        }
    }
}

/// The operators that are being answered.
#[derive(Debug, Default)]
struct Places {
    taken: Mutex<usize>,
    freed: Condvar,
}

/// One of them, also if answering panics.
struct Place(Arc<Places>);

impl Places {
    fn take(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        (*taken < AT_ONCE).then(|| {
            *taken += 1;
            Place(Arc::clone(self))
        })
    }

    fn wait_until_free(&self) {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Who has not read the answer by then does not want it.
        let _ = self.freed.wait_timeout_while(taken, LAST_WORDS, |taken| *taken > 0);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_all();
    }
}

fn is_allowed(stream: &UnixStream) -> bool {
    socket_peercred(stream).is_ok_and(|peer| peer.uid.is_root() || peer.uid == geteuid())
}

fn refuse(stream: &UnixStream, exit: u8, message: &str) {
    say(stream, &Line::Refused(Refused::new(exit, message)));
}

fn serve(stream: &UnixStream, handler: &dyn ControlHandler) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let _ = stream.set_write_timeout(Some(PATIENCE));
    let mut line = Vec::new();
    if BufReader::new(stream).take(LONGEST).read_until(b'\n', &mut line).is_err() {
        return;
    }
    let request: Request = match serde_json::from_slice(&line) {
        Ok(request) => request,
        Err(error) => return refuse(stream, 64, &format!("this is not understood: {error}")),
    };
    let mut progress = |step| say(stream, &Line::Progress(step));
    let answer = match handler.handle(&request, &mut progress) {
        Ok(answer) => Line::Done(answer),
        Err(refused) => Line::Refused(refused),
    };
    say(stream, &answer);
}

/// Says a line. Who has gone away does not want to hear it.
fn say(mut stream: &UnixStream, line: &Line) {
    if let Ok(mut text) = serde_json::to_vec(line) {
        text.push(b'\n');
        let _ = stream.write_all(&text);
    }
}
