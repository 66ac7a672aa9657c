use std::{fmt, future, io, sync::Arc};

use framework_core::{BoxFuture, LentSocket, SocketSource};
use futures_util::{StreamExt as _, stream::FuturesUnordered};

use super::{BindError, accept::Acceptor, listener::Listener};

/// The sockets of a server that somebody else holds, and may lend more of.
#[derive(Default)]
pub(super) struct Held {
    sources: Vec<Source>,
}

/// A socket, and who holds it.
struct Source {
    source: Arc<dyn SocketSource>,
    name: Box<str>,
    address: Box<str>,
}

/// Waits for changes of what is lent.
pub(super) struct Lending {
    held: Held,
    waiting: FuturesUnordered<BoxFuture<(usize, LentSocket)>>,
}

impl Held {
    /// A listener called `name` at `address`: of `source` if it has one, else bound here.
    pub(super) async fn open(
        &mut self,
        name: &str,
        address: &str,
        source: Option<&Arc<dyn SocketSource>>,
    ) -> Result<Listener, BindError> {
        let Some(source) = source else { return Listener::bind(address).await };
        let given = source.socket(name, address).await;
        if let Some(socket) = given.map_err(|source| BindError::new(address, source))? {
            let listener = Listener::take(socket).map_err(|source| BindError::Adopt { source })?;
            let listener = listener.given_by(source, name, address);
            let source = Arc::clone(source);
            self.sources.push(Source { source, name: name.into(), address: address.into() });
            return Ok(listener);
        }
        let mut listener = Listener::bind(address).await?;
        listener.hand_on_by(source);
        source.bound(name, address, std::os::fd::AsFd::as_fd(&listener));
        Ok(listener)
    }

    /// Whether others accept from the same sockets.
    pub(super) fn is_shared(&self) -> bool {
        !self.sources.is_empty()
    }

    pub(super) fn lending(self) -> Lending {
        let mut lending = Lending { held: self, waiting: FuturesUnordered::new() };
        (0..lending.held.sources.len()).for_each(|at| lending.wait(at));
        lending
    }
}

impl Lending {
    fn wait(&mut self, at: usize) {
        let Source { source, name, address } = &self.held.sources[at];
        let change = source.lent(name, address);
        self.waiting.push(Box::pin(async move { (at, change.await) }));
    }

    /// Waits for the next change.
    ///
    /// Cancel safe: no change is lost.
    pub(super) async fn next(&mut self) -> LentSocket {
        let Some((at, change)) = self.waiting.next().await else {
            return future::pending().await;
        };
        self.wait(at);
        change
    }
}

/// Makes a change; a server that accepts no more lets go of what it is lent.
pub(super) fn apply(change: LentSocket, acceptor: Option<&mut Acceptor>) {
    let Some(acceptor) = acceptor else { return };
    match change {
        LentSocket::Lend { id, socket } => match take(socket) {
            Ok(listener) => {
                tracing::info!(id, "accepting for somebody else as well");
                acceptor.lend(id, listener);
            }
            Err(error) => tracing::error!(%error, "cannot use a socket that was lent"),
        },
        LentSocket::Return { id } => acceptor.take_back(id),
        other => tracing::debug!(?other, "not understood"),
    }
}

fn take(socket: std::os::fd::OwnedFd) -> io::Result<Listener> {
    let mut listener = Listener::take(socket)?;
    listener.listen()?;
    Ok(listener)
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sources.iter().map(|it| &it.address)).finish()
    }
}
