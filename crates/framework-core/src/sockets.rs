use std::{
    fmt, io,
    os::fd::{BorrowedFd, OwnedFd},
};

use crate::BoxFuture;

/// Where listening sockets come from when somebody else holds them: the service manager, the
/// primary of a cluster, the process before this one.
///
/// A server asks it for each address before it binds one itself, so the address is the same
/// whether a socket is inherited or not. Provided as `dyn SocketSource`; a server that finds none
/// binds.
pub trait SocketSource: Send + Sync + fmt::Debug + 'static {
    /// The socket called `name`, or the one for `address`, as the configuration spells it; `None`
    /// if the server is to bind it. The socket may be bound and not listening yet.
    fn socket(&self, name: &str, address: &str) -> BoxFuture<io::Result<Option<OwnedFd>>>;

    /// Hears that the server called `name` has bound `address` itself. A source that hands sockets
    /// on keeps a duplicate. Does nothing by default.
    fn bound(&self, name: &str, address: &str, socket: BorrowedFd<'_>) {
        let _ = (name, address, socket);
    }

    /// Whether another process listens at all of them by now, so that files of Unix sockets are to
    /// stay. `false` by default.
    fn has_handed_on(&self) -> bool {
        false
    }

    /// Asked when the server called `name` ends: whether the file of the Unix socket that it was given
    /// for `address` goes with it, as this application has bound it, be it in an earlier process, and
    /// nobody else listens there. `false` by default.
    fn owns_file(&self, name: &str, address: &str) -> bool {
        let _ = (name, address);
        false
    }

    /// Waits until the server called `name` is to accept from another socket at `address` too, or
    /// no longer. Never completes by default.
    fn lent(&self, name: &str, address: &str) -> BoxFuture<LentSocket> {
        let _ = (name, address);
        Box::pin(std::future::pending())
    }
}

/// A socket of somebody who cannot accept for the moment.
#[derive(Debug)]
#[non_exhaustive]
pub enum LentSocket {
    /// Accept from it as well.
    Lend {
        /// What it is returned by.
        id: u64,
        /// The socket, which listens.
        socket: OwnedFd,
    },
    /// Its owner is back: accept from it no more, and close it.
    Return {
        /// What it was lent with.
        id: u64,
    },
}
