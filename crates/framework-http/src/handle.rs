use std::{
    convert::Infallible,
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use arc_swap::{ArcSwapOption, Cache};
use axum::{Router, body::Body, response::IntoResponse as _, routing::future::RouteFuture};
use http::{Request, Response};
use tokio::sync::watch;
use tower::Service;

use crate::{Problem, RouteEntry, ServeReport, StackFuture, StackService, Traffic};

/// The running server, for those who want to know where it listens, what it serves and how busy it
/// is, or to call it without a socket. [`HttpModule`](crate::HttpModule) provides it.
#[derive(Clone, Debug)]
pub struct HttpHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    router: Arc<ArcSwapOption<Served>>,
    routes: OnceLock<Vec<RouteEntry>>,
    bound: watch::Sender<Option<Bound>>,
    report: OnceLock<ServeReport>,
}

#[derive(Clone, Debug)]
struct Bound {
    address: SocketAddr,
    traffic: Traffic,
}

/// The routes of all modules with the stack around them.
type Served = StackService<Router>;

/// Whatever routes are in force when a request comes. Each connection has one of its own, with a
/// copy of the routes: counting who uses what all share would slow every processor down.
#[derive(Clone)]
pub(crate) struct LiveRouter {
    live: Cache<Arc<ArcSwapOption<Served>>, Option<Arc<Served>>>,
    copy: Option<RouterCopy>,
}

#[derive(Clone)]
struct RouterCopy {
    of: Arc<Served>,
    router: Served,
}

// ===== impl HttpHandle =====

impl HttpHandle {
    pub(crate) fn new() -> Self {
        let shared = Shared {
            router: Arc::new(ArcSwapOption::empty()),
            routes: OnceLock::new(),
            bound: watch::Sender::new(None),
            report: OnceLock::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The address that clients connect to, once the port is bound.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.bound.borrow().as_ref().map(|bound| bound.address)
    }

    /// Waits until the port is bound.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn bound(&self) -> SocketAddr {
        let mut changes = self.shared.bound.subscribe();
        match changes.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(bound)) => bound.address,
            // The sender lives as long as `self`, and the condition has been met.
            _ => std::future::pending().await,
        }
    }

    /// The counts of connections and requests, once the port is bound.
    #[must_use]
    pub fn traffic(&self) -> Option<Traffic> {
        self.shared.bound.borrow().as_ref().map(|bound| bound.traffic.clone())
    }

    /// Every route of every module, by path and method; empty until the server has started.
    #[must_use]
    pub fn routes(&self) -> &[RouteEntry] {
        self.shared.routes.get().map_or(&[], Vec::as_slice)
    }

    /// How the server ended, once it has.
    #[must_use]
    pub fn report(&self) -> Option<&ServeReport> {
        self.shared.report.get()
    }

    /// Passes `request` through everything that a request from a socket passes through, except
    /// the socket. Before the server has started and after it
    /// has ended, the answer is a 503.
    pub async fn call(&self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = self.service().call(request).await;
        response
    }

    pub(crate) fn service(&self) -> LiveRouter {
        LiveRouter { live: Cache::new(Arc::clone(&self.shared.router)), copy: None }
    }

    pub(crate) fn install(&self, served: Served, routes: Vec<RouteEntry>) {
        let _ = self.shared.routes.set(routes);
        self.shared.router.store(Some(Arc::new(served)));
    }

    /// Lets go of the routes, and so of what their modules provide.
    pub(crate) fn uninstall(&self) {
        self.shared.router.store(None);
    }

    pub(crate) fn set_bound(&self, address: SocketAddr, traffic: Traffic) {
        self.shared.bound.send_replace(Some(Bound { address, traffic }));
    }

    pub(crate) fn set_report(&self, report: ServeReport) {
        let _ = self.shared.report.set(report);
    }
}

// ===== impl LiveRouter =====

impl Service<Request<Body>> for LiveRouter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = StackFuture<RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(current) = self.live.load() else {
            self.copy = None;
            let problem = Problem::unavailable().detail("the server is not running");
            return StackFuture::answered(problem.into_response());
        };
        let copy = match &mut self.copy {
            Some(copy) if Arc::ptr_eq(&copy.of, current) => copy,
            old => old.insert(RouterCopy::new(current)),
        };
        // It is always ready.
        copy.router.call(request)
    }
}

impl RouterCopy {
    fn new(of: &Arc<Served>) -> Self {
        Self { of: Arc::clone(of), router: of.for_connection() }
    }
}

impl fmt::Debug for LiveRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveRouter").finish_non_exhaustive()
    }
}
