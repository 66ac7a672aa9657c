//! What every request passes through, in one pass: id, span, limits, metrics, problem documents.

use std::{sync::Arc, time::Duration};

use axum::Router;
use framework_core::LoadControl;
use http::{Method, Uri};
use tower::Layer as _;

mod body;
mod future;
mod head;
mod layer;
mod observer;
mod request_id;
mod routes;
mod service;
mod shedding;

pub use self::{
    body::BodyTooLarge,
    future::StackFuture,
    layer::StackLayer,
    observer::{RequestObserver, RequestRecord, RouteObserver},
    request_id::RequestId,
    service::StackService,
};

#[cfg(feature = "decompression")]
pub(crate) use self::body::{LimitedBody, Received};

use self::{routes::RouteNames, shedding::Shedding};
use crate::{Problem, routes::Priorities};

/// The default stack around a router.
///
/// In one pass, each request gets an id (`x-request-id`, taken over from the client if it is a
/// sane one, and echoed), a span (`request`, with `method`, `route` and `request_id`), a time
/// limit, and a limit on its body; a panic becomes a problem document, and so do an unknown path
/// and an unknown method. It boxes nothing.
///
/// # Examples
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use framework_http::Stack;
/// use http::Request;
/// use std::time::Duration;
/// use tower::ServiceExt as _;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let stack = Stack::new().request_timeout(Duration::from_secs(5));
/// let router = stack.apply(Router::new().route("/", get(async || "hello")));
/// let response = router.oneshot(Request::get("/nowhere").body(Body::empty()).unwrap()).await.unwrap();
/// assert_eq!(response.status(), 404);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Stack {
    limits: Limits,
    observer: Option<observer::SharedObserver>,
    shedding: Shedding,
}

/// How much time and room one request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    request_timeout: Duration,
    body_limit: u64,
}

impl Default for Stack {
    fn default() -> Self {
        let limits = Limits { request_timeout: Duration::from_secs(30), body_limit: 2 << 20 };
        Self { limits, observer: None, shedding: Shedding::default() }
    }
}

impl Stack {
    /// The stack with its defaults, and nobody to observe it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long a handler may take until its response begins; after that the client gets a
    /// 503. A body that is streamed may take longer. Defaults to 30 s.
    #[must_use]
    pub fn request_timeout(mut self, limit: Duration) -> Self {
        self.limits.request_timeout = limit;
        self
    }

    /// Sets how many bytes a request's body may have; more is a 413. A route can allow less with
    /// `axum::extract::DefaultBodyLimit`. Defaults to 2 MiB.
    #[must_use]
    pub fn body_limit(mut self, bytes: u64) -> Self {
        self.limits.body_limit = bytes;
        self
    }

    /// Tells `observer` of every request.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn RequestObserver>) -> Self {
        self.observer = Some(observer.into());
        self
    }

    /// Refuses requests with a 503 that says when to come again, as far as `load` says; `/livez` and
    /// the other probes excepted. Defaults to no limit.
    #[must_use]
    pub fn load(mut self, load: Arc<LoadControl>) -> Self {
        self.shedding = self.shedding.by(load);
        self
    }

    /// Tells apart which routes are refused first. Defaults to none.
    #[must_use]
    pub(crate) fn priorities(mut self, priorities: Priorities) -> Self {
        self.shedding = self.shedding.with(priorities);
        self
    }

    /// Wraps `router`. To be done once, after every route and middleware has been added.
    ///
    /// A fallback of the router's own is kept only by [`apply_keeping_fallback`].
    ///
    /// [`apply_keeping_fallback`]: Self::apply_keeping_fallback
    pub fn apply(self, router: Router) -> StackService<Router> {
        self.apply_keeping_fallback(router.fallback(not_found))
    }

    /// As [`apply`](Self::apply), for a router with a fallback of its own.
    pub fn apply_keeping_fallback(self, router: Router) -> StackService<Router> {
        // Around the router, not as a layer of it: a layer costs two boxes and three copies of
        // every route with each request. The price is that the route's template is looked up here.
        let names = RouteNames::of(&router);
        self.named(names).layer(router.method_not_allowed_fallback(method_not_allowed))
    }

    /// The stack as a layer, for services that are no routers.
    #[must_use]
    pub fn layer(self) -> StackLayer {
        self.named(RouteNames::default())
    }

    fn named(self, names: RouteNames) -> StackLayer {
        StackLayer::new(self, names)
    }
}

async fn not_found(uri: Uri) -> Problem {
    Problem::not_found().detail(format!("nothing is served at `{}`", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not take `{method}`", uri.path());
    Problem::new(http::StatusCode::METHOD_NOT_ALLOWED).detail(detail)
}
