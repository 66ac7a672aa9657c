use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustix::process::{Resource, getrlimit};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream, lookup_host},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};

use super::{BindError, set_nodelay};

/// How many connections the kernel may keep for us; it caps this at `net.core.somaxconn`.
const BACKLOG: u32 = 4096;
/// File descriptors left for everything that is not a connection.
const SPARE_FILES: usize = 64;

/// Accepts connections, no more than its limit at a time.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TcpListener,
    address: SocketAddr,
    permits: Arc<Semaphore>,
    backoff: AcceptBackoff,
    // Accepting failed for want of resources, and goes on then.
    resume_at: Option<Instant>,
}

/// A connection that was let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// How long to wait before accepting again, after accepting has failed.
///
/// A connection that its client gave up is no reason to wait. Want of file descriptors or memory
/// is: trying again at once would only burn the processor. The wait is 10 ms, then twice as long
/// each time, up to 1 s.
#[derive(Clone, Copy, Debug, Default)]
pub struct AcceptBackoff {
    failures: u32,
}

// ===== impl Acceptor =====

impl Acceptor {
    pub(crate) async fn bind(address: &str) -> Result<Self, BindError> {
        let failed = |source| BindError::new(address, source);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for candidate in lookup_host(address).await.map_err(failed)? {
            match listen(candidate) {
                Ok(listener) => return Self::new(listener).map_err(failed),
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    pub(crate) fn adopt(listener: std::net::TcpListener) -> Result<Self, BindError> {
        listener
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(listener))
            .and_then(Self::new)
            .map_err(|source| BindError::Adopt { source })
    }

    fn new(listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let permits = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        Ok(Self { listener, address, permits, backoff: AcceptBackoff::default(), resume_at: None })
    }

    pub(crate) fn limit(mut self, max_connections: usize) -> Self {
        let limit = max_connections.min(room_for_connections()).clamp(1, Semaphore::MAX_PERMITS);
        if limit < max_connections {
            tracing::info!(
                max_connections,
                limit,
                "the limit on open files allows fewer connections"
            );
        }
        self.permits = Arc::new(Semaphore::new(limit));
        self
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Waits for room and then for a connection. Cancel safe: nothing accepted is ever dropped.
    pub(crate) async fn accept(&mut self) -> Admitted {
        loop {
            if let Some(moment) = self.resume_at {
                sleep_until(moment).await;
                self.resume_at = None;
            }
            let permit = Arc::clone(&self.permits)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    self.recovered();
                    set_nodelay(&stream);
                    return Admitted { stream, peer, permit };
                }
                Err(error) => self.failed(&error),
            }
        }
    }

    fn recovered(&mut self) {
        if self.backoff.succeeded() {
            tracing::info!("accepting connections again");
        }
    }

    fn failed(&mut self, error: &io::Error) {
        let first = self.backoff.failures == 0;
        let Some(wait) = self.backoff.failed(error) else {
            tracing::debug!(%error, "a connection was gone before it was accepted");
            return;
        };
        if first {
            tracing::error!(%error, "cannot accept connections; trying again until it works");
        }
        self.resume_at = Some(Instant::now() + wait);
    }
}

// ===== impl AcceptBackoff =====

impl AcceptBackoff {
    /// Notes a failure. `None` if accepting can go on at once.
    pub fn failed(&mut self, error: &io::Error) -> Option<Duration> {
        if is_about_one_connection(error) {
            return None;
        }
        let wait = Duration::from_millis(10).saturating_mul(1 << self.failures.min(7));
        self.failures = self.failures.saturating_add(1);
        Some(wait.min(Duration::from_secs(1)))
    }

    /// Notes a success. `true` if the failures before it had led to a wait.
    pub fn succeeded(&mut self) -> bool {
        std::mem::take(&mut self.failures) > 0
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for connections of the last run to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// How many connections the limit on open files leaves room for.
fn room_for_connections() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    files.saturating_sub(SPARE_FILES).max(files / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_files_waits_longer_each_time_up_to_a_second_and_success_resets_it() {
        let full = io::Error::from_raw_os_error(24); // EMFILE
        let mut backoff = AcceptBackoff::default();
        let waits: Vec<_> = (0..10).map(|_| backoff.failed(&full).unwrap().as_millis()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000]);
        assert!(backoff.succeeded() && !backoff.succeeded());
        assert_eq!(backoff.failed(&full), Some(Duration::from_millis(10)));
    }

    #[test]
    fn a_client_that_gave_up_is_no_reason_to_wait() {
        let aborted = io::Error::from(io::ErrorKind::ConnectionAborted);
        let mut backoff = AcceptBackoff::default();
        assert_eq!(backoff.failed(&aborted), None);
        assert!(!backoff.succeeded());
    }
}
