use std::{
    fmt, io, iter,
    net::SocketAddr,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::{FileTypeExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
    sync::Arc,
    task::{Context, Poll},
};

use framework_core::{SocketSource, is_planted};
use rustix::net::{AddressFamily, getsockname, sockopt::socket_acceptconn};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream, lookup_host};

use super::{BindError, transport::Transport};

/// How many connections the kernel may keep for us; it caps this at `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// What the addresses of Unix sockets begin with.
const UNIX: &str = "unix:";

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ListenAddr {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A socket that accepts connections.
#[derive(Debug)]
pub(crate) enum Listener {
    /// Bound, and nothing more: the runtime is told of it once it listens, or it would take it for
    /// one that is closed, and ask it over and over again.
    Silent(std::net::TcpListener),
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        path: PathBuf,
        /// Removed with this; `None` if somebody else put it there.
        file: Option<SocketFile>,
    },
}

/// The file of a Unix socket, which goes with its listener.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    // Tells it from one that another process has put in its place.
    inode: u64,
    source: Option<Arc<dyn SocketSource>>,
    // The name and the address under which the source has given the socket; bound here without.
    given: Option<(Box<str>, Box<str>)>,
}

impl Listener {
    /// Leaves the file of a Unix socket where it is if `source` hands the socket on.
    pub(crate) fn hand_on_by(&mut self, source: &Arc<dyn SocketSource>) {
        if let Self::Unix { file: Some(file), .. } = self {
            file.source = Some(Arc::clone(source));
        }
    }

    /// Has the file of a Unix socket that `source` has given removed with this, if it is then its own.
    pub(super) fn given_by(
        mut self,
        source: &Arc<dyn SocketSource>,
        name: &str,
        address: &str,
    ) -> Self {
        if let Self::Unix { path, file, .. } = &mut self {
            // Without a file there is none to remove.
            *file = SocketFile::at(path).ok();
            if let Some(file) = file {
                file.source = Some(Arc::clone(source));
                file.given = Some((name.into(), address.into()));
            }
        }
        self
    }

    /// Listens on `host:port`, or on `unix:` and a path.
    pub(crate) async fn bind(address: &str) -> Result<Self, BindError> {
        let failed = |source| BindError::new(address, source);
        if let Some(path) = address.strip_prefix(UNIX) {
            return bind_unix(Path::new(path)).map_err(failed);
        }
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for candidate in lookup_host(address).await.map_err(failed)? {
            match bind_tcp(candidate) {
                Ok(listener) => return Ok(Self::Tcp(listener)),
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    pub(crate) fn adopt(listener: std::net::TcpListener) -> Result<Self, BindError> {
        listener
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(listener))
            .map(Self::Tcp)
            .map_err(|source| BindError::Adopt { source })
    }

    /// Takes a socket of whatever kind that somebody else has bound.
    pub(crate) fn take(socket: OwnedFd) -> io::Result<Self> {
        match getsockname(&socket)?.address_family() {
            AddressFamily::UNIX => {
                let listener = std::os::unix::net::UnixListener::from(socket);
                listener.set_nonblocking(true)?;
                let path = listener.local_addr()?.as_pathname().map(Path::to_owned);
                let (listener, path) =
                    (UnixListener::from_std(listener)?, path.unwrap_or_default());
                Ok(Self::Unix { listener, path, file: None })
            }
            AddressFamily::INET | AddressFamily::INET6 => {
                let listener = std::net::TcpListener::from(socket);
                listener.set_nonblocking(true)?;
                if !socket_acceptconn(&listener)? {
                    return Ok(Self::Silent(listener));
                }
                TcpListener::from_std(listener).map(Self::Tcp)
            }
            other => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("it is a socket of the family {other:?}, and neither TCP nor Unix"),
            )),
        }
    }

    /// Lets connections come in, where a socket was bound and no more.
    pub(crate) fn listen(&mut self) -> io::Result<()> {
        rustix::net::listen(&*self, BACKLOG.cast_signed())?;
        if let Self::Silent(listener) = self {
            *self = Self::Tcp(TcpListener::from_std(listener.try_clone()?)?);
        }
        Ok(())
    }

    pub(crate) fn address(&self) -> io::Result<ListenAddr> {
        match self {
            Self::Silent(listener) => listener.local_addr().map(ListenAddr::Tcp),
            Self::Tcp(listener) => listener.local_addr().map(ListenAddr::Tcp),
            Self::Unix { path, .. } => Ok(ListenAddr::Unix(path.clone())),
        }
    }

    /// Gives whoever waits to be accepted, and closes the socket when nobody is left.
    pub(crate) fn close(self) -> Box<dyn Iterator<Item = io::Result<Transport>>> {
        match self {
            Self::Silent(_) => Box::new(iter::empty()),
            Self::Tcp(listener) => {
                let Ok(listener) = listener.into_std() else { return Box::new(iter::empty()) };
                let accept = move || {
                    let (stream, peer) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    let stream = TcpStream::from_std(stream)?;
                    set_nodelay(&stream);
                    Ok(Transport::Tcp(stream, peer))
                };
                Box::new(until_empty(accept))
            }
            Self::Unix { listener, file, .. } => {
                // Nobody new finds the way.
                drop(file);
                let Ok(listener) = listener.into_std() else { return Box::new(iter::empty()) };
                let accept = move || {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    Ok(Transport::Unix(UnixStream::from_std(stream)?))
                };
                Box::new(until_empty(accept))
            }
        }
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Transport>> {
        match self {
            Self::Silent(_) => Poll::Pending,
            Self::Tcp(listener) => listener.poll_accept(cx).map_ok(|(stream, peer)| {
                set_nodelay(&stream);
                Transport::Tcp(stream, peer)
            }),
            Self::Unix { listener, .. } => {
                listener.poll_accept(cx).map_ok(|(stream, _)| Transport::Unix(stream))
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Silent(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix { listener, .. } => listener.as_fd(),
        }
    }
}

impl ListenAddr {
    /// The TCP address, if it is one.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        let inode = std::fs::symlink_metadata(path)?.ino();
        Ok(Self { path: path.to_owned(), inode, source: None, given: None })
    }

    /// Whether somebody else listens there, or has put it there.
    fn stays(&self) -> bool {
        let Some(source) = &self.source else { return false };
        let is_given = |(name, address): &(Box<str>, Box<str>)| !source.owns_file(name, address);
        source.has_handed_on() || self.given.as_ref().is_some_and(is_given)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.stays() {
            return;
        }
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket's file");
        }
    }
}

/// What can be accepted at once, and no more: not all errors mean that nobody waits, so they are
/// counted out as well.
fn until_empty(
    accept: impl Fn() -> io::Result<Transport>,
) -> impl Iterator<Item = io::Result<Transport>> {
    let more = move |accepted: &io::Result<Transport>| {
        accepted.as_ref().err().is_none_or(|error| error.kind() != io::ErrorKind::WouldBlock)
    };
    iter::repeat_with(accept).take(BACKLOG as usize).take_while(more)
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for connections of the last run to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Binds a Unix socket. A file that a process left behind is in nobody's way: whether one listens
/// there shows when it is connected to.
fn bind_unix(path: &Path) -> io::Result<Listener> {
    let bound = UnixListener::bind(path).or_else(|error| {
        if error.kind() != io::ErrorKind::AddrInUse || !is_left_behind(path) {
            return Err(error);
        }
        std::fs::remove_file(path)?;
        UnixListener::bind(path)
    })?;
    let file = SocketFile::at(path)?;
    Ok(Listener::Unix { listener: bound, path: path.to_owned(), file: Some(file) })
}

fn is_left_behind(path: &Path) -> bool {
    if is_planted("takes-live-sockets") {
        return true;
    }
    // Connecting to what is no socket is refused as well.
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket
        && std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Sends small responses at once: the server writes whole messages.
fn set_nodelay(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
}
