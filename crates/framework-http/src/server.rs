//! The accept loop: connections in, each with its limits, and an orderly end.

use std::{convert::Infallible, future, net::SocketAddr, time::Duration};

use axum::body::Body;
use http::{Request, Response};
use tokio::{
    net::TcpStream,
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::drain::{DrainMachine, DrainSignal, DrainStage, DrainTimes};

mod accept;
mod body;
mod connection;
mod error;
mod executor;
mod io;
mod service;
mod settings;
mod state;
mod traffic;

pub use self::{
    accept::AcceptBackoff,
    error::BindError,
    settings::ServerSettings,
    traffic::{CutRequest, Traffic},
};

use self::{
    accept::{Acceptor, Admitted},
    connection::Connection,
};

/// How long tasks that were told to end may take to do so before they are aborted.
const ABORT_AFTER: Duration = Duration::from_millis(250);

/// An HTTP/1 and HTTP/2 server over TCP, bound and not yet serving.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use framework_http::{Server, drain};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), framework_http::BindError> {
/// let server = Server::bind("127.0.0.1:0").await?;
/// assert_ne!(server.local_addr().port(), 0);
///
/// let (control, signal) = drain();
/// control.stop_within(Duration::from_secs(20)); // usually by a signal, later
/// let router = Router::new().route("/", get(async || "hello"));
/// let report = server.serve(router, signal).await;
/// assert!(report.cut.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    acceptor: Acceptor,
    address: SocketAddr,
    settings: ServerSettings,
    traffic: Traffic,
}

/// How a server ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeReport {
    /// The requests that were still in flight at the deadline.
    pub cut: Vec<CutRequest>,
    /// How many connections were still open at the deadline, idle ones included.
    pub cut_connections: usize,
}

// ===== impl Server =====

impl Server {
    /// Binds `address`, as `127.0.0.1:8080` or `localhost:8080`; port 0 picks a free one.
    ///
    /// # Errors
    ///
    /// Returns an error if the address does not resolve, is in use, or cannot be bound.
    pub async fn bind(address: &str) -> Result<Self, BindError> {
        Ok(Self::new(Acceptor::bind(address).await?))
    }

    /// Serves on a socket that is already bound and listening, such as one handed over by a parent
    /// process. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// Returns an error if the socket cannot be used without blocking, or has no address.
    pub fn on(listener: std::net::TcpListener) -> Result<Self, BindError> {
        Ok(Self::new(Acceptor::adopt(listener)?))
    }

    fn new(acceptor: Acceptor) -> Self {
        let (address, settings) = (acceptor.local_addr(), ServerSettings::default());
        Self { acceptor, address, settings, traffic: Traffic::new() }
    }

    /// Sets how connections are treated. Defaults to [`ServerSettings::default`].
    #[must_use]
    pub fn settings(mut self, settings: ServerSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The address that clients connect to, with the port that was picked.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The counts of connections and requests, to be read while the server runs.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }

    /// Serves until `signal` says to stop and everything in flight has been answered or cut off.
    ///
    /// Each connection gets a clone of `service`. Dropping the future closes every connection.
    pub async fn serve<S, B>(self, service: S, signal: DrainSignal) -> ServeReport
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let Self { acceptor, settings, traffic, .. } = self;
        let mut machine = DrainMachine::new(DrainTimes::default());
        if settings.shared_listener {
            machine = machine.shared_backlog();
        }
        let accepting = Accepting {
            acceptor: Some(acceptor.limit(settings.max_connections)),
            machine,
            signal,
            traffic,
            connections: JoinSet::new(),
            streams: TaskTracker::new(),
        };
        let open = |admitted: Admitted, traffic: &Traffic, streams: &TaskTracker| {
            Connection::new(admitted, settings, traffic, streams.clone()).serve(service.clone())
        };
        accepting.run(open).await
    }
}

/// A server at work.
struct Accepting {
    // `None` once the listener is closed.
    acceptor: Option<Acceptor>,
    machine: DrainMachine,
    signal: DrainSignal,
    traffic: Traffic,
    connections: JoinSet<()>,
    streams: TaskTracker,
}

impl Accepting {
    async fn run<F>(mut self, open: impl Fn(Admitted, &Traffic, &TaskTracker) -> F) -> ServeReport
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut closings = self.traffic.watch_closings();
        self.take_pending_order();
        while self.machine.stage() < DrainStage::Force {
            let stage = self.machine.stage();
            if stage >= DrainStage::Drain {
                self.acceptor = None;
            }
            tokio::select! {
                biased;
                order = self.signal.changed() => self.machine.order(order, Instant::now()),
                () = wait_until(self.machine.wake_at()) => {}
                Some(ended) = self.connections.join_next() => report_panic(ended),
                _ = closings.changed(), if stage >= DrainStage::Drain => {}
                admitted = accept(&mut self.acceptor) => {
                    self.machine.accepted(Instant::now());
                    let connection = open(admitted, &self.traffic, &self.streams);
                    self.connections.spawn(connection);
                }
            }
            self.machine.tick(self.traffic.open_connections(), Instant::now());
            self.announce(stage);
        }
        self.finish().await
    }

    // An order that was given before the server ran is in the signal, and not a change of it.
    fn take_pending_order(&mut self) {
        let before = self.machine.stage();
        self.machine.order(self.signal.order(), Instant::now());
        self.announce(before);
    }

    fn announce(&self, before: DrainStage) {
        let stage = self.machine.stage();
        if stage == before {
            return;
        }
        self.traffic.enter(stage);
        let (connections, requests) =
            (self.traffic.open_connections(), self.traffic.requests_in_flight());
        tracing::info!(?stage, connections, requests, "the http server moves on");
    }

    async fn finish(mut self) -> ServeReport {
        // Counted before the cut: the tasks that end count themselves out.
        let cut_connections = self.traffic.open_connections();
        self.traffic.enter(self.machine.stage());
        self.streams.close();
        let ended = timeout(ABORT_AFTER, async {
            while let Some(ended) = self.connections.join_next().await {
                report_panic(ended);
            }
            self.streams.wait().await;
        });
        if ended.await.is_err() {
            self.connections.shutdown().await;
        }
        self.traffic.enter(DrainStage::Closed);
        ServeReport { cut: self.traffic.take_cut(), cut_connections }
    }
}

/// Whoever drops a server that serves cuts everything off, and should find it in the log.
impl Drop for Accepting {
    fn drop(&mut self) {
        if self.traffic.stage() < DrainStage::Force {
            self.traffic.enter(DrainStage::Force);
        }
    }
}

async fn accept(acceptor: &mut Option<Acceptor>) -> Admitted {
    match acceptor {
        Some(acceptor) => acceptor.accept().await,
        None => future::pending().await,
    }
}

async fn wait_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => future::pending().await,
    }
}

fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection panicked");
    }
}

/// Sends small responses at once: the server writes whole messages.
fn set_nodelay(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
}
