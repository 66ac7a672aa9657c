//! The accept loop: connections in, each with its limits, and an orderly end.

use std::{
    convert::Infallible,
    future,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::body::Body;
use framework_core::{LoadControl, SocketSource, is_planted};
use http::{Request, Response};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::task::TaskTracker;
use tower::Service;

#[cfg(feature = "tls")]
use crate::Certificates;
use crate::drain::{DrainMachine, DrainOrder, DrainSignal, DrainStage, DrainTimes};

mod accept;
mod body;
mod connection;
mod error;
mod establish;
mod executor;
mod io;
mod listener;
mod progress;
mod protocol;
mod proxy;
mod service;
mod settings;
mod sockets;
mod state;
mod traffic;
mod transport;

pub use self::{
    accept::AcceptBackoff,
    error::BindError,
    listener::ListenAddr,
    progress::BodyTooSlow,
    settings::ServerSettings,
    traffic::{CutRequest, Traffic},
};

pub(crate) use self::state::ConnectionState;

use self::{
    accept::{Acceptor, Admitted},
    connection::{Connection, Setting},
    listener::Listener,
    sockets::{Held, Lending},
};

/// How long tasks that were told to end may take to do so before they are aborted.
const ABORT_AFTER: Duration = Duration::from_millis(250);

/// How long a drain lasts that has no end.
const FOR_EVER: Duration = Duration::from_hours(24);

/// An HTTP/1 and HTTP/2 server over TCP and Unix sockets, bound and not yet serving.
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
    held: Held,
    addresses: Vec<ListenAddr>,
    settings: ServerSettings,
    traffic: Traffic,
    #[cfg(feature = "tls")]
    tls: Option<Certificates>,
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
    /// Binds `address`, as `127.0.0.1:8080` or `localhost:8080`; port 0 picks a free one. After
    /// `unix:` comes the path of a Unix socket; a file there that nobody listens on is replaced, and
    /// the file is removed when the server stops listening.
    ///
    /// # Errors
    ///
    /// Returns an error if the address does not resolve, is in use, or cannot be bound.
    pub async fn bind(address: &str) -> Result<Self, BindError> {
        Self::open(address, address, None).await
    }

    /// As [`bind`](Self::bind), and takes the socket from `source` if that has one called `name`,
    /// or one for `address`.
    /// While the server drains, what waits at such a socket is left to whoever else accepts there.
    ///
    /// # Errors
    ///
    /// Returns an error if the source fails, or the address cannot be bound.
    pub async fn open(
        name: &str,
        address: &str,
        source: Option<&Arc<dyn SocketSource>>,
    ) -> Result<Self, BindError> {
        let mut held = Held::default();
        let listener = held.open(name, address, source).await?;
        Ok(Self { held, ..Self::new(listener)? })
    }

    /// Serves on a socket that is already bound and listening, such as one handed over by a parent
    /// process. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// Returns an error if the socket cannot be used without blocking, or has no address.
    pub fn on(listener: std::net::TcpListener) -> Result<Self, BindError> {
        Self::new(Listener::adopt(listener)?)
    }

    /// Listens on another address as well, as [`bind`](Self::bind) does.
    ///
    /// # Errors
    ///
    /// Returns an error if the address does not resolve, is in use, or cannot be bound.
    pub async fn also_bind(self, address: &str) -> Result<Self, BindError> {
        self.also_open(address, address, None).await
    }

    /// Listens on another address as well, as [`open`](Self::open) does.
    ///
    /// # Errors
    ///
    /// Returns an error if the source fails, or the address cannot be bound.
    pub async fn also_open(
        mut self,
        name: &str,
        address: &str,
        source: Option<&Arc<dyn SocketSource>>,
    ) -> Result<Self, BindError> {
        let listener = self.held.open(name, address, source).await?;
        self.acceptor.add(listener);
        self.addresses = self.acceptor.addresses()?;
        Ok(self)
    }

    fn new(listener: Listener) -> Result<Self, BindError> {
        let acceptor = Acceptor::new(listener);
        let (addresses, settings) = (acceptor.addresses()?, ServerSettings::default());
        Ok(Self {
            acceptor,
            held: Held::default(),
            addresses,
            settings,
            traffic: Traffic::new(),
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// Sets how connections are treated. Defaults to [`ServerSettings::default`].
    #[must_use]
    pub fn settings(mut self, settings: ServerSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Goes by what `load` says: where the process is short of memory, unused connections are closed
    /// sooner, and the others end with their next response. Defaults to no limit.
    #[must_use]
    pub fn load(self, load: Arc<LoadControl>) -> Self {
        self.traffic.limited_by(load);
        self
    }

    /// Speaks TLS on every address, with these certificates, which are looked at again while the
    /// server runs. Defaults to plain text.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, certificates: Certificates) -> Self {
        self.tls = Some(certificates);
        self
    }

    /// The first TCP address that clients connect to, with the port that was picked; for a server
    /// that has only Unix sockets, `0.0.0.0:0`.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        let first = self.addresses.iter().find_map(ListenAddr::tcp);
        first.unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into())
    }

    /// All addresses that clients connect to, in the order in which they were bound.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddr] {
        &self.addresses
    }

    /// Lets connections come in, where a socket was bound and no more; they wait until the server
    /// serves. [`serve`](Self::serve) does it too.
    ///
    /// # Errors
    ///
    /// Returns an error if a socket that was handed over cannot listen.
    pub fn listen(&mut self) -> Result<(), BindError> {
        self.acceptor.listen().map_err(|source| BindError::Adopt { source })
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
        let (setting, watching) = self.setting();
        let setting = Arc::new(setting);
        let Self { mut acceptor, held, settings, traffic, .. } = self;
        if let Err(error) = acceptor.listen() {
            tracing::error!(%error, "cannot listen on a socket that was handed over");
        }
        let mut machine = DrainMachine::new(DrainTimes::default());
        let shared_backlog = settings.shared_listener || held.is_shared();
        if shared_backlog {
            machine = machine.shared_backlog();
        }
        let accepting = Accepting {
            acceptor: Some(acceptor.limit(settings.max_connections)),
            lending: held.lending(),
            machine,
            signal,
            shared_backlog,
            traffic,
            connections: JoinSet::new(),
            streams: TaskTracker::new(),
        };
        let open = |admitted: Admitted, traffic: &Traffic, streams: &TaskTracker| {
            Connection::new(admitted, &setting, traffic, streams.clone())
                .serve(service.clone(), Arc::clone(&setting))
        };
        tokio::select! {
            report = accepting.run(open) => report,
            never = watching => match never {},
        }
    }

    /// What URLs of this server begin with: `http`, or `https`.
    #[cfg(feature = "tls")]
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "it is called as the one that looks")]
    pub(crate) fn scheme(&self) -> &'static str {
        "http"
    }

    /// What connections have in common, and what keeps it up to date.
    #[cfg(feature = "tls")]
    fn setting(&self) -> (Setting, impl Future<Output = Infallible> + use<>) {
        let tls = self.tls.as_ref().map(Certificates::acceptor);
        let certificates = self.tls.clone();
        let watching = async {
            match certificates {
                Some(certificates) => certificates.watch().await,
                None => future::pending().await,
            }
        };
        (Setting { tls, ..Setting::new(self.settings) }, watching)
    }

    #[cfg(not(feature = "tls"))]
    fn setting(&self) -> (Setting, impl Future<Output = Infallible> + use<>) {
        (Setting::new(self.settings), future::pending())
    }
}

/// A server at work.
struct Accepting {
    // `None` once the listener is closed.
    acceptor: Option<Acceptor>,
    lending: Lending,
    machine: DrainMachine,
    signal: DrainSignal,
    shared_backlog: bool,
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
            tokio::select! {
                biased;
                order = self.signal.changed() => self.obey(order),
                () = wait_until(self.machine.wake_at()) => {}
                Some(ended) = self.connections.join_next() => report_panic(ended),
                _ = closings.changed(), if stage >= DrainStage::Drain => {}
                change = self.lending.next() => sockets::apply(change, self.acceptor.as_mut()),
                admitted = accept(&mut self.acceptor) => {
                    self.machine.accepted(Instant::now());
                    let connection = open(admitted, &self.traffic, &self.streams);
                    self.connections.spawn(connection);
                }
            }
            self.machine.tick(self.open(), Instant::now());
            if self.machine.stage() == DrainStage::Drain {
                self.close_listener(&open);
                self.machine.tick(self.open(), Instant::now());
            }
            self.announce(stage);
        }
        self.finish().await
    }

    /// How many connections are open, the one of whoever may wait to be accepted included, and
    /// what still goes on for those that have become something else.
    fn open(&self) -> usize {
        let traffic = &self.traffic;
        let open = traffic.open_connections() + traffic.upgraded_tasks();
        open + usize::from(self.acceptor.is_some())
    }

    fn close_listener<F>(&mut self, open: impl Fn(Admitted, &Traffic, &TaskTracker) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(acceptor) = self.acceptor.take() else { return };
        if self.shared_backlog {
            return;
        }
        for admitted in acceptor.close() {
            self.connections.spawn(open(admitted, &self.traffic, &self.streams));
        }
    }

    // An order that was given before the server ran is in the signal, and not a change of it.
    fn take_pending_order(&mut self) {
        let before = self.machine.stage();
        self.obey(self.signal.order());
        self.announce(before);
    }

    fn obey(&mut self, order: DrainOrder) {
        let now = Instant::now();
        let order = match order {
            DrainOrder::Stop { .. } if is_planted("unbounded-drain") => {
                DrainOrder::Stop { deadline: now + FOR_EVER }
            }
            order => order,
        };
        self.machine.order(order, now);
    }

    fn announce(&self, before: DrainStage) {
        let stage = self.machine.stage();
        if stage == before {
            return;
        }
        self.traffic.enter(stage);
        let traffic = &self.traffic;
        tracing::info!(
            ?stage,
            connections = traffic.open_connections(),
            requests = traffic.requests_in_flight(),
            upgraded = traffic.upgraded_connections(),
            "the http server moves on"
        );
    }

    async fn finish(mut self) -> ServeReport {
        // Counted before the cut: the tasks that end count themselves out.
        let cut_connections = self.traffic.open_connections();
        let mut closings = self.traffic.watch_closings();
        self.traffic.enter(self.machine.stage());
        self.streams.close();
        let ended = timeout(ABORT_AFTER, async {
            while let Some(ended) = self.connections.join_next().await {
                report_panic(ended);
            }
            self.streams.wait().await;
            // What has become something else lives in tasks of its own.
            while self.traffic.is_at_work() && closings.changed().await.is_ok() {}
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
