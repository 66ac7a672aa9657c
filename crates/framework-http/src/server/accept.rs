use std::{
    fs::File,
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use framework_core::is_planted;
use rustix::{
    io::Errno,
    process::{Resource, getrlimit},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};

use super::{BindError, ListenAddr, listener::Listener, transport::Transport};

/// File descriptors left for everything that is not a connection.
const SPARE_FILES: usize = 64;

/// Accepts connections, no more than its limit at a time.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listeners: Vec<Listener>,
    // Those of others, with what they are returned by.
    lent: Vec<(u64, Listener)>,
    // Which listener is asked first: each in turn, or a busy one would starve the others.
    turn: usize,
    permits: Arc<Semaphore>,
    backoff: AcceptBackoff,
    // Accepting failed for want of resources, and goes on then.
    resume_at: Option<Instant>,
    reserve: Reserve,
}

/// A connection that was let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) transport: Transport,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// A file descriptor to give up when there are no others, so that a client that waits can be
/// accepted and closed. It then knows, and can go elsewhere.
#[derive(Debug, Default)]
struct Reserve(Option<File>);

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
    pub(crate) fn new(listener: Listener) -> Self {
        Self {
            listeners: vec![listener],
            lent: Vec::new(),
            turn: 0,
            permits: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            backoff: AcceptBackoff::default(),
            resume_at: None,
            reserve: Reserve::default(),
        }
    }

    pub(crate) fn add(&mut self, listener: Listener) {
        self.listeners.push(listener);
    }

    /// Lets connections come in.
    pub(crate) fn listen(&mut self) -> io::Result<()> {
        self.listeners.iter_mut().try_for_each(Listener::listen)
    }

    /// Accepts from the socket of somebody else as well.
    pub(crate) fn lend(&mut self, id: u64, listener: Listener) {
        self.take_back(id);
        self.lent.push((id, listener));
    }

    /// Leaves a socket that was lent to its owner.
    pub(crate) fn take_back(&mut self, id: u64) {
        self.lent.retain(|(lent, _)| *lent != id);
    }

    fn listener(&self, which: usize) -> Option<&Listener> {
        let own = self.listeners.len();
        self.listeners.get(which).or_else(|| Some(&self.lent.get(which - own)?.1))
    }

    pub(crate) fn limit(mut self, max_connections: usize) -> Self {
        let room = match is_planted("takes-all-files") {
            true => max_connections,
            false => room_for_connections(),
        };
        let limit = max_connections.min(room).clamp(1, Semaphore::MAX_PERMITS);
        if limit < max_connections {
            tracing::info!(
                max_connections,
                limit,
                "the limit on open files allows fewer connections"
            );
        }
        self.permits = Arc::new(Semaphore::new(limit));
        self.reserve.refill();
        self
    }

    pub(crate) fn addresses(&self) -> Result<Vec<ListenAddr>, BindError> {
        let addresses = self.listeners.iter().map(Listener::address);
        addresses.collect::<io::Result<_>>().map_err(|source| BindError::Adopt { source })
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
            match poll_fn(|cx| self.poll_listeners(cx)).await {
                (_, Ok(transport)) => {
                    self.recovered();
                    return Admitted { transport, permit };
                }
                (which, Err(error)) => self.failed(which, &error),
            }
        }
    }

    /// Closes the sockets, and takes whoever the kernel has let in by then: they would find
    /// themselves cut off without a word. Asks the kernel and not the runtime, which hears of them
    /// later. Who comes between the last look and the close still is cut off: without a second
    /// process that holds the socket, nothing can be done for them.
    pub(crate) fn close(self) -> Vec<Admitted> {
        let Self { listeners, permits, .. } = self;
        let mut rest = Vec::new();
        for waiting in listeners.into_iter().flat_map(Listener::close) {
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { break };
            match waiting {
                Ok(transport) => rest.push(Admitted { transport, permit }),
                Err(error) => {
                    tracing::debug!(%error, "a connection was gone before it was accepted");
                }
            }
        }
        rest
    }

    fn poll_listeners(&mut self, cx: &mut Context<'_>) -> Poll<(usize, io::Result<Transport>)> {
        let count = self.listeners.len() + self.lent.len();
        for step in 0..count {
            let which = (self.turn + step) % count;
            if let Some(listener) = self.listener(which)
                && let Poll::Ready(accepted) = listener.poll_accept(cx)
            {
                self.turn = which + 1;
                return Poll::Ready((which, accepted));
            }
        }
        Poll::Pending
    }

    fn recovered(&mut self) {
        self.reserve.refill();
        if self.backoff.succeeded() {
            tracing::info!("accepting connections again");
        }
    }

    fn failed(&mut self, which: usize, error: &io::Error) {
        let first = self.backoff.failures == 0;
        let Some(wait) = self.backoff.failed(error) else {
            tracing::debug!(%error, "a connection was gone before it was accepted");
            return;
        };
        if first {
            tracing::error!(%error, "cannot accept connections; trying again until it works");
        }
        if is_want_of_files(error)
            && let Some(listener) = self.listeners.get(which)
        {
            self.reserve.turn_one_away(listener);
        }
        self.resume_at = Some(Instant::now() + wait);
    }
}

// ===== impl Reserve =====

impl Reserve {
    fn refill(&mut self) {
        if self.0.is_none() {
            self.0 = File::open("/dev/null").ok();
        }
    }

    fn turn_one_away(&mut self, listener: &Listener) {
        if self.0.take().is_some() {
            // Whoever waits is there already, and need not wake anybody.
            drop(listener.poll_accept(&mut Context::from_waker(Waker::noop())));
            self.refill();
        }
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

fn is_want_of_files(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| errno == Errno::MFILE || errno == Errno::NFILE)
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

    #[tokio::test]
    async fn whoever_waits_when_the_port_closes_is_taken_as_far_as_there_is_room() {
        for (limit, taken) in [(10, 3), (2, 2)] {
            let listener = Listener::bind("127.0.0.1:0").await.unwrap();
            let ListenAddr::Tcp(address) = listener.address().unwrap() else { panic!("not TCP") };
            let acceptor = Acceptor::new(listener).limit(limit);
            let connect = || std::net::TcpStream::connect(address);
            // The kernel lets them in; the runtime has not heard of them.
            let waiting = [connect().unwrap(), connect().unwrap(), connect().unwrap()];
            let admitted = acceptor.close();
            assert_eq!(admitted.len(), taken);
            let peers: Vec<_> = admitted.iter().map(|it| it.transport.peer()).collect();
            let expected: Vec<_> =
                waiting.iter().take(taken).map(|it| it.local_addr().ok()).collect();
            assert_eq!(peers, expected);
            assert!(connect().is_err(), "nobody listens any more");
        }
    }

    #[test]
    fn a_client_that_gave_up_is_no_reason_to_wait() {
        let aborted = io::Error::from(io::ErrorKind::ConnectionAborted);
        let mut backoff = AcceptBackoff::default();
        assert_eq!(backoff.failed(&aborted), None);
        assert!(!backoff.succeeded());
    }
}
